"""Admitting artifacts as an endpoint does, in a cache that goes again: what is wrong with each.

Template, the admission's process with its confinement and bounds, and cache are as the endpoint's;
no Java, no workers. Each artifact is dropped when it has been looked at, so that no more than a few
need room at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mme.app.confining import confinement_of
from mme.app.life import orphans_reaped
from mme.app.run_dir import run_dir
from mme.app.template import Templates
from mme.cache import ArtifactCache
from mme.cache.terms import admission_terms, extraction_limits
from mme.core.errors import ArtifactRejected, EndpointError, LoadFailed, NoDiskSpace
from mme.core.names import model_name
from mme.doctor.needs import Model
from mme.mms.config import report_dir
from mme.prefork.admission_client import AdmissionClient
from mme.prefork.files import PreforkFiles
from mme.residency.trial import SampleFailed, read_sample
from mme.supervise import StartError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from mme.core.artifact import Admitted
    from mme.core.settings import Settings
    from mme.store import ArtifactRef, Store


LAST_LINES = 3
ADVICE = {
    "AdmissionTimeout": "raise MME_LOAD_TIMEOUT_S if it is to be had",
    "NoRoom": "raise MME_ADMISSION_MEMORY if it is to be had",
    "AdmissionLost": "see to this machine's memory and tasks",
}
"""The type of an error -> what can be done beside mending the artifact."""
IN_OTHER_WORDS = (
    ("of processor time", "raise MME_ADMISSION_CPU_S if it is to be had"),
    ("it has more than", "raise MME_ARTIFACT_LIMIT_FILES if it is meant to have so many"),
    ("larger than", "raise MME_ARTIFACT_LIMIT_BYTES if it is meant to be so large"),
)
MEND = "make it anew and put it in the store again"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one artifact: it was admitted, or it was not and why."""

    target: str
    model: Model | None = None
    trouble: str = ""
    advice: str = ""
    doubt: str = ""
    """Something about an artifact that serves."""


async def admitted(
    settings: Settings, store: Store, refs: Sequence[ArtifactRef]
) -> AsyncGenerator[Outcome, None]:
    """Admit them, `settings.parallel_loads` at a time; outcomes come as they are known.

    Raises EndpointFailed (no folder), StartError (no template).
    """
    async with _admissions(settings) as (cache, client):
        waiting = iter(refs)
        running: set[asyncio.Task[Outcome]] = set()
        try:
            while True:
                # No more tasks than are of use: there may be a hundred thousand artifacts.
                for ref in itertools.islice(waiting, settings.parallel_loads - len(running)):
                    running.add(asyncio.create_task(_outcome(cache, client, store, ref)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


@contextlib.asynccontextmanager
async def _admissions(settings: Settings) -> AsyncIterator[tuple[ArtifactCache, AdmissionClient]]:
    """A cache and a template of their own, gone at the end."""
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(run_dir())
        cache = ArtifactCache.open(
            folder / "cache", extraction_limits(settings), admission_terms(settings)
        )
        stack.callback(cache.close)
        files = PreforkFiles(folder / "prefork")
        files.make(fallback=folder / "none")
        signs = report_dir(folder)
        signs.mkdir()
        confinement = confinement_of(settings, (cache.folder,), are_files_ours=True)
        # Its lines tell of each artifact again, with tracebacks.
        lines: deque[str] = deque(maxlen=LAST_LINES)
        templates = Templates(settings, files, signs, confinement, on_line=lines.append)
        await stack.enter_async_context(orphans_reaped())
        stack.callback(os.close, files.open_requests())
        try:
            await stack.enter_async_context(templates.keeper.running())
        except StartError as error:
            said = " / ".join(line.strip() for line in lines)
            raise StartError(f"{error}: {said}") from error
        stack.push_async_callback(templates.close)
        yield (
            cache,
            AdmissionClient(files.admissions, templates.is_up, timeout_s=settings.load_timeout_s),
        )


async def _outcome(
    cache: ArtifactCache, client: AdmissionClient, store: Store, ref: ArtifactRef
) -> Outcome:
    name = model_name(ref.target, ref.version)
    try:
        found = await cache.fetch(name, ref, store, client.admit)
    except LoadFailed as error:
        trouble, advice = _words(error)
        return Outcome(ref.target, None, trouble, advice)
    except NoDiskSpace:
        return Outcome(
            ref.target, None, "the folder for temporary files has no room for it",
            "have TMPDIR name a folder with more room while the doctor looks",
        )  # fmt: skip
    except ArtifactRejected as error:
        return Outcome(ref.target, None, f"refused: {error.reason}", _advice("", error.reason))
    except EndpointError as error:
        return Outcome(ref.target, None, error.message)
    except OSError as error:
        return Outcome(ref.target, None, str(error))
    doubt = await asyncio.to_thread(partial(_doubt, found))
    await cache.discard(name)
    return Outcome(ref.target, Model(ref.target, ref.size_bytes, found.findings), doubt=doubt)


def _words(error: LoadFailed) -> tuple[str, str]:
    """What is wrong, and what to do."""
    try:
        said = json.loads(error.body)
        kind, message = str(said["type"]), str(said["message"])
    except (ValueError, KeyError, TypeError):
        return error.message, MEND
    return f"{kind}: {message}", _advice(kind, message)


def _advice(kind: str, message: str) -> str:
    for words, advice in IN_OTHER_WORDS:
        if words in message:
            return advice
    return ADVICE.get(kind, MEND)


def _doubt(found: Admitted) -> str:
    """What is wrong with an artifact's sample request, if it has one; it is not asked here."""
    try:
        read_sample(found.model_dir, found.target)
    except SampleFailed as error:
        return error.message
    return ""
