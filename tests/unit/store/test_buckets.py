"""Which buckets requests may name."""

from __future__ import annotations

import pytest

from mme.core.errors import InvalidRequest
from mme.store import open_store
from mme.store.buckets import BucketNotNamed, Buckets
from mme.store.by_uri import StoresByUri
from mme.store.objects import Objects

LISTED = Buckets(("models", "team-*", "data/in/", "data/out-*", "one/file.csv"))


@pytest.mark.parametrize(
    "uri",
    [
        "s3://models/a.tar.gz", "s3://models/", "s3://models", "s3://team-a/x", "s3://data/in/x",
        "s3://data/in/", "s3://data/in/a/b", "s3://data/out-1/x", "s3://one/file.csv",
    ],
)  # fmt: skip
def test_what_is_listed_may_be_named(uri):
    LISTED.check(uri)


@pytest.mark.hostile("stores")
@pytest.mark.parametrize(
    "uri",
    [
        "s3://other/a", "s3://models2/a", "s3://xmodels/a", "s3://data/", "s3://data/in", "s3://data",
        "s3://data/inner/x", "s3://one/file.csv.gz", "s3://one/", "s3://Models/a", "s3:///models/a",
        "s3://other/models/a", "s3://team", "s3://",
    ],
)  # fmt: skip
def test_anything_else_may_not(uri):
    with pytest.raises(BucketNotNamed, match="MME_BUCKETS"):
        LISTED.check(uri)


def test_where_none_is_listed_any_may_be_named():
    Buckets().check("s3://any/thing")


@pytest.fixture
def nowhere(monkeypatch):
    """No S3: whoever asked it would hear another error."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.mark.hostile("stores")
@pytest.mark.parametrize(
    "ask",
    [
        lambda objects, uri, _: objects.normal(uri),
        lambda objects, uri, _: objects.head(uri),
        lambda objects, uri, _: objects.read(uri, 1),
        lambda objects, uri, _: objects.open(uri).__enter__(),
        lambda objects, uri, _: objects.write(uri, b""),
        lambda objects, uri, path: objects.write_file(uri, path),
        lambda objects, uri, _: next(objects.list(uri)),
        lambda objects, uri, _: objects.delete(uri),
        lambda objects, *_: objects.normal("https://other.s3.amazonaws.com/key"),
        lambda objects, *_: objects.normal("https://s3.eu-central-1.amazonaws.com/other/key"),
        lambda objects, *_: objects.normal("http://127.0.0.1:9/other/key"),
    ],
)
def test_objects_elsewhere_are_neither_read_nor_written(nowhere, tmp_path, ask):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(InvalidRequest):
        ask(Objects(LISTED), "s3://other/key", path)


@pytest.mark.hostile("stores")
def test_artifacts_elsewhere_are_not_found_and_not_asked_for(nowhere, tmp_path):
    (tmp_path / "own.tar.gz").write_bytes(b"own")
    stores = StoresByUri(open_store(str(tmp_path)), LISTED)
    uri = "s3://other/a.tar.gz"
    assert stores.find("own.tar.gz").size_bytes == 3
    for ask in (
        lambda: stores.find(uri),
        lambda: list(stores.list_folder("s3://other/folder")),
        lambda: stores.replace(uri, b"", None),
    ):
        with pytest.raises(BucketNotNamed):
            ask()
    assert "MME_BUCKETS" in stores.why_unreachable(uri, is_prefix=False)
    assert "MME_BUCKETS" in stores.why_unreachable("s3://other/", is_prefix=True)
