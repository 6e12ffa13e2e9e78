"""What all modes run on: template, model server and workers, wired and kept.

`Engine` holds the parts that the modes share; each adds a catalog and a surface.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from mme.app.confining import confinement_of
from mme.app.openness import code_allowed
from mme.app.run_dir import scripts_dir
from mme.app.template import Templates
from mme.memory import MemoryBook, MemoryReader, TaskReader, Watermarks, anonymous_bytes
from mme.mms import MmsServer, find_java
from mme.mms.config import report_dir, worker_launcher
from mme.prefork.admission_client import AdmissionClient
from mme.prefork.files import PreforkFiles
from mme.residency.observed import Observed
from mme.supervise import Keeper, StartError
from mme.workers.engine import Workers
from mme.workers.server import CurrentServer
from mme.workers.starting import WorkerStarter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from mme.core.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Engine:
    """The parts that every mode has."""

    workers: Workers
    book: MemoryBook
    admissions: AdmissionClient
    templates: Templates
    observed: Observed
    """What it is observed by."""
    keepers: tuple[Keeper[Any], ...]
    """Of the template and the model server."""
    files: PreforkFiles
    start_timeout_s: float
    """How long the first worker may take to come."""

    @classmethod
    def make(
        cls,
        settings: Settings,
        folder: Path,
        *,
        readable: Sequence[Path],
        are_files_ours: bool = False,
        refuses_unfitting: bool = False,
    ) -> Self:
        """Wire them; what they write goes below `folder`, a `run_dir`. Raises JavaMissingError.

        Models are in the folders `readable`, which we have written ourselves or not.
        """
        files = PreforkFiles(folder / "prefork")
        files.make(fallback=_python_launcher(settings, folder))
        pool_dir = folder / "pool"
        pool_dir.mkdir()
        server = CurrentServer()
        confinement = confinement_of(
            settings, readable, are_files_ours=are_files_ours, scripts=scripts_dir(folder)
        )
        for told in code_allowed(settings):
            log.warning("%s", told)
        templates = Templates(settings, files, report_dir(folder), confinement)
        for_our_handler = {**confinement, "MME_POOL_DIR": str(pool_dir)}
        model_server = _model_server(settings, server, files, folder, for_our_handler)
        keepers = (templates.keeper, model_server)

        def our_use() -> int:
            pids = [keeper.child.pid for keeper in keepers if keeper.child is not None]
            return workers.own_bytes + sum(map(anonymous_bytes, (os.getpid(), *pids)))

        book = _book(settings, our_use)
        observed = Observed()
        load_s = settings.load_timeout_s
        workers = Workers(
            settings,
            server=server,
            starter=WorkerStarter(server, files.doors, templates, timeout_s=load_s),
            template=templates,
            book=book,
            pool_dir=pool_dir,
            refuses_unfitting=refuses_unfitting,
            events=observed.events,
        )
        admissions = AdmissionClient(files.admissions, templates.is_up, timeout_s=load_s)
        return cls(
            workers, book, admissions, templates, observed, keepers, files, settings.start_timeout_s
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside the block template and model server are up and kept so, and requests can be taken.

        Raises StartError.
        """
        async with contextlib.AsyncExitStack() as stack:
            # Launchers' lines survive the template they were written for.
            stack.callback(os.close, self.files.open_requests())
            try:
                async with asyncio.TaskGroup() as starts:  # side by side, for both take a second
                    for keeper in self.keepers:
                        starts.create_task(stack.enter_async_context(keeper.running()))
            except* StartError as errors:
                raise errors.exceptions[0] from None
            stack.push_async_callback(self.workers.close)
            stack.push_async_callback(self.templates.close)
            try:
                async with asyncio.timeout(self.start_timeout_s):
                    await self.workers.until_ready()
            except TimeoutError:
                raise StartError(
                    f"no worker could be started within {self.start_timeout_s:g} s; the log tells"
                    " of each try"
                ) from None
            yield


def _book(settings: Settings, our_use: Callable[[], int]) -> MemoryBook:
    return MemoryBook(
        Watermarks(settings.memory_high, settings.memory_low, settings.settle_s),
        MemoryReader(settings.memory_limit, our_use).read,
        TaskReader().read,
        policy=settings.eviction,
        pins=settings.pin,
    )


def _model_server(
    settings: Settings,
    current: CurrentServer,
    files: PreforkFiles,
    folder: Path,
    for_our_handler: Mapping[str, str],
) -> Keeper[MmsServer]:
    """Keeps the model server. Raises JavaMissingError."""
    java = find_java(settings.java)
    for_workers = {
        "MME_DOORS": str(files.doors),
        "MME_RESIDENT_MODELS": str(settings.resident_models),
        "MME_LOG_PAYLOADS": "1" if settings.log_payloads else "",
    }
    # Handlers of others find in a worker what a stock model server would give them.
    if not settings.is_foreign_handler:
        for_workers |= for_our_handler

    async def start() -> MmsServer:
        return await MmsServer.start(
            settings,
            java,
            handler=settings.handler,
            worker_program=files.launcher,
            run_dir=folder,
            environment=os.environ,
            for_workers=for_workers,
        )

    return Keeper("model server", start, on_up=current.attach, on_down=current.detach)


def _python_launcher(settings: Settings, folder: Path) -> Path:
    """The program for what the model server starts besides workers: a plain Python."""
    program = folder / "worker-python"
    program.write_bytes(os.fsencode(worker_launcher(sys.executable, settings.handler)))
    program.chmod(0o700)
    return program
