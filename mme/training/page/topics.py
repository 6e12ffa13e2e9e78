"""Topics: the words each is about, and how many titles it leads."""

from __future__ import annotations

from mme.training.page.markup import figure, figures, folded, paragraph, table
from mme.training.page.values import entries, in_figures, in_percent, member, number, plural, text
from mme.training.plots.bars import Bar, bars

KEYS = ("topic_words", "titles_without_topic", "perplexity")
DRAWN, DRAWN_WORDS = 12, 6


def topics(facts: object) -> str:
    """What was learnt of topics; nothing if the facts tell of none."""
    told = [topic for topic in entries(member(facts, "topic_words")) if _words(topic)]
    if not told:
        return ""
    leads = [
        Bar(_name(topic), size or 0, in_figures(size))
        for topic in told
        for size in [number(member(topic, "titles_led"))]
    ]
    title = "Titles each topic leads"
    caption = "A topic leads a title if it has the largest share of it."
    by_lead = figure(title, bars(title, leads), caption)
    more = len(told) - DRAWN
    return "\n".join(
        [
            _sentences(facts, told),
            figures([by_lead, *map(_topic, told[:DRAWN])]),
            paragraph(f"{plural(more, 'further topic')} in the table below.") if more > 0 else "",
            folded("All topics and their words", _table(told)),
        ]
    )


def _sentences(facts: object, told: list[object]) -> str:
    sizes = [number(member(topic, "titles_led")) or 0 for topic in told]
    leading = sum(size > 0 for size in sizes)
    without = number(member(facts, "titles_without_topic"))
    return paragraph(
        f"The titles fall into {plural(member(facts, 'topics'), 'topic')},"
        f" learnt from {plural(member(facts, 'titles_trained_on'), 'title')}"
        f" with {plural(member(facts, 'vocabulary_words'), 'different word')}.",
        f"The largest leads {plural(max(sizes), 'title')}, the smallest"
        f" {in_figures(min(sizes))}." if leading == len(sizes) else
        f"Of the {len(sizes)} told of here, {len(sizes) - leading} lead no title:"
        " fewer topics would do.",
        f"{plural(without, 'title has', 'titles have')} no word that is counted, and so no topic."
        if without else "",
        _perplexity(facts),
    )  # fmt: skip


def _perplexity(facts: object) -> str:
    bound, words = number(member(facts, "perplexity")), number(member(facts, "vocabulary_words"))
    if not bound:
        return ""
    told = f"Training bounds the perplexity of the titles by {in_figures(bound, 1)}"
    if words and bound >= words:
        return (
            f"{told}, which is no less than the {in_figures(words)} words there are: on titles so"
            " few or so short the topics do not show that they predict words better than guessing."
        )
    return (
        f"{told}: with its topics known, a word of a title is as hard to guess as one of at most"
        " so many equally likely ones."
    )


def _topic(topic: object) -> str:
    words = [Bar(word, weight, in_percent(weight)) for word, weight in _words(topic)[:DRAWN_WORDS]]
    title = f"{_name(topic)}: leads {_titles(topic)}"
    return figure(title, bars(f"Words of {_name(topic)}", words))


def _table(told: list[object]) -> str:
    rows = [
        (
            text(member(topic, "topic"), 20),
            member(topic, "titles_led"),
            ", ".join(f"{word} {in_percent(weight)}" for word, weight in _words(topic)),
        )
        for topic in told
    ]
    return table(("topic", "titles led", "words and their probability"), rows)


def _name(topic: object) -> str:
    return f"Topic {text(member(topic, 'topic'), 20)}"


def _titles(topic: object) -> str:
    return plural(member(topic, "titles_led"), "title")


def _words(topic: object) -> list[tuple[str, float]]:
    pairs = [entries(pair) for pair in entries(member(topic, "words"))[:20]]
    return [(text(pair[0], 60), number(pair[1]) or 0) for pair in pairs if len(pair) > 1]
