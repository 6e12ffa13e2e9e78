"""Which of many terms stand in a text, word for word, in time that grows with the text alone.

All terms are followed at once (Aho and Corasick 1975), as beginnings of terms that end at the
present word. What words are, and what a term stands for, is for `taxonomy` and `tagging`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

START = 0


class TermFinder:
    """Finds terms, given as sequences of words. A place is a beginning of a term."""

    def __init__(self, terms: Iterable[Sequence[str]]) -> None:
        self._steps: dict[tuple[int, str], int] = {}
        """Place and next word -> place."""
        self._terms: dict[int, list[int]] = {}
        """Place -> the terms that end there, by number."""
        reached = [(START, "", 0)]  # for each place the one before it, the word, how many words
        for number, words in enumerate(terms):
            place = START
            for count, word in enumerate(words, 1):
                following = self._steps.setdefault((place, word), len(reached))
                if following == len(reached):
                    reached.append((place, word, count))
                place = following
            self._terms.setdefault(place, []).append(number)
        self._shorter = [START] * len(reached)
        """Place -> the longest other place whose words are the last ones of its."""
        self._ended = [START] * len(reached)
        """Place -> the longest such place, or itself, where a term ends."""
        for place in sorted(range(1, len(reached)), key=lambda place: reached[place][2]):
            before, word, count = reached[place]
            shorter = self._step(self._shorter[before], word) if count > 1 else START
            self._shorter[place] = shorter
            self._ended[place] = place if place in self._terms else self._ended[shorter]

    def find(self, words: Iterable[str]) -> list[int]:
        """The numbers of the terms that stand in a text of these words, each once, in no order."""
        found: set[int] = set()
        place = START
        for word in words:
            place = self._step(place, word)
            ended = self._ended[place]
            # Where a place was found before, so were the shorter ones.
            while ended != START and ended not in found:
                found.add(ended)
                ended = self._ended[self._shorter[ended]]
        return [number for place in found for number in self._terms[place]]

    def _step(self, place: int, word: str) -> int:
        """The longest beginning of a term that the words so far and this one end with."""
        steps = self._steps
        while (following := steps.get((place, word))) is None:
            if place == START:
                return START
            place = self._shorter[place]
        return following
