from __future__ import annotations

import pytest

from mme.core.names import model_name
from mme.store import open_store
from tests.support.archives import tar_gz


class Shelf:
    """A store in a folder that a test puts archives into."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder = folder
        self.store = open_store(str(folder))

    def put(self, target="a.tar.gz", content=None):
        """The name and the reference of what is put there."""
        (self.folder / target).write_bytes(content or tar_gz({"file": b"content"}))
        ref = self.store.find(target)
        return model_name(target, ref.version), ref


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "store")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"
