"""The worker's loop in a thread: the contract at the door, the same through the model server."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from mme.core.door import Part
from mme.core.through_mms import answer_of, request_headers
from mme.prefork.calls import PIECE_BYTES
from mme.prefork.loop import Hooks, Surroundings, WorkerLoop
from mme.prefork.messages import load_message, predict_message
from mme.prefork.residents import RESIDENTS
from tests.support import contract_handler
from tests.support.template import DoorClient, read_reply
from tests.unit.prefork.worker_contract import WorkerContract, question

PATIENCE_S = 10
LIMIT_BYTES = 4_000_000


class LoopWorker:
    """A real loop; its process is the test's."""

    def __init__(self, root: Path, handler: Path, **surroundings) -> None:
        self.root, self.handler = root, handler
        self.path = root / "w1"
        self.mms, theirs = socket.socketpair()
        self.mms.settimeout(PATIENCE_S)
        self.error: BaseException | None = None
        self._doors: list[socket.socket] = []
        around: dict[str, Any] = {
            "doors": str(root), "reports": str(root), "answer_limit_bytes": LIMIT_BYTES,
            "resident_models": 3,
        } | surroundings  # fmt: skip
        self._loop = WorkerLoop(
            theirs, "w1", str(root), 7,
            surroundings=Surroundings(**around), hooks=Hooks(),
        )  # fmt: skip
        self._thread = threading.Thread(target=self._live, args=(theirs,))
        self._thread.start()

    def _live(self, theirs: socket.socket) -> None:
        try:
            with theirs:
                self._loop.run()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            self._loop.close()

    def load(self) -> int:
        self.mms.sendall(load_message("w1", str(self.root), f"{self.handler}:handle", "channel"))
        return read_reply(self.mms)[0]

    def door(self) -> DoorClient:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.path))
        client = DoorClient(connection)
        client.hear()
        self._doors.append(connection)
        return client

    def through_mms(self, asked):
        """The answer the model server would pass on: of the model, or in its own words."""
        self.mms.sendall(predict_message(request_headers(asked), asked.body))
        code, message, (found,) = read_reply(self.mms)
        if code != 200:
            return code, message
        return answer_of(found["status"], found["headers"], found["body"])

    async def ended(self) -> None:
        await asyncio.to_thread(self._thread.join, PATIENCE_S)
        assert not self._thread.is_alive()

    def end(self) -> None:
        for end in (self.mms, *self._doors):
            end.close()
        self._thread.join(PATIENCE_S)
        RESIDENTS.clear()


@contextlib.contextmanager
def living(root: Path, handler: Path, **surroundings):
    worker = LoopWorker(root, handler, **surroundings)
    try:
        yield worker
    finally:
        worker.end()


@pytest.fixture
def worker(tmp_path, monkeypatch):
    handler = Path(contract_handler.__file__)
    monkeypatch.syspath_prepend(handler.parent)
    with living(tmp_path, handler) as found:
        assert found.load() == 200
        yield found


class TestLoop(WorkerContract):
    """The whole contract."""


