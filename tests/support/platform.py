"""What SageMaker is to a multi-model container: it downloads, loads, unloads, and passes on.

Knows only the container contract: an address, and a folder that the container sees read-only as
/opt/ml/models. Reactions to the container's answers are those of the contract's section 1.2.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.engine import Container

MODELS_DIR = "/opt/ml/models"
TARGET = "X-Amzn-SageMaker-Target-Model"
LOAD_TIMEOUT_S, INVOKE_TIMEOUT_S, PING_TIMEOUT_S, START_TIMEOUT_S = 360, 60, 2, 90
OK, NOT_FOUND, CONFLICT, MODEL_ERROR, NO_ROOM = 200, 404, 409, 424, 507


@dataclass(frozen=True)
class Invocation:
    """What the caller of the endpoint gets: 200, or 424 with the container's status inside."""

    status: int
    body: bytes
    headers: dict[str, str]
    original_status: int


@dataclass
class Platform:
    """One endpoint's worth of platform before one container."""

    url: str
    models_dir: Path
    is_alive: Callable[[], bool] = lambda: True
    """Whether the container runs at all."""
    loaded: list[str] = field(default_factory=list)
    """Names thought loaded, the least recently used first."""
    unloads_for_room: int = 0

    def wait_until_healthy(self) -> list[tuple[int, int]]:
        """Poll /ping and /models until both are 200; returns all answers that were not."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        refused: list[tuple[int, int]] = []
        while time.monotonic() < deadline_s:
            try:
                seen = (self.get("/ping").status_code, self.get("/models").status_code)
            except requests.ConnectionError:
                assert self.is_alive(), "the container ended"
                continue  # nobody listens yet
            if seen == (OK, OK):
                return refused
            refused.append(seen)
        raise AssertionError(f"never healthy: {refused[-3:]}")

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=PING_TIMEOUT_S)

    def name_of(self, target: str) -> str:
        """The opaque name of a target model: 32 hexadecimal digits."""
        return hashlib.sha256(target.encode()).hexdigest()[:32]

    def download(self, target: str, archive: Path) -> str:
        """Unpack an artifact where the container will see it; returns the name."""
        name = self.name_of(target)
        folder = self.models_dir / name / "model"
        folder.mkdir(parents=True)
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        return name

    def link(self, target: str, unpacked: Path) -> str:
        """Put an artifact that is unpacked already there, as links; returns the name."""
        name = self.name_of(target)
        folder = self.models_dir / name / "model"
        folder.mkdir(parents=True)
        for file in unpacked.iterdir():
            os.link(file, folder / file.name)
        return name

    def load(self, name: str) -> requests.Response:
        return requests.post(
            f"{self.url}/models",
            json={"model_name": name, "url": f"{MODELS_DIR}/{name}/model"},
            headers={"Accept": "application/json"},
            timeout=LOAD_TIMEOUT_S,
        )

    def unload(self, name: str) -> requests.Response:
        if name in self.loaded:
            self.loaded.remove(name)
        return requests.delete(f"{self.url}/models/{name}", timeout=LOAD_TIMEOUT_S)

    def ask(self, name: str, body: bytes | str, **headers: str) -> requests.Response:
        """One invocation as it reaches the container."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        return requests.post(
            f"{self.url}/models/{name}/invoke", data=body, headers=sent, timeout=INVOKE_TIMEOUT_S
        )

    def invoke(self, target: str, body: bytes | str, content_type: str) -> Invocation:
        """One invocation as a caller makes it: the model is loaded if need be."""
        name = self.name_of(target)
        for _ in range(2):
            if name not in self.loaded:
                refusal = self._bring_in(name)
                if refusal is not None:
                    return _model_error(refusal)
            self.loaded.remove(name)
            self.loaded.append(name)
            answer = self.ask(name, body, Content_Type=content_type, **{TARGET: target})
            if answer.status_code != NOT_FOUND:
                break
            self.loaded.remove(name)  # thought loaded, but it is not: once more
        if answer.status_code >= 400:
            return _model_error(answer)
        return Invocation(OK, answer.content, dict(answer.headers), OK)

    def _bring_in(self, name: str) -> requests.Response | None:
        """Load, unloading the least recently used for 507; the container's last word if that fails.

        A container whose memory is still being returned may refuse a moment longer.
        """
        while True:
            answer = self.load(name)
            if answer.status_code in (OK, CONFLICT):
                self.loaded.append(name)
                return None
            if answer.status_code != NO_ROOM or not self.loaded:
                return answer
            self.unload(self.loaded[0]).raise_for_status()
            self.unloads_for_room += 1


def platform_of(box: Container, models_dir: Path) -> Platform:
    """The platform of a container that sees `models_dir` as /opt/ml/models."""
    return Platform(box.url, models_dir, lambda: box.is_running)


def _model_error(answer: requests.Response) -> Invocation:
    return Invocation(MODEL_ERROR, answer.content, dict(answer.headers), answer.status_code)


def models_of(answer: requests.Response) -> list[dict[str, Any]]:
    """The models of a GET /models."""
    found: list[dict[str, Any]] = answer.json()["models"]
    return found
