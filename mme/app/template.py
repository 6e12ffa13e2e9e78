"""The template kept running, and replaced by one that knows more when a model needs it.

A *generation* is a template with a set of language pipelines. When a model needs a pipeline that
the present one lacks, the next generation is started beside it and takes over when it is ready;
workers of the former one are replaced as they fall idle (`mme.workers.groups`).
"""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from mme.core.child_lines import template_line
from mme.core.settings import PROJECT_ROOT
from mme.mms.config import inherited
from mme.prefork.files import SINGLE_THREADED, PreforkFiles
from mme.supervise import ChildProcess, Keeper, StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mme.core.settings import Settings

log = logging.getLogger(__name__)

STOP_GRACE_S = 2.0
POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class TemplateProcess:
    """One template that is ready."""

    process: ChildProcess
    generation: int
    pipelines: frozenset[str]

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


class Templates:
    """The template of the moment (`mme.workers.template.Template`). The event loop owns it."""

    def __init__(
        self,
        settings: Settings,
        files: PreforkFiles,
        signs: Path,
        confinement: Mapping[str, str] = MappingProxyType({}),
        *,
        on_line: Callable[[str], None] = template_line,
    ) -> None:
        """`confinement` is what the environment says of it.

        `on_line` hears what it writes; by default that is logged.
        """
        self.keeper: Keeper[TemplateProcess] = Keeper(
            "template", self._start_current, on_up=self._up, on_down=self._down
        )
        self._settings = settings
        self._files = files
        self._signs = signs
        self._confinement = dict(confinement)
        self._on_line = on_line
        self._is_up = asyncio.Event()
        self._generation = 0
        self._next_generation = 1
        self._pipelines: dict[int, frozenset[str]] = {}
        self._wanted: tuple[str, ...] = settings.preload_languages
        self._in_vain: set[str] = set()
        self._learning: asyncio.Task[None] | None = None

    @property
    def generation(self) -> int:
        """See Template."""
        return self._generation

    async def is_up(self) -> None:
        """See Template."""
        await self._is_up.wait()

    def pipelines(self, generation: int) -> frozenset[str]:
        """See Template."""
        return self._pipelines.get(generation, frozenset())

    def learn(self, pipeline: str) -> bool:
        """See Template."""
        if pipeline in self.pipelines(self._generation):
            return True
        if pipeline in self._in_vain:
            return False
        # Before the first one is up it is not known what it will have.
        if self._is_up.is_set() and (self._learning is None or self._learning.done()):
            self._learning = asyncio.create_task(self._learn(pipeline), name=f"learn {pipeline}")
        return True

    async def close(self) -> None:
        """Give up what is being learned; the keeper is its owner's."""
        if self._learning is not None:
            self._learning.cancel()
            await asyncio.gather(self._learning, return_exceptions=True)

    def _up(self, template: TemplateProcess) -> None:
        self._pipelines[template.generation] = template.pipelines
        self._generation = template.generation
        self._is_up.set()

    def _down(self) -> None:
        self._is_up.clear()

    async def _start_current(self) -> TemplateProcess:
        return await self._start(self._wanted)

    async def _learn(self, pipeline: str) -> None:
        log.info("a model needs the pipeline %s: a template with it is being prepared", pipeline)
        wanted = (*self._wanted, pipeline)
        try:
            template = await self._start(wanted)
        except StartError as error:
            log.warning("no template with the pipeline %s: %s", pipeline, error)
            self._in_vain.add(pipeline)
            return
        except OSError as error:  # no process could be made, for now
            log.warning("no template with the pipeline %s yet: %s", pipeline, error)
            return
        if pipeline not in template.pipelines:
            log.warning("there is no pipeline %s to share; each worker looks for itself", pipeline)
            self._in_vain.add(pipeline)
            await template.stop()
            return
        self._wanted = wanted
        await self.keeper.replace(template)
        log.info("all new workers have the pipeline %s", pipeline)

    async def _start(self, pipelines: Sequence[str]) -> TemplateProcess:
        """Start a template; returns when it forks on request. Raises StartError."""
        generation, self._next_generation = self._next_generation, self._next_generation + 1
        process = await ChildProcess.start(
            "template",
            self._files.command(self._settings.handler, pipelines, self._signs, generation),
            environment={
                **inherited(os.environ),
                **SINGLE_THREADED,
                **self._confinement,
                "MME_LOG_LEVEL": self._settings.log_level,
                "MME_ALLOW_CODE": ",".join(self._settings.allow_code),
            },
            folder=PROJECT_ROOT,
            on_line=self._on_line,
        )
        try:
            loaded = await self._ready(process, generation)
        except BaseException:
            await process.stop(0.0)
            raise
        return TemplateProcess(process, generation, frozenset(loaded))

    async def _ready(self, process: ChildProcess, generation: int) -> tuple[str, ...]:
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + self._settings.start_timeout_s
        while (loaded := self._files.loaded(generation)) is None:
            if process.exit_code is not None:
                raise StartError(f"the template ended with code {process.exit_code} while starting")
            if clock() > deadline_s:
                raise StartError(
                    f"the template was not ready within {self._settings.start_timeout_s:g} s"
                )
            await asyncio.sleep(POLL_S)
        return loaded
