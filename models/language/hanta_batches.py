"""Many unknown words analysed side by side: `hanta_analysis` over arrays.

A long text brings hundreds of unknown words. Going through them place by place, all at once, takes
less than half the time of going through each; for a few words it takes longer. The numbers are the
same, but for the last bit of a sum of three ways and more, which are added in another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from models.language.hanta_analysis import (
    FOLLOWED_STATES,
    IMPOSSIBLE,
    MARGIN,
    analyse,
    tags_of_states,
)
from models.language.hanta_guesses import LONGEST_SHORT_WORD, SHORTEST_UNKNOWN, WHOLE_WORD_PENALTY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from models.language.hanta_model import Grammar, HantaModel

    Integers = NDArray[np.intp]
    Floats = NDArray[np.float64]

SMALLEST_BATCH = 40
LARGEST_BATCH = 128
"""Words of about one length; more would not fit into a core's cache."""


class BatchAnalyser:
    """Analyses many words by one model."""

    def __init__(self, model: HantaModel) -> None:
        self._model = model
        self._grammar = _FlatGrammar.of(model.grammar)

    def analyse_all(self, forms: Sequence[str]) -> Iterator[tuple[str, dict[int, float]]]:
        """Each of different words, in lower case, with what `analyse` says of it; in any order."""
        model = self._model
        long = sorted((form for form in forms if len(form) > LONGEST_SHORT_WORD), key=len)
        while len(long) >= SMALLEST_BATCH:
            batch, long = long[-LARGEST_BATCH:], long[:-LARGEST_BATCH]
            for form, row in zip(batch, self._final_rows(batch), strict=True):
                yield form, tags_of_states(model.grammar, row, len(model.tags))
        for form in (*long, *(form for form in forms if len(form) <= LONGEST_SHORT_WORD)):
            yield form, analyse(model, form)

    def _final_rows(self, forms: Sequence[str]) -> Iterator[dict[int, float]]:
        """For each word the states at its end, and the log probability of the best way to each."""
        words = _Words.of(forms[::-1], self._model)  # long ones first: those done are the last
        grammar, count = self._grammar, len(forms)
        states = len(grammar.morphemes)
        table = np.full((words.longest + 1, count * states), IMPOSSIBLE)
        table[0, ::states] = 0.0
        for start in range(words.longest):
            active = int(np.searchsorted(-words.lengths, -start))
            followers, log_probs = self._followers(table[start, : active * states])
            of_word, state = np.divmod(followers, states)
            arrivals, rows = words.arrivals(start, of_word, grammar.morphemes[state], log_probs)
            later = table[start + 1 :]
            flat = followers[rows]
            later[:, flat] = np.maximum(later[:, flat], arrivals)
        ends = table.reshape(words.longest + 1, count, states)[words.lengths, np.arange(count)]
        for row in ends[::-1]:
            there = np.flatnonzero(row != IMPOSSIBLE)
            yield dict(zip(there.tolist(), row[there].tolist(), strict=True))

    def _followers(self, row: Floats) -> tuple[Integers, Floats]:
        """Word and state (as one number) of all that may follow, with the best way to each."""
        grammar, states = self._grammar, len(self._grammar.morphemes)
        there = np.flatnonzero(row != IMPOSSIBLE)
        log_probs = row[there]
        of_word = there // states
        order = np.lexsort((-log_probs, of_word))
        ordered, word_starts = log_probs[order], np.searchsorted(of_word, of_word)
        word_ends = np.searchsorted(of_word, of_word, "right")
        limit = np.minimum(word_starts + FOLLOWED_STATES, len(ordered) - 1)
        is_many = word_ends - word_starts > FOLLOWED_STATES
        followed = ~is_many | (log_probs >= ordered[limit] - MARGIN)
        there, log_probs = there[followed], log_probs[followed]
        of_word, state = np.divmod(there, states)
        first, counts = grammar.firsts[state], grammar.counts[state]
        edges = _ranges(first, counts)
        reached = np.repeat(log_probs, counts) + grammar.edge_log_probs[edges]
        following = np.repeat(of_word * states, counts) + grammar.edge_states[edges]
        best = np.full(len(row), IMPOSSIBLE)
        np.maximum.at(best, following, reached)
        found = np.flatnonzero(best != IMPOSSIBLE)
        return found, best[found]


