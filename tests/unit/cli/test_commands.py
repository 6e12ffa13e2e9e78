"""The commands that ask a running endpoint: what they print, and their exit codes."""

from __future__ import annotations

import json
import sys
from io import BytesIO, TextIOWrapper

import pytest

from mme.cli.main import main
from tests.support.endpoint import free_port
from tests.support.fake_endpoint import Canned, fake_endpoint

SEARCH = {
    "target_model": "en/Search.tar.gz",
    "state": "ready",
    "memory_bytes": 32768,
    "invocations": 12,
    "errors": 1,
    "p50_ms": 1.25,
    "p99_ms": 40.0,
    "last_used_at": "2026-01-31T12:00:00.000+00:00",
    "last_error": {"at": "2026-01-31T12:00:00.000+00:00", "message": "bad\x1b[31m\nrow"},
    "load_s": 0.0048,
}
STORED = {"target_model": "de/DocSim.tar.gz", "state": "in-store"}
EVENT = {
    "id": 5,
    "at": "2026-01-31T12:00:00.000+00:00",
    "kind": "evicted",
    "target_model": "en/Search.tar.gz",
    "message": "en/Search.tar.gz had to leave",
}
LINE = {
    "id": 6,
    "at": "2026-01-31T12:00:00.000+00:00",
    "level": "WARNING",
    "message": "slow",
    "request_id": "r-1",
}
MISSING = Canned({"Message": "Target model 'en/Serch.tar.gz' was not found"}, 400)
LISTING = ("GET", "/models")
CHECK = {
    "pipeline": "check",
    "state": "on-disk",
    "takes_target_model": True,
    "steps": [
        {"name": "phrases", "target_model": "en/Search.tar.gz", "state": "on-disk"},
        {"name": "rank", "targets": "de/"},
    ],
}


@pytest.fixture
def mme(capsys, monkeypatch):
    """A command on an endpoint of these answers: exit code, output, what was said; requests."""
    for name in ("MME_ENDPOINT", "MME_TOKEN", "MME_PORT"):
        monkeypatch.delenv(name, raising=False)

    def run(answers, *arguments):
        with fake_endpoint(answers) as fake:
            code = main([*arguments, "--endpoint", fake.url])
        printed = capsys.readouterr()
        return code, printed.out, printed.err, fake.came

    return run


def test_models_of_all_pages_are_in_one_table(mme):
    pages = [
        Canned({"models": [SEARCH], "nextPageToken": "next"}),
        Canned({"models": [STORED]}),
    ]
    code, printed, _, came = mme({LISTING: pages}, "models", "e", "--state", "ready")
    head, first, second = printed.splitlines()
    assert code == 0
    assert head.split()[:7] == ["MODEL", "STATE", "MEMORY", "REQUESTS", "ERRORS", "P50", "P99"]
    assert first.startswith("en/Search.tar.gz  ready     32 KiB        12       1  1.25 ms  40 ms")
    assert first.endswith("bad\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}row")
    assert second.split() == ["de/DocSim.tar.gz", "in-store", *["-"] * 7]
    assert [each.path for each in came] == [
        "/models?limit=1000&prefix=e&state=ready",
        "/models?limit=1000&next_page_token=next&prefix=e&state=ready",
    ]


def test_models_are_told_as_they_are_as_json(mme):
    answers = {LISTING: Canned({"models": [SEARCH, STORED]})}
    assert json.loads(mme(answers, "models", "--json")[1]) == [SEARCH, STORED]
    assert json.loads(mme(answers, "models", "--json", "--limit", "1")[1]) == [SEARCH]


def test_pipelines_come_after_the_models_with_their_steps(mme):
    answers = {LISTING: Canned({"models": [SEARCH], "pipelines": [CHECK]})}
    _, printed, _, _ = mme(answers, "models")
    last = printed.splitlines()[-1]
    assert last.startswith("check")
    assert last.endswith("pipeline: phrases, rank")
    assert json.loads(mme(answers, "models", "--json")[1]) == [SEARCH, CHECK]
    assert json.loads(mme(answers, "models", "--json", "--limit", "1")[1]) == [SEARCH]


def test_a_store_that_cannot_be_listed_is_said_with_what_is_known(mme):
    answers = {LISTING: Canned({"models": [SEARCH], "store_error": "denied"})}
    code, printed, said, _ = mme(answers, "models")
    assert (code, len(printed.splitlines())) == (1, 2)
    assert said == "mme: the store cannot be listed: denied\n"


