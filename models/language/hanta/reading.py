"""From the library's data of a model to the arrays of `model`, once per process.

Some sums of log probabilities, which the library computes while it tags, are computed here once, in
its order: so they are the same to the last bit.
"""

from __future__ import annotations

import contextlib
import ctypes
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from HanTa.HanoverTagger import EMPTY, END, START, HanoverTagger

from models.language.hanta.guesses import LENGTHS, Guesser
from models.language.hanta.letter_tree import LetterTree
from models.language.hanta.model import Grammar, HantaModel, KnownWords, Morphemes, Transitions
from models.language.hanta.word_index import WordIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def read_model(path: Path) -> HantaModel:
    """Convert a model file of the library. It is unpickled: `path` must be the library's own."""
    # An absolute path: HanTa looks in the working directory first, and in a worker that is the
    # artifact's folder, whose files are not to be unpickled.
    model = _convert(HanoverTagger(str(path.resolve())))
    # The library's data took up to 800 MB (Dutch), which the allocator would keep for itself.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return model


def _convert(source: Any) -> HantaModel:
    tags = [tag for tag in next(iter(source.LP_trans_word.values())) if tag != END]
    of_tag = {tag: number for number, tag in enumerate(tags)}
    cases = [(0.0, *_both(source.LP_case_t[tag])) for tag in tags]
    case_log_probs = np.array(cases).T
    tag_log_probs = _floats(source.LP_wtag[tag] for tag in tags)
    guessed = [tag for tag in source.LP_s_t if tag in source.LP_hapax_t]
    following = {tag for followers in source.LP_trans.values() for tag in followers if tag > 0}
    morphemes = sorted(following, key=lambda tag: (tag not in guessed, tag))
    guessed = [tag for tag in morphemes if tag in guessed]
    return HantaModel(
        tags=tuple(source.int2tag[tag] for tag in tags),
        transitions=_transitions(source.LP_trans_word, tags),
        known=_known(source.cache, of_tag, case_log_probs, tag_log_probs),
        morphemes=_morphemes([source.LP_m_t[tag] for tag in morphemes]),
        guesser=_guesser(source, guessed),
        grammar=_grammar(source.LP_trans, {tag: n for n, tag in enumerate(morphemes)}, of_tag),
        case_log_probs=tuple(_view(row) for row in case_log_probs),
        tag_log_probs=_view(tag_log_probs),
    )


def _both(by_is_upper: Mapping[bool, float]) -> tuple[float, float]:
    return by_is_upper[False], by_is_upper[True]


def _transitions(source: Mapping[Any, Mapping[int, float]], tags: Sequence[int]) -> Transitions:
    """Each different row is stored once: pairs that were never seen share one by second tag."""
    order = [*tags, END]
    rows: dict[bytes, int] = {}

    def place(state: tuple[int, int]) -> int:
        followers = source[state]
        if list(followers) != order:  # ties go to the first: the order is part of the result
            raise ValueError(f"the tags after {state} are not in the order of the others")
        row = _floats(followers.values()).tobytes()
        return rows.setdefault(row, len(rows)) * len(order)

    places = [place((first, second)) for first in (*tags, START) for second in tags]
    start_place = place((EMPTY, START))
    return Transitions(
        tag_count=len(tags),
        start_place=start_place,
        places=_integers(places),
        log_probs=_view(np.frombuffer(b"".join(rows))),
    )


def _known(
    source: Mapping[str, Sequence[tuple[int, float]]],
    of_tag: Mapping[int, int],
    case_log_probs: NDArray[np.float64],
    tag_log_probs: NDArray[np.float64],
) -> KnownWords:
    entries = [
        sorted((of_tag[tag], log_prob) for tag, log_prob in found) for found in source.values()
    ]
    tags = np.array([tag for entry in entries for tag, _ in entry])
    log_probs = _floats(log_prob for entry in entries for _, log_prob in entry)
    return KnownWords(
        rows=WordIndex(list(source)),
        firsts=_firsts(entries),
        tags=_integers(tags),
        log_probs=tuple(
            _view(log_probs + cases[tags] - tag_log_probs[tags]) for cases in case_log_probs
        ),
    )


