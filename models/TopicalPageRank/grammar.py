"""Candidate phrases: a grammar over part-of-speech tags, such as `NP: {<ADJ>*<NOUN|PROPN>+}`.

The notation is that of NLTK's RegexpParser, of which one label with one or more `{...}` rules is
understood: tags in angle brackets (inside them `|`, `.`, `*`, `+`, `?` and character classes as in
regular expressions), and outside them groups and `|`, `*`, `+`, `?`, `{n,m}`. A rule matches the
leftmost, longest runs of tags in a sentence; a later rule matches only what earlier ones left.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from models.errors import shorten
from models.TopicalPageRank.tag_patterns import Budget, PatternError, TagPattern

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_GRAMMAR_CHARS = 1000
STEPS = 20_000_000
"""The most steps for the phrases of one text: some seconds, which only malice needs."""
_LABEL = re.compile(r"\s*([A-Z]\w*)\s*:", re.ASCII)
_RULE = re.compile(r"\{((?:[^{}]|\{\d*,?\d*\})+)\}")
_TAG = re.compile(r"<([^<>]+)>")
_OPERATORS = re.compile(r"(?:[()|*+?]|\{\d+(?:,\d*)?\}|\{,\d+\}|\(\?:)*")
_INSIDE = re.compile(r"[\w|.*+?\[\]^$-]+")


class GrammarError(ValueError):
    """A grammar this module cannot read."""


class Grammar:
    """A compiled grammar; immutable."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_GRAMMAR_CHARS:
            raise GrammarError(f"is longer than {MAX_GRAMMAR_CHARS} characters")
        label = _LABEL.match(text)
        if not label:
            raise GrammarError(f"{shorten(text)} does not begin with a label such as NP:")
        body = "\n".join(line.partition("#")[0] for line in text[label.end() :].splitlines())
        rest = _RULE.sub(" ", body).strip()
        if rest:
            raise GrammarError(f"{shorten(text)} holds {shorten(rest)}: only {{...}} rules work")
        self._rules = [_compile(rule) for rule in _RULE.findall(body)]
        if not self._rules:
            raise GrammarError(f"{shorten(text)} has no rule in braces")

    def spans(self, tags: Sequence[str], budget: Budget | None = None) -> list[tuple[int, int]]:
        """The phrases of a sentence with these tags: half-open ranges of token positions.

        Raises TooManySteps where `budget` does not suffice; it is shared by all sentences.
        """
        budget = budget if budget is not None else Budget(STEPS)
        found: list[tuple[int, int]] = []
        for rule in self._rules:
            found += [
                span
                for start, end in _gaps(sorted(found), len(tags))
                for span in rule.spans(tags, start, end, budget)
            ]
        return sorted(found)


def _gaps(taken: Sequence[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """The parts of a sentence that no earlier rule has taken."""
    firsts = [0, *(end for _, end in taken)]
    return list(zip(firsts, [*(start for start, _ in taken), length], strict=True))


def _compile(rule: str) -> TagPattern:
    """Compile what is inside the braces of one rule."""
    compact = "".join(rule.split())
    pieces = _TAG.split(compact)  # between tags, tag, between tags, tag, ...
    for between in pieces[::2]:
        if not _OPERATORS.fullmatch(between):
            raise GrammarError(f"has {shorten(between)} outside a tag in {shorten(rule)}")
    for tag in pieces[1::2]:
        if not _INSIDE.fullmatch(tag):
            raise GrammarError(f"has an unreadable tag {shorten(tag)} in {shorten(rule)}")
    try:
        compiled = TagPattern(compact)
    except PatternError as error:
        raise GrammarError(
            f"has a rule {shorten(rule)} that cannot be compiled: it {error}"
        ) from error
    except RecursionError as error:
        raise GrammarError(f"has a rule {shorten(rule)} that is nested too deeply") from error
    if compiled.matches_nothing:
        raise GrammarError(f"has a rule {shorten(rule)} that matches nothing at all")
    return compiled