def test_models_are_loaded_one_after_another_also_after_one_that_is_missing(mme):
    answers = {
        ("POST", "/models"): [MISSING, Canned(SEARCH)],
        LISTING: Canned({"models": [SEARCH, STORED]}),
    }
    code, printed, said, came = mme(answers, "load", "en/Serch.tar.gz", "en/Search.tar.gz")
    assert code == 4
    assert printed == "en/Search.tar.gz: ready (loading takes 4.80 ms, 32 KiB of memory)\n"
    assert said.startswith("mme: en/Serch.tar.gz: Target model 'en/Serch.tar.gz' was not found\n")
    assert said.endswith("mme: did you mean en/Search.tar.gz?\n")
    assert json.loads(came[0].body) == {"target_model": "en/Serch.tar.gz"}


def test_models_are_unloaded_pinned_and_unpinned(mme):
    path = "/models/en/Search.tar.gz"
    answers = {
        ("DELETE", path): Canned({"target_model": "en/Search.tar.gz", "status": "unloaded"}),
        ("PUT", f"{path}/pin"): Canned(SEARCH | {"pinned": True}),
        ("DELETE", f"{path}/pin"): Canned(SEARCH | {"pinned": False}),
    }
    target = "en/Search.tar.gz"
    assert mme(answers, "unload", target)[:2] == (0, f"{target}: unloaded\n")
    assert mme(answers, "pin", target)[:2] == (0, f"{target}: pinned\n")
    assert mme(answers, "pin", target, "--remove")[:2] == (0, f"{target}: not pinned\n")
    assert json.loads(mme(answers, "pin", target, "--json")[1])["pinned"] is True


def test_why_is_a_sentence_and_what_happened(mme):
    told = {"target_model": "en/Search.tar.gz", "state": "on-disk", "why": "It left."}
    answers = {("GET", "/models/en/Search.tar.gz/why"): Canned(told | {"events": [EVENT]})}
    code, printed, _, _ = mme(answers, "why", "en/Search.tar.gz")
    sentence, event = printed.splitlines()
    assert (code, sentence) == (0, "on-disk: It left.")
    assert event.endswith("  evicted         en/Search.tar.gz had to leave")


def test_events_and_lines_of_the_log_are_one_line_each(mme):
    answers = {
        ("GET", "/events"): Canned({"events": [EVENT], "last_id": 5}),
        ("GET", "/logs"): Canned({"lines": [LINE], "last_id": 6}),
    }
    _, printed, _, came = mme(answers, "events", "--kind", "evicted", "-n", "7")
    assert printed.endswith("  evicted         en/Search.tar.gz had to leave\n")
    assert came[0].path == "/events?limit=7&kind=evicted"
    _, printed, _, came = mme(answers, "logs", "--level", "warning", "--request-id", "r-1")
    assert printed.endswith("  WARNING   slow  [r-1]\n")
    assert came[0].path == "/logs?limit=100&request_id=r-1&level=WARNING"
    assert json.loads(mme(answers, "events", "--json")[1])["last_id"] == 5


def test_where_nothing_is_kept_that_is_said_beside_an_empty_output(mme):
    answers = {("GET", "/logs"): Canned({"lines": [], "last_id": 6})}
    code, printed, said, _ = mme(answers, "logs", "--request-id", "r-9")
    assert (code, printed) == (0, "")
    assert "keeps no such lines" in said


def test_who_follows_events_gets_a_line_for_each_from_the_last_one_on(mme):
    frame = f"id: 6\nevent: events\ndata: {json.dumps([EVENT | {'id': 6}])}\n\n".encode()
    answers = {
        ("GET", "/events"): [
            Canned({"events": [EVENT], "last_id": 5}),
            Canned(frame),
            Canned({"Message": "over"}, 403),
        ]
    }
    code, printed, said, came = mme(answers, "events", "-f", "--json")
    assert code == 5
    assert [json.loads(line)["id"] for line in printed.splitlines()] == [5, 6]
    assert "trying to go on" in said
    assert came[1].path == "/events?after=5"
    assert came[2].headers["Last-Event-ID"] == "6"


def test_a_file_of_data_that_is_not_there_is_named(mme, tmp_path):
    code, _, said, came = invoked(mme, "a", "--data", f"@{tmp_path}/no.csv")
    assert (code, came) == (2, None)
    assert said == f"mme: --data: {tmp_path}/no.csv: No such file or directory\n"


