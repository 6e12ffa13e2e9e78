"""docs/own-family.md, followed: a copy of the project gets the family, trains it and serves it."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
import requests

from tests.support.documented import agrees, blocks_of, rewritten, run
from tests.support.endpoint import PROJECT, running_endpoint

PAGE = PROJECT / "docs" / "own-family.md"
TRAIN = "import sys; from mme.cli.main import main; sys.exit(main(['train', 'Category']))"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of what runs, with the first two commands of the page done."""
    copy = tmp_path_factory.mktemp("own") / "project"
    copy.mkdir()
    for name in ("mme", "models", "docs"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, copy / name, ignore=skipped)
    for name in ("serve.py", "model_handler.py"):
        shutil.copy(PROJECT / name, copy)
    (copy / "artifacts").mkdir()
    commands = [line[2:] for line in PAGE.read_text("utf-8").splitlines() if line[:2] == "$ "]
    assert commands[0].startswith("cp ")
    assert commands[1].startswith("sed ")
    subprocess.run(["bash", "-ec", "\n".join(commands[:2])], cwd=copy, check=True)
    subprocess.run([sys.executable, "-c", TRAIN], cwd=copy, check=True, capture_output=True)
    return copy


@pytest.fixture(scope="module")
def endpoint(project, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("endpoint")
    with running_endpoint(str(project / "artifacts"), scratch, folder=project) as running:
        yield running


def test_training_leaves_an_artifact_and_a_report(project):
    names = {path.name for path in (project / "artifacts").iterdir()}
    assert {"Category.tar.gz", "Category-report.json"} <= names


def test_the_page_shows_what_the_family_answers(request, endpoint, project):
    if shutil.which("curl") is None:
        pytest.skip("the examples need curl")
    page = PAGE.read_text("utf-8")
    [block] = blocks_of(page)
    [example], [printed] = block, run(block, endpoint.url, project)
    if request.config.getoption("--write-examples"):
        PAGE.write_text(rewritten(page, [(example, printed)]), "utf-8")
        return
    assert agrees(example.output, printed), printed


def ask(endpoint, body):
    return requests.post(
        f"{endpoint.url}/invocations",
        headers={
            "X-Amzn-SageMaker-Target-Model": "Category.tar.gz",
            "Content-Type": "application/json",
        },
        json=body,
        timeout=60,
    )


def test_an_answer_comes_from_a_worker_of_the_pool(endpoint):
    found = ask(endpoint, {"text": "Wind turbines kill birds"}).json()["categories"]
    assert found[0]["category"] == "energy"
    view = requests.get(f"{endpoint.url}/models/Category.tar.gz", timeout=10).json()
    assert view["state"] == "ready"
    assert view["model"]["family"] == "Category"
    assert len(view["model"]["categories"]) == 12


def test_a_bad_request_is_the_callers_fault(endpoint):
    answer = ask(endpoint, {"text": " "})
    assert answer.status_code == 424  # as for every error of a model
    assert answer.json()["OriginalStatusCode"] == 400
    assert "blank" in answer.json()["OriginalMessage"]
