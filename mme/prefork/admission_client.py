"""The gateway's side of an admission: hand the job to the template, read what came of it.

What comes back was written by a process that has read a hostile artifact, so it is bounded and
every field is checked; only how that process ended is the template's own word. If the template
goes away meanwhile the job is given to the next one: nothing of it was kept.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING, Any, NoReturn

from mme.cache import admission
from mme.core.artifact import Findings
from mme.core.errors import ArtifactRejected, LoadFailed, NoDiskSpace
from mme.core.json_text import json_object
from mme.core.log_format import TARGET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from mme.cache.admission import AdmissionJob

LINE_BYTES = 1024 * 1024
ATTEMPTS = 3
TIMEOUT_S = 360.0
RETRY_S = 0.2
"""Until whoever keeps the template has noticed its end, so that `is_up` waits for the next."""
MESSAGE_CHARS = 4096
NO_ROOM, FAILED, UNAVAILABLE = 507, 500, 503
STATUSES = range(400, 600)
KIB, MIB = 1024, 1024 * 1024

log = logging.getLogger(__name__)


class TemplateGone(Exception):
    """The template went away before it said how the admission ended."""


class AdmissionClient:
    """Asks for admissions at the template's socket; for any number of tasks of one event loop."""

    def __init__(
        self,
        socket: Path,
        is_up: Callable[[], Awaitable[None]],
        *,
        timeout_s: float = TIMEOUT_S,
        retry_s: float = RETRY_S,
    ) -> None:
        """`is_up` returns when there is a template, or raises what the caller is to see."""
        self._socket = socket
        self._is_up = is_up
        self._timeout_s = timeout_s
        self._retry_s = retry_s

    async def admit(self, job: AdmissionJob) -> Findings:
        """Have the job done; cancelling ends it. Raises ArtifactRejected, LoadFailed, NoDiskSpace.

        A job that failed or was cancelled may leave files in its two folders.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await self._admit(job)
        except TimeoutError:
            message = f"Checking it took more than {self._timeout_s:g} s"
            raise LoadFailed.because(job.target, "AdmissionTimeout", message, FAILED) from None
        log.debug(
            "admitted %s: it takes %d KiB and maps %d KiB, loads in %.1f ms, %s",
            job.target, found.own_bytes // KIB, found.mapped_bytes // KIB, found.load_s * 1000,
            "is made of data" if found.is_data else "gets a process of its own",
            extra={TARGET: job.target},
        )  # fmt: skip
        return found

    async def _admit(self, job: AdmissionJob) -> Findings:
        for attempt in range(1, ATTEMPTS + 1):
            await self._is_up()
            try:
                outcome, ending = await self._done(job)
            except (OSError, TemplateGone):
                await asyncio.sleep(self._retry_s)
                continue
            if _was_ended_from_outside(ending) and attempt < ATTEMPTS:
                await asyncio.sleep(self._retry_s)
                continue
            return findings_of(job, outcome, ending)
        message = "The process that checks artifacts went away again and again"
        raise LoadFailed.because(job.target, "AdmissionLost", message, UNAVAILABLE)

    async def _done(self, job: AdmissionJob) -> tuple[bytes, bytes]:
        """What the fork wrote and what the template said at its end. Raises TemplateGone."""
        reader, writer = await asyncio.open_unix_connection(self._socket, limit=LINE_BYTES)
        try:
            writer.write(job.to_json().encode() + b"\n")
            said = bytearray()
            while piece := await reader.read(65536):
                said += piece
                if len(said) > 2 * LINE_BYTES:
                    raise LoadFailed.because(
                        job.target, "InternalError", "It was admitted with too many words", FAILED
                    )
        finally:
            # Closed without a word where we were cancelled: the fork ends with the connection.
            writer.transport.abort()
        *_, outcome, ending = [b"", b"", *filter(None, bytes(said).split(b"\n"))]
        if not ending.startswith(b'{"exit":'):
            raise TemplateGone
        return outcome, ending


def _was_ended_from_outside(ending: bytes) -> bool:
    """Whether the fork was killed, or there was none: which need not be the artifact's doing."""
    return (json_object(ending) or {}).get("exit") in (-signal.SIGKILL, None)


def findings_of(job: AdmissionJob, outcome: bytes, ending: bytes) -> Findings:
    """What an admission found. Raises its error."""
    ended = json_object(ending) or {}
    code = ended.get("exit")
    if code is None:
        reason = f"No process could be started to check it: {ended.get('reason')}"
        raise LoadFailed.because(job.target, "AdmissionLost", reason[:MESSAGE_CHARS], UNAVAILABLE)
    if code != 0:
        _raise_ending(job, code)
    said = (json_object(outcome) if len(outcome) <= LINE_BYTES else None) or {}
    if isinstance(error := said.get("error"), dict):
        _raise_error(job, error)
    try:
        return Findings.from_json(said["findings"])
    except (KeyError, TypeError, ValueError):
        raise LoadFailed.because(
            job.target, "InternalError", "It was admitted without findings", FAILED
        ) from None


def _raise_ending(job: AdmissionJob, code: object) -> NoReturn:
    """Raise what a fork's end means that had no time for words."""
    if code == -signal.SIGXCPU:
        raise ArtifactRejected(
            job.uri, f"checking it took more than {job.cpu_s} s of processor time"
        )
    if code in (-signal.SIGKILL, admission.NO_MEMORY):
        message = f"It needs more than {job.memory_bytes // MIB} MiB to be admitted"
        raise LoadFailed.because(job.target, "NoRoom", message, NO_ROOM)
    how = f"with code {code}"
    if isinstance(code, int) and -code in {int(number) for number in signal.Signals}:
        how = f"by {signal.Signals(-code).name}"
    raise LoadFailed.because(
        job.target, "InternalError", f"The process that checked it ended {how}", FAILED
    )


def _raise_error(job: AdmissionJob, error: dict[str, Any]) -> NoReturn:
    message = str(error.get("message", ""))[:MESSAGE_CHARS]
    match error.get("kind"):
        case admission.REJECTED:
            raise ArtifactRejected(job.uri, message)
        case admission.NO_DISK:
            raise NoDiskSpace(str(job.model_dir.parent), job.uri)
        case _:
            status = error.get("status")
            if not (isinstance(status, int) and status in STATUSES):
                status = FAILED
            kind = str(error.get("type", ""))[:MESSAGE_CHARS] or "InternalError"
            raise LoadFailed.because(job.target, kind, message, status)
