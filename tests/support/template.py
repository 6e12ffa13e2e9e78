"""A real template and real workers of it, with the test as gateway and front end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mms.protocol.otf_message_handler import _retrieve_buffer, _retrieve_int

from mme.core.door import PREFIX, Answer, Hello, Part, decode, encode, lengths
from mme.prefork.confinement import VARIABLE, Confinement
from mme.prefork.files import SINGLE_THREADED, PreforkFiles
from mme.prefork.messages import load_message, predict_message
from tests.support.endpoint import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mme.core.door import Message

READY_S = 40
PATIENCE_S = 10
ASLEEP_S = 0.005


class DoorClient:
    """The gateway's side of a door, blocking."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(PATIENCE_S)

    def say(self, message: Message) -> None:
        self.connection.sendall(encode(message))

    def hear(self) -> Message:
        kind, head_bytes, body_bytes = lengths(self._exactly(PREFIX.size))
        return decode(kind, self._exactly(head_bytes), self._exactly(body_bytes))

    def ask(self, message: Message) -> Message:
        """The last message of the reply, the parts before it joined to its body."""
        self.say(message)
        parts = []
        while isinstance(said := self.hear(), Part):
            parts.append(said.body)
        if isinstance(said, Answer) and parts and said.status < 400:
            body = b"".join([*parts, said.body])
            return Answer(said.status, said.headers, body, said.load_s, said.is_unloadable)
        return said

    @property
    def is_closed(self) -> bool:
        """Whether the worker hung up, waited for."""
        return self.connection.recv(1) == b""

    def _exactly(self, count: int) -> bytes:
        got = bytearray()
        while len(got) < count:
            piece = self.connection.recv(count - len(got))
            if not piece:
                raise ConnectionError("the worker hung up")
            got += piece
        return bytes(got)


@dataclass
class LaunchedWorker:
    """A worker started as the model server starts one."""

    name: str
    launcher: subprocess.Popen[bytes]
    mms: socket.socket
    door_path: Path

    def load(self, model_dir: Path, handler: Path) -> int:
        """Send the load message; returns the code of the reply."""
        self.mms.sendall(load_message(self.name, str(model_dir), f"{handler}:handle", self.name))
        code, _, _ = self.reply()
        return code

    def predict(self, headers: Mapping[str, str], body: bytes) -> tuple[int, str, list[dict]]:
        self.mms.sendall(predict_message(headers, body))
        return self.reply()

    def reply(self) -> tuple[int, str, list[dict]]:
        """Code, message and the predictions, as the front end reads them."""
        return read_reply(self.mms)

    def door(self) -> tuple[DoorClient, Hello]:
        """Connect to the door, as the gateway does."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.door_path))
        client = DoorClient(connection)
        hello = client.hear()
        assert isinstance(hello, Hello)
        return client, hello


def read_reply(mms: socket.socket) -> tuple[int, str, list[dict]]:
    """A worker's reply, read as the front end's decoder does."""

    def text() -> bytes:
        return bytes(_retrieve_buffer(mms, _retrieve_int(mms)))

    code, message, found = _retrieve_int(mms), text().decode(), []
    while (length := _retrieve_int(mms)) != -1:
        _retrieve_buffer(mms, length)
        content_type, status, phrase = text().decode(), _retrieve_int(mms), text().decode()
        headers = {text().decode(): text().decode() for _ in range(_retrieve_int(mms))}
        found.append(
            {"content_type": content_type, "status": status, "phrase": phrase,
             "headers": headers, "body": text()}
        )  # fmt: skip
    return code, message, found


@dataclass
class RunningTemplate:
    """A template process and the files around it."""

    root: Path
    handler: Path
    files: PreforkFiles
    process: subprocess.Popen[bytes]
    signs: Path
    log: Path
    environment: dict[str, str]
    generation: int
    launched: list[LaunchedWorker] = field(default_factory=list)

    def launch(self, name: str, **environment: str) -> LaunchedWorker:
        """Start a worker and connect to it as the model server does."""
        sock_name = self.root / f"mms.{name}"
        log = self.log.open("ab")
        launcher = subprocess.Popen(
            [
                self.files.launcher, "/x/model_service_worker.py", "--sock-type", "unix",
                "--sock-name", str(sock_name), "--handler", f"{self.handler}:handle",
                "--model-path", str(self.root), "--model-name", name,
                "--preload-model", "false", "--tmp-dir", str(self.root / "tmp"),
            ],
            env=self.environment | environment, stdin=subprocess.PIPE,
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        log.close()
        mms = connected(sock_name)
        mms.settimeout(PATIENCE_S)
        worker = LaunchedWorker(name, launcher, mms, self.files.doors / name)
        self.launched.append(worker)
        return worker

    def restart(self, generation: int) -> None:
        """Start the next template, the last one being dead."""
        self.generation = generation
        self.process = _start(self.files, self.handler, self.signs, self.log, generation)
        wait_for_ready(self)


def connected(path: Path) -> socket.socket:
    """A connection to a socket that is about to be made."""
    connection = socket.socket(socket.AF_UNIX)
    until(lambda: _connects(connection, path), f"a listener at {path}")
    return connection


def _connects(connection: socket.socket, path: Path) -> bool:
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True


def until(holds, what: str, patience_s: float = PATIENCE_S) -> None:
    """Return when `holds()`; fails after a while."""
    deadline_s = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        time.sleep(ASLEEP_S)


def wait_for_ready(template: RunningTemplate) -> None:
    """Return when it answers; fails with its log."""

    def is_ready() -> bool:
        assert template.process.poll() is None, template.log.read_text()
        return template.files.loaded(template.generation) is not None

    until(is_ready, "the template", READY_S)


CONFINED = {VARIABLE: Confinement(None, (), 0, 0).to_text()}
"""Admissions are confined, as in an endpoint; workers are not told so."""


def _start(files: PreforkFiles, handler: Path, signs: Path, log: Path, generation: int):
    with log.open("ab") as output:
        return subprocess.Popen(
            files.command(handler, [], signs, generation),
            cwd=PROJECT, env=os.environ | SINGLE_THREADED | CONFINED, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip


@contextlib.contextmanager
def running_template(root: Path, handler: Path, generation: int = 1) -> Iterator[RunningTemplate]:
    """A template with its files below `root`, ended at the end with all its workers."""
    files, signs, log = PreforkFiles(root / "p"), root / "signs", root / "log"
    files.make(Path(sys.executable))
    for folder in (signs, root / "pool", root / "tmp"):
        folder.mkdir()
    environment = os.environ | {
        "MME_DOORS": str(files.doors),
        "MME_LOAD_REPORTS": str(signs),
        "MME_ANSWER_LIMIT_BYTES": str(6 * 1024 * 1024),
        "MMS_DECODE_INPUT_REQUEST": "false",
    }
    process = _start(files, handler, signs, log, generation)
    template = RunningTemplate(root, handler, files, process, signs, log, environment, generation)
    try:
        wait_for_ready(template)
        yield template
    finally:
        for worker in template.launched:
            worker.mms.close()
            worker.launcher.kill()
            worker.launcher.communicate()
        template.process.send_signal(signal.SIGTERM)
        template.process.wait(PATIENCE_S)
