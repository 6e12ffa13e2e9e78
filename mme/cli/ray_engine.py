"""The engine of one node of a Ray cluster: `mme serve` on a Unix socket, held by an actor.

It is there for one run of `mme batch`, and as long as it: the kernel ends it with the actor, which
Ray ends with the run. If it ends by itself, so does the actor, and Ray starts both again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mme.app.life import EndpointFailed
from mme.app.run_dir import run_dir
from mme.supervise import ChildProcess

if TYPE_CHECKING:
    from collections.abc import Mapping

OTHERS = (
    "MME_HOST", "MME_PORT", "MME_MANAGEMENT_", "MME_GRPC_PORT", "MME_TLS_", "MME_ENDPOINT_NAMES",
    "MME_TOKENS_FILE", "MME_SIGV4_", "MME_RATE_LIMIT", "MME_CONCURRENCY_LIMIT", "MME_IDLE_S",
    "SAGEMAKER_",
)  # fmt: skip
"""How variables of the node begin that are for an endpoint which others reach."""
READY = "ready at "
"""What `mme serve` says when it is."""
LAST_LINES = 5
STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class Engine:
    """Where the engine of a node is, or why there is none."""

    address: str
    problem: str = ""


class NodeEngine:
    """The actor; `settings` are variables that count more than the node's own."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._stack = contextlib.AsyncExitStack()
        self._starting: asyncio.Task[Engine] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._is_stopping = False

    async def engine(self) -> Engine:
        """The engine, when it is ready; the first who asks has it started."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        return await asyncio.shield(self._starting)

    async def stop(self) -> None:
        """End the engine; returns when nothing of it is left."""
        self._is_stopping = True
        if self._starting is not None:
            await asyncio.wait([self._starting])
        await self._stack.aclose()

    async def _start(self) -> Engine:
        try:
            folder = self._stack.enter_context(run_dir())
            child, last = await self._started(folder)
        except (EndpointFailed, OSError) as error:
            return Engine("", str(error))
        if child.has_ended:
            return Engine("", "; ".join(last) or f"it ended with code {await child.wait()}")
        self._watching = asyncio.create_task(self._watch(child))
        return Engine(f"unix://{folder / 'engine'}")

    async def _started(self, folder: Path) -> tuple[ChildProcess, deque[str]]:
        """The process, ready or ended, and what it said last."""
        last = deque[str](maxlen=LAST_LINES)
        is_ready = asyncio.Event()

        def heard(line: str) -> None:
            last.append(line)
            print(line, file=sys.stderr)  # the node's log of this actor
            if READY in line:
                is_ready.set()

        child = await ChildProcess.start(
            "engine",
            [sys.executable, "-m", "mme", "serve"],
            environment=environment_of(os.environ, self._settings, folder),
            folder=Path.cwd(),
            on_line=heard,
        )
        self._stack.push_async_callback(child.stop, STOP_S)
        ready, ended = asyncio.create_task(is_ready.wait()), asyncio.create_task(child.wait())
        await asyncio.wait([ready, ended], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        return child, last

    async def _watch(self, child: ChildProcess) -> None:
        code = await child.wait()
        if not self._is_stopping:
            print(f"the engine ended with code {code}", file=sys.stderr, flush=True)
            os._exit(1)  # whoever asks for it waits until Ray has started another


def environment_of(
    node: Mapping[str, str], settings: Mapping[str, str], folder: Path
) -> dict[str, str]:
    """What the engine is started with: the node's own, but for who may ask it and where."""
    kept = {name: value for name, value in node.items() if not name.startswith(OTHERS)}
    own = {"MME_SOCKET": str(folder / "engine"), "MME_STATE_DIR": str(folder / "state")}
    return kept | dict(settings) | own
