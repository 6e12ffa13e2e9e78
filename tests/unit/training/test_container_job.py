"""A SageMaker training job in a folder of our own: what is read, what is left behind."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mme.core.settings import PROJECT_ROOT
from mme.training.container import container_job, find_places, is_first_host
from mme.training.plan import TrainingError
from models.registry import load_model
from models.serving import Request
from tests.support.endpoint import PROJECT

MODELS = PROJECT_ROOT / "models"
SMALL = {"family": "DocSim", "vector_size": "8", "min_count": "1", "epochs": "3"}
CORPUS = "id,title,claim_text\n" + "".join(
    f"{n},Titel {n},Der Impfstoff {n} schützt vor Corona Viren\n" for n in range(20)
)


@pytest.fixture
def ml(tmp_path):
    """What the platform mounts at /opt/ml."""
    base = tmp_path / "ml"
    for folder in ("input/config", "input/data/training", "model", "output/data"):
        (base / folder).mkdir(parents=True)
    (base / "input/data/training/claims.csv").write_text(CORPUS, encoding="utf-8")
    hyperparameters(base, **SMALL)
    config(base, "inputdataconfig", {"training": {"TrainingInputMode": "File"}})
    config(base, "resourceconfig", {"current_host": "algo-1", "hosts": ["algo-1"]})
    return base


def config(base, name, value):
    (base / "input/config" / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")


def hyperparameters(base, **values):
    config(base, "hyperparameters", values)


def job_in(base, **variables):
    environ = {"SAGEMAKER_BASE_DIR": str(base), **variables}
    places = find_places(environ)
    assert places is not None
    return container_job(places, environ, MODELS)


def run_train(base, **variables):
    return subprocess.run(
        [sys.executable, "serve.py", "train"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "SAGEMAKER_BASE_DIR": str(base),
             **variables},
    )  # fmt: skip


def test_an_artifact_gets_a_sample_request_if_the_hyperparameter_says_so(ml):
    assert not job_in(ml).has_sample
    hyperparameters(ml, **SMALL, sample_request="true")
    job = job_in(ml)
    assert job.has_sample
    assert "sample_request" not in job.params
    hyperparameters(ml, **SMALL, sample_request="perhaps")
    with pytest.raises(TrainingError, match="sample_request is 'perhaps'; write true or false"):
        job_in(ml)


def test_a_job_leaves_the_model_unpacked_reports_and_the_sign_of_success(ml):
    done = run_train(ml)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (ml / "model").iterdir()} == {
        "DocSim-model",
        "DocSim-params.json",
    }
    model = load_model(ml / "model")
    answer = model.predict(Request("text/csv", None, b"Impfstoff Corona,Corona Viren"))
    assert float(json.loads(answer.body)[0]) != 0
    report = json.loads((ml / "output/data/DocSim-report.json").read_text("utf-8"))
    assert report["artifact"]["place"] == str(ml / "model")
    assert (ml / "output/data/DocSim-report.html").is_file()
    assert (ml / "output/success").read_bytes() == b""
    assert not (ml / "output/failure").exists()
    assert "DocSim: training: 100 % (3 of 3" in done.stderr  # lines, for there is no terminal


def test_a_failure_leaves_its_reason_and_no_model(ml):
    (ml / "input/data/training/claims.csv").write_text("id,text\n1,x\n")
    done = run_train(ml)
    assert done.returncode == 1
    reason = (ml / "output/failure").read_text("utf-8")
    assert reason.startswith("DocSim: claims.csv: has no column 'claim_text'")
    assert "Traceback" not in done.stderr
    assert list((ml / "model").iterdir()) == []
    assert not (ml / "output/success").exists()


def test_a_folder_has_the_sign_of_the_last_outcome_alone(ml):
    places = find_places({"SAGEMAKER_BASE_DIR": str(ml)})
    assert places is not None
    for end, sign in (
        (places.succeeded, "success"),
        (lambda: places.failed("why"), "failure"),
        (places.succeeded, "success"),
    ):
        end()
        assert [path.name for path in places.output.iterdir() if path.is_file()] == [sign]


def test_a_reason_is_cut_to_what_the_platform_shows(ml):
    places = find_places({"SAGEMAKER_BASE_DIR": str(ml)})
    assert places is not None
    places.failed("ä" * 3000)
    assert (ml / "output/failure").read_text("utf-8") == "ä" * 1024


def test_options_on_the_command_line_come_before_the_platform(ml, tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "SAGEMAKER_BASE_DIR": str(ml)}
    done = subprocess.run(
        [sys.executable, "-m", "mme.training", "--models", str(tmp_path / "none")],
        cwd=PROJECT, capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 1
    assert "models_to_be_trained.json" in done.stderr
    assert not (ml / "output/failure").exists()


def test_values_are_read_as_json_where_they_are_json(ml):
    hyperparameters(
        ml, **SMALL, extra_stop_words='["a"]', compat="original", seed="7",
        learn_stop_words='{"max_document_share": 0.3}', note="NaN", sagemaker_region="eu",
        _tuning_objective_metric="x",
    )  # fmt: skip
    params = job_in(ml).params
    assert params["extra_stop_words"] == ["a"]
    assert params["learn_stop_words"] == {"max_document_share": 0.3}
    assert (params["compat"], params["seed"], params["note"]) == ("original", 7, "NaN")
    assert not {"sagemaker_region", "_tuning_objective_metric", "family"} & params.keys()


def test_hyperparameters_come_before_the_file_in_the_channel_and_that_before_ours(ml):
    shipped = json.loads((MODELS / "DocSim/DocSim-params.json").read_text("utf-8"))
    assert job_in(ml).params["max_token_length"] == shipped["max_token_length"]
    own = {"language": "en", "vector_size": 5, "epochs": "9"}
    (ml / "input/data/training/DocSim-params.json").write_text(json.dumps(own))
    params = job_in(ml).params
    assert params["language"] == "en"
    assert params["vector_size"] == 8
    assert "max_token_length" not in params


def test_the_family_may_be_told_by_the_parameters_in_the_channel(ml):
    hyperparameters(ml, epochs="3")
    with pytest.raises(TrainingError, match="which family"):
        job_in(ml)
    own = {"language": "de", "vector_size": 5, "min_count": 1}
    (ml / "input/data/training/DocSim-params.json").write_text(json.dumps(own))
    assert job_in(ml).family == "DocSim"


def test_an_unknown_family_is_named(ml):
    hyperparameters(ml, family="Docsim")
    with pytest.raises(TrainingError, match="'Docsim'; there are TopicalPageRank, DocSim"):
        job_in(ml)


def test_the_corpus_is_the_only_csv_or_the_one_named(ml):
    channel = ml / "input/data/training"
    assert job_in(ml).corpus_uri == str(channel / "claims.csv")
    (channel / "more.csv").write_text(CORPUS)
    with pytest.raises(TrainingError, match=r"must hold one CSV.*claims\.csv, more\.csv"):
        job_in(ml)
    hyperparameters(ml, **SMALL, train_df="more.csv")
    job = job_in(ml)
    assert job.corpus_uri == str(channel / "more.csv")
    assert job.params["train_df"] == "more.csv"
    hyperparameters(ml, **SMALL, train_df="less.csv")
    with pytest.raises(TrainingError, match=r"train_df is 'less\.csv', but"):
        job_in(ml)


def test_files_of_parameters_are_looked_for_in_the_channel_and_among_the_channels(ml):
    job = job_in(ml)
    assert job.bases == (ml / "input/data/training", ml / "input/data")


def test_an_evaluation_channel_is_used_and_no_parameter_of_the_model(ml):
    assert job_in(ml).evaluation_uri is None
    (ml / "input/data/evaluation").mkdir()
    assert job_in(ml).evaluation_uri == str(ml / "input/data/evaluation")
    hyperparameters(ml, **SMALL, evaluation_uri="s3://b/sets")
    job = job_in(ml)
    assert job.evaluation_uri == "s3://b/sets"
    assert "evaluation_uri" not in job.params


def test_channels_and_folders_may_come_from_the_environment(tmp_path):
    channel = tmp_path / "somewhere"
    channel.mkdir()
    (channel / "c.csv").write_text(CORPUS)
    environ = {
        "SAGEMAKER_BASE_DIR": str(tmp_path / "nowhere"),
        "SM_CHANNEL_TRAIN": str(channel),
        "SM_MODEL_DIR": str(tmp_path / "m"),
        "SM_OUTPUT_DATA_DIR": str(tmp_path / "o"),
        "SM_HPS": json.dumps({"family": "DocSim", "epochs": 3}),
    }
    places = find_places(environ)
    assert places is not None
    assert (places.model, places.reports) == (tmp_path / "m", tmp_path / "o")
    job = container_job(places, environ, MODELS)
    assert job.corpus_uri == str(channel / "c.csv")
    assert job.params["epochs"] == 3


def test_without_a_platform_there_is_no_job(tmp_path):
    assert find_places({"SAGEMAKER_BASE_DIR": str(tmp_path)}) is None
    assert find_places({"SAGEMAKER_BASE_DIR": str(tmp_path), "SM_MODEL_DIR": "/m"}) is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("hyperparameters", [], "must hold a JSON object"),
        ("inputdataconfig", {"training": {"TrainingInputMode": "Pipe"}}, "Pipe mode"),
    ],
)
def test_what_cannot_be_used_of_the_platform_is_named(ml, name, value, said):
    config(ml, name, value)
    with pytest.raises(TrainingError, match=said):
        job_in(ml)


def test_a_job_without_a_channel_names_what_there_is(ml):
    for name in ("a", "b"):
        (ml / "input/data" / name).mkdir()
    (ml / "input/data/training").rename(ml / "input/data/c")
    with pytest.raises(TrainingError, match=r"wanted train or training .*found a, b, c"):
        job_in(ml)


def test_of_several_hosts_the_first_trains(ml):
    places = find_places({"SAGEMAKER_BASE_DIR": str(ml)})
    assert places is not None
    for current, is_first in (("algo-1", True), ("algo-2", False)):
        config(ml, "resourceconfig", {"current_host": current, "hosts": ["algo-1", "algo-2"]})
        assert is_first_host(places, {}) == is_first
    config(ml, "inputdataconfig", {"training": {"S3DistributionType": "ShardedByS3Key"}})
    with pytest.raises(TrainingError, match="training is spread over 2 hosts"):
        is_first_host(places, {})
