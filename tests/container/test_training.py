"""A training job in the container, as the platform starts it, and its model served."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import requests

from tests.support.engine import container, run

if TYPE_CHECKING:
    from pathlib import Path

CORPUS = "id,title,claim_text\n" + "".join(
    f"{n},Titel {n},Der Impfstoff {n} schützt vor Corona Viren\n" for n in range(20)
)
HYPERPARAMETERS = {
    "family": "DocSim",
    "vector_size": "8",
    "min_count": "1",
    "epochs": "5",
    "extra_stop_words": '["titel"]',
    "sagemaker_region": "eu-central-1",
}


@pytest.fixture
def ml(tmp_path) -> Path:
    """What the platform mounts at /opt/ml."""
    base = tmp_path / "ml"
    for folder in ("input/config", "input/data/training", "model", "output/data"):
        (base / folder).mkdir(parents=True)
    (base / "input/data/training/claims.csv").write_text(CORPUS, encoding="utf-8")
    files = {
        "hyperparameters": HYPERPARAMETERS,
        "inputdataconfig": {"training": {"TrainingInputMode": "File"}},
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
    }
    for name, content in files.items():
        (base / "input/config" / f"{name}.json").write_text(json.dumps(content))
    for path in (base, *base.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o644)
    return base


def training(ml, *options):
    return container(
        f"--volume={ml}:/opt/ml", *options, command=("train",), publish=False,
        environment={"TRAINING_JOB_NAME": "job"},
    )  # fmt: skip


def test_a_model_that_was_trained_in_the_container_is_served_by_it(ml):
    with training(ml) as box:
        code = box.wait(120)
        assert code == 0, box.log
    assert (ml / "output/success").is_file()
    report = json.loads((ml / "output/data/DocSim-report.json").read_text("utf-8"))
    assert report["facts"]["rows"] == 20
    params = json.loads((ml / "model/DocSim-params.json").read_text("utf-8"))
    assert "titel" in params["stop_words"]
    with container(f"--volume={ml / 'model'}:/opt/ml/model:ro") as box:
        box.wait_until("/ping")
        answer = requests.post(
            f"{box.url}/invocations", data="Impfstoff Corona,Corona Viren",
            headers={"Content-Type": "text/csv"}, timeout=60,
        )  # fmt: skip
    assert answer.status_code == 200
    assert float(answer.json()[0]) != 0


def test_a_job_that_fails_leaves_its_reason_in_the_container_s_output(ml):
    (ml / "input/data/training/claims.csv").write_text("id,text\n1,x\n")
    with training(ml) as box:
        assert box.wait(120) == 1
        assert box.last_line.startswith("mme train: DocSim: claims.csv: has no column")
    assert (ml / "output/failure").read_text("utf-8").startswith("DocSim: claims.csv: has no")
    assert list((ml / "model").iterdir()) == []


def test_a_job_that_is_stopped_ends_at_once_and_without_a_model(ml):
    values = {**HYPERPARAMETERS, "epochs": "100000"}
    (ml / "input/config/hyperparameters.json").write_text(json.dumps(values))
    with training(ml) as box:
        while "DocSim: vocabulary: 100 %" not in box.log:
            assert box.is_running, box.log
        run("stop", "--time", "30", box.id)
        assert int(box.inspect("{{.State.ExitCode}}")) == 128 + 15, box.log
    assert list((ml / "model").iterdir()) == []
    assert not (ml / "output/failure").exists()
