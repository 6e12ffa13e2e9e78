"""Requests, models and a clock for tests of what only decides: nothing is behind them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mme.core.artifact import Admitted, Findings
from mme.core.door import Question
from mme.workers.requests import Request

if TYPE_CHECKING:
    from mme.core.parts import Parts
    from mme.workers.batches import Batch
    from mme.workers.dispatch import Dispatch
    from mme.workers.given import Given


@dataclass(eq=False)
class Item:
    """A request as dispatch sees it."""

    model: str
    is_own: bool = False
    is_heavy: bool = False
    is_large: bool = False
    is_streamed: bool = False
    pipeline: str | None = None
    batch: Batch | None = None
    size_bytes: int = 1


@dataclass
class Clock:
    """Stands still until it is moved."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


def admitted(target: str = "m", **findings: Any) -> Admitted:
    """An artifact of which nothing is on any disk."""
    folder = Path("/nowhere") / target
    found = Findings(**{"unpacked_bytes": 0} | findings)
    return Admitted(f"name-of-{target}", target, "", folder, folder / "mapped", 0, 0.0, found)


def request_until(
    deadline_s: float,
    target: str = "m",
    came_at_s: float = 0.0,
    timeout_s: float = 60.0,
    parts: Parts | None = None,
) -> Request:
    """A request; must be made where an event loop runs."""
    artifact = admitted(target)
    return Request(
        artifact=artifact,
        question=Question(artifact.name, "", "", {}, b""),
        beginning=b"",
        answer=asyncio.get_running_loop().create_future(),
        came_at_s=came_at_s,
        deadline_s=deadline_s,
        timeout_s=timeout_s,
        is_own=False,
        is_heavy=False,
        is_large=False,
        pipeline=None,
        parts=parts,
    )


def with_workers(dispatch: Dispatch[Item], *names: str) -> None:
    """Have workers join the pool."""
    for name in names:
        dispatch.join(name)


def bring(dispatch: Dispatch[Item], worker: str, model: str, **facts: Any) -> None:
    """Have the worker that must be chosen compute a request and answer it: it has the model."""
    (given,) = dispatch.submit(Item(model, **facts))
    assert given.worker == worker
    dispatch.answered(worker)


def models(given: list[Given[Item]]) -> list[str]:
    """Whose requests these are."""
    return [each.request.model for each in given]
