"""A worker's life: it answers, one at a time, what comes through the model server and the door.

It begins when the model server has connected and ends when that hangs up, or the gateway at the
door does. The door opens when the handler has been called for the load, before the model server
hears of it. How the process came to be is for `worker`, a single call for `calls`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mms.model_loader import ModelLoaderFactory
from mms.protocol.otf_message_handler import create_load_model_response, retrieve_msg

from mme.core.door import Done, DoorError, Drop, Hello, Question, Together
from mme.prefork.calls import Calls
from mme.prefork.doorway import Door, listening
from mme.prefork.failures import as_serving_error, error_body
from mme.prefork.residents import RESIDENTS, most_by_files
from mme.prefork.streams import quiet_streams

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from mme.core.door import Message
    from mme.prefork.residents import Residents

log = logging.getLogger(__name__)

LOAD, PREDICT = b"L", b"I"
NO_ROOM, OK = 507, 200
LARGE_BYTES = 256 * 1024
"""A body beyond this leaves enough behind to be worth giving back."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker's environment tells it; empty folders: there are none."""

    doors: str
    """Folder of the workers' doors."""
    reports: str
    """Folder for the reasons of failed loads."""
    answer_limit_bytes: int
    resident_models: int

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Surroundings:
        """Read the environment the model server passes on; ValueError for a number that is none."""
        return cls(
            doors=environment.get("MME_DOORS", ""),
            reports=environment.get("MME_LOAD_REPORTS", ""),
            answer_limit_bytes=int(environment.get("MME_ANSWER_LIMIT_BYTES") or sys.maxsize),
            resident_models=int(environment.get("MME_RESIDENT_MODELS") or RESIDENTS.most),
        )


@dataclass(frozen=True, slots=True)
class Hooks:
    """What else is to be done on the way."""

    on_load: Callable[[], None] = lambda: None
    """Called when the model server has told the worker to load."""
    on_door: Callable[[str], None] = lambda _: None
    """Called with the door's path when others can come."""
    on_visit: Callable[[], None] = lambda: None
    """Called when the gateway has come to the door: no other file or socket is needed any more."""
    on_serving: Callable[[], None] = lambda: None
    """Called when the load is done, before anybody hears of it."""
    on_dropped: Callable[[], None] = lambda: None
    """Called when models were dropped, before the gateway hears of it, and after large requests."""
    on_refusal: Callable[[], None] = lambda: None
    """Called before the model server is told that a load failed."""
    is_spent: Callable[[], bool] = lambda: False
    """Asked after each answer at the door: whether another worker is to take this one's place."""


