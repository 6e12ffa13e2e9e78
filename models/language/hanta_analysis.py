"""What an unknown word may be: all ways to make it of morphemes compete, from left to right.

A state is the tags of the last two morphemes. Where many states meet in one place of the word, only
the best few are followed further.
"""

from __future__ import annotations

from math import exp, log, log1p
from typing import TYPE_CHECKING

from models.language.hanta_guesses import first_part, shortest_guess

if TYPE_CHECKING:
    from collections.abc import Collection

    from models.language.hanta_model import Grammar, HantaModel, Morphemes

    Found = dict[int, list[tuple[int, float]]]
    """Tag -> (end, log probability) of morphemes from one place on."""

FOLLOWED_STATES = 3
MARGIN = 1
IMPOSSIBLE = float("-inf")
LOG_2 = log(2)


def threshold(log_probs: Collection[float], followed: int) -> float:
    """What a state must reach to be followed: close to the one after the best `followed`."""
    if len(log_probs) <= followed:
        return IMPOSSIBLE
    return sorted(log_probs, reverse=True)[followed] - MARGIN


def analyse(model: HantaModel, form: str) -> dict[int, float]:
    """Log probabilities of a word, in lower case, together with each tag it may have.

    The time grows with the square of its length.
    """
    length, shortest = len(form), shortest_guess(len(form))
    guessed = model.guesser.guess(form)
    # For each place the states there, and the log probability of the best way to each.
    table: list[dict[int, float]] = [{} for _ in range(length + 1)]
    table[0][0] = 0.0
    for start in range(length):
        if not table[start]:
            continue
        first = first_part(length, start)
        known = _known(model.morphemes, form, start)
        _take_known(known, guessed, first, start + shortest)
        for state, log_prob in _followers(model, table[start], known).items():
            tag = model.grammar.morphemes[state]
            for end, morpheme_log_prob in known.get(tag, ()):
                reached = log_prob + morpheme_log_prob
                if reached > table[end].get(state, IMPOSSIBLE):
                    table[end][state] = reached
            if tag < len(guessed) and start + shortest <= length:
                log_probs = guessed[tag][first + start + shortest : first + length + 1]
                for row, morpheme_log_prob in zip(
                    table[start + shortest :], log_probs, strict=True
                ):
                    reached = log_prob + morpheme_log_prob
                    if reached > row.get(state, IMPOSSIBLE):
                        row[state] = reached
    return _tags(model.grammar, table[-1], len(model.tags))


def _known(morphemes: Morphemes, form: str, start: int) -> Found:
    firsts, tags, log_probs = morphemes.firsts, morphemes.tags, morphemes.log_probs
    found: Found = {}
    for end, row in morphemes.tree.beginnings(form, start):
        for entry in range(firsts[row], firsts[row + 1]):
            tag = tags[entry]
            if tag in found:
                found[tag].append((end, log_probs[entry]))
            else:
                found[tag] = [(end, log_probs[entry])]
    return found


def _take_known(known: Found, guessed: list[list[float]], first: int, shortest_end: int) -> None:
    """Where a morpheme is known with an open tag, that is no guess."""
    for tag in known:
        if tag < len(guessed):
            for end, log_prob in known[tag]:
                if end >= shortest_end:
                    guessed[tag][first + end] = log_prob


def _followers(model: HantaModel, row: dict[int, float], known: Found) -> dict[int, float]:
    """States that follow the best of a row by a morpheme of a tag there is: the best way to each.

    Adding the same number to two leaves the greater one the greater, so the best way to a state
    can be chosen before the morpheme's own log probability is added.
    """
    grammar, open_count = model.grammar, model.guesser.open_count
    firsts, tags = grammar.firsts, grammar.edge_tags
    states, log_probs = grammar.edge_states, grammar.edge_log_probs
    bound = threshold(row.values(), FOLLOWED_STATES)
    best: dict[int, float] = {}
    for state, log_prob in row.items():
        if log_prob < bound:
            continue
        first = firsts[state]
        for edge, tag in enumerate(tags[first : firsts[state + 1]], first):
            if tag < open_count or tag in known:
                reached = log_prob + log_probs[edge]
                following = states[edge]
                if reached > best.get(following, IMPOSSIBLE):
                    best[following] = reached
    return best


def _tags(grammar: Grammar, row: dict[int, float], tag_count: int) -> dict[int, float]:
    """Tag -> log probability of words that end in the states of a row.

    The best way counts for each last morpheme; those of different last morphemes are added up.
    """
    best: dict[int, float] = {}
    for state, log_prob in row.items():
        for way in range(grammar.exit_firsts[state], grammar.exit_firsts[state + 1]):
            reached = log_prob + grammar.exit_log_probs[way]
            key = grammar.morphemes[state] * tag_count + grammar.exit_tags[way]
            if reached > best.get(key, IMPOSSIBLE):
                best[key] = reached
    found: dict[int, float] = {}
    for key, reached in best.items():
        tag = key % tag_count
        found[tag] = _log_of_sum(found[tag], reached) if tag in found else reached
    return found


def _log_of_sum(one: float, other: float) -> float:
    """log(exp(one) + exp(other)), as `numpy.logaddexp` computes it."""
    if one == other:
        return one + LOG_2
    return max(one, other) + log1p(exp(-abs(one - other)))
