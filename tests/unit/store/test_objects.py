from __future__ import annotations

import uuid

import pytest

from mme.core.errors import InvalidRequest
from mme.store.object_errors import ObjectNotFound, ObjectsUnavailable, ObjectTooLarge
from mme.store.object_uri import place_of, place_of_https
from mme.store.objects import Objects

AWS_S3 = "https://s3.eu-central-1.amazonaws.com"


@pytest.fixture
def objects(s3_server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return Objects()


@pytest.fixture
def bucket(s3_server):
    name = f"objects-{uuid.uuid4()}"
    s3_server.client().create_bucket(Bucket=name)
    return name


def test_what_is_written_is_read_with_its_type(objects, bucket):
    uri = f"s3://{bucket}/a/b c.out"
    objects.write(uri, b"text", "text/csv")
    facts = objects.head(uri)
    assert (facts.uri, facts.size_bytes, facts.content_type) == (uri, 4, "text/csv")
    assert objects.get(uri, 4) == (b"text", facts)
    with objects.open(uri) as file:
        assert [file.read(3), file.readline(), file.read()] == [b"tex", b"t", b""]


def test_a_file_is_written(objects, bucket, tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    objects.write_file(f"s3://{bucket}/file", tmp_path / "file", "text/plain")
    assert objects.read(f"s3://{bucket}/file", 5) == b"12345"
    assert objects.head(f"s3://{bucket}/file").content_type == "text/plain"


def test_an_object_larger_than_allowed_is_not_read(objects, bucket):
    objects.write(f"s3://{bucket}/large", b"12345")
    with pytest.raises(ObjectTooLarge, match="has 5 bytes; 4 are allowed"):
        objects.read(f"s3://{bucket}/large", 4)


def test_objects_are_listed_by_what_their_address_begins_with(objects, bucket):
    for key in ("b/2", "b/1", "c"):
        objects.write(f"s3://{bucket}/{key}", key.encode())
    assert [each.uri for each in objects.list(f"s3://{bucket}/b/")] == [
        f"s3://{bucket}/b/1",
        f"s3://{bucket}/b/2",
    ]


def test_a_deleted_object_is_gone_and_may_be_deleted_again(objects, bucket):
    uri = f"s3://{bucket}/gone"
    objects.write(uri, b"")
    assert objects.exists(uri)
    objects.delete(uri)
    objects.delete(uri)
    assert not objects.exists(uri)


def test_what_is_missing_is_named(objects, bucket):
    with pytest.raises(ObjectNotFound, match=f"s3://{bucket}/none: there is no such object"):
        objects.read(f"s3://{bucket}/none", 1)
    with pytest.raises(ObjectNotFound, match="there is no such bucket"):
        objects.write("s3://no-such-bucket/none", b"")


def test_an_s3_that_does_not_answer_is_told_from_a_missing_object(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr("mme.store.s3_client.ATTEMPTS", 1)
    with pytest.raises(ObjectsUnavailable, match="S3 cannot serve s3://bucket/key: Could"):
        Objects().read("s3://bucket/key", 1)


@pytest.mark.parametrize(
    "uri", ["", "s3://", "s3:///key", "file:///etc/passwd", "s3://bucket/" + "k" * 1025]
)
def test_what_is_no_address_of_an_object_is_refused(uri):
    with pytest.raises(InvalidRequest):
        place_of(uri)


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("https://bucket.s3.amazonaws.com/a/b%20c", "s3://bucket/a/b c"),
        ("https://my.bucket.s3.eu-central-1.amazonaws.com/a", "s3://my.bucket/a"),
        ("https://s3.eu-central-1.amazonaws.com/bucket/a", "s3://bucket/a"),
        ("https://s3.amazonaws.com:443/bucket/a", "s3://bucket/a"),
        ("https://minio.local:9000/bucket/a", "s3://bucket/a"),
    ],
)
def test_https_addresses_in_s3_are_places_in_it(url, uri):
    endpoint_url = "https://minio.local:9000" if "minio" in url else AWS_S3
    assert place_of_https(url, endpoint_url).uri == uri


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/bucket/a",
        "https://169.254.169.254/latest/meta-data",
        "https://bucket.s3.amazonaws.com.example.com/a",
        "https://s3.example.com/amazonaws.com/a",
        "https://bucket.s3.amazonaws.com:8443/a",
        "https://bucket.s3.amazonaws.com/a?versionId=1",
        "https://user@s3.amazonaws.com/bucket/a",
        "https://s3.amazonaws.com/bucket",
        "https://[::1",
        "https://s3.amazonaws.com:port/bucket/a",
    ],
)
def test_no_other_address_is_one(url):
    with pytest.raises(InvalidRequest):
        place_of_https(url, AWS_S3)