@dataclass(frozen=True, slots=True)
class _FlatGrammar:
    """The edges of all states in a row."""

    firsts: Integers
    counts: Integers
    edge_states: Integers
    edge_log_probs: Floats
    morphemes: Integers

    @classmethod
    def of(cls, grammar: Grammar) -> _FlatGrammar:
        edges = [edge for edges in grammar.edges for edge in edges]
        counts = list(map(len, grammar.edges))
        return cls(
            np.array(list(accumulate(counts, initial=0))[:-1]),
            np.array(counts),
            np.array([state for state, _, _ in edges]),
            np.array([log_prob for _, _, log_prob in edges]),
            np.array(grammar.morphemes),
        )


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a batch, the longest first: what their parts may be."""

    model: HantaModel
    lengths: Integers
    suffix_nodes: Integers
    """*Shape*: (words, ends from 0, letters from 0 to the longest suffix)."""
    known_firsts: Integers
    """Of each start, among the known morphemes of all."""
    known_keys: Integers
    """Word and tag (as one number), rising for each start."""
    known_ends: Integers
    known_log_probs: Floats

    @classmethod
    def of(cls, forms: Sequence[str], model: HantaModel) -> _Words:
        lengths = np.fromiter(map(len, forms), np.intp, len(forms))
        codes = np.zeros((len(forms), lengths[0]), np.int64)
        joined = "".join(forms).encode("utf-32-le", "surrogatepass")
        codes[np.arange(lengths[0]) < lengths[:, None]] = np.frombuffer(joined, "<u4")
        return cls(
            model, lengths, model.guesser.suffix_nodes(codes), *_known(codes, lengths, model)
        )

    @property
    def longest(self) -> int:
        return int(self.lengths[0])

    def arrivals(
        self, start: int, of_word: Integers, tags: Integers, log_probs: Floats
    ) -> tuple[Floats, Integers]:
        """Where ways lead with a morpheme of a tag from `start` on.

        *Shapes*: of (ways,) that lead anywhere the numbers (w,), log probabilities (ends, w).
        """
        keys = of_word * self._key_step + tags
        first, last = self.known_firsts[start : start + 2]
        here = self.known_keys[first:last]
        known_first = np.searchsorted(here, keys)
        known_count = np.searchsorted(here, keys, "right") - known_first
        guess_from = start + SHORTEST_UNKNOWN
        guessable = (tags < self.model.guesser.open_count) & (self.lengths[of_word] >= guess_from)
        rows = np.flatnonzero(guessable | (known_count > 0))
        found = np.full((self.longest - start, len(rows)), IMPOSSIBLE)
        guessed = np.flatnonzero(guessable[rows])
        if len(guessed):
            ways = rows[guessed]
            found[SHORTEST_UNKNOWN - 1 :, guessed] = self._guesses(start, of_word[ways], tags[ways])
        counts = known_count[rows]
        entries = first + _ranges(known_first[rows], counts)
        way = np.repeat(np.arange(len(rows)), counts)
        found[self.known_ends[entries] - start - 1, way] = self.known_log_probs[entries]
        found += log_probs[rows]
        return found, rows

    def _guesses(self, start: int, of_word: Integers, tags: Integers) -> Floats:
        """Log probabilities of unknown morphemes from `start` on, up to each end they may have."""
        guesser = self.model.guesser
        lengths = np.arange(SHORTEST_UNKNOWN, self.longest - start + 1)
        nodes = self.suffix_nodes[
            of_word, (start + lengths)[:, None], guesser.suffix_letters(lengths)[:, None]
        ]
        found = guesser.length_log_probs(lengths)[:, tags] + guesser.suffix_log_probs[nodes, tags]
        if start == 0:
            found[self.lengths[of_word] - SHORTEST_UNKNOWN, np.arange(len(of_word))] -= (
                WHOLE_WORD_PENALTY
            )
        return found

    @property
    def _key_step(self) -> int:
        return len(self.model.grammar.morphemes)  # there are no more tags than states


def _known(
    codes: NDArray[np.int64], lengths: Integers, model: HantaModel
) -> tuple[Integers, Integers, Integers, Floats]:
    """The known morphemes in all words, by start: firsts, keys, ends and log probabilities."""
    morphemes = model.morphemes
    of_word, start = np.nonzero(np.arange(codes.shape[1]) < lengths[:, None])
    node, end = np.zeros(len(start), np.int64), start
    found: list[tuple[Any, ...]] = []
    tree_rows = np.asarray(morphemes.tree.rows)
    while len(node):
        node = morphemes.tree.step(node, codes[of_word, end])
        there = node > 0
        of_word, start, end, node = of_word[there], start[there], end[there] + 1, node[there]
        row = tree_rows[node]
        hit = row >= 0
        found.append((of_word[hit], start[hit], end[hit], row[hit]))
        inside = end < lengths[of_word]
        of_word, start, end, node = of_word[inside], start[inside], end[inside], node[inside]
    of_word, start, end, row = (np.concatenate(column) for column in zip(*found, strict=True))
    firsts = np.asarray(morphemes.firsts)
    counts = firsts[row + 1] - firsts[row]
    entries = _ranges(firsts[row], counts)
    tags = np.asarray(morphemes.tags)[entries]
    keys = np.repeat(of_word, counts) * len(model.grammar.morphemes) + tags
    starts = np.repeat(start, counts)
    order = np.lexsort((keys, starts))
    return (
        np.searchsorted(starts[order], np.arange(codes.shape[1] + 1)),
        keys[order],
        np.repeat(end, counts)[order],
        np.asarray(morphemes.log_probs)[entries][order],
    )


def _ranges(firsts: Integers, counts: Integers) -> Integers:
    """The numbers from each first on, as many as its count, one range after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(firsts - ends + counts, counts)