def invoked(mme, *arguments, answer=None):
    answer = answer or Canned(b'["0.9"]', 200, {"Content-Type": "application/json"})
    code, printed, said, came = mme({("POST", "/invocations"): answer}, "invoke", *arguments)
    return code, printed, said, came[0] if came else None


def test_a_model_is_asked_and_its_answer_printed_as_it_is(mme):
    code, printed, _, came = invoked(mme, "en/S.tar.gz", "--data", "käse", "--accept", "text/csv")
    assert (code, printed) == (0, '["0.9"]')
    assert came.body == "käse".encode()
    assert came.headers["X-Amzn-SageMaker-Target-Model"] == "en/S.tar.gz"
    assert came.headers["Content-Type"] == "text/plain"
    assert came.headers["Accept"] == "text/csv"


@pytest.mark.parametrize(
    ("name", "content", "content_type"),
    [
        ("a.csv", "one,two", "text/csv"),
        ("a.bin", '{"text": 1}', "application/json"),
        ("a.bin", "{text", "text/plain"),
    ],
)
def test_the_content_type_goes_by_ending_or_looks(mme, tmp_path, name, content, content_type):
    file = tmp_path / name
    file.write_text(content)
    _, _, _, came = invoked(mme, "a", "--data", f"@{file}")
    assert came.headers["Content-Type"] == content_type
    _, _, _, came = invoked(mme, "a", "--data", f"@{file}", "--content-type", "x/y")
    assert came.headers["Content-Type"] == "x/y"


def test_data_comes_from_the_standard_input_where_that_is_no_terminal(mme, monkeypatch):
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"\xff\x00")))
    assert invoked(mme, "a")[3].body == b"\xff\x00"


def test_the_sample_request_is_that_of_the_model(mme):
    answers = {
        ("POST", "/models"): Canned(SEARCH),
        ("GET", "/models/a/sample"): Canned(
            {"content_type": "text/csv", "body": "x,y", "accept": "text/csv"}
        ),
        ("POST", "/invocations"): Canned(b"1\n"),
    }
    code, printed, _, came = mme(answers, "invoke", "a", "--sample")
    assert (code, printed) == (0, "1\n")
    assert (came[-1].body, came[-1].headers["Accept"]) == (b"x,y", "text/csv")


def test_a_model_without_a_sample_request_is_sent_nothing(mme):
    answers = {
        ("POST", "/models"): Canned(SEARCH),
        ("GET", "/models/a/sample"): Canned({"content_type": "application/json", "body": ""}),
    }
    code, printed, said, came = mme(answers, "invoke", "a", "--sample")
    assert (code, printed) == (2, "")
    assert said == "mme: --sample: a has no sample request: send one of your own by --data\n"
    assert came[-1].path == "/models/a/sample"


def test_a_pipeline_is_asked_by_its_name_where_there_is_no_such_model(mme):
    answers = {
        ("POST", "/invocations"): MISSING,
        ("GET", "/models/check"): Canned(CHECK),
        ("POST", "/endpoints/check/invocations"): Canned(b"[1]"),
    }
    code, printed, _, came = mme(answers, "invoke", "check", "--data", "x")
    assert (code, printed) == (0, "[1]")
    assert "X-Amzn-SageMaker-Target-Model" not in came[-1].headers
    code, _, _, came = mme(answers, "invoke", "check", "--data", "x", "--target-model", "de/m")
    assert code == 0
    assert [each.path for each in came] == ["/endpoints/check/invocations"]
    assert came[0].headers["X-Amzn-SageMaker-Target-Model"] == "de/m"


def test_an_answer_as_json_has_status_and_headers(mme):
    told = json.loads(invoked(mme, "a", "--data", "x", "--json")[1])
    assert (told["status"], told["body"]) == (200, ["0.9"])
    assert told["headers"]["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "code"), [(413, 1), (401, 5), (403, 5), (424, 1), (429, 6), (503, 6), (507, 6)]
)
def test_a_refusal_has_a_code_of_its_kind(mme, status, code):
    found, printed, said, _ = invoked(mme, "a", "--data", "x", answer=Canned({}, status))
    assert (found, printed) == (code, "")
    assert said.startswith("mme: ")


def test_what_a_model_refuses_is_no_missing_model(mme):
    answers = {
        ("POST", "/invocations"): Canned({"Message": "too long"}, 400),
        ("GET", "/models/a"): Canned(SEARCH),
    }
    assert mme(answers, "invoke", "a", "--data", "x")[0] == 1


