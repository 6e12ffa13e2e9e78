"""S3 when something is wrong: whose fault it is said to be, and that what is read is whole."""

from __future__ import annotations

import base64
import hashlib
import socket
import zlib

import pytest

from mme.core.errors import StoreUnavailable, TargetNotFound
from mme.store import ArtifactRef, TargetDenied
from mme.store.s3 import S3Store
from tests.support.scripted_s3 import Said, scripted_s3

pytestmark = pytest.mark.hostile("stores")

CONTENT = b"content " * 1000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
NOTHING = b'<?xml version="1.0"?><ListBucketResult></ListBucketResult>'
ITS_KEY = NOTHING.replace(b"></", b"><Contents><Key>live/a.tar.gz</Key></Contents></")
KEY = "a.tar.gz"


@pytest.fixture(scope="module")
def client():
    """A server and a client of it, which take a while to make."""
    with scripted_s3() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setattr("mme.store.s3_client.ATTEMPTS", 1)
        yield server, S3Store("bucket", "")._client()


@pytest.fixture
def s3(client):
    client[0].asked.clear()
    return client[0]


@pytest.fixture
def store(client):
    store = S3Store("bucket", "live/")
    store._s3._made = client[1]
    return store


def failing(status, code, listing=None):
    """HEAD has no body, so only GET says the code."""

    def say(method, path):
        if status == 301 and KEY not in path and method == "HEAD":
            return Said(200, {"x-amz-bucket-region": "eu-west-1"})
        if KEY not in path or "list-type" in path:
            return listing or Said.error(status, code)
        return Said(status) if method == "HEAD" else Said.error(status, code)

    return say


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (400, "ExpiredToken", "session token has expired"),
        (400, "InvalidToken", "session token is not valid"),
        (403, "InvalidAccessKeyId", "no such access key"),
        (403, "SignatureDoesNotMatch", "secret key does not fit"),
        (403, "RequestTimeTooSkewed", "clock of this machine"),
        (400, "AuthorizationHeaderMalformed", "another region"),
        (301, "PermanentRedirect", "another region"),
        (404, "NoSuchBucket", "no such bucket"),
        (403, "InvalidObjectState", "archived"),
        (403, "AllAccessDisabled", "blocked"),
        (400, "KMS.DisabledException", "400 KMS.DisabledException"),
    ],
)
def test_what_is_not_the_callers_fault_is_the_stores_with_a_code_and_a_hint(
    s3, store, status, code, hint
):
    s3.say = failing(status, code)
    for ask in (lambda: store.find(KEY), store.check):
        with pytest.raises(StoreUnavailable, match=f"{code}.*{hint}|{hint}") as caught:
            ask()
        assert code in caught.value.message


def test_a_redirect_that_leads_nowhere_is_the_stores_fault(s3, store):
    s3.say = lambda *_: Said(301)
    with pytest.raises(StoreUnavailable, match="live"):
        store.find(KEY)


def test_a_missing_object_is_the_callers_fault(s3, store):
    s3.say = failing(404, "NoSuchKey")
    with pytest.raises(TargetNotFound, match="no such object") as caught:
        store.find(KEY)
    assert not isinstance(caught.value, TargetDenied)


def test_denied_and_not_listed_is_missing(s3, store):
    s3.say = failing(403, "AccessDenied", Said(200, {}, NOTHING))
    with pytest.raises(TargetNotFound, match="no such object") as caught:
        store.find(KEY)
    assert not isinstance(caught.value, TargetDenied)


def test_denied_and_listed_is_the_stores_fault(s3, store):
    s3.say = failing(403, "AccessDenied", Said(200, {}, ITS_KEY))
    with pytest.raises(StoreUnavailable, match=r"AccessDenied.*s3:GetObject"):
        store.find(KEY)


def test_denied_where_it_cannot_may_mean_that_there_is_no_such_object(s3, store):
    s3.say = failing(403, "AccessDenied")
    with pytest.raises(TargetDenied, match="no such object, or access is denied"):
        store.find(KEY)
    with pytest.raises(StoreUnavailable, match=r"AccessDenied.*s3:ListBucket"):
        store.check()


@pytest.mark.parametrize(
    ("status", "words"),
    [(500, "500 Internal Server Error"), (503, "503 Service Unavailable"), (599, "599 with no")],
)
def test_a_fault_of_the_server_is_not_asked_for_again(s3, store, status, words):
    s3.say = lambda *_: Said(status)
    with pytest.raises(StoreUnavailable, match=f"cannot serve .*: {words}"):
        store.find(KEY)
    assert len(s3.asked) == 1


def test_an_answer_without_an_etag_is_the_stores_fault(s3, store):
    s3.say = lambda *_: Said(200, {"ETag": ""}, CONTENT)
    with pytest.raises(StoreUnavailable, match="no ETag"):
        store.find(KEY)


def test_an_answer_without_a_length_is_the_stores_fault(s3, store):
    s3.say = lambda *_: Said.item(CONTENT, MD5, Content_Length="")
    with pytest.raises(StoreUnavailable, match="no ContentLength"):
        store.find(KEY)


def test_an_answer_without_a_date_is_as_good(s3, store):
    s3.say = lambda *_: Said.item(CONTENT, MD5, Last_Modified="")
    assert store.find(KEY).size_bytes == len(CONTENT)


@pytest.mark.parametrize("body", [b"", b"no xml", b"<a><b/></a>", b"\xff" * 100], ids=repr)
def test_an_error_that_is_none_of_s3s_is_the_stores_fault(s3, store, body):
    s3.say = lambda *_: Said(418, {}, body)
    with pytest.raises(StoreUnavailable, match="418"):
        store.find(KEY)


