"""What a worker could reach if a request or an artifact took it over, seen from outside."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest
import requests

from mme.prefork import landlock, seccomp
from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.processes import pids_of, template_and_workers, workers

TARGET = "X-Amzn-SageMaker-Target-Model"
SECRET = "not-for-workers"
KEYPHRASES, SIMILARITY = "TopicalPageRank.tar.gz", "DocSim.tar.gz"
REQUEST_MIB = 24


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """An endpoint with credentials, whose requests may take little memory."""
    tmp_path = tmp_path_factory.mktemp("isolation")
    store = tmp_path / "store"
    store.mkdir()
    for name in (KEYPHRASES, SIMILARITY):
        shutil.copy(PROJECT / "artifacts" / name, store)
    settings = {
        "AWS_ACCESS_KEY_ID": SECRET,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": SECRET,
        "MME_REQUEST_MEMORY": f"{REQUEST_MIB}MiB",
    }
    with running_endpoint(str(store), tmp_path, settings) as running:
        ask(running, KEYPHRASES, "Die neue Steuer auf Strom.")
        yield running


def ask(endpoint, target: str, body: str, media: str = "text/plain") -> requests.Response:
    headers = {TARGET: target, "Content-Type": media}
    url = f"{endpoint.url}/invocations"
    return requests.post(url, headers=headers, data=body.encode(), timeout=70)


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.partition(":")[0]: line.partition(":")[2].strip() for line in lines}


@pytest.mark.hostile("isolation")
def test_no_process_but_the_gateway_holds_credentials(endpoint):
    if os.geteuid() != 0:
        pytest.skip("only root may look into confined processes")
    template, forks = template_and_workers(endpoint)
    others = {template, *forks, *pids_of(endpoint, "java"), *pids_of(endpoint, "launcher")}
    assert len(others) > len(forks) + 1
    for pid in others:
        assert SECRET.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


@pytest.mark.hostile("isolation")
def test_workers_have_no_powers_and_get_none(endpoint):
    for pid in workers(endpoint):
        status = status_of(pid)
        assert status["NoNewPrivs"] == "1"
        assert int(status["CapEff"], 16) in (0, 1 << 2)
        if seccomp.is_there():
            assert status["Seccomp"] == "2"


@pytest.mark.hostile("isolation")
def test_workers_hold_no_files_but_their_models_and_their_ties(endpoint):
    if os.geteuid() != 0:
        pytest.skip("only root may look into confined processes")
    for pid in workers(endpoint):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            mode = descriptor.stat().st_mode
            is_model = "/cache/artifacts/" in str(descriptor.readlink())
            assert is_model or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode), descriptor.readlink()


@pytest.mark.hostile("isolation")
@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every process")
def test_the_gateway_may_not_be_looked_into(endpoint):
    with pytest.raises(PermissionError):
        Path(f"/proc/{endpoint.process.pid}/environ").read_bytes()


@pytest.mark.hostile("requests to models")
def test_a_request_that_takes_too_much_memory_is_told_so_and_harms_nobody_else(endpoint):
    body = "".join(f"Wort{number}abcdefg " for number in range(50_000)) + "Steuer."
    refused = ask(endpoint, KEYPHRASES, body)
    assert refused.status_code == 424
    told = refused.json()
    assert told["OriginalStatusCode"] == 507
    assert (
        f"one request may take {REQUEST_MIB} MiB" in json.loads(told["OriginalMessage"])["message"]
    )
    for target, text, media in (
        (KEYPHRASES, "Die neue Steuer auf Strom.", "text/plain"),
        (SIMILARITY, "Impfstoff,Erbgut", "text/csv"),
    ):
        assert ask(endpoint, target, text, media).status_code == 200


@pytest.mark.hostile("surroundings")
def test_it_runs_below_a_folder_with_umlauts_without_a_home_where_words_are_ascii(tmp_path):
    folder = tmp_path / "Häuser"
    folder.mkdir()
    settings = {
        "LC_ALL": "C", "LANG": "C", "PYTHONIOENCODING": "ascii", "HOME": "/nonexistent",
        "MME_CACHE_DIR": str(folder / "Speicher für Modelle"),
        "TMPDIR": f"/tmp/mme-tü-{os.getpid()}",
        "TZ": "Nowhere/Never",
    }  # fmt: skip
    try:
        with running_endpoint(str(PROJECT / "artifacts"), tmp_path, settings) as running:
            answer = ask(running, KEYPHRASES, "Die neue Steuer auf Strom.")
            assert answer.status_code == 200
            assert "Traceback" not in running.log
    finally:
        shutil.rmtree(settings["TMPDIR"], ignore_errors=True)


@pytest.mark.hostile("isolation")
def test_what_confines_workers_is_told_at_the_start(endpoint):
    assert "workers are confined: no capabilities, no new privileges" in endpoint.log
    if landlock.version():
        assert f"Landlock {landlock.version()}" in endpoint.log


MANIFEST = {
    "specificationVersion": "1.0",
    "implementationVersion": "1.0",
    "modelServerVersion": "1.0",
    "runtime": "python2.7",
    "engine": {"engineName": "other"},
    "model": {"modelName": "theirs", "modelVersion": "1.0", "handler": "theirs:handle"},
}
THEIRS = """
def handle(data, context):
    open({path!r}, "w").close()
    return None if data is None else ["theirs" for _ in data]
"""


@pytest.mark.hostile("isolation")
@pytest.mark.parametrize("handler", ["ours", "the operator's"])
def test_what_an_artifact_says_of_handlers_counts_nothing(tmp_path, handler):
    ran = tmp_path / "ran"
    models_dir = tmp_path / "models"
    folder = models_dir / "m" / "model"
    (folder / "MAR-INF").mkdir(parents=True)
    shutil.unpack_archive(PROJECT / "artifacts" / SIMILARITY, folder, filter="data")
    (folder / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(MANIFEST))
    (folder / "theirs.py").write_text(THEIRS.format(path=str(ran)))
    settings = {
        "SAGEMAKER_MULTI_MODEL": "true",
        "SAGEMAKER_BIND_TO_PORT": "8093",
        "MME_MODELS_DIR": str(models_dir),
        "MME_ISOLATION": "model",
        "MME_INVOKE": "mms",
    }
    if handler != "ours":
        settings["MME_HANDLER"] = str(PROJECT / "tests" / "support" / "plain_handler.py")
    with running_endpoint("/nonexistent", tmp_path, settings) as running:
        load = {"model_name": "m", "url": str(folder)}
        loaded = requests.post(f"{running.url}/models", json=load, timeout=60)
        assert loaded.status_code == 200, loaded.text
        answer = requests.post(
            f"{running.url}/models/m/invoke", data="Impfstoff,Erbgut",
            headers={"Content-Type": "text/csv"}, timeout=60,
        )  # fmt: skip
        right = "[" if handler == "ours" else "ok m"
        assert answer.text.startswith(right)
    assert not ran.exists()
