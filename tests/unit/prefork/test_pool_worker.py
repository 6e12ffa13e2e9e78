"""The project's own handler in a real pool worker: admitted models, by door and by model server."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path

import pytest

import model_handler
from mme.cache.admission import AdmissionJob
from mme.cache.extract import ExtractionLimits
from mme.core.door import Answer, Done, Drop, Part, Question
from mme.core.through_mms import ALLOW_CODE, answer_of, request_headers
from mme.prefork.admission_client import AdmissionClient
from tests.support.endpoint import PROJECT
from tests.support.scripts import DOUBLING, script
from tests.support.template import running_template

MIB = 1024 * 1024
TARGET = {"x-amzn-sagemaker-target-model": "m.tar.gz"}
ASKED = {
    "DocSim": ("text/csv", b"Impfstoff,Erbgut"),
    "Search": ("application/json", '{"claim": "Impfung verändert das Erbgut"}'.encode()),
    "TopicalPageRank": ("text/plain", b"Die neue Steuer auf Strom gilt ab 2024."),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    root = tmp_path_factory.mktemp("t")
    with running_template(root, Path(model_handler.__file__)) as running:
        assert "rehearsal" not in running.log.read_text()
        yield running


@pytest.fixture(scope="module")
def admitted(template):
    """Family -> the job by which its sample was admitted."""

    async def is_up() -> None:
        return None

    client = AdmissionClient(template.files.admissions, is_up)
    jobs = {}
    for name in ASKED:
        folder = template.root / "cache" / name
        (folder / "model").mkdir(parents=True)
        jobs[name] = AdmissionJob(
            "m.tar.gz", name, PROJECT / "artifacts" / f"{name}.tar.gz", folder / "model",
            folder / "mapped", ExtractionLimits(100 * MIB, 100 * MIB, 1000), 1024 * MIB, 60,
            checks=True,
        )  # fmt: skip
        asyncio.run(client.admit(jobs[name]))
    return jobs


@pytest.fixture
def worker(template, request):
    pool = template.root / "pool"
    made = template.launch(f"w-{abs(hash(request.node.name))}", MME_POOL_DIR=str(pool))
    assert made.load(pool, template.handler) == 200
    return made


@pytest.fixture
def door(worker):
    client, _ = worker.door()
    yield client
    client.connection.close()


def question(admitted, name, *, model=None, body=None):
    content_type, sample = ASKED[name]
    job = admitted[name]
    return Question(
        model or name, str(job.model_dir), str(job.scratch_dir),
        TARGET | {"content-type": content_type}, sample if body is None else body,
    )  # fmt: skip


def through_mms(worker, asked):
    code, _, (found,) = worker.predict(request_headers(asked), asked.body)
    assert code == 200
    return answer_of(found["status"], found["headers"], found["body"])


def test_one_worker_serves_every_family_alike_both_ways(worker, door, admitted):
    for name in ASKED:
        asked = question(admitted, name)
        first = door.ask(asked)
        again, other_way = door.ask(asked), through_mms(worker, asked)
        assert first.status == 200, first.body
        assert first.load_s > 0
        assert again.load_s == other_way.load_s == 0
        assert first.body == again.body == other_way.body
        assert first.headers == other_way.headers == {"content-type": "application/json"}


def test_a_models_refusal_is_the_same_both_ways_and_names_the_target(worker, door, admitted):
    asked = question(admitted, "Search", body=b"{")
    at_door, other_way = door.ask(asked), through_mms(worker, asked)
    assert (at_door.status, at_door.body) == (other_way.status, other_way.body)
    assert at_door.status == 400
    assert not at_door.is_unloadable
    assert json.loads(at_door.body)["target_model"] == "m.tar.gz"


def test_what_was_not_converted_is_not_loaded_here(door, admitted, tmp_path):
    job = admitted["DocSim"]
    asked = Question("other", str(job.model_dir), str(tmp_path), TARGET, b"")
    answer = door.ask(asked)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.is_unloadable) == (503, True)
    assert json.loads(answer.body)["type"] == "NotConverted"
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_gone_is_unloadable_and_the_worker_goes_on(door, admitted):
    answer = door.ask(Question("gone", "/nowhere", "/nowhere", TARGET, b""))
    assert answer.is_unloadable
    assert door.ask(question(admitted, "DocSim")).status == 200


def test_code_runs_only_where_the_endpoint_says_so_with_the_request(worker, door, tmp_path):
    ran = tmp_path / "ran"
    folder = str(script(tmp_path / "m", f"open({str(ran)!r}, 'w').close()\n{DOUBLING}"))
    headers = TARGET | {"content-type": "application/json"}
    asked = Question("script", folder, folder, headers, b"[2]")
    answer = door.ask(asked)
    assert (answer.status, answer.is_unloadable) == (403, True)
    assert json.loads(answer.body)["type"] == "CodeNotAllowed"
    assert not ran.exists()
    answer = door.ask(dataclasses.replace(asked, headers=headers | {ALLOW_CODE: "1"}))
    assert (answer.status, answer.body) == (200, b"[4]")
    assert ran.exists()


def test_models_that_were_dropped_come_back(door, admitted):
    door.ask(question(admitted, "DocSim"))
    assert door.ask(Drop(["DocSim"])) == Done()
    assert door.ask(question(admitted, "DocSim")).load_s > 0


def test_a_hundred_models_of_one_worker_share_what_they_map(door, admitted):
    for number in range(100):
        answer = door.ask(question(admitted, "DocSim", model=f"m{number}"))
        assert answer.status == 200
        assert list(answer.dropped) == []


MANY = {
    "Search": {"claims": ["Impfung verändert das Erbgut", "", "Strom wird teurer"]},
    "TopicalPageRank": {"texts": ["Die neue Steuer auf Strom gilt.", 5, "Masken schaden nicht."]},
}


@pytest.mark.parametrize("name", MANY)
def test_an_answer_about_many_texts_comes_text_by_text_where_that_is_wanted(door, admitted, name):
    asked = question(admitted, name, body=json.dumps(MANY[name]).encode())
    asked.headers["content-type"] = "application/json"
    whole = door.ask(asked)
    door.say(dataclasses.replace(asked, in_parts=True))
    parts = [door.hear()]
    while isinstance(parts[-1], Part):
        parts.append(door.hear())
    end = parts.pop()
    assert b"".join(part.body for part in parts) == whole.body
    assert len(parts) == 4
    assert parts[0].headers == end.headers == whole.headers
    assert (end.status, end.body) == (200, b"")
