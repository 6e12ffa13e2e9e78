"""Training around the families: plans, corpora, archives. The families' own learning is theirs."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile

import pytest

from mme.training.archive import write_archive
from mme.training.plan import TrainingError, make_plan
from mme.training.sample import write_sample
from models.registry import FAMILIES, family
from models.serving import Request
from tests.support.endpoint import PROJECT
from tests.support.s3 import running_s3


@pytest.fixture
def models_dir(tmp_path):
    folder = tmp_path / "models"
    (folder / "DocSim").mkdir(parents=True)
    write(folder / "models_to_be_trained.json", {"DocSim": True, "TopicalPageRank": False})
    write(folder / "DocSim" / "inputData.json", {"Training": {"Uri": str(tmp_path / "corpus")}})
    params = {
        "model_name": "DocSim", "language": "de", "vector_size": "8", "min_count": "1",
        "epochs": "3", "train_df": "claims.csv",
    }  # fmt: skip
    write(folder / "DocSim" / "DocSim-params.json", params)
    (tmp_path / "corpus").mkdir()
    rows = "".join(f"{n},Titel {n},Der Impfstoff {n} schützt vor Corona Viren\n" for n in range(20))
    (tmp_path / "corpus" / "claims.csv").write_text(f"id,title,claim_text\n{rows}")
    return folder


def write(path, content):
    path.write_text(json.dumps(content))


def train(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "mme.training", *map(str, arguments)],
        cwd=PROJECT, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment},
    )  # fmt: skip


def test_only_what_is_switched_on_is_planned(models_dir):
    assert [job.family for job in make_plan(models_dir)] == ["DocSim"]


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("models_to_be_trained.json", {"Nope": True}, "Nope: no such model family"),
        ("models_to_be_trained.json", {"DocSim": "yes"}, "DocSim is 'yes'"),
        ("models_to_be_trained.json", [], "must hold a JSON object"),
        ("DocSim/inputData.json", {"Training": {}}, "Uri"),
        ("DocSim/DocSim-params.json", {"language": "de"}, "train_df"),
    ],
)
def test_a_plan_with_a_fault_names_file_and_key(models_dir, file, content, words):
    write(models_dir / file, content)
    with pytest.raises(TrainingError, match=words):
        make_plan(models_dir)


def test_the_same_files_give_the_same_archive(tmp_path):
    archives = []
    for run in ("one", "two"):
        folder = tmp_path / run
        (folder / "sub").mkdir(parents=True)
        (folder / "b").write_bytes(b"b")
        (folder / "sub" / "a").write_bytes(b"a")
        write_archive(folder, tmp_path / f"{run}.tar.gz")
        archives.append((tmp_path / f"{run}.tar.gz").read_bytes())
    assert archives[0] == archives[1]
    with tarfile.open(tmp_path / "one.tar.gz") as packed:
        assert packed.getnames() == ["b", "sub/a"]


def test_training_writes_the_same_bytes_in_every_process(models_dir, tmp_path):
    archives = []
    for seed in ("1", "2"):
        output = tmp_path / f"out{seed}"
        done = train("--models", models_dir, "--output", output, "--quiet", PYTHONHASHSEED=seed)
        assert done.returncode == 0, done.stderr
        archives.append((output / "DocSim.tar.gz").read_bytes())
    assert archives[0] == archives[1]


def test_a_missing_corpus_is_named_and_an_earlier_archive_stays(models_dir, tmp_path):
    (tmp_path / "corpus" / "claims.csv").unlink()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "DocSim.tar.gz").write_bytes(b"earlier")
    done = train("--models", models_dir, "--output", tmp_path / "out", "--quiet")
    assert done.returncode == 1
    assert "claims.csv" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "DocSim.tar.gz").read_bytes() == b"earlier"


def test_a_missing_column_is_named(models_dir, tmp_path):
    (tmp_path / "corpus" / "claims.csv").write_text("id,text\n1,x\n")
    done = train("--models", models_dir, "--output", tmp_path / "out", "--quiet")
    assert done.returncode == 1
    assert "claim_text" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_corpus_may_lie_in_s3(models_dir, tmp_path):
    with running_s3() as server:
        client = server.client()
        client.create_bucket(Bucket="data")
        corpus = tmp_path / "corpus" / "claims.csv"
        client.upload_file(str(corpus), "data", "training/claims.csv")
        write(models_dir / "DocSim" / "inputData.json", {"Training": {"Uri": "s3://data/training"}})
        done = train(
            "--models", models_dir, "--output", tmp_path / "out",
            AWS_ENDPOINT_URL_S3=server.url, AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "DocSim.tar.gz").is_file()
    assert "%" in done.stderr  # a progress bar


def test_an_artifact_gets_a_sample_request_if_it_is_wanted(models_dir, tmp_path):
    ended = train("DocSim", "--models", models_dir, "--output", tmp_path, "--sample-request")
    assert ended.returncode == 0, ended.stderr
    with tarfile.open(tmp_path / "DocSim.tar.gz") as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    sample = json.loads((tmp_path / "unpacked" / "sample-request.json").read_text())
    assert sample["ContentType"] == "text/csv"
    model = family("DocSim").load(tmp_path / "unpacked", tmp_path / "mapped")
    assert model.predict(Request("text/csv", None, sample["Body"].encode())).body


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_has_a_sample_that_artifacts_answer(name, tmp_path):
    write_sample(name, tmp_path)
    said = json.loads((tmp_path / "sample-request.json").read_text())
    with tarfile.open(PROJECT / "artifacts" / f"{name}.tar.gz") as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    model = family(name).load(tmp_path / "unpacked", tmp_path / "mapped")
    request = Request(said["ContentType"], said.get("Accept"), said["Body"].encode())
    assert model.predict(request).body
