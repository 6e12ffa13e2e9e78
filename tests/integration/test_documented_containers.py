"""docs/containers.md and docs/errors.md, followed in containers: their calls, as a platform's.

Folders stand in for those of the image.
"""

from __future__ import annotations

import shutil

import pytest

from tests.support.documented import agrees, blocks_of, run
from tests.support.endpoint import PROJECT, free_port, running_endpoint

PLACES = ("/tmp/models", "/opt/ml/models")
MULTI_MODEL = "multi-model container"


def page(name, models_dir):
    """A page that speaks of `models_dir`."""
    text = (PROJECT / "docs" / name).read_text("utf-8")
    for place in PLACES:
        text = text.replace(place, str(models_dir))
    return text


@pytest.fixture(autouse=True)
def needs_curl():
    if shutil.which("curl") is None:
        pytest.skip("the examples need curl")


def test_a_multi_model_container_answers_as_the_pages_say(tmp_path):
    models_dir = tmp_path / "models"
    models_dir.mkdir()
    settings = {
        "SAGEMAKER_MULTI_MODEL": "true",
        "SAGEMAKER_BIND_TO_PORT": str(free_port()),
        "MME_MODELS_DIR": str(models_dir),
    }
    [session, *others] = blocks_of(page("containers.md", models_dir), mark=MULTI_MODEL)
    load = [example for example in session if "model_name" in example.text]
    refused = blocks_of(page("errors.md", models_dir), mark=MULTI_MODEL)
    with running_endpoint("", tmp_path, settings) as container:
        for block in [session, *others, load, *refused]:
            for example, printed in zip(block, run(block, container.url, PROJECT), strict=True):
                assert agrees(example.output, printed), (example.text, printed)
