"""Training and evaluating a Search artifact whose encoder is an Embedding artifact beside it."""

from __future__ import annotations

import json

import pytest

from mme.training.archive import write_archive
from mme.training.evaluating import Question, evaluate_target
from mme.training.own_data import Own, own_job
from mme.training.plan import TrainingError
from mme.training.run import Destination, run_job
from models.Embedding.miniature import write_miniature
from models.serving import no_progress
from tests.support.endpoint import PROJECT


@pytest.fixture
def store(tmp_path):
    """A folder with the artifact of a model of five words."""
    artifact = tmp_path / "mini"
    artifact.mkdir()
    write_miniature(artifact)
    made = tmp_path / "store"
    made.mkdir()
    write_archive(artifact, made / "mini.tar.gz")
    return made


@pytest.fixture
def train(tmp_path, store):
    corpus = tmp_path / "c.csv"
    corpus.write_text("id,claim_text\nd1,tax tax tax\nd2,electricity electricity\nd3,on on\n")
    questions = tmp_path / "q.csv"
    questions.write_text("text,doc_id\ntax on tax,d1\nelectricity on,d2\n")

    def trained(**settings):
        settings = {"embedding": {"target": "mini.tar.gz"}} | settings
        own = Own(str(corpus), "en", "Search", str(questions), settings)
        job = own_job("Search", own, PROJECT / "models")
        return run_job(job, Destination(store, tmp_path / "reports"), no_progress)

    return trained


def test_the_archive_is_unpacked_for_training_and_asked_in_evaluation(train, store, tmp_path):
    done = train(embedding_uri=str(store / "mini.tar.gz"))
    assert done.artifact == store / "Search.tar.gz"
    (found,) = (done.evaluation or {}).values()
    assert found.measures["mrr@10"] == 1
    question = Question(str(store / "Search.tar.gz"), str(tmp_path / "q.csv"))
    (again,) = evaluate_target(question, no_progress).values()
    assert again.measures == found.measures


def test_an_evaluation_looks_for_the_target_where_the_artifact_is(train, store, tmp_path):
    train(embedding_uri=str(store / "mini.tar.gz"))
    question = Question(str(store / "Search.tar.gz"), str(tmp_path / "q.csv"))
    (store / "mini.tar.gz").unlink()
    with pytest.raises(TrainingError, match=r"the embedding: there is no .*store/mini\.tar\.gz"):
        evaluate_target(question, no_progress)
    other = tmp_path / "mini"
    params = json.loads((other / "Embedding-params.json").read_text()) | {"pooling": "cls"}
    (other / "Embedding-params.json").write_text(json.dumps(params))
    write_archive(other, store / "mini.tar.gz")
    with pytest.raises(TrainingError, match=r"mini\.tar\.gz: is the model .* train the index anew"):
        evaluate_target(question, no_progress)


def test_an_artifact_that_cannot_be_used_is_named(train, store, tmp_path):
    with pytest.raises(TrainingError, match="embedding_uri must say where that artifact is"):
        train()
    with pytest.raises(TrainingError, match=r"embedding_uri: there is no file .*none\.tar\.gz"):
        train(embedding_uri=str(store / "none.tar.gz"))
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"no archive")
    with pytest.raises(TrainingError, match=r"embedding_uri: .*broken\.tar\.gz"):
        train(embedding_uri=str(broken))
    table = tmp_path / "q.csv"
    with pytest.raises(TrainingError, match="Search: "):
        train(embedding_uri=str(table))
