"""Signatures as botocore makes them: whose pass, and what of a request may not be changed."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from multidict import CIMultiDict

from mme.access.canonical import Head
from mme.access.keys import parse_keys
from mme.access.refusals import BadSignature, Expired, IncompleteSignature, UnknownCaller
from mme.access.secret_file import Watched
from mme.access.signatures import MOST_SEEN, Signatures
from tests.unit.access.conftest import KEY, SECRET

BODY = b"{}"
LINES = f"{KEY} invoke {SECRET}\nSESSION * {SECRET} session=of-an-hour\n"
LATE = f"LATE * {SECRET} expires=2020-01-01\n"


class Clock:
    """The wall clock, moved by hand."""

    def __init__(self):
        self.ahead_s = 0.0

    def __call__(self):
        return time.time() + self.ahead_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def signatures(secret_file, clock):
    return Signatures(Watched(secret_file(LINES + LATE), parse_keys), wall=clock)


def checked(signatures, head, body=BODY, *, once=False):
    begun = signatures.begin(head.headers["Authorization"], head)
    return signatures.end(begun, sha256(body).hexdigest(), once=once)


def changed(head, **values):
    """The same request with other headers; None takes one away."""
    headers = CIMultiDict(head.headers)
    for name, value in values.items():
        headers.pop(name.replace("_", "-"), None)
        if value is not None:
            headers[name.replace("_", "-")] = value
    return head._replace(headers=headers)


GOOD = {
    "the usual": {},
    "no body": {"method": "GET", "body": b""},
    "a query": {"url": "http://mme:8080/models?limit=2&prefix=de%2F%C3%A4&b=&a=%20x&a=1"},
    "a query without values": {"url": "http://mme:8080/models?b&a"},
    "an encoded path": {"url": "http://mme:8080/models/de/gr%C3%B6%C3%9Fe%20a.tar.gz"},
    "a path with dots": {"url": "http://mme:8080/a/../b/./c//d/"},
    "the root": {"url": "http://mme:8080/"},
    "blanks in a header": {"headers": {"X-Amzn-SageMaker-Custom-Attributes": "  a   b  "}},
    "a header of other letters": {"headers": {"X-Amzn-SageMaker-Target-Model": "größe"}},
    "a date of HTTP": {"headers": {"Date": "now"}},
    "a digest": {"headers": {"X-Amz-Content-SHA256": sha256(BODY).hexdigest()}},
    "another service": {"service": "application-autoscaling"},
    "of S3": {"service": "s3"},
    "a session": {"key": "SESSION", "session": "of-an-hour"},
}


@pytest.mark.parametrize("request_", list(GOOD.values()), ids=list(GOOD))
def test_what_botocore_signs_is_its_signers(signatures, sign, request_):
    head = sign(**request_)
    caller = checked(signatures, head, request_.get("body", BODY))
    assert caller.name == request_.get("key", KEY)


def test_headers_in_latin_1_are_those_that_were_signed_in_utf_8(signatures, sign):
    head = sign(headers={"X-Amzn-SageMaker-Target-Model": "größe"})
    raw = "größe".encode("latin-1").decode("utf-8", "surrogateescape")
    sent = changed(head, X_Amzn_SageMaker_Target_Model=raw)
    assert checked(signatures, sent).name == KEY


CHANGES = {
    "method": lambda head: head._replace(method="DELETE"),
    "path": lambda head: head._replace(target="/endpoints/f/invocations"),
    "query": lambda head: head._replace(target=head.target + "?a=1"),
    "host": lambda head: changed(head, Host="other:8080"),
    "target": lambda head: changed(head, X_Amzn_SageMaker_Target_Model="other.tar.gz"),
    "two values": lambda head: Head(
        head.method,
        head.target,
        CIMultiDict([*head.headers.items(), ("X-Amzn-SageMaker-Target-Model", "b")]),
    ),
}


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize("change", list(CHANGES.values()), ids=list(CHANGES))
def test_a_request_that_was_changed_on_its_way_is_refused(signatures, sign, change):
    head = sign(headers={"X-Amzn-SageMaker-Target-Model": "a.tar.gz"})
    checked(signatures, head)
    with pytest.raises(BadSignature, match="does not match the signature"):
        checked(signatures, change(head))


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize("digest", ["", sha256(BODY).hexdigest()], ids=["unsaid", "said"])
def test_another_body_than_the_signed_one_is_refused(signatures, sign, digest):
    head = sign(headers={"X-Amz-Content-SHA256": digest} if digest else {})
    with pytest.raises(BadSignature):
        checked(signatures, head, b"[]")


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize(
    "form",
    [
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    ],
)
def test_a_body_without_a_signed_digest_is_refused_before_it_is_read(signatures, sign, form):
    head = sign(headers={"X-Amz-Content-SHA256": form})
    with pytest.raises(BadSignature, match=form):
        signatures.begin(head.headers["Authorization"], head)


def test_where_the_digest_is_said_a_wrong_secret_is_refused_before_the_body(signatures, sign):
    digest = {"X-Amz-Content-SHA256": sha256(BODY).hexdigest()}
    head = sign(headers=digest, secret="another secret of some length")
    with pytest.raises(BadSignature):
        signatures.begin(head.headers["Authorization"], head)


@pytest.mark.hostile("HTTP")
def test_another_secret_is_refused(signatures, sign):
    with pytest.raises(BadSignature, match="Check your AWS Secret Access Key"):
        checked(signatures, sign(secret="another secret of some length"))


def test_an_access_key_that_is_not_known_is_named(signatures, sign):
    with pytest.raises(UnknownCaller, match="'OTHER'"):
        checked(signatures, sign(key="OTHER"))


@pytest.mark.parametrize(
    ("key", "session"), [("SESSION", None), ("SESSION", "other"), (KEY, "of-an-hour")]
)
def test_a_session_token_is_the_one_of_its_key(signatures, sign, key, session):
    with pytest.raises(UnknownCaller, match="security token"):
        checked(signatures, sign(key=key, session=session))


def test_a_key_whose_time_is_over_is_refused(signatures, sign):
    with pytest.raises(Expired, match="LATE"):
        checked(signatures, sign(key="LATE"))


@pytest.mark.parametrize(
    ("ahead_s", "words"), [(301, "Signature expired"), (-301, "not yet current")]
)
def test_a_signature_of_another_time_is_refused(signatures, sign, clock, ahead_s, words):
    clock.ahead_s = ahead_s
    with pytest.raises(BadSignature, match=words):
        checked(signatures, sign())


@pytest.mark.parametrize("ahead_s", [290, -290])
def test_clocks_may_differ_by_five_minutes(signatures, sign, clock, ahead_s):
    clock.ahead_s = ahead_s
    assert checked(signatures, sign()).name == KEY


@pytest.mark.hostile("HTTP")
def test_the_same_bytes_change_nothing_when_they_come_again(signatures, sign, clock):
    head = sign()
    checked(signatures, head, once=True)
    clock.ahead_s = 2.1
    with pytest.raises(BadSignature, match="used before"):
        checked(signatures, head, once=True)


def test_a_client_may_call_the_same_twice_in_one_second(signatures, sign):
    head = sign()
    assert checked(signatures, head, once=True) == checked(signatures, head, once=True)


def test_what_changes_nothing_may_come_again(signatures, sign):
    head = sign()
    assert checked(signatures, head) == checked(signatures, head)


@pytest.mark.hostile("HTTP")
def test_a_signature_is_remembered_for_as_long_as_it_holds(signatures, sign, clock):
    clock.ahead_s = -290
    head = sign()
    checked(signatures, head, once=True)
    clock.ahead_s = 290
    with pytest.raises(BadSignature, match="used before"):
        checked(signatures, head, once=True)


def test_no_more_signatures_are_remembered_than_there_may_be(signatures, sign, clock):
    head = sign()
    begun = signatures.begin(head.headers["Authorization"], head)
    for number in range(MOST_SEEN + 10):
        signatures._note(replace(begun.claim, signature=str(number)))
    assert len(signatures._seen[KEY]) == MOST_SEEN
    clock.ahead_s = 601
    signatures._note(begun.claim)
    assert len(signatures._seen[KEY]) == 1


AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20300131/eu/sagemaker/aws4_request,"
    " SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
)
BROKEN = {
    "nothing": "AWS4-HMAC-SHA256",
    "no signature": AUTHORIZATION.rpartition(",")[0],
    "two signatures": AUTHORIZATION + ",Signature=" + "0" * 64,
    "another part": AUTHORIZATION + ",More=1",
    "a short signature": AUTHORIZATION[:-1],
    "capitals": AUTHORIZATION[:-1] + "A",
    "four parts": AUTHORIZATION.replace("/eu", ""),
    "another end": AUTHORIZATION.replace("aws4_request", "aws5_request"),
    "no key": AUTHORIZATION.replace("AKIDEXAMPLE", ""),
    "a region of signs": AUTHORIZATION.replace("/eu/", "/e\nu/"),
    "host unsigned": AUTHORIZATION.replace("host;", ""),
    "date unsigned": AUTHORIZATION.replace(";x-amz-date", ""),
    "another order": AUTHORIZATION.replace("host;x-amz-date", "x-amz-date;host"),
    "twice": AUTHORIZATION.replace("host;", "host;host;"),
    "not sent": AUTHORIZATION.replace("host;", "host;more;"),
    "no name": AUTHORIZATION.replace("host;", ";host;"),
    "another algorithm": AUTHORIZATION.replace("HMAC-SHA256 ", "ECDSA-P256-SHA256 "),
    "very many": "AWS4-HMAC-SHA256 " + "a=b," * 4000,
    "many headers": AUTHORIZATION.replace("host;", "host;" + "a;" * 4000),
}


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize("text", list(BROKEN.values()), ids=list(BROKEN))
def test_what_is_no_signature_is_refused_with_what_is_missing(signatures, text):
    headers = CIMultiDict({"Host": "mme", "X-Amz-Date": "20300131T120000Z"})
    with pytest.raises(IncompleteSignature) as refusal:
        signatures.begin(text, Head("POST", "/", headers))
    assert len(refusal.value.message) < 300


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize(
    "moment", [None, "", "now", "20309931T120000Z", "Mon, 99 Jan 2030 00:00:00 GMT", "9" * 5000]
)
def test_a_time_that_is_none_is_refused(signatures, sign, moment):
    head = changed(sign(), X_Amz_Date=moment)
    with pytest.raises(IncompleteSignature):
        signatures.begin(head.headers["Authorization"], head)


@pytest.mark.hostile("HTTP")
def test_a_day_of_another_time_is_refused(signatures, sign):
    head = changed(sign(), X_Amz_Date="20000101T000000Z")
    with pytest.raises(BadSignature, match="does not match"):
        signatures.begin(head.headers["Authorization"], head)


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize("name", ["X-Amz-Target", "X-Amzn-SageMaker-Target-Model"])
def test_headers_that_say_what_to_do_must_be_signed(signatures, sign, name):
    head = changed(sign(), **{name.replace("-", "_"): "x"})
    with pytest.raises(IncompleteSignature, match=name.lower()):
        signatures.begin(head.headers["Authorization"], head)


VECTORS = [
    ("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    (
        "GET",
        "/?Param2=value2&Param1=value1",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
]


@pytest.mark.parametrize(("method", "target", "signature"), VECTORS)
def test_the_examples_that_aws_has_published_hold(secret_file, method, target, signature):
    at = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
    keys = Watched(secret_file(f"{KEY} * {SECRET}"), parse_keys)
    headers = {"Host": "example.amazonaws.com", "X-Amz-Date": "20150830T123600Z"}
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={KEY}/20150830/us-east-1/service/aws4_request,"
        f" SignedHeaders=host;x-amz-date, Signature={signature}"
    )
    signatures = Signatures(keys, wall=lambda: at)
    begun = signatures.begin(authorization, Head(method, target, CIMultiDict(headers)))
    assert signatures.end(begun, sha256(b"").hexdigest(), once=True).name == KEY
