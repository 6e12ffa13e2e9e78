"""`mme evaluate`: an artifact on disk or in S3, or a model on an endpoint, measured on a set."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mme.training.archive import write_archive
from mme.training.evaluating import Question, evaluate_target
from mme.training.plan import TrainingError
from models.registry import family, load_model
from models.serving import Material, Request, no_progress
from tests.support.endpoint import PROJECT
from tests.support.s3 import running_s3

TITLES = ("Masken schaden der Atmung", "Mobilfunk trägt Viren", "Windräder töten Vögel")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    corpus = folder / "c.csv"
    rows = "".join(f"d{n},{title}\n" for n, title in enumerate(TITLES))
    corpus.write_text(f"id,claim_text\n{rows}", encoding="utf-8")
    out = folder / "artifact"
    out.mkdir()
    family("Search").train(Material(corpus, {"language": "de"}), out, no_progress)
    write_archive(out, folder / "Search.tar.gz")
    return folder / "Search.tar.gz"


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "fragen.csv"
    path.write_text("text;doc_id\nMaske;d0\nVögel;d1\nKäse;\n", encoding="utf-8")
    return path


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, PROJECT / "serve.py", "evaluate", *map(str, arguments)],
        cwd=PROJECT, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment},
    )  # fmt: skip


class Server(ThreadingHTTPServer):
    """Has a model and may tell its family."""

    def __init__(self, model, *, tells):
        super().__init__(("127.0.0.1", 0), Endpoint)
        self.model, self.tells = model, tells


class Endpoint(BaseHTTPRequestHandler):
    """Answers invocations with the server's model."""

    server: Server

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = 404, '{"Message": "no such thing"}'
        server = self.server
        if self.path == "/models" and server.tells:
            status, answer = 200, json.dumps({"model": {"family": "Search"}})
        elif self.path == "/invocations" and self.headers["X-Amzn-SageMaker-Target-Model"] == "a/S":
            request = Request(self.headers["Content-Type"], self.headers["Accept"], body)
            status, answer = 200, server.model.predict(request).body
        content = answer.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Nothing."""


@contextlib.contextmanager
def endpoint(artifact, *, tells=True):
    server = Server(load_model(artifact.parent / "artifact"), tells=tells)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_measures_are_printed_and_then_what_was_missed(artifact, questions):
    done = run(artifact, "--set", questions, "--quiet")
    assert done.returncode == 0, done.stderr
    measures, _, missed = done.stdout.partition("\n\n")
    assert measures.splitlines()[:2] == [
        "fragen (3 questions)", "  mrr@10            0.5000   (95 %: 0.0000 to 1.0000)",
    ]  # fmt: skip
    assert missed.splitlines()[:3] == [
        "fragen, what was missed:", "  2: Vögel", "    expected  d1 (not found)",
    ]  # fmt: skip
    assert re.search(r"found +1\. d2 \(.*score \d\.\d{4}\) Windräder", missed)
    assert "Maske" not in missed


def test_all_and_json_give_every_question(artifact, questions):
    done = run(artifact, "--set", questions, "--quiet", "--all")
    assert "  1: Maske\n    expected  d0 (rank 1) Masken" in done.stdout
    assert "    expected  nothing" in done.stdout
    done = run(artifact, "--set", questions, "--quiet", "--json")
    said = json.loads(done.stdout)
    assert said["results"]["fragen"]["measures"]["recall@1"] == 0.5
    assert [each["text"] for each in said["results"]["fragen"]["questions"]] == [
        "Maske", "Vögel", "Käse",
    ]  # fmt: skip
    assert run(artifact, "--set", questions, "--quiet", "--misses", "0").stdout.count("\n") == 8


@pytest.mark.parametrize("tells", [True, False])
def test_a_model_on_an_endpoint_is_measured_as_its_artifact_is(artifact, questions, tells):
    by_file = evaluate_target(Question(str(artifact), str(questions)), no_progress)
    with endpoint(artifact, tells=tells) as url:
        asked = evaluate_target(Question("a/S", str(questions), url), no_progress)
        with pytest.raises(TrainingError, match="answers 404 for b: no such thing"):
            evaluate_target(Question("b", str(questions), url), no_progress)
    assert asked == by_file


def test_the_environment_may_name_the_endpoint(artifact, questions):
    with endpoint(artifact) as url:
        assert run("a/S", "--set", questions, MME_ENDPOINT=url).returncode == 0
        done = run(artifact, "--set", questions, MME_ENDPOINT="http://127.0.0.1:1")
    assert done.returncode == 0  # an artifact that is there is not asked for elsewhere


def test_artifact_and_set_may_lie_in_s3(artifact, questions):
    with running_s3() as server:
        client = server.client()
        client.create_bucket(Bucket="data")
        client.upload_file(str(artifact), "data", "m/Search.tar.gz")
        client.upload_file(str(questions), "data", "sets/fragen.csv")
        done = run(
            "s3://data/m/Search.tar.gz", "--set", "s3://data/sets/fragen.csv", "--quiet",
            AWS_ENDPOINT_URL_S3=server.url, AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "mrr@10" in done.stdout


def test_what_cannot_be_evaluated_is_told(artifact, questions, tmp_path):
    pairs = tmp_path / "p.csv"
    pairs.write_text("text1,text2,label\na,b,1\na,c,0\n")
    plain = tmp_path / "x.tar.gz"
    plain.write_bytes(b"not gzip")
    for target, chosen, url, said in (
        (artifact, pairs, None, "holds no set that .*Search.tar.gz, of the family Search, can"),
        (plain, questions, None, "refused: the archive is not gzip"),
        (tmp_path, questions, None, "no model: wanted"),
        ("none.tar.gz", questions, None, "the artifact: there is no file or folder .*none.tar.gz"),
        (artifact, "none.csv", None, "the evaluation set: there is no file"),
        ("x", questions, "http://127.0.0.1:1", "cannot reach http://127.0.0.1:1"),
        ("x", questions, "file:///etc", "it must be an http:// address"),
    ):
        with pytest.raises(TrainingError, match=said):
            evaluate_target(Question(str(target), str(chosen), url), no_progress)
    done = run("none.tar.gz", "--set", questions)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("mme evaluate: the artifact: there is no file")
