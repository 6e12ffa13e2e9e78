"""Callers of an endpoint that is being broken: what they ask, what each of them got, and when.

A caller of a multi-model container is the platform as well: it loads a model before the first
request, and again where the container has forgotten it.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from benchmarks.workload import TARGET, TEXTS, Model, expected_answer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TIMEOUT_S = 60
THINK_S = 0.005
OK, NOT_FOUND, CONFLICT = 200, 404, 409
ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Request:
    """One request as its caller saw it; `fault` is empty where the answer was right."""

    began_s: float
    ended_s: float
    fault: str = ""
    is_wrong: bool = False
    """The status said 200, the body something else than it must."""


@dataclass(frozen=True, slots=True)
class Site:
    """What there is to be asked, and where."""

    url: str
    models: list[Model]
    models_dir: Path | None = None
    """Where a platform put them; None: the endpoint brings them in itself."""

    def name(self, model: Model) -> str:
        """What a platform calls the model."""
        return model.target.removesuffix(".tar.gz").lower()


@dataclass
class Callers:
    """Some threads that ask without a pause, until the end of the `with` block."""

    site: Site
    count: int
    requests: list[Request] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [
            threading.Thread(target=self._run, args=(number,)) for number in range(self.count)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, seed: int) -> None:
        chosen = random.Random(seed)  # noqa: S311 - a workload
        caller = Caller(self.site)
        weights = [1 / (rank + 1) for rank in range(len(self.site.models))]
        while not self._over.is_set():
            (model,) = chosen.choices(self.site.models, weights)
            self.requests.append(caller.ask(model, *chosen.choice(TEXTS[model.family])))
            time.sleep(THINK_S)
        caller.close()


class Caller:
    """One connection, made anew when it broke."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, model: Model, kind: str, text: str) -> Request:
        """One request, judged."""
        began_s = time.monotonic()
        try:
            status, body = self._answer(model, kind, text.encode())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return Request(began_s, time.monotonic(), f"{type(error).__name__}: {error}")
        ended_s = time.monotonic()
        if status != OK:
            said = body[:200].decode(errors="replace")
            return Request(began_s, ended_s, f"{model.target}: {status}: {said}")
        if body != expected_answer(model.family, kind, text):
            return Request(began_s, ended_s, f"{model.target}: {body[:200]!r}", is_wrong=True)
        return Request(began_s, ended_s)

    def load(self, model: Model) -> tuple[int, bytes]:
        """What a platform does before the first request."""
        name = self._site.name(model)
        url = f"{self._site.models_dir}/{name}/model"
        body = json.dumps({"model_name": name, "url": url}).encode()
        return self._sent("/models", body, {"Content-Type": "application/json"})

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answer(self, model: Model, kind: str, body: bytes) -> tuple[int, bytes]:
        if self._site.models_dir is None:
            return self._sent("/invocations", body, {TARGET: model.target, "Content-Type": kind})
        path = f"/models/{self._site.name(model)}/invoke"
        for _ in range(ATTEMPTS):
            status, answer = self._sent(path, body, {"Content-Type": kind})
            if status != NOT_FOUND:
                break
            status, answer = self.load(model)
            if status not in (OK, CONFLICT):
                break
        return status, answer

    def _sent(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        if self._connection is None:
            where = urlsplit(self._site.url).netloc
            self._connection = http.client.HTTPConnection(where, timeout=TIMEOUT_S)
        self._connection.request("POST", path, body, dict(headers))
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.will_close:
            self.close()
        return answer.status, content