def _morphemes(tables: Iterable[Mapping[str, float]]) -> Morphemes:
    entries: dict[str, list[tuple[int, float]]] = {}
    for tag, table in enumerate(tables):
        for morpheme, log_prob in table.items():
            entries.setdefault(morpheme, []).append((tag, log_prob))
    flat = list(chain.from_iterable(entries.values()))
    return Morphemes(
        tree=LetterTree(list(entries)),
        firsts=_firsts(entries.values()),
        tags=_integers(tag for tag, _ in flat),
        log_probs=_view(_floats(log_prob for _, log_prob in flat)),
    )


def _guesser(source: Any, tags: Sequence[int]) -> Guesser:
    lengths = [
        [source.Int_t + source.LP_hapax_t[tag] + source.LP_len_t[tag][length] for tag in tags]
        for length in range(LENGTHS)
    ]
    tables = [source.LP_s_t[tag] for tag in tags]
    suffixes = LetterTree(list({suffix[::-1]: None for table in tables for suffix in table}))
    return Guesser(np.array(lengths), suffixes, _suffix_log_probs(tables, suffixes))


def _suffix_log_probs(
    tables: Sequence[Mapping[str, float]], tree: LetterTree
) -> NDArray[np.float64]:
    """For each node of the tree and each table: that of the longest suffix the table holds."""
    found = np.empty((len(tree.rows), len(tables)))
    found[0] = [table[""] for table in tables]
    suffixes = [""]
    for parent in range(len(tree.rows)):
        for node in range(tree.starts[parent] + 1, tree.starts[parent + 1] + 1):
            suffixes.append(tree.letters[node - 1] + suffixes[parent])
            found[node] = [
                table.get(suffixes[node], shorter)
                for table, shorter in zip(tables, found[parent], strict=True)
            ]
    return found


def _grammar(
    source: Mapping[tuple[int, int], Mapping[int, float]],
    of_morpheme: Mapping[int, int],
    of_tag: Mapping[int, int],
) -> Grammar:
    numbers = {(EMPTY, START): 0}
    edges = {
        (*state, tag): log_prob
        for state, followers in source.items()
        for tag, log_prob in followers.items()
    }
    for _, before, tag in edges:
        if tag > 0:
            numbers.setdefault((before, tag), len(numbers))
    inner: list[list[tuple[int, int, float]]] = [[] for _ in numbers]
    outer: list[list[tuple[int, float]]] = [[] for _ in numbers]
    for (first, before, tag), log_prob in edges.items():
        state = numbers.get((first, before))
        if state is None:  # no edge leads to it
            continue
        if tag > 0:
            inner[state].append((numbers[before, tag], of_morpheme[tag], float(log_prob)))
        else:
            outer[state].append((of_tag[-tag], float(log_prob)))
    return Grammar(
        edges=tuple(map(tuple, inner)),
        exits=tuple(map(tuple, outer)),
        morphemes=tuple(of_morpheme.get(tag, -1) for _, tag in numbers),
    )


def _firsts(entries: Iterable[Sequence[object]]) -> memoryview[int]:
    return _integers([0, *accumulate(map(len, entries))])


def _integers(numbers: Iterable[int]) -> memoryview[int]:
    return np.fromiter(numbers, np.int32).data


def _floats(numbers: Iterable[float]) -> NDArray[np.float64]:
    return np.fromiter(numbers, np.float64)


def _view(numbers: NDArray[np.float64]) -> memoryview[float]:
    """A view that gives plain Python numbers, one at a time."""
    return cast("memoryview[float]", np.ascontiguousarray(numbers).data)