@pytest.fixture
def handled(tmp_path, monkeypatch):
    """A worker with a handler written by the test."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("MMS_DECODE_INPUT_REQUEST", "false")
    with contextlib.ExitStack() as stack:

        def make(text: str, **surroundings) -> LoopWorker:
            count = len(list(tmp_path.glob("*.py")))
            handler = tmp_path / f"h_{tmp_path.name}_{count}.py"
            handler.write_text(text)
            return stack.enter_context(living(tmp_path, handler, **surroundings))

        yield make


def both(worker, asked):
    """The answers of the two ways."""
    at_door = worker.door().ask(asked)
    return at_door, worker.through_mms(asked)


SAME = {
    "bytes": "return [b'\\x00\\xff']",
    "text": "return ['äöü']",
    "bytearray": "return [bytearray(b'abc')]",
    "an object": "return [{'a': [1, 'ä']}]",
    "pieces": "return [iter([b'ab', b'', b'c'])]",
    "a status": "context.set_response_status(418, 'Teapot', 0); return ['short and stout']",
    "pieces of an error": "context.set_response_status(400, 'No', 0); return [iter([b'a', b'b'])]",
    "headers": "context.set_response_header(0, 'X-A', 'b'); return ['x']",
    "a content type": "context.set_response_content_type(0, 'a/b'); return ['x']",
    "what it was sent": "return [sorted(map(str, context.get_all_request_header(0).items()))]",
    "the body it was sent": "return [repr(data)]",
    "metrics": "context.metrics.add_counter('n', 1); return [str(len(context.metrics.store))]",
    "its folder": "return [context.system_properties['model_dir']]",
}


@pytest.mark.parametrize("body", SAME.values(), ids=SAME)
def test_both_ways_give_the_same_answer(handled, body):
    worker = handled(f"def handle(data, context):\n  if data is None: return\n  {body}\n")
    worker.load()
    at_door, through_mms = both(worker, question("m", b"1,2"))
    assert (at_door.status, at_door.body) == (through_mms.status, through_mms.body)
    assert at_door.headers == through_mms.headers


TOO_MUCH = (
    f"The answer has {LIMIT_BYTES + 1} bytes or more and an invocation may bring back {LIMIT_BYTES}"
)
REFUSED = {
    "an error": ("raise KeyError('secret')", 503, "Prediction failed"),
    "its own error": ("raise PredictionException('no', 422)", 422, "no"),
    "its own odd error": ("raise PredictionException(5, 'x')", 500, "5"),
    "no list": ("return 'x'", 503, "Invalid model predict output"),
    "too few": ("return []", 503, "number of batch response mismatched"),
    "no JSON": ("return [{1, 2}]", 503, "Unsupported model output data type."),
    "a circle": ("a = []; a.append(a); return [a]", 503, "Unsupported model output data type."),
    "half a character": ("return ['\\ud800']", 503, "Unsupported model output data type."),
    "an odd status": (
        "context.set_response_status('x'); return ['']", 503, "Unsupported model output data type."
    ),
    "a header of two lines": (
        "context.set_response_header(0, 'a', 'b\\r\\nc: d'); return ['']",
        503, "Unsupported model output data type.",
    ),
    "a header of a number": (
        "context.set_response_header(0, 'a', 1); return ['']",
        503, "Unsupported model output data type.",
    ),
    "pieces of text": ("return [iter(['a'])]", 503, "Prediction failed"),
    "pieces that fail": ("return [(1 / 0 for _ in 'a')]", 503, "Prediction failed"),
    "too much": (
        f"return [b'x' * {LIMIT_BYTES + 1}]", 413,
        TOO_MUCH,
    ),
    "too many pieces": (
        f"return [iter([b'x' * {LIMIT_BYTES}, b'y'])]", 413,
        TOO_MUCH,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "status", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_answered_is_refused_the_same_way_and_the_worker_goes_on(
    handled, body, status, message
):
    worker = handled(
        "from mms.service import PredictionException\n"
        "def handle(data, context):\n"
        "  if data is None: return\n"
        "  if data[0]['body'] == b'good': return ['good']\n"
        f"  {body}\n"
    )
    worker.load()
    door = worker.door()
    at_door = door.ask(question("m"))
    assert at_door.status == status
    assert json.loads(at_door.body) == {
        "code": status, "type": "InternalServerException", "message": message,
    }  # fmt: skip
    assert worker.through_mms(question("m")) == (status, message)
    assert door.ask(question("m", b"good")).body == b"good"
    assert worker.through_mms(question("m", b"good")).body == b"good"


@pytest.mark.parametrize("body", ["b'x' * 10", "iter([b'x' * 5, b'x' * 5])"])
@pytest.mark.parametrize(("limit_bytes", "status"), [(9, 413), (10, 200), (LIMIT_BYTES + 1, 200)])
def test_a_question_may_bring_a_limit_of_its_own(handled, body, limit_bytes, status):
    worker = handled(f"def handle(data, context):\n  if data is None: return\n  return [{body}]\n")
    worker.load()
    asked = dataclasses.replace(question("m"), answer_limit_bytes=limit_bytes)
    at_door, through_mms = both(worker, asked)
    assert at_door.status == status
    if status == 200:
        assert through_mms.status == status
    else:
        message = f"The answer has 10 bytes or more and an invocation may bring back {limit_bytes}"
        assert through_mms == (status, message)


def test_the_limit_of_one_question_is_not_the_next_ones(handled):
    worker = handled("def handle(data, context):\n  if data is None: return\n  return [b'xx']\n")
    worker.load()
    door = worker.door()
    limited = dataclasses.replace(question("m"), answer_limit_bytes=1)
    assert [door.ask(asked).status for asked in (limited, question("m"))] == [413, 200]
    assert worker.through_mms(limited)[0] == 413
    assert worker.through_mms(question("m")).status == 200


def test_a_handler_of_somebody_elses_sees_nothing_of_the_limit(handled):
    worker = handled(
        "def handle(data, context):\n"
        "  if data is None: return\n"
        "  return [sorted(map(str, context.get_all_request_header(0)))]\n"
    )
    worker.load()
    asked = dataclasses.replace(question(""), answer_limit_bytes=1000)
    at_door, through_mms = both(worker, asked)
    assert json.loads(at_door.body) == ["body", "content-type"]
    assert at_door.body == through_mms.body


def in_parts(worker, asked):
    """The parts of an answer, and its end."""
    door = worker.door()
    door.say(dataclasses.replace(asked, in_parts=True))
    parts = [door.hear()]
    while isinstance(parts[-1], Part):
        parts.append(door.hear())
    return parts[:-1], parts[-1]


LONG = "b'x' * (3 * 65536 + 1)"


@pytest.mark.parametrize("body", [LONG, f"iter([{LONG}])"], ids=["whole", "yielded"])
def test_an_answer_that_is_wanted_in_parts_comes_in_parts_of_moderate_size(handled, body):
    worker = handled(
        "def handle(data, context):\n"
        "  if data is None: return\n"
        "  context.set_response_content_type(0, 'a/b')\n"
        f"  return [{body}]\n"
    )
    worker.load()
    parts, end = in_parts(worker, question("m"))
    assert [len(part.body) for part in parts] == [PIECE_BYTES] * 3 + [1]
    assert [part.headers for part in parts] == [{"content-type": "a/b"}, {}, {}, {}]
    assert (end.status, end.body) == (200, b"")


def test_a_short_answer_comes_whole(handled):
    worker = handled("def handle(data, context):\n  if data is None: return\n  return [b'x']\n")
    worker.load()
    parts, end = in_parts(worker, question("m"))
    assert (parts, end.body) == ([], b"x")


def test_pieces_may_end_with_an_answer_that_says_why(handled):
    worker = handled(
        "from mme.prefork.failures import BrokenOff\n"
        "def pieces():\n"
        "  yield b'a'\n"
        "  raise BrokenOff(422, 'why')\n"
        "def handle(data, context):\n"
        "  if data is None: return\n"
        "  return [pieces()]\n"
    )
    worker.load()
    parts, end = in_parts(worker, question("m"))
    assert [part.body for part in parts] == [b"a"]
    assert (end.status, end.headers, end.body) == (
        422,
        {"content-type": "application/json"},
        b"why",
    )


RAN_OUT = {
    "in a piece": "return [iter(lambda: (_ for _ in ()).throw(MemoryError()), None)]",
    "in the handler": "raise MemoryError",
    "told by the handler": "context.set_response_status(507, 'NoRoom', 0); return ['no room']",
}


@pytest.mark.parametrize("body", RAN_OUT.values(), ids=RAN_OUT)
@pytest.mark.parametrize(
    "is_at_door", [True, False], ids=["at the door", "through the model server"]
)
async def test_a_worker_that_has_run_out_of_memory_says_so_and_ends(handled, body, is_at_door):
    worker = handled(f"def handle(data, context):\n  if data is None: return\n  {body}\n")
    worker.load()
    if is_at_door:
        assert worker.door().ask(question("m")).status == 507
    else:
        answer = worker.through_mms(question("m"))
        assert (answer[0] if isinstance(answer, tuple) else answer.status) == 507
    await worker.ended()


def test_through_the_model_server_an_answer_says_the_same_of_its_worker(worker):
    first, again = worker.through_mms(question("m")), worker.through_mms(question("m"))
    assert first.load_s > 0
    assert again.load_s == 0
    assert worker.through_mms(question("bad")).is_unloadable
    for model in ("a", "b", "c"):
        last = worker.through_mms(question(model))
    assert last.dropped == ("m",)


FAILURES = {
    "a family's error": (
        "from models.errors import ArtifactError\n",
        "raise ArtifactError('params.json', 'odd')",
        {"type": "ArtifactError", "message": "params.json: odd", "status": 500},
    ),
    "any other": (
        "", "raise KeyError('secret')",
        {
            "type": "InternalError", "status": 500,
            "message": "An unexpected KeyError occurred; the log has the details",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize(("imports", "raising", "report"), FAILURES.values(), ids=FAILURES)
def test_why_a_load_failed_is_left_where_the_gateway_looks(handled, imports, raising, report):
    worker = handled(f"{imports}def handle(data, context):\n  {raising}\n")
    worker.mms.sendall(load_message("w1", "/", f"{worker.handler}:handle", "channel"))
    assert worker.mms.recv(1) == b""
    assert json.loads((worker.root / "w1.json").read_text()) == report
    assert not worker.path.exists()


def test_a_load_without_room_is_told_as_507(handled):
    worker = handled("def handle(data, context):\n  raise MemoryError\n")
    assert worker.load() == 507
    assert json.loads((worker.root / "w1.json").read_text())["status"] == 507


def test_without_a_folder_for_doors_there_is_none(handled):
    worker = handled("def handle(data, context):\n  return data and ['x']\n", doors="")
    assert worker.load() == 200
    assert worker.through_mms(question("m")).body == b"x"
    assert not worker.path.exists()


async def test_when_the_model_server_hangs_up_the_worker_ends_and_leaves_no_door(worker):
    worker.mms.close()
    await worker.ended()
    assert not worker.path.exists()


def test_a_wrong_number_in_the_environment_is_an_error():
    with pytest.raises(ValueError, match="many"):
        Surroundings.read({"MME_RESIDENT_MODELS": "many"})


def test_the_environment_is_read():
    around = {"MME_DOORS": "/d", "MME_ANSWER_LIMIT_BYTES": "5", "MME_RESIDENT_MODELS": "9"}
    assert Surroundings.read(around) == Surroundings("/d", "", 5, 9)