@pytest.mark.parametrize("body", [b"", b"no xml", b"<ListBucketResult><Contents>"], ids=repr)
def test_a_list_that_is_none_is_the_stores_fault_or_empty(s3, store, body):
    s3.say = lambda *_: Said(200, {}, body)
    try:
        found = list(store.list())
    except StoreUnavailable:
        found = []
    assert found == []


def test_an_entry_of_a_list_without_an_etag_is_the_stores_fault(s3, store):
    entry = b"<Contents><Key>live/a.tar.gz</Key><Size>3</Size></Contents>"
    s3.say = lambda *_: Said(200, {}, b"<ListBucketResult>" + entry + b"</ListBucketResult>")
    with pytest.raises(StoreUnavailable, match="no ETag"):
        list(store.list())


def whole(store):
    with store.open(store.find(KEY)) as source:
        return b"".join(iter(lambda: source.read(1000), b""))


@pytest.mark.parametrize("etag", [MD5, "0" * 32 + "-2", "abc"], ids=["MD5", "of parts", "other"])
def test_what_is_whole_is_read(s3, store, etag):
    s3.say = lambda *_: Said.item(CONTENT, etag)
    assert whole(store) == CONTENT


@pytest.mark.parametrize(
    "fault",
    [
        lambda: Said.item(CONTENT, MD5, is_cut=True),
        lambda: Said.item(CONTENT[:-1] + b"x", MD5),
        lambda: Said.item(CONTENT, "x", x_amz_checksum_crc32="AAAAAA=="),
        lambda: Said.item(CONTENT, "x", x_amz_checksum_sha256=base64.b64encode(b"x" * 32).decode()),
        lambda: Said.error(412, "PreconditionFailed"),
        lambda: Said.error(404, "NoSuchBucket"),
        lambda: Said.error(503, "SlowDown"),
    ],
    ids=["cut", "a byte changed", "CRC", "SHA-256", "changed meanwhile", "no bucket", "too often"],
)
def test_what_is_not_whole_is_the_stores_fault(s3, store, fault):
    head = Said.item(CONTENT, MD5)
    s3.say = lambda method, _: head if method == "HEAD" else fault()
    with pytest.raises(StoreUnavailable, match=r"s3://bucket/live/a\.tar\.gz"):
        whole(store)


def test_a_right_checksum_is_no_fault(s3, store):
    crc = base64.b64encode(zlib.crc32(CONTENT).to_bytes(4, "big")).decode()
    s3.say = lambda *_: Said.item(CONTENT, MD5, x_amz_checksum_crc32=crc)
    assert whole(store) == CONTENT


@pytest.mark.parametrize("encryption", ["aws:kms", "aws:kms:dsse"])
def test_an_etag_that_cannot_be_an_md5_is_not_taken_for_one(s3, store, encryption):
    s3.say = lambda *_: Said.item(CONTENT, "0" * 32, x_amz_server_side_encryption=encryption)
    assert whole(store) == CONTENT


def test_etags_of_a_directory_bucket_are_not_taken_for_md5():
    ref = ArtifactRef(KEY, "0" * 32, len(CONTENT), f"s3://bucket/{KEY}")
    assert S3Store("bucket", "")._may_be_md5(ref, {})
    assert not S3Store("bucket--use1-az4--x-s3", "")._may_be_md5(ref, {})


def test_a_store_whose_etags_are_no_md5_is_believed_at_the_second_try(s3, store):
    s3.say = lambda *_: Said.item(CONTENT, "0" * 32)
    with pytest.raises(StoreUnavailable, match=f"its MD5 is {MD5}"):
        whole(store)
    assert whole(store) == CONTENT
    assert whole(store) == CONTENT


def test_two_different_faults_are_two_faults(s3, store):
    for content in (CONTENT[:-1] + b"x", CONTENT[:-1] + b"y"):
        s3.say = lambda *_, content=content: Said.item(content, MD5)
        with pytest.raises(StoreUnavailable, match="its MD5"):
            whole(store)


@pytest.fixture
def impatient(s3, monkeypatch):
    """A store that waits for a moment only."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr("mme.store.s3_client.READ_TIMEOUT_S", 0.1)
    monkeypatch.setattr("mme.store.s3_client.ATTEMPTS", 1)
    yield S3Store("bucket", "live/")
    s3.ends.set()


def test_a_look_that_hangs_comes_to_an_end(s3, impatient):
    s3.ends.clear()
    s3.say = lambda *_: Said(is_stalled=True)
    for ask in (lambda: impatient.find(KEY), impatient.check, lambda: list(impatient.list())):
        with pytest.raises(StoreUnavailable, match=r"[Tt]ime"):
            ask()


def test_a_download_that_hangs_comes_to_an_end(s3, impatient):
    s3.ends.clear()
    head = Said.item(CONTENT, MD5)
    stalled = Said(200, head.headers, CONTENT, is_stalled=True)
    s3.say = lambda method, _: head if method == "HEAD" else stalled
    with pytest.raises(StoreUnavailable, match=r"[Tt]ime"):
        whole(impatient)


def test_a_proxy_that_is_not_there_is_the_stores_fault(s3, impatient, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free.getsockname()[1]}")
    s3.say = lambda *_: Said.item(CONTENT, MD5)
    with pytest.raises(StoreUnavailable, match="proxy"):
        impatient.find(KEY)
