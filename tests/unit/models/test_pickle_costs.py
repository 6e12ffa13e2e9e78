"""Reading a pickle takes memory in proportion to the file, whatever the pickle asks for."""

from __future__ import annotations

import gzip
import pickle
import resource
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.errors import ArtifactError
from models.memory_bound import TooMuchMemory, memory_bound
from models.pickles import FREE_BYTES, MIB, read_pickle
from models.records import ArrayRecord, DtypeRecord, UnreadableValueError

HUGE = 2**33


@pytest.fixture
def target(tmp_path):
    return tmp_path / "some-model"


def peak_bytes(work) -> int:
    """How far the memory of this process rises while `work` is done."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = status_bytes("VmRSS")
    work()
    return status_bytes("VmHWM") - before


def status_bytes(name) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


FEW_BYTES = {
    "LONG_BINPUT": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "PUT": b"Np999999999\n.",
    "PUT beyond all memory": b"Np4611686018427387904\n.",
    "BINUNICODE": b"\x80\x04X" + struct.pack("<I", 2**32 - 1) + b"x.",
    "BINUNICODE8": b"\x80\x04\x8d" + struct.pack("<Q", HUGE) + b"x.",
    "BINBYTES": b"\x80\x04B" + struct.pack("<I", 2**32 - 1) + b"x.",
    "BINBYTES8": b"\x80\x04\x8e" + struct.pack("<Q", HUGE) + b"x.",
    "BYTEARRAY8": b"\x80\x05\x96" + struct.pack("<Q", HUGE) + b"x.",
    "BINSTRING": b"T" + struct.pack("<i", 2**31 - 1) + b"x.",
    "LONG4": b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",
    "FRAME": b"\x80\x04\x95" + struct.pack("<Q", HUGE) + b"N.",
}


@pytest.mark.hostile("pickles")
@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", FEW_BYTES)
def test_a_few_bytes_that_ask_for_gigabytes_get_none(target, name):
    target.write_bytes(FEW_BYTES[name])

    def refuse():
        with pytest.raises(ArtifactError, match="some-model: "):
            read_pickle(target)

    assert peak_bytes(refuse) < 16 * MIB


MANY = 3_000_000
DENSE = {
    "empty sets": b"\x8f" * MANY,
    "empty dicts": b"}" * MANY,
    "empty lists": b"]" * MANY,
    "objects": b"\x8c\x0fgensim.models.a\x94\x8c\x01A\x94\x93\x94" + b"h\x02)\x81" * (MANY // 2),
}


READ = """
import sys
from pathlib import Path
from models.errors import ArtifactError
from models.pickles import read_pickle
from tests.unit.models.test_pickle_costs import peak_bytes

def read():
    try:
        read_pickle(Path(sys.argv[1]))
    except ArtifactError as error:
        print(error)

print(peak_bytes(read))
"""


@pytest.mark.hostile("pickles")
@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", DENSE)
def test_a_gzip_file_of_a_kilobyte_takes_no_more_than_what_is_free(target, name):
    target.write_bytes(gzip.compress(b"\x80\x04(" + DENSE[name] + b"t."))
    assert target.stat().st_size < 16_000
    # In a process of its own: this one may have more to reuse than the bound allows.
    command = [sys.executable, "-c", READ, str(target)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert said[0].startswith("some-model: takes far more memory")
    assert int(said[1]) < FREE_BYTES + 40 * MIB


@pytest.mark.hostile("pickles")
@pytest.mark.timeout(10)
def test_a_gzip_file_that_holds_a_thousand_times_its_size_is_not_unpacked_whole(
    target, monkeypatch
):
    monkeypatch.setattr("models.pickles.FREE_GZIP_BYTES", MIB)
    target.write_bytes(gzip.compress(bytes(20 * MIB), 6))

    def refuse():
        with pytest.raises(ArtifactError, match=r"some-model: holds more than \d+ bytes in \d+"):
            read_pickle(target)

    assert peak_bytes(refuse) < 16 * MIB


HONEST = {
    "short words": {f"{number:x}": number for number in range(100_000)},
    "numbers": [number / 7 for number in range(100_000)],
    "vectors": np.random.default_rng(1).random((5_000, 60)),
    "topics of which few numbers differ": np.full((100, 20_000), 0.001),
    "words in an array": np.array([f"wort{number}" for number in range(100_000)]),
    "words as objects": np.array([f"wort{number}" for number in range(100_000)], dtype=object),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("level", [0, 9])
@pytest.mark.parametrize("name", HONEST)
def test_honest_pickles_stay_far_below_the_bound(target, monkeypatch, name, level, protocol):
    monkeypatch.setattr("models.pickles.FREE_BYTES", 24 * MIB)
    monkeypatch.setattr("models.pickles.FREE_GZIP_BYTES", MIB)
    data = pickle.dumps(HONEST[name], protocol)
    target.write_bytes(gzip.compress(data, 1) if level else data)
    found = read_pickle(target)
    assert isinstance(found, ArrayRecord) or found == HONEST[name]


@pytest.mark.hostile("pickles")
@pytest.mark.timeout(5)
@pytest.mark.parametrize("size", [10**18, 10**1_000_000, 2**10_000_000], ids=["18", "1e6", "3e6"])
def test_a_shape_of_numbers_of_many_digits_is_refused_before_they_are_multiplied(size):
    array = ArrayRecord()
    array.__setstate__((1, (size, size), DtypeRecord("f8"), False, bytes(8)))
    with pytest.raises(UnreadableValueError, match="an array of the shape") as caught:
        array.to_array()
    assert len(str(caught.value)) < 300


@pytest.mark.hostile("pickles")
@pytest.mark.timeout(5)
def test_a_shape_that_doubles_whenever_it_is_shown_is_refused(target):
    # Each step is nine bytes: remembered, fetched twice, made a tuple, remembered.
    places = [struct.pack("<I", step) for step in range(200)]
    doubling = b")" + b"".join(b"r" + place + b"j" + place + b"\x86" for place in places)
    start = b"cnumpy.core.multiarray\n_reconstruct\n)R("
    dtype = b"cnumpy\ndtype\nU\x02f8\x85R"
    target.write_bytes(b"\x80\x02" + start + b"K\x01" + doubling + dtype + b"\x89U\x00tb.")
    found = read_pickle(target)
    with pytest.raises(UnreadableValueError, match="an array of the shape") as caught:
        found.to_array()
    assert len(str(caught.value)) < 300


@pytest.mark.hostile("pickles")
def test_a_name_of_a_megabyte_is_not_repeated(target):
    target.write_bytes(b"cgensim.models." + b"a" * MIB + b"\nA\n)\x81.")
    with pytest.raises(ArtifactError, match="refused") as caught:
        read_pickle(target)
    assert len(caught.value.message) < 400


def test_the_bound_is_lifted_afterwards():
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(TooMuchMemory), memory_bound(64 * MIB):
        bytes(HUGE)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_closer_bound_stays_and_is_told_apart():
    before = resource.getrlimit(resource.RLIMIT_AS)
    closer = (status_bytes("VmSize") + 64 * MIB, before[1])
    resource.setrlimit(resource.RLIMIT_AS, closer)
    try:
        with pytest.raises(MemoryError), memory_bound(2 * HUGE):
            bytes(HUGE)
        assert resource.getrlimit(resource.RLIMIT_AS) == closer
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