def test_what_cannot_be_sent_is_said(mme, tmp_path):
    assert invoked(mme, "a", "--data", f"@{tmp_path}/none")[:2] == (2, "")
    assert invoked(mme, "a", "--data", "x", "--sample")[0] == 2


def test_an_endpoint_that_is_not_there_has_a_code_of_its_own(capsys, monkeypatch):
    monkeypatch.setenv("MME_PORT", str(free_port()))
    monkeypatch.delenv("MME_ENDPOINT", raising=False)
    assert main(["models"]) == 3
    assert "is it running?" in capsys.readouterr().err


def test_an_address_that_is_none_is_said(capsys):
    assert main(["models", "--endpoint", "localhost"]) == 2
    assert "write http://HOST:PORT" in capsys.readouterr().err


def test_the_token_comes_from_its_variable(mme, monkeypatch):
    monkeypatch.setenv("MME_TOKEN", "secret")
    came = mme({LISTING: Canned({"models": []})}, "models")[3]
    assert came[0].headers["Authorization"] == "Bearer secret"


def test_version_names_the_endpoints_too_where_one_is_asked(mme, capsys):
    answers = {("GET", "/status"): Canned({"version": "9", "mode": "standalone endpoint"})}
    assert "endpoint 9 (standalone endpoint)" in mme(answers, "version")[1]
    assert main(["version", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"mme", "python"}


@pytest.mark.parametrize(
    "answer",
    [
        Canned({"message": "no"}, 404),
        Canned([1]),
        Canned(b"<html>"),
        Canned({"models": [{"modelName": "a"}]}),
    ],
)
def test_what_is_no_endpoint_of_this_kind_is_told(mme, answer):
    code, _, said, _ = mme({LISTING: answer}, "models")
    assert code == 1
    assert said.endswith("only a standalone endpoint of mme answers this\n")


def test_arguments_that_cannot_be_sent_are_said(mme, capsys):
    assert invoked(mme, "a\udcff", "--data", "x")[0] == 2
    assert main(["models", "--token", "a\nb: c"]) == 2
    assert "the token has signs that none has" in capsys.readouterr().err
    assert invoked(mme, "a\nb: c", "--data", "x")[0] == 2


HOSTILE = "x\x1b[31m\x9b31m\u202e\ud800"


@pytest.mark.parametrize(
    "arguments",
    [
        ("models",),
        ("models", "--json"),
        ("events",),
        ("events", "--json"),
        ("logs",),
        ("why", "en/Search.tar.gz"),
        ("load", "en/Search.tar.gz"),
        ("version",),
    ],
)
def test_nothing_an_endpoint_says_moves_the_terminals_cursor(mme, arguments):
    model = {"target_model": HOSTILE, "state": HOSTILE, "last_error": {"message": HOSTILE}}
    event = EVENT | {"kind": HOSTILE, "message": HOSTILE, "at": HOSTILE}
    line = LINE | {"level": HOSTILE, "message": HOSTILE, "request_id": HOSTILE}
    answers = {
        LISTING: Canned({"models": [model], "store_error": HOSTILE}),
        ("GET", "/events"): Canned({"events": [event], "last_id": 5}),
        ("GET", "/logs"): Canned({"lines": [line], "last_id": 5}),
        ("GET", "/models/en/Search.tar.gz/why"): Canned(
            {"target_model": HOSTILE, "state": HOSTILE, "why": HOSTILE, "events": [event]}
        ),
        ("POST", "/models"): Canned({"Message": HOSTILE}, 500),
        ("GET", "/status"): Canned({"version": HOSTILE, "mode": HOSTILE}),
    }
    _, printed, said, _ = mme(answers, *arguments)
    assert "x" in printed + said
    assert (printed + said).replace("\n", "").isprintable()


@pytest.mark.parametrize("arguments", [("models",), ("events",), ("logs",), ("why", "m")])
def test_what_answers_in_another_form_is_said_to_be_none_of_ours(mme, arguments):
    other = Canned({"models": [{"modelName": "m"}], "nextPageToken": None})
    places = ["/models", "/events", "/logs", "/models/m/why"]
    code, printed, said, _ = mme({("GET", place): other for place in places}, *arguments)
    assert code == 1
    assert not printed
    assert said.startswith("mme: ")
