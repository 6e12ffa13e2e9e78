"""The record beside an artifact is believed only if it is right in every part."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from mme.cache.entry import ENTRY_FILE, MODEL_FOLDER, Entry, read_entry, to_json, write_entry
from mme.core.artifact import Admitted, Findings

NAME = "0123456789abcdef" * 2


@pytest.fixture
def folder(tmp_path):
    (tmp_path / NAME / MODEL_FOLDER).mkdir(parents=True)
    return tmp_path / NAME


def entry(folder):
    findings = Findings(
        unpacked_bytes=2, own_bytes=3, mapped_bytes=4, load_s=0.5, is_data=False, pipeline="de",
        details={"family": "DocSim", "sizes": [1, 2]},
    )  # fmt: skip
    artifact = Admitted(
        name=NAME, target="de/grö ße.tar.gz", version="v", model_dir=folder / "model",
        scratch_dir=folder / "mapped", archive_bytes=1, admitted_at=123.5, findings=findings,
    )  # fmt: skip
    return Entry(artifact, disk_bytes=4096)


def test_a_record_is_read_as_it_was_written(folder):
    write_entry(folder, entry(folder))
    assert read_entry(folder) == entry(folder)


def test_a_record_knows_no_paths_so_that_the_cache_can_move(folder, tmp_path):
    write_entry(folder, entry(folder))
    (tmp_path / "elsewhere").mkdir()
    moved = folder.rename(tmp_path / "elsewhere" / NAME)
    found = read_entry(moved)
    assert found is not None
    assert found.artifact.model_dir == moved / MODEL_FOLDER


def test_there_is_no_record_without_a_model(folder):
    write_entry(folder, entry(folder))
    (folder / MODEL_FOLDER).rmdir()
    assert read_entry(folder) is None
    (folder / MODEL_FOLDER).symlink_to("/etc")
    assert read_entry(folder) is None


def test_the_record_of_another_artifact_is_not_believed(folder):
    other = entry(folder)
    write_entry(folder, replace(other, artifact=replace(other.artifact, name="f" * 32)))
    assert read_entry(folder) is None


def without(record, *keys):
    for key in keys[:-1]:
        record = record[key]
    del record[keys[-1]]


@pytest.mark.hostile("surroundings")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("target", 5), ("target", "\ud800"), ("version", None), ("disk_bytes", -1),
        ("disk_bytes", "9"), ("disk_bytes", 1 << 80), ("archive_bytes", 1.5),
        ("admitted_at", "soon"), ("admitted_at", []), ("admitted_at", 10**400),
        ("admitted_at", float("nan")), ("findings", []), ("findings", {}),
        ("findings", None),
    ],
)  # fmt: skip
def test_a_field_of_another_kind_makes_it_no_record(folder, key, value):
    record = json.loads(to_json(entry(folder)))
    (folder / ENTRY_FILE).write_text(json.dumps(record | {key: value}))
    assert read_entry(folder) is None
    del record[key]
    (folder / ENTRY_FILE).write_text(json.dumps(record))
    assert read_entry(folder) is None


@pytest.mark.hostile("surroundings")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("unpacked_bytes", None), ("own_bytes", -3), ("load_s", "x"), ("load_s", 10**400),
        ("is_data", 1), ("pipeline", 5), ("details", "x"),
    ],
)  # fmt: skip
def test_a_finding_of_another_kind_makes_it_no_record(folder, key, value):
    record = json.loads(to_json(entry(folder)))
    record["findings"][key] = value
    (folder / ENTRY_FILE).write_text(json.dumps(record))
    assert read_entry(folder) is None


@pytest.mark.hostile("surroundings")
@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"\xff\xfe", b"[" * 100_000, b" " * 2_000_000, b"9" * 10_000]
)
def test_anything_else_is_no_record(folder, content):
    (folder / ENTRY_FILE).write_bytes(content)
    assert read_entry(folder) is None


@pytest.mark.hostile("surroundings")
def test_a_fifo_a_link_or_a_folder_is_no_record_and_does_not_hang(folder, tmp_path):
    place = folder / ENTRY_FILE
    os.mkfifo(place)
    assert read_entry(folder) is None
    place.unlink()
    (tmp_path / "good").write_text(to_json(entry(folder)))
    place.symlink_to(tmp_path / "good")
    assert read_entry(folder) is None
    place.unlink()
    place.mkdir()
    assert read_entry(folder) is None


@pytest.mark.hostile("archives")
def test_a_record_is_not_written_through_a_link(folder, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (folder / ENTRY_FILE).symlink_to(victim)
    write_entry(folder, entry(folder))
    assert victim.read_text() == "mine"
    assert read_entry(folder) == entry(folder)
