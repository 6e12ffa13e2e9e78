"""Addresses of queues, how much is asked for, and what objects tell of a request's end."""

from __future__ import annotations

import pytest

from mme.jobs.asynchronous.outcomes import expired
from mme.jobs.asynchronous.request import State
from mme.jobs.asynchronous.sqs_address import QueueAddress, queue_address
from mme.jobs.asynchronous.sqs_message import MessageUnreadable, read
from mme.jobs.asynchronous.sqs_outcomes import outcome_of
from mme.jobs.asynchronous.sqs_pace import LOOK_S, Pace
from mme.store.object_errors import ObjectNotFound, ObjectTooLarge
from tests.unit.jobs.asynchronous.test_execution import REQUEST

ACCOUNT = "123456789012"
URL = f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/work.fifo"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"sqs://{ACCOUNT}/work", QueueAddress(ACCOUNT, "work")),
        (f"sqs://eu-west-1/{ACCOUNT}/work", QueueAddress(ACCOUNT, "work", "eu-west-1")),
        (URL, QueueAddress(ACCOUNT, "work.fifo", "eu-west-1", URL)),
        (
            f"http://127.0.0.1:5000/{ACCOUNT}/work",
            QueueAddress(ACCOUNT, "work", "", f"http://127.0.0.1:5000/{ACCOUNT}/work"),
        ),
    ],
)
def test_a_queue_is_named_by_account_and_name_or_by_its_url(text, expected):
    assert queue_address(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("work", "no address of a queue"),
        ("sqs://work", "'' is not an account"),
        ("https://[/1/2", "Invalid IPv6 URL; write sqs://"),
        (f"{URL}?Action=SendMessage", "ends with its name"),
        (f"https://me:secret@sqs.eu-west-1.amazonaws.com/{ACCOUNT}/work", "has no user"),
        ("sqs://" + "\N{ARABIC-INDIC DIGIT ONE}" * 12 + "/work", "not an account's 12 digits"),
        ("sqs://eu-west-1/work", "'eu-west-1' is not an account"),
        (f"sqs://eu-west-1/{ACCOUNT}/", "'' is not a queue's name"),
        (f"sqs://here/{ACCOUNT}/work", "'here' is not a region"),
        (f"sqs://a/eu-west-1/{ACCOUNT}/work", "too many parts"),
        (f"sqs://{ACCOUNT}/wörk", "is not a queue's name"),
        ("https://example.org/queue", "'queue' is not an account"),
    ],
)
def test_what_names_no_queue_is_told_with_the_forms_there_are(text, words):
    with pytest.raises(ValueError, match="sqs://ACCOUNT/NAME") as refused:
        queue_address(text)
    assert words in str(refused.value)
    assert text in str(refused.value)


def test_the_url_is_made_of_where_sqs_is():
    assert (
        queue_address(f"sqs://{ACCOUNT}/work").url_at("http://x:1/") == f"http://x:1/{ACCOUNT}/work"
    )
    assert queue_address(URL).url_at("http://x:1") == URL
    assert queue_address(URL).is_fifo


def test_no_more_is_asked_for_than_has_room():
    pace = Pace()
    assert pace.wanted(0.0, lambda _: 0, 256, ()) == 10
    assert pace.wanted(0.0, lambda _: 0, 3, ()) == 3
    assert pace.wanted(0.0, lambda _: 4, 256, ("e",)) == 4


def test_fewer_are_asked_for_while_some_come_that_have_no_room():
    pace = Pace()
    counts = []
    for _ in range(5):
        pace.got(0.0, ("e",), ("f",))
        counts.append(pace.wanted(0.0, lambda _: 10, 256, ()))
    pace.got(0.0, ("e",), ())
    assert counts == [5, 2, 1, 1, 1]
    assert pace.wanted(0.0, lambda _: 10, 256, ()) == 2


def test_while_nothing_has_room_it_is_looked_for_others_once_in_a_while():
    pace, free = Pace(), {"e": 0, "f": 0}
    pace.got(0.0, ("e",), ())
    looks = [pace.wanted(at, free.__getitem__, 256, ("e",)) for at in (0.0, LOOK_S / 2, LOOK_S)]
    assert looks == [1, 0, 1]
    free["e"] = 2
    assert pace.wanted(LOOK_S, free.__getitem__, 256, ("e",)) == 2


def test_what_had_no_room_is_asked_for_again_as_soon_as_it_has():
    pace, free = Pace(), {"e": 3, "f": 0}
    pace.got(0.0, (), ("f",))
    assert pace.wanted(0.1, free.__getitem__, 256, ("e",)) == 0
    free["f"] = 1
    assert pace.wanted(0.1, free.__getitem__, 256, ("e",)) == 3


class Shelf:
    """Objects by address."""

    def __init__(self, **objects):
        self.objects = objects

    def exists(self, uri):
        return uri.rpartition("/")[2].partition(".")[0].replace("-", "_") in self.objects

    def read(self, uri, limit_bytes):
        if not self.exists(uri):
            raise ObjectNotFound(uri)
        body = self.objects["i_error"]
        if len(body) > limit_bytes:
            raise ObjectTooLarge(uri, len(body), limit_bytes)
        return body


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ({}, None),
        ({"i": b"[1]"}, (State.COMPLETED, "")),
        ({"i_error": b"too short"}, (State.FAILED, "too short")),
        ({"i_error": b"x" * 5000}, (State.FAILED, "")),
        ({"i_error": expired(0).body.encode()}, (State.EXPIRED, "The request expired")),
    ],
    ids=str,
)
def test_objects_tell_how_a_request_ended(objects, expected):
    assert outcome_of(REQUEST, Shelf(**objects)) == expected


@pytest.mark.hostile("requests")
@pytest.mark.parametrize(
    "text", ["", "5", "[]", "[" * 100_000, '{"version": 1}', '{"version": 1' + "0" * 400 + "}"]
)
def test_a_message_of_somebody_else_is_unreadable_whatever_it_is(text):
    with pytest.raises(MessageUnreadable):
        read(text)
