"""Admitting one artifact: unpack it, load it as a worker would, say what was found.

Runs in a fork of the template, within `limits`, since the artifact may be hostile. Unpacking and
converting are done in a fork of that fork: so the load that is measured finds the memory as a
worker finds it. The job comes as one line of JSON, the outcome goes back as another:
{"findings": {...}} or {"error": {"kind": "rejected" | "unloadable" | "no-disk", ...}}.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import logging
import os
import shutil
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

from mme.cache.admission import NO_DISK, NO_MEMORY, REJECTED, UNLOADABLE, AdmissionJob
from mme.cache.extract import extract
from mme.core.artifact import Findings
from mme.core.errors import ArtifactRejected
from mme.prefork.confinement import Confinement, confine_admission
from mme.prefork.failures import as_serving_error, error_body
from mme.prefork.limits import allow_mapped, anonymous_bytes, die_with, limit
from mme.prefork.output import OUTPUT
from models.errors import NoRoom, NotConverted
from models.mapped.folder import only_map
from models.registry import load_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

LINE_BYTES = 1024 * 1024
MESSAGE_CHARS = 4096
"""Most of an error's words; names out of an artifact may be in them."""
SMALL_BYTES = 4 * 1024 * 1024
"""An archive up to this size is unpacked and converted without a fork of its own."""
LEAST_OWN_BYTES = 32 * 1024
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
MAPPED_TIMES = 2
"""The artifact may be mapped, and its converted form, which is no larger."""


def admit_for(connection: socket.socket, parent: int) -> None:
    """The fork's main: read the job, do it, write the outcome. Never returns.

    `parent` is the template, whose end is this process's end.
    """
    code = 1
    try:
        os.setsid()
        die_with(parent)
        job = AdmissionJob.from_json(_line(connection).decode())
        OUTPUT.begin(job.target)
        # A GPU takes more address space than an admission has, and is for those who serve.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        limit(
            job.memory_bytes,
            MAPPED_TIMES * job.limits.unpacked_bytes,
            job.cpu_s,
            job.limits.unpacked_bytes,
        )
        outcome = _outcome(lambda: dataclasses.asdict(admit(job)), "findings", job)
        connection.sendall(json.dumps(outcome).encode() + b"\n")
        code = 0
    except MemoryError:
        code = NO_MEMORY  # there was none for words either
    except BaseException:
        log.exception("an admission ended")
        OUTPUT.end()
    finally:
        os._exit(code)


def admit(job: AdmissionJob) -> Findings:
    """Do the job in this process and a fork of it. Raises what is wrong with the artifact."""
    is_small = job.archive is not None and job.archive.stat().st_size <= SMALL_BYTES
    # A fork takes as long as all the rest where there is little to unpack; what is measured of the
    # load then is too little, since its memory is there already.
    unpacked_bytes = _prepare(job) if is_small else _apart(lambda: _prepare(job), job)
    if not is_small:
        _confine(job)  # the fork did so for itself alone
    if not job.checks:
        return Findings(unpacked_bytes, mapped_bytes=unpacked_bytes, is_data=False)
    only_map()
    allow_mapped(MAPPED_TIMES * unpacked_bytes)
    before_bytes, began_s = anonymous_bytes(), time.monotonic()
    model = load_model(job.model_dir, job.scratch_dir)
    load_s = time.monotonic() - began_s
    own_bytes = max(LEAST_OWN_BYTES if is_small else 0, anonymous_bytes() - before_bytes)
    needs = model.needs()
    return Findings(
        unpacked_bytes=unpacked_bytes,
        own_bytes=own_bytes,
        mapped_bytes=unpacked_bytes + files_bytes(job.scratch_dir),
        load_s=round(load_s, 6),
        is_data=needs.is_data and not needs.is_code,
        is_code=needs.is_code,
        pipeline=needs.pipeline,
        details=model.describe(),
    )


