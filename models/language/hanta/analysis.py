"""The tags an unknown word may have: compares all ways to build it of morphemes, left to right.

A state is the tags of the last two morphemes. Of the states at one place in the word only the best
few are followed further.
"""

from __future__ import annotations

from math import exp, log, log1p
from typing import TYPE_CHECKING

from models.language.hanta.guesses import first_part, shortest_guess

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from models.language.hanta.model import Grammar, HantaModel, Morphemes

    Found = dict[int, list[tuple[int, float]]]
    """Tag -> (end, log probability) of morphemes from one place on."""

FOLLOWED_STATES = 3
MARGIN = 1
IMPOSSIBLE = float("-inf")
LOG_2 = log(2)


def threshold(log_probs: Collection[float], followed: int) -> float:
    """The least log probability that is followed: MARGIN below that after the best `followed`."""
    if len(log_probs) <= followed:
        return IMPOSSIBLE
    return sorted(log_probs, reverse=True)[followed] - MARGIN


def analyse(model: HantaModel, form: str) -> dict[int, float]:
    """Log probabilities of a word, in lower case, together with each tag it may have.

    The time grows with the square of its length.
    """
    length, shortest = len(form), shortest_guess(len(form))
    guessed = model.guesser.guess(form)
    morpheme_of = model.grammar.morphemes
    # For each place the states there, and the log probability of the best way to each.
    table: list[dict[int, float]] = [{} for _ in range(length + 1)]
    table[0][0] = 0.0
    for start in range(length):
        row = table[start]
        if not row:
            continue
        known = _known(model.morphemes, form, start)
        guess_end = start + shortest
        # Guesses are not shorter than this, so none is possible near the word's end.
        guessable = len(guessed) if guess_end <= length else 0
        first = first_part(length, start)
        _take_known(known, guessed, first, guess_end)
        rows = table[guess_end:]
        for state, log_prob in _followers(model.grammar, row, known, guessable).items():
            tag = morpheme_of[state]
            if tag < guessable:
                guesses = guessed[tag][first + guess_end : first + length + 1]
                for later, morpheme_log_prob in zip(rows, guesses, strict=True):
                    reached = log_prob + morpheme_log_prob
                    if reached > later.get(state, IMPOSSIBLE):
                        later[state] = reached
            for end, morpheme_log_prob in known.get(tag, ()):
                if end < guess_end or tag >= guessable:
                    later, reached = table[end], log_prob + morpheme_log_prob
                    if reached > later.get(state, IMPOSSIBLE):
                        later[state] = reached
    return tags_of_states(model.grammar, table[-1], len(model.tags))


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


def _take_known(known: Found, guessed: list[list[float]], first: int, guess_end: int) -> None:
    """Replace the guess wherever a morpheme is known with that tag."""
    for tag, entries in known.items():
        if tag < len(guessed):
            for end, log_prob in entries:
                if end >= guess_end:
                    guessed[tag][first + end] = log_prob


def _followers(
    grammar: Grammar, row: Mapping[int, float], known: Found, guessable: int
) -> dict[int, float]:
    """The states that can follow the best of a row, each with the log probability of the best way.

    A state can follow if a morpheme of its tag is known here, or can be guessed: its tag is below
    `guessable`. The morpheme's own log probability is added later: it is the same for all ways to a
    state, so it does not change which is best.
    """
    edges = grammar.edges
    bound = threshold(row.values(), FOLLOWED_STATES)
    best: dict[int, float] = {}
    for state, log_prob in row.items():
        if log_prob < bound:
            continue
        for following, tag, edge_log_prob in edges[state]:
            if tag < guessable or tag in known:
                reached = log_prob + edge_log_prob
                if following not in best or reached > best[following]:
                    best[following] = reached
    return best


def tags_of_states(grammar: Grammar, row: Mapping[int, float], tag_count: int) -> dict[int, float]:
    """Tag -> log probability of words that end in the states of a row.

    For each last morpheme the best way counts. The probabilities of different last morphemes are
    added up, in the order of the row.
    """
    best: dict[int, float] = {}
    for state, log_prob in row.items():
        morpheme = grammar.morphemes[state] * tag_count
        for tag, exit_log_prob in grammar.exits[state]:
            reached = log_prob + exit_log_prob
            key = morpheme + tag
            if key not in best or reached > best[key]:
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
