"""The tags a word may have, and how probable each makes the word: known words and others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.language.hanta.batches import BatchAnalyser
from models.language.hanta.shared_analyses import SharedAnalyses

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from models.language.hanta.model import HantaModel

    Candidates = Sequence[tuple[int, float]]
    """Tags, in rising order, and the word's log probability under each, over the tag's own."""

# The time for an unknown word grows with the square of its length. Of a word longer than German
# compounds are, only the case of the first letter and the ending say something.
LONGEST_WORD = 30
ANY_CASE, LOWER, UPPER = range(3)
"""The case of the first letter; any, for the first word of a sentence, where it says nothing."""

# A tag of an unknown word is dropped if its log probability is so much below the best tag's.
CUTOFF = 5
# Those with a newline are here because HanTa tests words with a regular expression that ends in
# `$`, which allows one.
ACUTE = "\u00b4"
QUOTATION_MARKS = frozenset(
    {"`", "``", ACUTE, ACUTE * 2, "'", "''", "`\n", f"{ACUTE}\n", "'\n"},
)


class Words:
    """The words of a language as one model sees them. Not for several threads.

    Forks of a process share what each of them finds out about unknown words.
    """

    def __init__(self, model: HantaModel) -> None:
        self._model = model
        self._known = model.known
        count = len(model.tags)
        self._anything: Candidates = [(tag, 0.0) for tag in range(count)]
        self._analyser = BatchAnalyser(model)
        self._remembered = SharedAnalyses()

    def candidates(self, words: Iterable[str], *, are_first: bool) -> dict[str, Candidates]:
        """The tags that words may have; any tag at all where nothing is known of one.

        The case of a sentence's first word (`are_first`) does not count. Many words at once take
        less time each.
        """
        found: dict[str, Candidates] = {}
        # Form -> the cases it is to be judged in -> the words that want it.
        unknown: dict[str, dict[int, list[str]]] = {}
        for word in set(words):
            form, case = _form_and_case(word, is_first=are_first)
            candidates = self._known_candidates(form, case) or self._remembered.get(form, case)
            if candidates is None:
                unknown.setdefault(form, {}).setdefault(case, []).append(word)
            else:
                found[word] = candidates
        for form, log_probs in self._analyser.analyse_all(list(unknown)):
            for case, written in unknown[form].items():
                candidates = self._judge(log_probs, case)
                self._remembered.put(form, case, candidates)
                found.update(dict.fromkeys(written, candidates))
        return found

    def _known_candidates(self, form: str, case: int) -> Candidates | None:
        known = self._known
        row = known.rows.find(form)
        if row < 0:
            return None
        first, end = known.firsts[row], known.firsts[row + 1]
        return list(zip(known.tags[first:end], known.log_probs[case][first:end], strict=True))

    def _judge(self, log_probs: Mapping[int, float], case: int) -> Candidates:
        of_case, of_tag = self._model.case_log_probs[case], self._model.tag_log_probs
        found = {tag: log_prob + of_case[tag] - of_tag[tag] for tag, log_prob in log_probs.items()}
        if not found:
            return self._anything
        limit = max(found.values()) - CUTOFF
        return [(tag, found[tag]) for tag in sorted(found) if found[tag] >= limit]


def _form_and_case(word: str, *, is_first: bool) -> tuple[str, int]:
    """The form under which a word is looked up, and the case of its first letter."""
    if len(word) > LONGEST_WORD:
        word = word[0] + word[1 - LONGEST_WORD :]
    case = ANY_CASE if is_first else UPPER if word[:1].isupper() else LOWER
    return '"' if word in QUOTATION_MARKS else word.lower(), case
