"""A store over many: URIs are in their bucket, all else is in the endpoint's own store."""

from __future__ import annotations

import pytest

from mme.core.errors import InvalidRequest, StoreUnavailable, TargetNotFound
from mme.store import open_store
from mme.store.by_uri import StoresByUri


@pytest.fixture
def buckets(s3_server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client = s3_server.client()
    for name in ("first", "second"):
        client.create_bucket(Bucket=name)
        client.put_object(Bucket=name, Key="models/a.tar.gz", Body=name.encode())
    return client


@pytest.fixture
def stores(tmp_path, buckets):
    (tmp_path / "a.tar.gz").write_bytes(b"own")
    return StoresByUri(open_store(str(tmp_path)))


def content(stores, target):
    ref = stores.find(target)
    assert ref.target == target
    with stores.open(ref) as file:
        return file.read()


def test_each_name_is_read_where_it_says(stores):
    assert content(stores, "a.tar.gz") == b"own"
    assert content(stores, "s3://first/models/a.tar.gz") == b"first"
    assert content(stores, "s3://second/models/a.tar.gz") == b"second"


def test_its_list_is_that_of_the_own_store(stores, tmp_path):
    assert [ref.target for ref in stores.list()] == ["a.tar.gz"]
    assert stores.uri == str(tmp_path)
    stores.check()


def test_what_is_missing_is_told_with_its_whole_place(stores):
    missing = "s3://first/models/b.tar.gz"
    with pytest.raises(TargetNotFound) as caught:
        stores.find(missing)
    assert (caught.value.target, caught.value.tried) == (missing, missing)
    with pytest.raises(
        StoreUnavailable, match=r"cannot serve .*NoSuchBucket, there is no such bucket"
    ):
        stores.find("s3://never-made/models/a.tar.gz")


def test_small_files_are_replaced_and_folders_listed_in_the_bucket_named(stores):
    target = "s3://first/models/models-id.json"
    version = stores.replace(target, b"{}", None)
    assert stores.find(target).version == version
    assert content(stores, target) == b"{}"
    (found,) = stores.list_folder("s3://first/models/")
    assert content(stores, found.target) == b"first"
    stores.replace("models-id.json", b"{}", None)
    assert content(stores, "models-id.json") == b"{}"
    assert [ref.target for ref in stores.list_folder("")] == ["a.tar.gz"]


@pytest.mark.hostile("stores")
@pytest.mark.parametrize(
    "target",
    ["s3://", "s3://first", "s3://first/", "s3://first/../second/x", "s3:///x", "s3://a b/x"],
)
def test_what_is_no_plain_key_is_refused(stores, target):
    with pytest.raises((InvalidRequest, StoreUnavailable)):
        stores.find(target)


def test_a_prefix_is_reachable_if_its_bucket_is(stores):
    assert stores.why_unreachable("s3://first/empty/", is_prefix=True) == ""
    assert "NoSuchBucket" in stores.why_unreachable("s3://never-made/x/", is_prefix=True)


def test_an_artifact_is_reachable_if_it_is_there(stores):
    assert stores.why_unreachable("s3://first/models/a.tar.gz", is_prefix=False) == ""
    told = stores.why_unreachable("s3://first/models/b.tar.gz", is_prefix=False)
    assert "s3://first/models/b.tar.gz" in told
