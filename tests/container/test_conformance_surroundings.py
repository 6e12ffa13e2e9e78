"""Headers that reach the container and what surrounds it, row by row; see docs/conformance.md."""

from __future__ import annotations

import json
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.container.conftest import SIMILARITY
from tests.support.conformance import HEADERS, SURROUNDINGS, conforms
from tests.support.endpoint import PROJECT
from tests.support.engine import IMAGE, container, image_labels, run
from tests.support.platform import platform_of

if TYPE_CHECKING:
    import requests

ROW = "Impfstoff,Erbgut"
CSV = "text/csv"
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


def status(answer: requests.Response) -> str:
    return str(answer.status_code)


# 1.4


@conforms(HEADERS, "`Content-Type`", "decides how the body is read")
def test_content_type(platform, loaded):
    as_csv = platform.ask(loaded, ROW, Content_Type=CSV).json()
    pairs = json.dumps({"pairs": [ROW.split(",")]})
    as_json = platform.ask(loaded, pairs, Content_Type="application/json").json()
    same = as_json["similarities"] == pytest.approx([float(as_csv[0])], abs=1e-5)
    return "decides how the body is read" if same else f"{as_csv} {as_json}"


@conforms(HEADERS, "`Accept`", "decides the form of the answer, text/csv")
def test_accept(platform, loaded):
    answer = platform.ask(loaded, ROW, Content_Type=CSV, Accept=CSV)
    return f"decides the form of the answer, {answer.headers['Content-Type'].split(';')[0]}"


@conforms(HEADERS, f"`{ATTRIBUTES}`", "no harm; not sent back, for no model sets it")
def test_custom_attributes(platform, loaded):
    answer = platform.ask(loaded, ROW, Content_Type=CSV, **{ATTRIBUTES: "trace=1"})
    back = "not sent back, for no model sets it"
    harmless = "no harm" if answer.ok else answer.text
    return f"{harmless}; {'sent back' if ATTRIBUTES in answer.headers else back}"


@conforms(HEADERS, "`X-Amzn-SageMaker-Target-Model`", "named in the model's errors")
def test_target_model(platform, loaded):
    headers = {"X-Amzn-SageMaker-Target-Model": "de/Wanted.tar.gz"}
    answer = platform.ask(loaded, b"", Content_Type=CSV, **headers)
    named = answer.json()["target_model"] == "de/Wanted.tar.gz"
    return "named in the model's errors" if named else answer.text


@conforms(HEADERS, "anything else", "ignored: 200")
def test_other_headers(platform, loaded):
    headers = {"X-Amzn-SageMaker-Inference-Id": "7", "X-Whatever": "ü".encode().decode("latin-1")}
    return f"ignored: {status(platform.ask(loaded, ROW, Content_Type=CSV, **headers))}"


# 1.5


@conforms(SURROUNDINGS, "label …capabilities.multi-models", "true")
def test_label_multi_models():
    return image_labels()["com.amazonaws.sagemaker.capabilities.multi-models"]


@conforms(SURROUNDINGS, "label …capabilities.accept-bind-to-port", "true")
def test_label_bind_to_port():
    return image_labels()["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"]


@conforms(SURROUNDINGS, "`SAGEMAKER_BIND_TO_PORT=9090`", "200 there, no other port is listened on")
def test_bind_to_port(models_dir):
    environment = {"SAGEMAKER_MULTI_MODEL": "true", "SAGEMAKER_BIND_TO_PORT": "9090"}
    with container(environment=environment, port=9090) as box:
        platform_of(box, models_dir).wait_until_healthy()
        ports = box.listening_ports()
    return "200 there, no other port is listened on" if ports == [9090] else str(ports)


@conforms(SURROUNDINGS, "environment of 100 entries", "given to the container, which starts")
def test_environment(box):
    names = box.python("import os; print(sum(n.startswith('OPERATORS_') for n in os.environ))")
    return "given to the container, which starts" if names == "94" else names


@conforms(SURROUNDINGS, "`/opt/ml/models` read-only", "models load; nothing appears in it")
def test_read_only_models(platform, loaded):
    files = sorted(path.name for path in (platform.models_dir / loaded / "model").iterdir())
    expected = sorted(path.name for path in unpacked_names())
    return "models load; nothing appears in it" if files == expected else str(files)


def unpacked_names() -> list[Path]:
    with tarfile.open(PROJECT / "artifacts" / SIMILARITY) as packed:
        return [Path(name) for name in packed.getnames()]


@conforms(SURROUNDINGS, "nothing is preloaded", "an empty list at the start")
def test_nothing_is_preloaded(started):
    models = started.first_models
    return "an empty list at the start" if models == [] else str(models)


@conforms(SURROUNDINGS, "user", "root by default")
def test_user(box):
    return "root by default" if box.python("import os; print(os.getuid())") == "0" else "another"


@conforms(SURROUNDINGS, "entry point", "exec form; copes with serve, train and sub-commands")
def test_entry_point(box):
    first = box.python("print(open('/proc/1/cmdline').read().split(chr(0))[1:3])")
    assert "serve" in first
    helped = run("run", "--rm", "--no-healthcheck", IMAGE, "train", "--help")
    listed = run("run", "--rm", "--no-healthcheck", IMAGE, "settings")
    right = "Usage: mme train" in helped and "MME_STORE=" in listed
    return "exec form; copes with serve, train and sub-commands" if right else helped + listed


@conforms(SURROUNDINGS, "process 1 reaps", "no zombie after loads, unloads and deaths")
def test_reaping(box, platform, loaded):
    for worker in box.workers():
        box.kill_inside(worker.pid)
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        zombies = [process for process in box.processes() if process.state == "Z"]
        if not zombies:
            return "no zombie after loads, unloads and deaths"
    return str(zombies)
