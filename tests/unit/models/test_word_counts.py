"""Counting the words of a corpus: the same as counting each document by itself."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.word_counts import WordCounts

DOCUMENTS = st.lists(st.lists(st.sampled_from("abcde"), max_size=8), max_size=8)


@given(DOCUMENTS)
def test_counts_are_those_of_each_document(documents):
    counts = WordCounts()
    for words in documents:
        counts.add((words, 1))
    assert len(counts) == len(documents)
    assert counts.words() == list(dict.fromkeys(chain.from_iterable(documents)))
    assert dict(counts.token_counts()) == Counter(chain.from_iterable(documents))
    assert dict(counts.document_counts()) == Counter(
        word for words in documents for word in set(words)
    )
    wanted = [[words.count(word) for word in counts.words()] for words in documents]
    assert counts.matrix().toarray().tolist() == wanted
    chosen = sorted(counts.words())[:2]
    assert counts.matrix_of(chosen).toarray().tolist() == [
        [words.count(word) for word in chosen] for words in documents
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_part_of_a_document_has_a_weight(dtype):
    counts = WordCounts(dtype)
    counts.add((["a", "b"], 2.5), (["a", "a"], 1))
    matrix = counts.matrix()
    assert matrix.dtype == dtype
    assert matrix.toarray().tolist() == [[4.5, 2.5]]
