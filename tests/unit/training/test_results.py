"""What a job fetches, measures and leaves behind, and what it does not when it fails."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mme.training.interruption import Interrupted, interruptible
from mme.training.material import gathered
from mme.training.placing import placing
from mme.training.plan import TrainingError, make_job
from mme.training.progress import progress_for
from mme.training.report_page import as_page
from mme.training.run import Destination, run_job
from models.errors import CorpusError
from models.serving import no_progress
from tests.support.endpoint import PROJECT
from tests.support.s3 import running_s3

PARAMS = {"language": "de", "vector_size": 8, "min_count": 1, "epochs": 3, "train_df": "c.csv"}
TOPICS = {"language": "de", "n_topics": 2, "train_df": "c.csv"}
TEXTS = ("Der Impfstoff schützt vor Corona", "Die Steuer auf Strom steigt", "Wind macht Strom")


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    rows = "".join(f"{n},{text},{text}\n" for n, text in enumerate(TEXTS * 5))
    (folder / "c.csv").write_text(f"id,title,claim_text\n{rows}", encoding="utf-8")
    return folder


@pytest.fixture
def sets(tmp_path):
    folder = tmp_path / "sets"
    folder.mkdir()
    docs = "".join(f"d{n},{text}\n" for n, text in enumerate(TEXTS))
    queries = "".join(f"q{n},{text}\n" for n, text in enumerate(TEXTS))
    qrels = "".join(f"q{n},d{n},1\n" for n in range(len(TEXTS)))
    (folder / "own_docs.csv").write_text(f"doc_id,claim_text\n{docs}", encoding="utf-8")
    (folder / "own_queries.csv").write_text(f"query_id,text\n{queries}", encoding="utf-8")
    (folder / "own_qrels.csv").write_text(f"query_id,doc_id,relevance\n{qrels}")
    (folder / "own_pairs.csv").write_text("query_id,doc_id,label\nq0,d0,1\nq1,d0,0\n")
    phrase = {"text": "Die neue Steuer auf Strom gilt.", "keyphrases": ["neue Steuer", "Strom"]}
    (folder / "keyphrases_own.jsonl").write_text(json.dumps(phrase))
    return folder


def job_of(data, family="DocSim", evaluation=None, **more):
    params = {**(PARAMS if family == "DocSim" else TOPICS), **more}
    return make_job(family, params, str(data), (data,), evaluation and str(evaluation))


def run_to(output, job):
    return run_job(job, Destination(output, output), no_progress)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# Reports


def test_a_report_says_what_went_in_and_what_came_out(data, tmp_path):
    done = run_to(tmp_path / "out", job_of(data, seed=3, extra_stop_wrds=["x"]))
    assert names(tmp_path / "out") == ["DocSim-report.html", "DocSim-report.json", "DocSim.tar.gz"]
    report = json.loads(done.report.read_text("utf-8"))
    assert report["corpus"]["name"] == "c.csv"
    assert (report["facts"]["rows"], report["facts"]["seed"]) == (15, 3)
    assert report["artifact"]["size_bytes"] == done.artifact.stat().st_size
    assert [file["name"] for file in report["artifact"]["files"]] == [
        "DocSim-model",
        "DocSim-params.json",
    ]
    assert report["params"]["extra_stop_wrds"] == ["x"]
    assert any("'extra_stop_words' meant?" in warning for warning in report["warnings"])
    assert "DocSim: training" in [phase["title"] for phase in report["phases"]]
    assert {"python", "numpy", "gensim"} <= report["versions"].keys()
    assert report["evaluation"] is None
    page = (tmp_path / "out" / "DocSim-report.html").read_text("utf-8")
    assert "Training of DocSim" in page
    assert "http:" not in page  # self-contained
    assert "https:" not in page


def test_a_page_shows_what_came_from_outside_as_text(data, tmp_path):
    done = run_to(tmp_path / "out", job_of(data, note="<script>alert(1)</script>"))
    page = as_page(json.loads(done.report.read_text("utf-8")))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_an_evaluation_is_of_the_artifact_and_leaves_no_trace_in_it(data, sets, tmp_path):
    plain = run_to(tmp_path / "plain", job_of(data))
    measured = run_to(tmp_path / "measured", job_of(data, evaluation=sets))
    assert plain.artifact.read_bytes() == measured.artifact.read_bytes()
    found = json.loads(measured.report.read_text("utf-8"))["evaluation"]
    assert found["own"]["mrr@10"] == 1  # each query is its document
    assert found["own pairs"] == {"average_precision": 1, "roc_auc": 1}


def test_keyphrases_are_evaluated_where_they_are_what_a_family_finds(data, sets, tmp_path):
    done = run_to(tmp_path / "out", job_of(data, "TopicalPageRank", sets))
    found = json.loads(done.report.read_text("utf-8"))["evaluation"]
    assert found == {"keyphrases own": {"f@5": 1.0, "f@10": 1.0}}


def test_sets_that_a_family_cannot_answer_are_said_to_be_so(data, sets, tmp_path):
    (sets / "keyphrases_own.jsonl").unlink()
    done = run_to(tmp_path / "out", job_of(data, "TopicalPageRank", sets))
    report = json.loads(done.report.read_text("utf-8"))
    assert report["evaluation"] == {}
    assert any("no evaluation set is of a kind" in said for said in report["warnings"])


def test_a_faulty_evaluation_set_is_found_before_training(data, sets):
    (sets / "own_qrels.csv").write_text("query_id,doc_id,relevance\nq9,d0,1\n")
    job = job_of(data, evaluation=sets)
    with pytest.raises(CorpusError, match="own_qrels"), gathered(job, no_progress):
        pass


# Files


def test_files_named_by_parameters_are_fetched_under_their_keys(data, tmp_path):
    (data / "t.json").write_text("{}")
    elsewhere = tmp_path / "with blank.txt"
    elsewhere.write_text("tags")
    job = job_of(data, taxonomy_uri="t.json", tags_uri=elsewhere.as_uri(), empty_uri="")
    with gathered(job, no_progress) as given:
        assert given.material.files == {"taxonomy_uri": data / "t.json", "tags_uri": elsewhere}


def test_files_and_evaluation_sets_may_lie_in_s3(data, sets, tmp_path, monkeypatch):
    with running_s3() as server:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        client = server.client()
        client.create_bucket(Bucket="data")
        client.put_object(Bucket="data", Key="deep/t.json", Body=b"{}")
        for path in sets.iterdir():
            client.upload_file(str(path), "data", f"sets/{path.name}")
        job = job_of(data, taxonomy_uri="s3://data/deep/t.json", evaluation="s3://data/sets/")
        with gathered(job, no_progress) as given:
            kept = given.material.files["taxonomy_uri"]
            assert kept.read_bytes() == b"{}"
            assert given.evaluation is not None
            assert given.evaluation.retrieval[0].name == "own"
        assert not kept.exists()
        missing = job_of(data, taxonomy_uri="s3://data/none.json")
        with (
            pytest.raises(TrainingError, match=r"DocSim: taxonomy_uri: .*s3://data/none\.json"),
            gathered(missing, no_progress),
        ):
            pass


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("none.json", "taxonomy_uri: there is no file .*/none.json"),
        ("https://x/t.json", "neither a path, file://... nor s3://"),
        ("s3://b/folder/", "names no file"),
        (["t.json"], "not a path or s3"),
    ],
)
def test_a_file_that_cannot_be_had_is_named_with_its_parameter(data, uri, said):
    with (
        pytest.raises(TrainingError, match=said),
        gathered(job_of(data, taxonomy_uri=uri), no_progress),
    ):
        pass


# Failing


def test_results_appear_together_or_not_at_all(tmp_path):
    (tmp_path / "a").write_text("before")

    def write_until_full():
        with placing() as files:
            files.write(tmp_path / "a", "after")
            Path("/dev/full").write_text("x")

    with pytest.raises(TrainingError, match="No space left on device"):
        write_until_full()
    assert (tmp_path / "a").read_text() == "before"
    assert names(tmp_path) == ["a"]
    with placing() as files:
        files.write(tmp_path / "a", "after")
        files.write(tmp_path / "b", "after")
        assert (tmp_path / "a").read_text() == "before"
    assert names(tmp_path) == ["a", "b"]
    assert (tmp_path / "a").read_text() == "after"


def test_a_place_that_cannot_be_written_to_is_found_before_training(data, tmp_path):
    (tmp_path / "file").write_text("")
    job = job_of(data / "none")
    with pytest.raises(TrainingError, match=r"cannot write to .*/file/out: Not a directory"):
        run_to(tmp_path / "file" / "out", job)


def train_elsewhere(data, tmp_path, before_start=None, **params):
    """The command in a process of its own, with its temporary files in `tmp_path/tmp`."""
    models = tmp_path / "models"
    (models / "DocSim").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "tmp").mkdir()
    (tmp_path / "out" / "DocSim.tar.gz").write_bytes(b"earlier")
    (models / "models_to_be_trained.json").write_text('{"DocSim": true}')
    (models / "DocSim/inputData.json").write_text(json.dumps({"Training": {"Uri": str(data)}}))
    (models / "DocSim/DocSim-params.json").write_text(json.dumps({**PARAMS, **params}))
    return subprocess.Popen(
        [sys.executable, "-m", "mme.training", "--models", models, "--output", tmp_path / "out"],
        cwd=PROJECT, stderr=subprocess.PIPE, text=True, preexec_fn=before_start,  # noqa: PLW1509 - no threads
        env={
            "PATH": "/usr/bin:/bin",
            "TMPDIR": str(tmp_path / "tmp"),
            # Who may write small files only would leave half of its bytecode to all others.
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )  # fmt: skip


def assert_nothing_changed(tmp_path):
    assert names(tmp_path / "out") == ["DocSim.tar.gz"]
    assert (tmp_path / "out" / "DocSim.tar.gz").read_bytes() == b"earlier"
    left = [name for name in names(tmp_path / "tmp") if name.startswith("mme")]
    assert left == []


def test_where_there_is_no_room_the_earlier_archive_stays(data, tmp_path):
    def small_files_only():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    with train_elsewhere(data, tmp_path, small_files_only) as training:
        _, said = training.communicate()
    assert training.returncode == 1
    assert "mme train: DocSim: cannot write" in said
    assert "Traceback" not in said
    assert_nothing_changed(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_training_that_is_stopped_leaves_nothing_behind(data, tmp_path, number):
    with train_elsewhere(data, tmp_path, epochs=100_000) as training:
        assert training.stderr is not None
        for line in training.stderr:
            if "vocabulary: 100 %" in line:
                break
        os.kill(training.pid, number)
        said = training.stderr.read()
    assert training.returncode == 128 + number
    assert f"stopped by {number.name}" in said
    assert "Traceback" not in said
    assert_nothing_changed(tmp_path)


def test_a_signal_whose_exception_was_lost_is_heeded_at_the_next_step():
    with interruptible() as interruption:
        with contextlib.suppress(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)
            signal.sigtimedwait([], 5)
        progress = interruption.watching(no_progress)
        with pytest.raises(Interrupted, match="SIGTERM"):
            progress(1, "step", "x").__enter__()


# Progress


def test_progress_is_lines_in_a_log_and_bars_on_a_terminal(capsys, caplog):
    for is_terminal in (False, True):
        with (
            caplog.at_level("INFO"),
            progress_for(is_quiet=False, is_terminal=is_terminal)(
                4, "epoch", "DocSim: training"
            ) as bar,
        ):
            bar.update(4)
        said = capsys.readouterr().err
        assert ("4/4" in said) == is_terminal
        assert "DocSim: training: 100 % (4 of 4, unit epoch)" in caplog.text
    assert len(caplog.messages) == 1
    lines = progress_for(is_quiet=False, is_terminal=False)
    with caplog.at_level("INFO"), lines(2_500_000, "byte", "transforming") as bar:
        bar.update(2_500_000)
    assert "transforming: 100 % (2.5 of 2.5 MB)" in caplog.text
    with progress_for(is_quiet=True)(4, "epoch", "x") as bar:
        bar.update(4)
    assert capsys.readouterr().err == ""
