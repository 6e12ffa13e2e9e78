"""Pickles are data: whatever one tries, nothing of it runs."""

from __future__ import annotations

import collections
import functools
import gzip
import io
import os
import pickle
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models import records
from models.errors import ArtifactError
from models.pickles import read_pickle, to_array
from models.records import ArrayRecord, Inert

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, data) -> Path:
    path.write_bytes(data)
    return path


@pytest.fixture
def target(tmp_path):
    return tmp_path / "some-model"


class Reduced:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments, state=None) -> None:
        self.parts = (function, arguments, state) if state else (function, arguments)

    def __reduce__(self):
        return self.parts


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def named(module, name) -> bytes:
    """STACK_GLOBAL of protocol 4, which also takes names with dots."""
    return short(module) + short(name) + b"\x93"


def calls(marker) -> dict[str, bytes]:
    """Shapes of attack that would each create the folder `marker`."""
    text = str(marker)
    mkdir = f"__import__('os').mkdir({text!r})"
    return {
        "os.mkdir": pickle.dumps(Reduced(os.mkdir, text)),
        "os.system, protocol 0": f"cos\nsystem\n(S'mkdir {text}'\ntR.".encode(),
        "posix.system": f"cposix\nsystem\n(S'mkdir {text}'\ntR.".encode(),
        "INST": f"(S'mkdir {text}'\nios\nsystem\n.".encode(),
        "eval": pickle.dumps(Reduced(eval, mkdir)),
        "exec": pickle.dumps(Reduced(exec, mkdir)),
        "getattr": b"\x80\x04" + named("builtins", "getattr") + b".",
        "__import__": b"\x80\x04" + named("builtins", "__import__") + short("os") + b"\x85R.",
        "partial": pickle.dumps(Reduced(functools.partial, os.mkdir, text)),
        "inside a model": pickle.dumps([{"vectors": Reduced(os.mkdir, text)}]),
        "inside a state": b"\x80\x04"
        + named("gensim.models.keyedvectors", "KeyedVectors")
        + b")\x81}"
        + short("vectors")
        + named("os", "mkdir")
        + short(text)
        + b"\x85Rsb.",
        "numpy.testing": b"\x80\x04"
        + named("numpy.testing._private.utils", "runstring")
        + short(mkdir)
        + b"}\x86R.",
        "numpy.f2py": b"\x80\x04" + named("numpy.f2py.crackfortran", "getlincoef") + b".",
        "numpy.load": b"\x80\x04" + named("numpy", "load") + b".",
        "numpy.core through os": b"\x80\x04" + named("numpy.core.multiarray", "os.system") + b".",
        "dots from an allowed name": b"\x80\x04" + named("numpy", "ndarray.__class__") + b".",
        "dots from an allowed function": b"\x80\x04"
        + named("_codecs", "encode.__globals__")
        + b".",
        "gensim.utils.unpickle": b"\x80\x04" + named("gensim.utils", "unpickle") + b".",
        "gensim.utils.check_output": b"\x80\x04"
        + named("gensim.utils", "check_output")
        + b"}"
        + short("args")
        + short(f"mkdir {text}")
        + b"s\x85R.",
        "gensim.models.os": b"\x80\x04" + named("gensim.models.word2vec", "os.system") + b".",
        "a persistent id": b"\x80\x04" + short("id") + b"Q.",
        "copyreg": b"\x80\x04" + named("copyreg", "_reconstructor") + b".",
        "types": b"\x80\x04" + named("types", "FunctionType") + b".",
        "an extension code": b"\x80\x04\x82\x01.",
    }


@pytest.mark.hostile("pickles")
@pytest.mark.parametrize("name", calls("x"))
def test_an_attack_is_refused_and_nothing_runs(target, tmp_path, name):
    marker = tmp_path / "ran"
    with pytest.raises(ArtifactError, match="some-model: "):
        read_pickle(write(target, calls(marker)[name]))
    assert not marker.exists()


def test_the_refusal_names_what_was_refused(target):
    with pytest.raises(ArtifactError, match=r"some-model: the pickle names 'os\.system': refused"):
        read_pickle(write(target, b"cos\nsystem\n."))


BUILDS = {
    "a function's defaults": (
        named("_codecs", "encode"),
        b"N}" + short("__defaults__") + b"Ns\x86b",
    ),
    "a function's code": (named("_codecs", "encode"), b"}" + short("__code__") + b"Nsb"),
    "a class": (named("gensim.models.word2vec", "Word2Vec"), b"}" + short("__init__") + b"Nsb"),
    "a class's slots": (
        named("gensim.models.word2vec", "Word2Vec"),
        b"N}" + short("__new__") + b"Ns\x86b",
    ),
}


@pytest.mark.hostile("pickles")
@pytest.mark.parametrize("name", BUILDS)
def test_a_pickle_cannot_change_what_it_may_call(target, name):
    start, build = BUILDS[name]
    with pytest.raises(ArtifactError):
        read_pickle(write(target, b"\x80\x04" + start + build + b"."))
    honest = pickle.dumps(np.arange(3.0), protocol=2)
    assert read_pickle(write(target, honest)).to_array().tolist() == [0, 1, 2]


def test_an_inert_object_keeps_its_state_and_has_no_behaviour(target):
    body = (
        b"\x80\x04"
        + named("gensim.models.doc2vec", "Doc2Vec")
        + b")\x81}"
        + short("__class__")
        + short("x")
        + b"sb."
    )
    found = read_pickle(write(target, body))
    assert isinstance(found, Inert)
    assert found.qualified_name == "gensim.models.doc2vec.Doc2Vec"
    assert found.state == {"__class__": "x"}


