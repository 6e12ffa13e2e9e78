"""The most probable tags of a sentence: Viterbi's algorithm over pairs of tags.

A state is the last two tags. Only the best states of each word are followed. Of equally good ways
the first in the library's order is kept, so that the tags are the library's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.language.hanta.analysis import threshold

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.language.hanta.model import Transitions
    from models.language.hanta.words import Candidates

FOLLOWED_STATES = 5


def best_tags(transitions: Transitions, words: Iterable[Candidates]) -> list[int]:
    """The tags of the words of one sentence.

    Unlike the library, this also tags a sentence of thousands of improbable words: the library
    rejects log probabilities below -1e6.
    """
    count, log_probs, places = transitions.tag_count, transitions.log_probs, transitions.places
    # For the present word: state -> log probability of the best way to it. For each word so far:
    # state -> the state before it on that way.
    row: dict[int, float] = {}
    ways: list[dict[int, int]] = []
    for candidates in words:
        if not ways:
            row, way = _first_word(transitions, candidates)
        elif len(row) == 1 and len(candidates) == 1:
            (before,), ((tag, log_prob),) = row, candidates
            state = before % count * count + tag
            row = {state: row[before] + log_probs[places[before] + tag] + log_prob}
            way = {state: before}
        else:
            row, way = _next_word(transitions, row, candidates)
        ways.append(way)
    if not ways:
        return []
    # max gives the first of equals.
    state = max(row, key=lambda state: row[state] + log_probs[places[state] + count])
    tags = []
    for way in reversed(ways):
        tags.append(state % count)
        state = way[state]
    return tags[::-1]


def _first_word(
    transitions: Transitions, candidates: Candidates
) -> tuple[dict[int, float], dict[int, int]]:
    start, place = transitions.tag_count**2, transitions.start_place
    row = {
        start + tag: transitions.log_probs[place + tag] + log_prob for tag, log_prob in candidates
    }
    return row, dict.fromkeys(row, -1)


def _next_word(
    transitions: Transitions, previous: dict[int, float], candidates: Candidates
) -> tuple[dict[int, float], dict[int, int]]:
    """The states after one more word, and the state before each on the best way to it."""
    count, log_probs, places = transitions.tag_count, transitions.log_probs, transitions.places
    bound = threshold(previous.values(), FOLLOWED_STATES)
    row: dict[int, float] = {}
    way: dict[int, int] = {}
    for before, before_log_prob in previous.items():
        if before_log_prob < bound:
            continue
        place = places[before]
        base = before % count * count
        for tag, word_log_prob in candidates:
            reached = before_log_prob + log_probs[place + tag] + word_log_prob
            state = base + tag
            if state not in row or reached > row[state]:
                row[state] = reached
                way[state] = before
    return row, way
