"""Similarities are gensim's: compared with what gensim answered, as data.

`tests/oracle/make_oracle.py` says how the data is made. It pins the numbers also where another
version of gensim would give others.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from gensim.models import KeyedVectors

from models.registry import load_model
from models.serving import Request
from tests.support.endpoint import PROJECT

DATA: Any = json.loads((PROJECT / "tests" / "oracle" / "similarities.json").read_text("utf-8"))
PAIRS = DATA["pairs"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An artifact as the original system made them: no `max_token_length`, vectors by gensim."""
    folder = tmp_path_factory.mktemp("DocSim")
    rows = np.array(DATA["vectors"], np.float32)
    vectors = KeyedVectors(rows.shape[1])
    vectors.add_vectors(DATA["vocabulary"], rows)
    vectors.save(str(folder / "DocSim-model"))
    params = {"language": "de", "stop_words": DATA["stop_words"]}
    (folder / "DocSim-params.json").write_text(json.dumps(params), encoding="utf-8")
    return load_model(folder, tmp_path_factory.mktemp("scratch"))


def ask(model, content_type, body):
    return json.loads(model.predict(Request(content_type, None, body.encode())).body)


def test_all_pairs_as_rows_have_gensims_similarities(model):
    rows = io.StringIO()
    csv.writer(rows).writerows([first, second] for first, second, _ in PAIRS)
    assert ask(model, "text/csv", rows.getvalue()) == [score for *_, score in PAIRS]


def test_a_pair_alone_has_the_similarity_it_has_among_others(model):
    for first, second, score in PAIRS:
        if first and second:
            found = ask(model, "application/json", json.dumps({"text1": first, "text2": second}))
            assert found["similarity"] == float(score)


def test_the_pairs_are_of_all_kinds():
    scores = [float(score) for *_, score in PAIRS]
    assert sum(score == 0 for score in scores) >= 5
    assert sum(score == 1 for score in scores) >= 3
    assert sum(0 < score < 1 for score in scores) >= 8
