"""How each peer is started, and its models loaded, asked and unloaded.

Models are called `m0`, `m1` and so on: one that does nothing, or copies of an unpacked DocSim. What
is measured with them is for `benchmarks.peers`.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from benchmarks.peer_servers.environments import environment
from benchmarks.peer_servers.processes import answers, free_ports, running
from benchmarks.table import NotPossible
from benchmarks.traffic import request
from benchmarks.wrk import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.traffic import Exchange

CODE = Path(__file__).parent
JSON = {"Content-Type": "application/json"}
TRITON_MODEL = """name: "{name}"
backend: "python"
max_batch_size: 0
input [{{name: "IN" data_type: TYPE_STRING dims: [1]}}]
output [{{name: "OUT" data_type: TYPE_STRING dims: [1]}}]
instance_group [{{kind: KIND_CPU count: 1}}]
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A running peer."""

    name: str
    pid: int
    url: str
    answer_path: str
    """Of the model `{name}`."""
    load_path: str
    load_body: Callable[[str], str]
    unload: tuple[str, str]
    """Method and path of the model `{name}`."""

    def load(self, number: int) -> Exchange:
        """Load a model; answered when it is there."""
        name = f"m{number}"
        path = self.load_path.format(name=name)
        return request("POST", self.url + path, JSON, self.load_body(name).encode())

    def ask(self, number: int, text: str) -> Exchange:
        """One request."""
        path = self.answer_path.format(name=f"m{number}")
        return request("POST", self.url + path, JSON, _question(text))

    def drop(self, number: int) -> Exchange:
        """Unload a model."""
        method, path = self.unload
        return request(method, self.url + path.format(name=f"m{number}"), JSON, b"{}")

    def call(self, number: int, text: str, expected: str) -> Call:
        """The same request as `ask`, for wrk."""
        url = self.url + self.answer_path.format(name=f"m{number}")
        return Call(url, JSON, _question(text), lambda body: _output(body) == expected)


def _question(text: str) -> bytes:
    one = {"name": "IN", "shape": [1], "datatype": "BYTES", "data": [text]}
    return json.dumps({"inputs": [one]}).encode()


def _output(body: bytes) -> str:
    return str(json.loads(body)["outputs"][0]["data"][0])


@contextlib.contextmanager
def triton(folder: Path, artifacts: Sequence[Path] | None) -> Iterator[Peer]:
    """Its multi-model front end as SageMaker runs it; the server is in the wheel of PyTriton.

    Without `artifacts` there is one model, which does nothing.
    """
    venv = environment("triton")
    if ctypes.util.find_library("python3.11") is None:
        raise NotPossible("Triton's Python back end needs a library; apt-get install libpython3.11")
    (package,) = venv.glob("lib/python3*/site-packages/pytriton")
    server, backends = package / "tritonserver", folder / "backends"
    shutil.copytree(server / "backends" / "python", backends / "python")
    stub = "triton_python_backend_stub"
    shutil.copy(server / "python_backend_stubs" / "3.11" / stub, backends / "python")
    for program in (server / "bin" / "tritonserver", backends / "python" / stub):
        program.chmod(0o755)
    (folder / "none").mkdir(parents=True)
    for number in range(1 if artifacts is None else len(artifacts)):
        _triton_model(folder, f"m{number}", None if artifacts is None else artifacts[number])
    (port,) = free_ports(1)
    command = [
        server / "bin" / "tritonserver", "--allow-sagemaker=true", "--allow-http=false",
        "--allow-grpc=false", "--allow-metrics=false", "--model-control-mode=explicit",
        f"--backend-directory={backends}", f"--model-repository={folder / 'none'}",
        f"--sagemaker-port={port}", "--backend-config=python,shm-default-byte-size=1048576",
    ]  # fmt: skip
    settings = {
        "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": str(package.parent / "nvidia_pytriton.libs"),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_MULTI_MODEL": "true",
    }
    url = f"http://127.0.0.1:{port}"
    with running(command, folder, settings, lambda: answers(f"{url}/ping")) as pid:
        yield Peer(
            "Triton", pid, url, "/models/{name}/invoke", "/models",
            lambda name: json.dumps({"model_name": name, "url": str(folder / name / "model")}),
            ("DELETE", "/models/{name}"),
        )  # fmt: skip


def _triton_model(folder: Path, name: str, artifact: Path | None) -> None:
    model = folder / name / "model" / name
    code = model / "1"
    code.mkdir(parents=True)
    (model / "config.pbtxt").write_text(TRITON_MODEL.format(name=name))
    if artifact is None:
        shutil.copy(CODE / "triton_noop.py", code / "model.py")
    else:
        shutil.copy(CODE / "triton_docsim.py", code / "model.py")
        shutil.copy(CODE / "docsim.py", code)
        (code / "artifact").write_text(str(artifact / "DocSim-model"))


@contextlib.contextmanager
def mlserver(folder: Path, artifacts: Sequence[Path] | None) -> Iterator[Peer]:
    """As it comes: one parallel worker, models loaded by its repository API."""
    venv = environment("mlserver")
    ports = free_ports(3)
    folder.mkdir(parents=True)
    names = ("http_port", "grpc_port", "metrics_port")
    settings = dict(zip(names, ports, strict=True)) | {"parallel_workers": 1}
    plain = {"host": "127.0.0.1", "load_models_at_startup": False, "debug": False}
    (folder / "settings.json").write_text(json.dumps(settings | plain))
    for number in range(1 if artifacts is None else len(artifacts)):
        (folder / f"m{number}").mkdir()
        model: dict[str, object] = {"name": f"m{number}", "implementation": "mlserver_models.Noop"}
        if artifacts is not None:
            uri = str(artifacts[number] / "DocSim-model")
            model |= {"implementation": "mlserver_models.DocSim", "parameters": {"uri": uri}}
        (folder / f"m{number}" / "model-settings.json").write_text(json.dumps(model))
    url = f"http://127.0.0.1:{ports[0]}"
    command = [venv / "bin" / "mlserver", "start", folder]
    path = {"PYTHONPATH": str(CODE)}
    with running(command, folder, path, lambda: answers(f"{url}/v2/health/ready")) as pid:
        repository = "/v2/repository/models/{name}"
        yield Peer(
            "MLServer", pid, url, "/v2/models/{name}/infer", f"{repository}/load",
            lambda _: "{}", ("POST", f"{repository}/unload"),
        )  # fmt: skip


@contextlib.contextmanager
def mosec(folder: Path) -> Iterator[Call]:
    """Its one model does nothing: mosec has no models that come and go."""
    venv = environment("mosec")
    folder.mkdir(parents=True)
    (port,) = free_ports(1)
    command = [
        venv / "bin" / "python", CODE / "mosec_noop.py", "--address", "127.0.0.1", "--port", port,
        "--path", folder / "socket", "--timeout", 60000, "--log-level", "error",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}/inference"

    def is_up() -> bool:
        try:
            return requests.post(url, data=b"hello", timeout=5).content == b"ok"
        except requests.RequestException:
            return False

    with running([str(part) for part in command], folder, {}, is_up):
        yield Call(url, {"Content-Type": "text/plain"}, b"hello", b"ok".__eq__)
