"""The rehearsal: what a worker does, done before the first fork.

A fork shares what it does not write. Python writes when it imports, compiles, and specialises
bytecode at the first calls of each function, so all of it is done here, on a miniature model of
each family, through the very code a worker runs: the model server's messages and the door's.

A handler that is slow to load, or fails, must not keep the endpoint from starting: the rehearsal
has a budget of time, and a family that fails is left out.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.allowed_code import allowed_code
from mme.core.door import Drop, Question, encode
from mme.core.through_mms import ALLOW_CODE, request_headers
from mme.prefork.loop import Hooks
from mme.prefork.messages import load_message, predict_message
from mme.prefork.residents import RESIDENTS
from mme.prefork.worker import WorkerRequest, serve, take_environment
from models.registry import OF_CODE, OF_DATA, family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

log = logging.getLogger(__name__)

BUDGET_S = 3.0
PREFIX = "r-"
"""Short: it is part of the paths of sockets, which have 107 bytes."""
TIMES, QUESTIONS = 10, 3
"""Loads each way, and requests after each: bytecode is specialised after eight calls, and some of
it again later. More requests make no worker smaller, and the start longer."""
SETTINGS = (
    "MME_SCRATCH_DIR", "MME_LOAD_REPORTS", "MME_DOORS", "MMS_DECODE_INPUT_REQUEST",
    "MME_ALLOW_CODE",
)  # fmt: skip
"""What a worker finds set; not MME_POOL_DIR, at which our handler forgoes to convert, for good."""


def rehearse(
    handler: Path,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] = time.monotonic,
    parent: Path | None = None,
) -> list[str]:
    """Load and use a miniature of every family with the handler; those that could be, by name.

    A failure is only logged, and nothing is begun after `budget_s`. The miniatures lie in a folder
    below `parent`, which is somebody's to clear up if this process is killed meanwhile.
    """
    until_s = clock() + budget_s
    # Where no code may run, nobody needs what runs it.
    families = (*OF_DATA, *(OF_CODE if allowed_code(os.environ.get("MME_ALLOW_CODE")) else ()))
    errors: dict[str, Exception | None] = {}
    made = tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent)
    with made as folder, _silence(), _set(folder):
        for name in families:
            try:
                is_whole = _rehearse_family(handler, name, Path(folder), lambda: clock() > until_s)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises
                errors[name] = error
            else:
                if not is_whole:
                    errors[name] = None
        RESIDENTS.clear()
    for name, reason in errors.items():
        what = "took too long" if reason is None else "failed"
        log.warning("the rehearsal of %s %s: workers will be larger", name, what, exc_info=reason)
    return [name for name in families if name not in errors]


def _rehearse_family(handler: Path, name: str, folder: Path, is_over: Callable[[], bool]) -> bool:
    """Whether there was time for all of it."""
    ways = _ways(handler, name, folder)
    for way in itertools.chain.from_iterable(itertools.repeat(ways, TIMES)):
        if is_over():
            return False
        way()
        RESIDENTS.clear()
    return True


def _ways(handler: Path, name: str, folder: Path) -> list[Callable[[], None]]:
    """A worker's whole life, asked through the model server and asked at the door."""
    model_dir, scratch = folder / f"{name}-artifact", folder / name / "mapped"
    model_dir.mkdir()
    scratch.mkdir(parents=True)
    request = family(name).rehearse(model_dir, scratch)
    headers = {
        "Content-Type": request.content_type or "",
        "X-Amzn-SageMaker-Target-Model": "rehearsal.tar.gz",
        ALLOW_CODE: "1",
    }
    question = Question(f"{name}-resident", str(model_dir), str(scratch), headers, request.body)
    worker = WorkerRequest(
        launcher=os.getpid(),
        lifeline="",
        sock_name=str(folder / "socket"),
        handler=str(handler),
        model_path=str(model_dir),
        model_name=name,
        tmp_dir=str(folder),
    )
    load = load_message(name, str(model_dir), f"{handler}:handle", "rehearsal")
    through_mms = predict_message(request_headers(question), request.body)
    at_door = encode(question) * QUESTIONS + encode(Drop([question.model]))
    return [
        lambda: _live(worker, [load, *[through_mms] * QUESTIONS], b""),
        lambda: _live(worker, [load], at_door),
    ]


def _live(worker: WorkerRequest, messages: Sequence[bytes], at_door: bytes) -> None:
    """Be worker, front end and gateway in one: what is sent must fit into the sockets' buffers.

    Whoever has nothing to ask after the load stays silent; the other one ends the worker's life.
    """
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as front_end,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gateway,
    ):

        def ask_through_mms() -> None:
            front_end.connect(worker.sock_name)
            front_end.sendall(b"".join(messages))
            if not at_door:
                front_end.shutdown(socket.SHUT_WR)

        def ask_at_door(path: str) -> None:
            if at_door:
                gateway.connect(path)
                gateway.sendall(at_door)
                gateway.shutdown(socket.SHUT_WR)

        serve(worker, 0, Hooks(on_door=ask_at_door), ask_through_mms)


@contextlib.contextmanager
def _set(folder: str) -> Iterator[None]:
    """Have the environment this process was started with, and `SETTINGS` lead to the folder."""
    take_environment(os.getpid())
    kept = {name: os.environ.get(name) for name in SETTINGS}
    doors = Path(folder, "doors")
    doors.mkdir()
    # The miniatures are this project's own.
    ours = {"MME_DOORS": str(doors), "MME_ALLOW_CODE": "1"}
    os.environ.update(dict.fromkeys(SETTINGS, folder) | ours)
    try:
        yield
    finally:
        for name, value in kept.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


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