ARRAYS = [
    np.arange(6, dtype="<f8").reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype="<f4").reshape(2, 3)),
    np.arange(4, dtype=">i4"),
    np.array(["ä", "bcd"]),
    np.array(["x", "yz"], dtype=object),
    np.zeros((0, 5)),
    np.array([True, False]),
]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}-{a.shape}")
def test_arrays_come_out_as_they_went_in(target, array, protocol):
    found = read_pickle(write(target, pickle.dumps([array], protocol=protocol)))[0]
    restored = found.to_array()
    assert restored.dtype == array.dtype
    assert restored.shape == array.shape
    assert restored.tolist() == array.tolist()


@pytest.mark.parametrize("protocol", [2, 4])
def test_scalars_dicts_and_bytes_come_out_plain(target, protocol):
    value = {
        "a": np.int64(3),
        "b": np.float32(0.5),
        "c": np.str_("ü"),
        "d": collections.OrderedDict(x=1),
        "e": collections.defaultdict(int, y=2),
        "f": b"\x80\xff",
        "g": b"",
    }
    found = read_pickle(write(target, pickle.dumps(value, protocol=protocol)))
    assert found == {
        "a": 3, "b": 0.5, "c": "ü", "d": {"x": 1}, "e": {"y": 2}, "f": b"\x80\xff", "g": b"",
    }  # fmt: skip
    assert type(found["a"]) is int


def test_both_spellings_of_numpys_core_are_one(target):
    # Protocol 2 writes names as lines, so that their length may change.
    old = pickle.dumps(np.arange(2.0), protocol=2).replace(b"numpy._core", b"numpy.core")
    assert read_pickle(write(target, old)).to_array().tolist() == [0, 1]


def record(shape=(2,), dtype="f8", raw=bytes(16), dtype_state=None) -> ArrayRecord:
    """An array's pickle with these parts, right or wrong."""
    parts = records.DtypeRecord(dtype)
    if dtype_state:
        parts.__setstate__(dtype_state)
    array = ArrayRecord()
    array.__setstate__((1, shape, parts, False, raw))
    return array


@pytest.mark.hostile("pickles")
@pytest.mark.parametrize(
    ("shape", "dtype", "raw"),
    [
        ((3,), "f8", bytes(16)),
        ((-1,), "f8", bytes(16)),
        ((10**18,), "f8", bytes(16)),
        ((0, 10**18, 10**18), "f8", b""),
        ((2, 1, 1), "f8", bytes(16)),
        ("x", "f8", bytes(16)),
        ((2,), "f8", [1.0, 2.0]),
        ((2,), "O", bytes(16)),
        ((2,), "O", ["only one"]),
    ],
)
def test_an_array_that_makes_no_sense_is_refused(target, shape, dtype, raw):
    with pytest.raises(ArtifactError, match="some-model: vectors"):
        to_array(record(shape, dtype, raw), target, "vectors")


@pytest.mark.hostile("pickles")
@pytest.mark.parametrize("code", ["O8,f8", "V8", "f8,O", "M8[ns]", "U999999999", "", None, 7])
def test_only_plain_dtypes_are_read(code):
    with pytest.raises(records.UnreadableValueError):
        records.DtypeRecord(code)


@pytest.mark.hostile("pickles")
def test_a_dtype_whose_state_would_hide_objects_is_refused(target):
    plain = np.dtype([("a", "O")])
    body = pickle.dumps(np.zeros(1, plain), protocol=2)
    with pytest.raises(ArtifactError, match="dtype"):
        read_pickle(write(target, body))
    with pytest.raises(records.UnreadableValueError, match="structured"):
        record(dtype_state=(3, "|", None, ("a",), {"a": (plain, 0)}, 8, 1, 0))


@pytest.mark.hostile("pickles")
def test_a_scalar_of_objects_is_refused(target):
    dtype = pickle.dumps(np.dtype("O"), protocol=2)[2:-1]
    body = b"\x80\x02cnumpy.core.multiarray\nscalar\n" + dtype + b"U\x01xo\x86R."
    with pytest.raises(ArtifactError):
        read_pickle(write(target, body))


def test_gzip_is_recognised(target):
    write(target, gzip.compress(pickle.dumps(["x"])))
    assert read_pickle(target) == ["x"]


@pytest.mark.hostile("pickles")
def test_a_small_file_that_grows_too_large_is_refused_while_it_grows(target):
    write(target, gzip.compress(pickle.dumps(bytes(5_000_000))))
    with pytest.raises(ArtifactError, match="holds more than 1000000 bytes"):
        read_pickle(target, max_bytes=1_000_000)


def bytes_claiming(size) -> bytes:
    return b"\x80\x04\x8e" + struct.pack("<Q", size) + b"x."


@pytest.mark.hostile("pickles")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"this is no pickle",
        pickle.dumps(list(range(1000)))[:-50],
        gzip.compress(pickle.dumps(list(range(1000))))[:-20],
        b"\x1f\x8b",
        bytes_claiming(2**20),
        b"\x80\x04]" + short("x") + b"\x81.",
        b"\x80\x04" + named("gensim.models.doc2vec", "Doc2Vec") + b")\x81" + short("x") + b"a.",
    ],
    ids=range(9),
)
def test_broken_files_are_errors_that_name_the_file(target, data):
    with pytest.raises(ArtifactError, match="some-model: "):
        read_pickle(write(target, data))


def test_a_missing_file_is_said_to_be_missing(target):
    with pytest.raises(ArtifactError, match="some-model: is missing"):
        read_pickle(target)


@pytest.mark.hostile("pickles")
def test_deep_nesting_does_no_harm(target):
    body = io.BytesIO()
    body.write(b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".")
    assert isinstance(read_pickle(write(target, body.getvalue())), list)
