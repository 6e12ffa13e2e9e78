"""The model server's process: its run folder, its start, its death, its end.

Answers whether the model server runs and tells when it no longer does. Leaves the models in it to
residency and the decision to start it again to its owner.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mme.mms import config as mms_config
from mme.mms.client import MmsClient
from mme.mms.lines import mms_line
from mme.supervise import ChildProcess, StartError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.settings import Settings
    from mme.mms.java import Java

log = logging.getLogger(__name__)

# Requests have been drained and every file it wrote is ours: a slow goodbye would win nothing.
STOP_GRACE_S = 0.0
POLL_S = 0.02
SOCKET_PATH_LIMIT = 108
LONGEST_INVOCATION_S = 3600.0
"""What a single request may be given; where it is less, the workers' room ends the worker."""


class MmsServer:
    """One running model server and what it leaves in its run folder."""

    def __init__(self, config: mms_config.MmsConfig, process: ChildProcess) -> None:
        self.config = config
        self.client = MmsClient(config.socket, config.service)
        self._process = process

    @classmethod
    async def start(
        cls,
        settings: Settings,
        java: Java,
        *,
        handler: Path,
        worker_program: Path,
        run_dir: Path,
        environment: Mapping[str, str],
        for_workers: Mapping[str, str],
    ) -> MmsServer:
        """Start the model server in `run_dir`, which exists; returns once it answers.

        Raises StartError.
        """
        config = mms_config.MmsConfig(
            for_workers=for_workers,
            package_dir=package_dir(),
            run_dir=run_dir,
            handler=handler,
            worker_program=worker_program,
            response_timeout_s=max(
                settings.load_timeout_s,
                settings.invoke_timeout_s,
                settings.stream_timeout_s,
                LONGEST_INVOCATION_S if settings.invoke == "mms" else 0.0,
            ),
            max_body_bytes=settings.max_body_bytes,
            heap_mib=settings.java_heap_mib,
            queue_length=settings.queue_length,
        )
        prepare(config)
        process = await ChildProcess.start(
            "model server",
            mms_config.command(config, java),
            environment=mms_config.environment(config, environment),
            folder=run_dir,
            on_line=mms_line,
        )
        server = cls(config, process)
        try:
            await server._wait_until_answering(settings.start_timeout_s)
        except BaseException:
            await server.stop()
            raise
        return server

    @property
    def pid(self) -> int:
        """Process id of the Java front end."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the front end is gone, known as soon as the kernel knows."""
        return self._process.has_ended

    async def wait(self) -> int:
        """Return the front end's exit code once it has ended."""
        return await self._process.wait()

    async def stop(self) -> None:
        """End the server with all its workers and remove what it wrote; idempotent."""
        await self.client.close()
        await self._process.stop(STOP_GRACE_S)
        for folder in self.config.folders:
            shutil.rmtree(folder, ignore_errors=True)

    async def _wait_until_answering(self, timeout_s: float) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_s
        while clock() < deadline:
            if await self.client.ping(timeout_s=1.0):
                return
            if self._process.exit_code is not None:
                raise StartError(
                    f"the model server ended with code {self._process.exit_code} while starting"
                )
            await asyncio.sleep(POLL_S)
        raise StartError(f"the model server did not answer within {timeout_s:g} s")


def prepare(config: mms_config.MmsConfig) -> None:
    """Make the server's folders and files. Raises StartError."""
    longest = str(config.temp_dir / ".mms.sock.99999")
    if len(longest) >= SOCKET_PATH_LIMIT:
        raise StartError(
            f"the temporary folder is too deep for sockets: {longest} has {len(longest)}"
            f" characters, {SOCKET_PATH_LIMIT} is the kernel's limit; set TMPDIR to a shorter one"
        )
    for folder in config.folders:
        folder.mkdir()
    config.properties_file.write_text(mms_config.properties(config), encoding="ascii")
    config.log_config_file.write_text(mms_config.log_config(), encoding="utf-8")


def package_dir() -> Path:
    """The installed package `mms`, found but not imported."""
    found = importlib.util.find_spec("mms")
    if found is None or not found.submodule_search_locations:
        raise StartError("the package multi-model-server is not installed")
    return Path(next(iter(found.submodule_search_locations)))
