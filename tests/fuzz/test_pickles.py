"""Pickles made of any opcodes: plain data or an ArtifactError, and nothing called or opened."""

from __future__ import annotations

import pickle
import pickletools
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from models.errors import ArtifactError, NoRoom
from models.pickles import read_pickle, to_array
from models.records import ArrayRecord, DtypeRecord, Inert
from tests.support.fuzzing import fuzz

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAIN = (
    type(None), bool, int, float, str, bytes, bytearray, memoryview, list, tuple, dict, set,
    frozenset, Inert, ArrayRecord, DtypeRecord,
)  # fmt: skip
NAMES = st.sampled_from(
    [("os", "system"), ("builtins", "eval"), ("builtins", "getattr"), ("builtins", "bytes"),
     ("_codecs", "encode"), ("collections", "OrderedDict"), ("numpy", "dtype"),
     ("numpy", "ndarray"), ("numpy.core.multiarray", "_reconstruct"),
     ("numpy.core.multiarray", "scalar"), ("numpy._core.numeric", "_frombuffer"),
     ("gensim.models.keyedvectors", "KeyedVectors"), ("gensim.models.word2vec", "os.system")]
)  # fmt: skip
TEXTS = st.sampled_from(["f8", "O8", "<U1", "latin1", "__class__", "os", "x"]) | st.text(max_size=3)
SMALL = st.integers(0, 3)


def sized(width: int, data: bytes, size: int | None = None) -> bytes:
    return (len(data) if size is None else size).to_bytes(width, "little") + data


GLOBALS = NAMES.map(lambda name: f"c{name[0]}\n{name[1]}\n".encode())
INSTANCES = NAMES.map(lambda name: f"i{name[0]}\n{name[1]}\n".encode())
STACK_GLOBALS = NAMES.map(
    lambda name: b"".join(b"\x8c" + sized(1, part.encode()) for part in name) + b"\x93"
)
STRINGS = TEXTS.map(lambda text: b"X" + sized(4, text.encode("utf-8", "surrogatepass")))
BYTES = st.binary(max_size=16).map(lambda data: b"C" + sized(1, data))
MEMO = st.tuples(st.sampled_from(b"hq"), SMALL).map(bytes)
LENGTHS = st.builds(
    lambda start, width, size: start + sized(width, b"ab", min(size, 256**width - 1)),
    st.sampled_from([b"X", b"B", b"T", b"\x8b"]), st.just(4), st.integers(0, 2**32),
) | st.builds(
    lambda start, size: start + sized(8, b"ab", size),
    st.sampled_from([b"\x8d", b"\x8e", b"\x96", b"\x95"]), st.integers(0, 2**64 - 1),
)  # fmt: skip
LINES = st.builds(
    lambda start, text: start + text.encode("utf-8", "replace") + b"\n",
    st.sampled_from([b"I", b"L", b"F", b"S", b"V", b"P", b"g", b"p"]),
    st.text("0123456789-'x.eL\\", max_size=6),
)
BARE = st.sampled_from(
    [opcode.code.encode("latin1") for opcode in pickletools.opcodes if opcode.arg is None]
)
ANY = st.sampled_from([opcode.code.encode("latin1") for opcode in pickletools.opcodes])
OPCODES = (
    GLOBALS | INSTANCES | STACK_GLOBALS | STRINGS | BYTES | MEMO | LENGTHS | LINES | BARE | BARE
    | SMALL.map(lambda number: bytes([ord("K"), number])) | ANY
)  # fmt: skip
PROGRAMS = st.lists(OPCODES, max_size=25).map(lambda parts: b"\x80\x04" + b"".join(parts) + b".")

HONEST = [
    pickle.dumps(value, protocol)
    for protocol in (0, 2, 4, 5)
    for value in (
        np.arange(6.0).reshape(2, 3),
        np.array(["ä", "b"]),
        np.array(["x", "y"], dtype=object),
        (["a", "b"], np.ones((1, 2)), np.float64(0.5), {"a": np.int64(1), 2: b"x"}),
    )
]
MUTATED = st.builds(
    lambda data, place, cut, inserted: (
        data[: place % len(data)] + inserted + data[place % len(data) + cut :]
    ),
    st.sampled_from(HONEST),
    st.integers(0, 1000),
    st.integers(0, 4),
    OPCODES | st.binary(max_size=3),
)


class Watch:
    """Notes what Python does that a pickle must not have it do."""

    HARMFUL = ("import", "exec", "compile", "os.", "subprocess.", "socket.", "ctypes.", "shutil.")

    def __init__(self) -> None:
        self.target: Path | None = None
        self.seen: list[object] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.target is None:
            return
        is_other = event == "open" and str(arguments[0]) not in (
            str(self.target),
            "/proc/self/statm",
        )
        if is_other or event.startswith(self.HARMFUL):
            self.seen.append((event, arguments))

    def read(self, target: Path) -> object:
        self.target = target
        try:
            return read_pickle(target)
        finally:
            self.target = None


def all_values(value: object) -> Iterator[object]:
    """A value and all that is in it, each once."""
    left, seen = [value], set()
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, dict):
            left += [*value, *value.values()]
        elif isinstance(value, (list, tuple, set, frozenset)):
            left += value
        elif isinstance(value, Inert):
            left.append(value.state)
        elif isinstance(value, ArrayRecord):
            left += [value.shape, value.dtype, value.raw]


def test_whatever_its_opcodes_are_a_pickle_is_plain_data_or_refused(
    tmp_path: Path,
):
    target, watch = tmp_path / "some-model", Watch()

    def check(data: bytes) -> None:
        target.write_bytes(data)
        try:
            value = watch.read(target)
        except (ArtifactError, NoRoom) as error:
            assert len(error.message) < 600  # noqa: PT017 - either outcome is right
            return
        finally:
            assert not watch.seen
        for each in all_values(value):
            assert isinstance(each, PLAIN) or is_stand_in(each), type(each)
            if isinstance(each, ArrayRecord):
                try:
                    assert isinstance(to_array(each, target, "vectors"), np.ndarray)
                except ArtifactError as error:
                    assert len(error.message) < 600  # noqa: PT017 - either outcome is right

    assert fuzz(check, PROGRAMS | MUTATED)


def is_stand_in(value: object) -> bool:
    """Whether a value is what stands for a name that a pickle may use."""
    is_class = isinstance(value, type) and issubclass(value, Inert)
    return is_class or type(value).__name__ == "_StandIn"
