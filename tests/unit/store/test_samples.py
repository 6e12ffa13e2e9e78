"""The shipped samples: they serve only while nobody has put models of their own where these go."""

from __future__ import annotations

import logging

import pytest

from mme.core.errors import StoreUnavailable, TargetNotFound
from mme.store import SampleStore


@pytest.fixture
def samples(tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    for name in ("DocSim.tar.gz", "Search.tar.gz"):
        (folder / name).write_bytes(b"sample")
    return folder


@pytest.fixture
def models_dir(tmp_path):
    return tmp_path / "models"


@pytest.fixture
def store(samples, models_dir):
    return SampleStore(samples, models_dir, most_files=100)


def put_own(models_dir, target="DocSim.tar.gz"):
    folder = models_dir / target
    folder.mkdir(parents=True)
    (folder / "DocSim-params.json").write_bytes(b"{}")


@pytest.mark.parametrize("is_there", [True, False])
def test_samples_serve_while_the_platforms_folder_is_empty(store, models_dir, is_there):
    if is_there:
        models_dir.mkdir()
    store.check()
    with store.open(store.find("DocSim.tar.gz")) as source:
        assert source.read() == b"sample"
    assert store.is_sample("DocSim.tar.gz")
    assert not store.is_sample("Search.tar.gz")
    assert [ref.target for ref in store.list()] == ["DocSim.tar.gz", "Search.tar.gz"]


def test_each_sample_is_named_in_the_log_once(store, caplog):
    with caplog.at_level(logging.WARNING, "mme.store.samples"):
        for target in ("DocSim.tar.gz", "DocSim.tar.gz", "Search.tar.gz"):
            store.find(target)
    assert [record.args for record in caplog.records] == [("DocSim.tar.gz",), ("Search.tar.gz",)]


def test_once_there_are_others_models_no_sample_is_found_under_their_names_or_any(
    store, samples, models_dir
):
    ref = store.find("DocSim.tar.gz")
    put_own(models_dir)
    own = store.find("DocSim.tar.gz")
    assert own.uri == str(models_dir / "DocSim.tar.gz")
    assert own.version != ref.version
    assert not store.is_sample("DocSim.tar.gz")
    with pytest.raises(TargetNotFound):
        store.find("Search.tar.gz")
    assert [each.target for each in store.list()] == ["DocSim.tar.gz"]
    with pytest.raises(StoreUnavailable, match="changed"), store.open(ref):
        pass


def test_a_target_that_is_nowhere_is_no_sample(store):
    with pytest.raises(TargetNotFound):
        store.find("none")
    assert not store.is_sample("none")
