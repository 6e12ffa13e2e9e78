"""Response streams of a real endpoint, as an unmodified boto3 reads them."""

from __future__ import annotations

import itertools
import json
import os
import shutil

import pytest
import requests
from botocore.exceptions import ClientError, EventStreamError

from tests.support.endpoint import PROJECT, free_port, running_endpoint
from tests.support.processes import wait_until, workers

HANDLER = PROJECT / "tests" / "support" / "yielding_handler.py"
TEXT = "Die Bundesregierung plant angeblich eine neue Steuer auf Strom aus Solaranlagen. " * 20
TEXTS = 500
SERIAL = itertools.count(1)
TARGET = {"CustomAttributes": "target-model=m.tar.gz"}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    shutil.copy(PROJECT / "artifacts" / "DocSim.tar.gz", store / "m.tar.gz")
    settings = {"MME_HANDLER": str(HANDLER), "MME_WORKERS_PER_MODEL": "1"}
    settings["MME_STREAM_TIMEOUT_S"] = "3"
    with running_endpoint(str(store), tmp_path_factory.mktemp("endpoint"), settings) as running:
        yield running


class Stream:
    """A stream of which the first piece has been read, and what tells its handler to go on."""

    def __init__(self, endpoint, folder) -> None:
        fifo = folder / f"fifo-{next(SERIAL)}"
        os.mkfifo(fifo)
        self.client = endpoint.client()
        self.answer = self.client.invoke_endpoint_with_response_stream(
            EndpointName="demo", Body=str(fifo).encode(), **TARGET
        )
        self.pieces = (event["PayloadPart"]["Bytes"] for event in self.answer["Body"])
        assert next(self.pieces) == b"first"
        self.fifo = fifo.open("w", buffering=1)

    def say(self, word: str) -> None:
        self.fifo.write(f"{word}\n")

    def close(self) -> None:
        self.fifo.close()
        self.answer["Body"].close()


@pytest.fixture
def stream(endpoint, tmp_path):
    made = Stream(endpoint, tmp_path)
    yield made
    made.close()


def test_pieces_arrive_while_the_model_computes_on(stream):
    assert stream.answer["ContentType"] == "text/plain"
    assert stream.answer["CustomAttributes"] == "yields"
    assert stream.answer["InvokedProductionVariant"] == "AllTraffic"
    for word in ("one", "two"):
        stream.say(word)
        assert next(stream.pieces) == word.encode()
    stream.say("end")
    assert list(stream.pieces) == []


@pytest.mark.parametrize("word", ["die", "fail"])
def test_a_failure_in_between_raises_the_class_the_service_raises(stream, word):
    stream.say("one")
    assert next(stream.pieces) == b"one"
    stream.say(word)
    with pytest.raises(EventStreamError) as raised:
        list(stream.pieces)
    assert raised.value.response["Error"]["Code"] == "ModelStreamError"
    assert raised.value.response["Error"]["Message"]


def test_a_model_that_takes_too_long_is_broken_off(stream):
    with pytest.raises(EventStreamError) as raised:
        list(stream.pieces)
    error = raised.value.response["Error"]
    assert error["Code"] == "ModelStreamError"
    assert "did not answer within 3 s" in error["Message"]


def test_a_client_that_leaves_frees_the_worker(endpoint, tmp_path):
    left = Stream(endpoint, tmp_path)
    before = workers(endpoint)
    left.answer["Body"].close()
    left.client.close()
    # The only worker of the model: it would be busy for as long as the pipe is open.
    found = Stream(endpoint, tmp_path)
    assert workers(endpoint) != before
    found.say("end")
    assert list(found.pieces) == []
    found.close()
    left.fifo.close()


def test_an_error_before_the_first_byte_is_an_ordinary_one(endpoint):
    with pytest.raises(ClientError) as raised:
        endpoint.client().invoke_endpoint_with_response_stream(EndpointName="demo", Body=b"/none")
    assert raised.value.response["Error"]["Code"] == "ValidationError"


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """The sample models, in the pool."""
    settings = {"MME_POOL_MIN": "2", "MME_POOL_MAX": "2"}
    store = str(PROJECT / "artifacts")
    with running_endpoint(store, tmp_path_factory.mktemp("samples"), settings) as running:
        yield running


def test_a_worker_of_the_pool_is_replaced_when_its_reader_leaves(samples):
    client = samples.client()
    answer = client.invoke_endpoint_with_response_stream(
        EndpointName="demo",
        CustomAttributes="target-model=TopicalPageRank.tar.gz",
        ContentType="application/json",
        Body=json.dumps({"texts": [TEXT] * TEXTS}).encode(),
    )
    first = next(iter(answer["Body"]))["PayloadPart"]["Bytes"]
    assert first.startswith(b'{"results": [{"keyphrases": [')
    before = set(workers(samples))
    answer["Body"].close()
    client.close()
    wait_until(lambda: bool(set(workers(samples)) - before), "another worker")
    again = samples.client().invoke_endpoint(
        EndpointName="demo",
        TargetModel="TopicalPageRank.tar.gz",
        Body=TEXT,
        ContentType="text/plain",
    )
    assert json.load(again["Body"])


@pytest.fixture(scope="module")
def container(tmp_path_factory):
    """A multi-model container with a model that yields."""
    scratch = tmp_path_factory.mktemp("container")
    folder = scratch / "models" / "m" / "model"
    folder.mkdir(parents=True)
    settings = {
        "SAGEMAKER_MULTI_MODEL": "true",
        "SAGEMAKER_BIND_TO_PORT": str(free_port()),
        "MME_MODELS_DIR": str(scratch / "models"),
        "MME_HANDLER": str(HANDLER),
    }
    with running_endpoint("/nonexistent", scratch, settings) as running:
        load = {"model_name": "m", "url": str(folder)}
        assert requests.post(f"{running.url}/models", json=load, timeout=60).status_code == 200
        yield running


@pytest.mark.parametrize("word", ["end", "die"])
def test_a_container_answers_in_chunks_and_breaks_off_if_the_model_does(container, tmp_path, word):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    url = f"{container.url}/models/m/invoke"
    with requests.post(url, data=str(path).encode(), stream=True, timeout=60) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        pieces = answer.iter_content(5)
        assert next(pieces) == b"first"
        with path.open("w") as fifo:
            fifo.write(f"later\n{word}\n")
        assert next(pieces) == b"later"
        if word == "end":
            assert list(pieces) == []
        else:
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                list(pieces)