def _confine(job: AdmissionJob) -> None:
    """Leave this process the files of the job."""
    if Confinement.of(os.environ) is None:
        return
    job.scratch_dir.mkdir(parents=True, exist_ok=True)
    if job.archive is None:
        confine_admission(read=[job.model_dir], write=[job.scratch_dir])
    else:
        confine_admission(read=[job.archive], write=[job.scratch_dir, job.model_dir.parent])


def files_bytes(folder: Path) -> int:
    """The size of all files below a folder; 0 if it is not there."""
    return sum(
        os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118
        for place, _, names in os.walk(folder)
        for name in names
    )


def _prepare(job: AdmissionJob) -> int:
    """Unpack and convert, in a process that does no more; the size of the artifact's files."""
    _confine(job)
    if job.archive is None:
        unpacked_bytes = files_bytes(job.model_dir)
    else:
        for folder in (job.model_dir, job.scratch_dir):  # of an earlier try that was ended
            shutil.rmtree(folder, ignore_errors=True)
        job.model_dir.mkdir(parents=True)
        with job.archive.open("rb") as archive:
            unpacked_bytes = extract(archive, job.model_dir, job.limits, job.uri).unpacked_bytes
    if job.checks:
        allow_mapped(MAPPED_TIMES * unpacked_bytes)
        load_model(job.model_dir, job.scratch_dir)
    return unpacked_bytes


class _Told(Exception):
    """An error that a fork put into words already."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error)
        self.error = error


def _apart(work: Callable[[], int], job: AdmissionJob) -> int:
    """Do `work` in a fork; raises _Told. What ends the fork untimely ends this process alike."""
    parent = os.getpid()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            die_with(parent)
            theirs.sendall(json.dumps(_outcome(work, "bytes", job)).encode() + b"\n")
            code = 0
        except MemoryError:
            code = NO_MEMORY
        finally:
            os._exit(code)
    theirs.close()
    with ours:
        said = _line(ours, must_end=False)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code < 0:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    if code == NO_MEMORY:
        raise MemoryError
    if code:
        os._exit(code)
    outcome = json.loads(said)
    if "error" in outcome:
        raise _Told(outcome["error"])
    return int(outcome["bytes"])


def _outcome(work: Callable[[], object], name: str, job: AdmissionJob) -> dict[str, object]:
    try:
        return {name: work()}
    except Exception as error:  # noqa: BLE001 - every error has words; this is the edge of the process
        return {"error": _error(error, job)}


def _error(error: Exception, job: AdmissionJob) -> dict[str, Any]:
    """An error in words that `admission_client` understands."""
    match error:
        case _Told():
            return error.error
        case ArtifactRejected():
            return {"kind": REJECTED, "message": error.reason[:MESSAGE_CHARS]}
        case OSError(errno=number) if number in (errno.EFBIG, *DISK_FULL):
            return _not_kept(job)
        case MemoryError():
            error = NoRoom(f"It needs more than {job.memory_bytes >> 20} MiB to be admitted")
        case NotConverted():
            return _not_kept(job)
        case _:
            log.warning("%s cannot be loaded", job.uri, exc_info=error)
    body = error_body(as_serving_error(error))
    return {"kind": UNLOADABLE, **body, "message": str(body["message"])[:MESSAGE_CHARS]}


def _not_kept(job: AdmissionJob) -> dict[str, Any]:
    """Why something could not be written, in the first load perhaps, which goes on without."""
    facts, bound = os.statvfs(job.model_dir), job.limits.unpacked_bytes
    if facts.f_bavail * facts.f_frsize < bound:
        return {"kind": NO_DISK}
    return {"kind": REJECTED, "message": f"unpacked or converted it is larger than {bound} bytes"}


def _line(connection: socket.socket, *, must_end: bool = True) -> bytes:
    """One line; raises ValueError if it is too long, EOFError if it does not end but must."""
    text = bytearray()
    while not text.endswith(b"\n"):
        piece = connection.recv(65536)
        if not piece:
            if not must_end:
                break
            raise EOFError("the other side hung up")
        text += piece
        if len(text) > LINE_BYTES:
            raise ValueError("a line that is too long")
    return bytes(text)
