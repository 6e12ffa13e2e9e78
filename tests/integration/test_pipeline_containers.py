"""This image as every step of a pipeline: single-model containers, chained by their URLs."""

from __future__ import annotations

import contextlib
import json
import tarfile

import pytest
import requests

from tests.support.endpoint import PROJECT, free_port, running_endpoint
from tests.support.scripts import script

TEXT = "Die Bundesregierung plant eine neue Steuer auf Strom aus Solaranlagen."
FIVE_MIB = 5 * 1024 * 1024
PAIRING = """
import json, time


def model_fn(model_dir):
    return model_dir


def transform_fn(model, data, content_type, accept, context):
    if content_type == "application/json":
        phrases = [phrase for phrase, _ in json.loads(data)]
        context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "paired=1")
        return f"{phrases[0]},{phrases[-1]}\\n", "text/csv"
    if data == b"again":
        return "once more", "application/x-again"
    if content_type == "application/x-again":
        return iter(("got ", data))
    if data == b"wait":
        time.sleep(60)
    if data == b"large":
        return b"x" * (5 * 1024 * 1024 + 1), "text/csv"
    raise ValueError("no pairs in this")
"""


@contextlib.contextmanager
def container(folder):
    """The image's single-model container of the model in `folder`, at the port it is told."""
    settings = {
        "SAGEMAKER_BIND_TO_PORT": str(free_port()),
        "SAGEMAKER_SAFE_PORT_RANGE": "1-9",
        "MME_ALLOW_CODE": "1",
        "MME_WORKERS_PER_MODEL": "1",
        "MME_POOL_MIN": "1",
    }
    program = ("-m", "tests.support.single_model", str(folder))
    with running_endpoint("", folder.parent, settings, program=program) as running:
        assert running.url.endswith(settings["SAGEMAKER_BIND_TO_PORT"])
        yield running


@pytest.fixture(scope="module")
def containers(tmp_path_factory):
    """Three of them, by name."""
    folders = {}
    for name, family in (("phrases", "TopicalPageRank"), ("similar", "DocSim")):
        folders[name] = tmp_path_factory.mktemp(name) / "model"
        with tarfile.open(PROJECT / "artifacts" / f"{family}.tar.gz") as archive:
            archive.extractall(folders[name], filter="data")
    folders["pairs"] = script(tmp_path_factory.mktemp("pairs") / "model", PAIRING)
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(container(each)) for name, each in folders.items()}


@pytest.fixture(scope="module")
def endpoint(containers, tmp_path_factory):
    def step(name):
        return {"name": name, "url": f"{containers[name].url}/invocations"}

    pipelines = {
        "all": [step("phrases"), step("pairs"), step("similar")],
        "streamed": [step("pairs"), step("pairs") | {"name": "last"}],
        "wrong": [step("pairs"), step("similar")],
    }
    scratch = tmp_path_factory.mktemp("pipelines")
    (scratch / "store").mkdir()
    (scratch / "pipelines.json").write_text(json.dumps(pipelines))
    settings = {"MME_PIPELINES": str(scratch / "pipelines.json"), "MME_INVOKE_TIMEOUT_S": "3"}
    with running_endpoint(str(scratch / "store"), scratch, settings) as running:
        yield running


def post(endpoint, path, body, content_type="text/plain"):
    headers = {"Content-Type": content_type}
    return requests.post(f"{endpoint.url}{path}", body.encode(), headers=headers, timeout=60)


def test_each_container_says_that_it_is_well_and_how_many_it_answers_at_once(containers):
    for each in containers.values():
        assert requests.get(f"{each.url}/ping", timeout=10).status_code == 200
        told = requests.get(f"{each.url}/execution-parameters", timeout=10).json()
        assert told["MaxConcurrentTransforms"] >= 1
        assert told["BatchStrategy"] in ("SINGLE_RECORD", "MULTI_RECORD")
        assert told["MaxPayloadInMB"] >= 1


def test_containers_in_a_row_answer_what_they_answer_one_by_one(containers, endpoint):
    phrases = post(containers["phrases"], "/invocations", TEXT)
    pairs = post(containers["pairs"], "/invocations", phrases.text, phrases.headers["Content-Type"])
    one_by_one = post(containers["similar"], "/invocations", pairs.text, "text/csv")
    answer = post(endpoint, "/endpoints/all/invocations", TEXT)
    assert (answer.status_code, answer.text) == (200, one_by_one.text)
    assert pairs.headers["X-Amzn-SageMaker-Custom-Attributes"] == "paired=1"
    steps = [each.partition(";")[0] for each in answer.headers["X-Mme-Steps"].split(", ")]
    assert steps == ["phrases", "pairs", "similar"]


def test_the_times_of_steps_are_in_the_log_and_among_the_metrics(endpoint):
    answer = post(endpoint, "/endpoints/all/invocations", TEXT)
    request_id = answer.headers["x-amzn-RequestId"]
    endpoint.wait_for_log(request_id)
    (line,) = [each for each in endpoint.log.splitlines() if request_id in each]
    assert "(phrases " in line
    assert ", similar " in line
    found = requests.get(f"{endpoint.url}/metrics", timeout=10).text
    series = 'mme_pipeline_step_duration_seconds_count{pipeline="all",step="pairs"}'
    assert series in found


def test_the_last_containers_answer_is_streamed(endpoint):
    answer = endpoint.client().invoke_endpoint_with_response_stream(
        EndpointName="streamed", Body="again", ContentType="text/plain"
    )
    with contextlib.closing(answer["Body"]) as events:
        pieces = [event["PayloadPart"]["Bytes"] for event in events]
    assert b"".join(pieces) == b"got once more"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("x", 500, "no pairs in this"),
        ("large", 0, f"it may have {FIVE_MIB}"),
        ("wait", 0, "have not answered within 3 s"),
    ],
)
def test_a_container_that_fails_is_named_and_answers_again(
    containers, endpoint, body, status, words
):
    answer = post(endpoint, "/endpoints/wrong/invocations", body)
    said = answer.json()
    assert (answer.status_code, said["OriginalStatusCode"]) == (424, status)
    assert f"({status}) from pairs with message" in said["Message"]
    assert words in said["OriginalMessage"]
    # It has been left: its one worker is free again.
    assert (
        post(containers["pairs"], "/invocations", '[["a", 1]]', "application/json").text == "a,a\n"
    )
