"""The endpoint's two vital children, wired: the prefork server and the model server."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.core.settings import PROJECT_ROOT
from mme.mms import MmsServer, find_java
from mme.mms.config import inherited, report_dir, worker_launcher
from mme.prefork.process import SINGLE_THREADED, PreforkFiles
from mme.supervise import ChildProcess, Keeper, StartError

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mme.core.settings import Settings

STOP_GRACE_S = 2.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class PreforkProcess:
    """A running prefork server and the files it meets launchers at."""

    files: PreforkFiles
    process: ChildProcess

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    async def wait(self) -> int:
        """Return its exit code when it has ended."""
        return await self.process.wait()

    async def stop(self) -> None:
        """End it; its workers are tied to their launchers, not to it."""
        await self.process.stop(STOP_GRACE_S)

    async def wait_until_ready(self, timeout_s: float) -> None:
        """Return when it forks on request. Raises StartError."""
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + timeout_s
        while not self.files.ready.exists():
            if self.process.exit_code is not None:
                raise StartError(
                    f"the prefork server ended with code {self.process.exit_code} while starting"
                )
            if clock() > deadline_s:
                raise StartError(f"the prefork server was not ready within {timeout_s:g} s")
            await asyncio.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class WorkerFiles:
    """Where children and workers meet, and where workers may write."""

    run_dir: Path
    """Private folder of this endpoint, see `run_dir`."""
    scratch_dir: Path
    """Where workers keep, below a folder named after the model, what they convert."""

    @property
    def prefork(self) -> PreforkFiles:
        """Where launchers find the prefork server."""
        return PreforkFiles(self.run_dir / "prefork")


def prefork_keeper(settings: Settings, where: WorkerFiles) -> Keeper[PreforkProcess] | None:
    """Keeps the prefork server; while it is down, launchers wait for the next one.

    None if workers are to be started without.
    """
    if settings.workers != "prefork":
        return None
    files = where.prefork
    files.make(fallback=_python_launcher(settings, where.run_dir))

    async def start() -> PreforkProcess:
        files.ready.unlink(missing_ok=True)
        process = await ChildProcess.start(
            "prefork server",
            files.command(
                settings.handler, settings.preload_languages, signs=report_dir(where.run_dir)
            ),
            environment=inherited(os.environ) | SINGLE_THREADED,
            folder=PROJECT_ROOT,
            output=sys.stderr.fileno(),
        )
        return PreforkProcess(files, process)

    return Keeper("prefork server", start)


def model_server_keeper(
    settings: Settings,
    where: WorkerFiles,
    prefork: Keeper[PreforkProcess] | None,
    *,
    on_up: Callable[[MmsServer], None] = lambda _: None,
    on_down: Callable[[], None] = lambda: None,
    for_workers: Mapping[str, str] | None = None,
) -> Keeper[MmsServer]:
    """Keeps the model server and tells whoever uses it when it comes and goes.

    `for_workers` is added to the workers' environment. Raises JavaMissingError.
    """
    java = find_java(settings.java)
    program = (
        where.prefork.launcher if prefork is not None else _python_launcher(settings, where.run_dir)
    )

    async def start() -> MmsServer:
        return await MmsServer.start(
            settings,
            java,
            handler=settings.handler,
            worker_program=program,
            run_dir=where.run_dir,
            scratch_dir=where.scratch_dir,
            environment=os.environ,
            for_workers=for_workers or {},
        )

    return Keeper("model server", start, on_up=on_up, on_down=on_down)


async def started(
    stack: contextlib.AsyncExitStack,
    settings: Settings,
    prefork: Keeper[PreforkProcess] | None,
    server: Keeper[MmsServer],
) -> None:
    """Start both, side by side, to be stopped with `stack`. Raises StartError."""
    if prefork is not None:
        await stack.enter_async_context(prefork.running())
    await stack.enter_async_context(server.running())
    if prefork is not None and prefork.child is not None:
        await prefork.child.wait_until_ready(settings.start_timeout_s)


def _python_launcher(settings: Settings, run_dir: Path) -> Path:
    """The program that starts one Python per worker, as the model server does by itself."""
    program = run_dir / "worker-python"
    program.write_text(worker_launcher(sys.executable, settings.handler), encoding="utf-8")
    program.chmod(0o700)
    return program
