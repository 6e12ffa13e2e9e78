"""The tags a word may have, and how probable each makes the word: known words and others."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from models.language.hanta_analysis import analyse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.language.hanta_model import HantaModel

    Candidates = tuple[Sequence[int], Sequence[float]]
    """Tags, in rising order, and the word's log probability under each, over the tag's own."""

# The time for an unknown word grows with the square of its length, and beyond that of any German
# compound only the first letter's case and the ending tell something.
LONGEST_WORD = 30
CACHED_WORDS = 5000
ANY_CASE, LOWER, UPPER = range(3)
"""What the first letter tells: nothing (the first word of a sentence), or its case."""

# How far behind the best tag others of an unknown word may be.
CUTOFF = 5
# A final newline is what a regular expression's `$` allows; HanTa has one here.
ACUTE = "\u00b4"
QUOTATION_MARKS = frozenset(
    {"`", "``", ACUTE, ACUTE * 2, "'", "''", "`\n", f"{ACUTE}\n", "'\n"},
)


class Words:
    """The words of a language as one model sees them. Not for several threads."""

    def __init__(self, model: HantaModel) -> None:
        self._model = model
        self._known = model.known
        count = len(model.tags)
        self._anything: Candidates = (range(count), np.zeros(count).data)
        # Empty where a process forks: what it held would be written to whenever it is used.
        self._unknown_candidates = lru_cache(CACHED_WORDS)(self._judge_unknown)

    def candidates(self, word: str, *, is_first: bool) -> Candidates:
        """The tags a word may have; any tag at all where nothing is known of it."""
        if len(word) > LONGEST_WORD:
            word = word[0] + word[1 - LONGEST_WORD :]
        case = ANY_CASE if is_first else UPPER if word[:1].isupper() else LOWER
        form = '"' if word in QUOTATION_MARKS else word.lower()
        known = self._known
        row = known.rows.find(form)
        if row < 0:
            return self._unknown_candidates(form, case)
        first, end = known.firsts[row], known.firsts[row + 1]
        return known.tags[first:end], known.log_probs[case][first:end]

    def _judge_unknown(self, form: str, case: int) -> Candidates:
        of_case, of_tag = self._model.case_log_probs[case], self._model.tag_log_probs
        found = {
            tag: log_prob + of_case[tag] - of_tag[tag]
            for tag, log_prob in analyse(self._model, form).items()
        }
        if not found:
            return self._anything
        limit = max(found.values()) - CUTOFF
        tags = tuple(tag for tag in sorted(found) if found[tag] >= limit)
        return tags, tuple(found[tag] for tag in tags)
