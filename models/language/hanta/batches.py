"""Many unknown words analysed side by side: `analysis` over arrays.

A long text has hundreds of unknown words. Analysing them all at once, place by place, takes less
than half the time of analysing each; for a few words it takes longer. The numbers are the same,
except that a sum of three ways or more may differ in its last bit: the order of adding differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from models.language.hanta.analysis import (
    FOLLOWED_STATES,
    IMPOSSIBLE,
    MARGIN,
    analyse,
    tags_of_states,
)
from models.language.hanta.guesses import LONGEST_SHORT_WORD, SHORTEST_UNKNOWN, WHOLE_WORD_PENALTY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from models.language.hanta.model import Grammar, HantaModel

    Integers = NDArray[np.intp]
    Floats = NDArray[np.float64]

SMALLEST_BATCH = 16
LARGEST_BATCH = 128
"""The arrays of more words would not fit into a core's cache."""


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
        words = _Words.of(forms[::-1], self._model)  # longest first: finished words are at the end
        grammar, count = self._grammar, len(forms)
        states = len(grammar.morphemes)
        table = np.full((words.longest + 1, count * states), IMPOSSIBLE)
        table[0, ::states] = 0.0
        flat = table.reshape(-1)
        for start in range(words.longest):
            active = int(np.searchsorted(-words.lengths, -start))
            followers, log_probs = self._followers(table[start, : active * states])
            of_word = followers // states
            state = followers - of_word * states
            way, end, reached = words.arrivals(start, of_word, grammar.morphemes[state], log_probs)
            places = end * (count * states) + followers[way]
            flat[places] = np.maximum(flat[places], reached)
        ends = table.reshape(words.longest + 1, count, states)[words.lengths, np.arange(count)]
        for row in ends[::-1]:
            there = (row != IMPOSSIBLE).nonzero()[0]
            yield dict(zip(there.tolist(), row[there].tolist(), strict=True))

    def _followers(self, row: Floats) -> tuple[Integers, Floats]:
        """All that may follow, word and state as one number, each with its best log probability."""
        grammar, states = self._grammar, len(self._grammar.morphemes)
        there = (row != IMPOSSIBLE).nonzero()[0]
        log_probs = row[there]
        of_word = there // states
        counts = np.bincount(of_word)
        last_followed = counts.cumsum() - counts + FOLLOWED_STATES
        ordered = log_probs[np.lexsort((-log_probs, of_word))]
        bounds = ordered[np.minimum(last_followed, len(ordered) - 1)] - MARGIN
        bounds[counts <= FOLLOWED_STATES] = IMPOSSIBLE
        followed = log_probs >= bounds[of_word]
        there, log_probs = there[followed], log_probs[followed]
        of_word = of_word[followed]
        state = there - of_word * states
        first, counts = grammar.firsts[state], grammar.counts[state]
        edges = _ranges(first, counts)
        reached = log_probs.repeat(counts) + grammar.edge_log_probs[edges]
        following = (of_word * states).repeat(counts) + grammar.edge_states[edges]
        best = np.full(len(row), IMPOSSIBLE)
        np.maximum.at(best, following, reached)
        found = (best != IMPOSSIBLE).nonzero()[0]
        return found, best[found]


@dataclass(frozen=True, slots=True)
class _FlatGrammar:
    """The edges of all states, one after the other, in arrays."""

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
    """For each start, word and tag, in this order: where its entries in the next two begin."""
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
    ) -> tuple[Integers, Integers, Floats]:
        """Where each way ends after one more morpheme of its tag: way, end, log probability."""
        tag_count, open_count = self.model.morpheme_tags, self.model.guesser.open_count
        keys = (start * len(self.lengths) + of_word) * tag_count + tags
        first = self.known_firsts[keys]
        counts = self.known_firsts[keys + 1] - first
        entries = _ranges(first, counts)
        known_way = np.arange(len(keys)).repeat(counts)
        known_end = self.known_ends[entries]
        known = self.known_log_probs[entries]

        guesses = np.maximum(self.lengths[of_word] - (start + SHORTEST_UNKNOWN - 1), 0)
        guesses[tags >= open_count] = 0
        way = np.arange(len(keys)).repeat(guesses)
        end = _ranges(np.full(len(keys), start + SHORTEST_UNKNOWN), guesses)
        guessed = self._guesses(start, end, of_word[way], tags[way])
        # A known morpheme replaces the guess.
        place = (guesses.cumsum() - guesses)[known_way] + known_end - start - SHORTEST_UNKNOWN
        is_instead = (guesses[known_way] > 0) & (known_end >= start + SHORTEST_UNKNOWN)
        guessed[place[is_instead]] = known[is_instead]
        is_more = ~is_instead
        way = np.concatenate((way, known_way[is_more]))
        end = np.concatenate((end, known_end[is_more]))
        return way, end, log_probs[way] + np.concatenate((guessed, known[is_more]))

    def _guesses(self, start: int, end: Integers, of_word: Integers, tags: Integers) -> Floats:
        """Log probabilities of unknown morphemes from `start` to each `end`."""
        guesser, length = self.model.guesser, end - start
        node = self.suffix_nodes[of_word, end, guesser.suffix_letters(length)]
        found = guesser.length_log_probs(length, tags) + guesser.suffix_log_probs[node, tags]
        if start == 0:
            found[end == self.lengths[of_word]] -= WHOLE_WORD_PENALTY
        return found


def _known(
    codes: NDArray[np.int64], lengths: Integers, model: HantaModel
) -> tuple[Integers, Integers, Floats]:
    """The known morphemes in all words, as `_Words` has them: firsts, ends, log probabilities."""
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
    places = np.repeat(start * len(lengths) + of_word, counts)
    keys = places * model.morpheme_tags + tags
    order = np.argsort(keys, kind="stable")
    key_count = codes.size * model.morpheme_tags
    return (
        np.concatenate(([0], np.cumsum(np.bincount(keys, minlength=key_count)))),
        np.repeat(end, counts)[order],
        np.asarray(morphemes.log_probs)[entries][order],
    )


def _ranges(firsts: Integers, counts: Integers) -> Integers:
    """The numbers from each first on, as many as its count, one range after the other."""
    ends = counts.cumsum()
    total = int(ends[-1]) if len(ends) else 0
    found: Integers = np.arange(total) + (firsts - ends + counts).repeat(counts)
    return found