class WorkerLoop:
    """One worker: `run` returns when its life is over, `close` ends what is left of it."""

    def __init__(
        self,
        connection: socket.socket,
        name: str,
        tmp_dir: str,
        generation: int = 0,
        *,
        surroundings: Surroundings,
        hooks: Hooks | None = None,
        residents: Residents = RESIDENTS,
    ) -> None:
        self._mms = connection
        self._name = name
        self._tmp_dir = tmp_dir
        self._hello = Hello(os.getpid(), generation)
        self._around = surroundings
        self._hooks = hooks or Hooks()
        self._residents = residents
        residents.most = min(surroundings.resident_models, most_by_files())
        self._calls: Calls | None = None
        self._door: Door | None = None
        self._listener: socket.socket | None = None
        self._connection: socket.socket | None = None
        self._streams: list[str] = []
        self._poll = select.poll()

    def run(self) -> None:
        """Answer until one of the two hangs up. Raises what loading raised."""
        mms = self._mms.fileno()
        self._poll.register(mms, select.POLLIN)
        going_on = True
        while going_on:
            for descriptor, _ in self._poll.poll():
                if descriptor == mms:
                    going_on = self._hear_mms()
                elif self._door is not None:
                    going_on = self._hear_door(self._door)
                else:
                    self._let_in()
                if not going_on:
                    break

    def close(self) -> None:
        """Close the door; the model server's connection is the caller's."""
        for end in (self._listener, self._connection):
            if end is not None:
                end.close()
        if self._listener is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._door_path)  # noqa: PTH108

    @property
    def _door_path(self) -> str:
        return f"{self._around.doors}/{self._name}"

    def _hear_mms(self) -> bool:
        try:
            command, message = retrieve_msg(self._mms)
        except (ValueError, OSError):
            return False  # the front end is gone, or lets this worker go
        if command == LOAD:
            return self._load(message)
        if self._calls is None:
            return False  # a request before the load: not the protocol
        while self._streams:  # the front end has opened them by now
            with contextlib.suppress(OSError):
                os.unlink(self._streams.pop())  # noqa: PTH108
        self._mms.sendall(self._calls.ask_through_mms(message))
        # Not for being spent: the gateway would hear of the end at the door before the answer came.
        return not self._calls.has_run_out

    def _hear_door(self, door: Door) -> bool:
        try:
            while True:
                message = door.receive()
                if isinstance(message, Question) and self._calls is not None:
                    door.send(self._calls.ask(message, door.send))
                    if len(message.body) > LARGE_BYTES:
                        del message
                        self._hooks.on_dropped()
                elif isinstance(message, Together) and self._calls is not None:
                    questions = [_question(door.receive()) for _ in range(message.count)]
                    door.send_all(self._calls.ask_together(questions))
                elif isinstance(message, Drop):
                    self._residents.drop(message.models)
                    self._hooks.on_dropped()
                    door.send(Done())
                else:
                    return False  # the gateway is gone
                if not door.has_rest:
                    # What has been sent meanwhile lies unread, so another worker gets it.
                    has_run_out = self._calls is not None and self._calls.has_run_out
                    return not (has_run_out or self._hooks.is_spent())
        except (OSError, DoorError) as error:
            log.warning("the door broke: %s", error)
            return False

    def _load(self, message: dict[str, Any]) -> bool:
        """Let the handler load, open the door, tell the model server; False if that failed."""
        self._hooks.on_load()
        self._streams = quiet_streams(message, self._tmp_dir)
        try:
            service, code, text = _service(message), OK, f"loaded model {self._name}"
        except Exception as error:
            self._report(error)
            if not isinstance(error, MemoryError):
                raise
            service, code, text = None, NO_ROOM, "System out of memory"
        self._hooks.on_serving()
        if code != OK:
            log.warning("refused to load %s: there is no room", self._name)
            self._hooks.on_refusal()
        else:
            self._calls = Calls(service, self._residents, self._around.answer_limit_bytes)
            self._residents.take_note()
            self._open_door()
        self._mms.sendall(create_load_model_response(code, f"{text}. [PID]:{os.getpid()}"))
        return code == OK

    def _open_door(self) -> None:
        if self._around.doors and self._listener is None:
            self._listener = listening(self._door_path)
            self._poll.register(self._listener.fileno(), select.POLLIN)
            self._hooks.on_door(self._door_path)

    def _let_in(self) -> None:
        """Take the gateway's connection; there will be no other."""
        if self._listener is None:
            return
        self._connection, _ = self._listener.accept()
        self._poll.unregister(self._listener.fileno())
        self._poll.register(self._connection.fileno(), select.POLLIN)
        self._listener.close()
        self._listener = None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._door_path)  # noqa: PTH108
        self._door = Door(self._connection)
        self._hooks.on_visit()
        self._door.send(self._hello)

    def _report(self, error: Exception) -> None:
        """Write why the load failed where the gateway looks for it; atomic, best effort."""
        if not self._around.reports:
            return
        path = f"{self._around.reports}/{self._name}.json"
        partial = f"{self._around.reports}/.{self._name}.{os.getpid()}"
        try:
            with open(partial, "w", encoding="utf-8") as file:  # noqa: PTH123
                json.dump(error_body(as_serving_error(error)), file)
            os.replace(partial, path)  # noqa: PTH105
        except OSError:
            log.exception("cannot write why %s did not load", self._name)


def _question(message: Message | None) -> Question:
    if not isinstance(message, Question):
        raise DoorError("no question where one was to follow")
    return message


def _service(message: dict[str, Any]) -> Any:
    """What the model server's own loader makes of the handler. Raises what the handler raises."""
    model_dir = message["modelPath"].decode()
    return ModelLoaderFactory.get_model_loader(model_dir).load(
        message["modelName"].decode(), model_dir, message["handler"].decode(), None,
        int(message.get("batchSize", 1)),
    )  # fmt: skip
