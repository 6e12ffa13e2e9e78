"""The rehearsal: what a worker does, done before the first fork.

A fork shares what it does not write. Python writes when it imports, compiles, and specialises
bytecode at the first calls of each function, so all of it is done here, on a miniature model of
each family, through the very code a worker runs, the front end's messages included.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mme.prefork.messages import load_message, predict_message
from mme.prefork.worker import WorkerRequest, serve_connection, take_environment
from models.mapped.apart import done_apart
from models.registry import FAMILIES, family

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

log = logging.getLogger(__name__)

TIMES, PREDICTIONS = 20, 3
"""Loads, and requests after each: bytecode is specialised after eight calls, and some of it again
later. More requests make no worker smaller, and the start longer."""
SETTINGS = ("MME_SCRATCH_DIR", "MME_LOAD_REPORTS", "MMS_DECODE_INPUT_REQUEST")


def rehearse(handler: Path) -> None:
    """Load and use a miniature of every family with the handler; a failure is only logged."""
    with tempfile.TemporaryDirectory(prefix="mme-rehearsal-") as folder, _silence():
        take_environment(os.getpid())
        kept = {name: os.environ.get(name) for name in SETTINGS}
        os.environ.update(dict.fromkeys(SETTINGS, folder))
        try:
            for name in FAMILIES:
                _rehearse_family(handler, name, Path(folder))
            done_apart(lambda: None)
        except Exception:
            log.exception("the rehearsal failed; workers will be slower and larger")
        finally:
            for name, value in kept.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


def _rehearse_family(handler: Path, name: str, folder: Path) -> None:
    model_dir, scratch = folder / f"{name}-artifact", folder / name / "mapped"
    model_dir.mkdir()
    scratch.mkdir(parents=True)
    request = family(name).rehearse(model_dir, scratch)
    headers = {
        "Content-Type": request.content_type or "",
        "X-Amzn-SageMaker-Target-Model": "rehearsal.tar.gz",
    }
    messages = [
        load_message(name, str(model_dir), f"{handler}:handle", "rehearsal"),
        *[predict_message(headers, request.body)] * PREDICTIONS,
    ]
    worker = WorkerRequest(
        launcher=os.getpid(),
        lifeline="",
        sock_name=str(folder / "socket"),
        handler=str(handler),
        model_path=str(model_dir),
        model_name=name,
        tmp_dir=str(folder),
    )
    for _ in range(TIMES):
        _as_front_end(worker, messages)


def _as_front_end(worker: WorkerRequest, messages: Sequence[bytes]) -> None:
    """Be worker and front end in one: what is sent must fit into the socket's buffers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as front_end:

        def send() -> None:
            front_end.connect(worker.sock_name)
            front_end.sendall(b"".join(messages))
            front_end.shutdown(socket.SHUT_WR)

        serve_connection(worker, send)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Send what workers say on standard output nowhere."""
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
