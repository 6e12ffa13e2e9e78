"""The project's handler asked for several requests at once: what each is told, it is told alone."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from mms.context import Context, RequestProcessor

import model_handler
from mme.core.door import Question
from mme.prefork.calls import Calls
from mme.prefork.residents import RESIDENTS
from models.errors import BadInput, ServingError
from models.serving import Response

LIMIT_BYTES = 1000
TARGET = {"x-amzn-sagemaker-target-model": "m.tar.gz", "content-type": "text/plain"}


class Doubling:
    """A model that doubles a text; `predict_many` answers what can be answered."""

    def __init__(self) -> None:
        self.alone: list[bytes] = []
        self.at_once: list[int] = []
        self.breaks: type[Exception] | None = None

    def predict(self, request):
        self.alone.append(request.body)
        return self._answer(request)

    def predict_many(self, requests):
        self.at_once.append(len(requests))
        if self.breaks is not None:
            raise self.breaks
        return [self._or_none(each) for each in requests]

    def _or_none(self, request):
        try:
            return self._answer(request)
        except ServingError:
            return None

    def _answer(self, request):
        if request.body == b"bad":
            raise BadInput("no such text")
        if request.body == b"huge":
            raise MemoryError
        status = 202 if request.body == b"later" else 200
        return Response("a/b", request.body * 2, status=status, headers={"X-Own": "1"})


@pytest.fixture
def model(monkeypatch):
    made = Doubling()
    monkeypatch.setattr(RESIDENTS, "get", lambda *_: made)
    monkeypatch.setattr(model_handler._SERVED, "by_endpoint", True)
    monkeypatch.delenv("MME_ANSWER_LIMIT_BYTES", raising=False)
    return made


@pytest.fixture
def calls(model):
    context = Context("w1", "/m", {}, 1, None, "1.0")
    service = SimpleNamespace(_entry_point=model_handler.handle, context=context)
    return Calls(service, RESIDENTS, LIMIT_BYTES)


def asked(body, limit_bytes=None):
    return Question("m", "/m", "/s", TARGET, body, limit_bytes, target="m.tar.gz", request_id="r")


def alone(calls, questions):
    return [calls.ask(each, lambda _: None) for each in questions]


def test_all_are_computed_at_once_and_each_is_told_what_it_is_told_alone(calls, model):
    questions = [asked(body) for body in (b"a", b"bc", b"def")]
    together = calls.ask_together(questions)
    assert (model.at_once, model.alone) == ([3], [])
    assert together == alone(calls, questions)
    assert [each.body for each in together] == [b"aa", b"bcbc", b"defdef"]
    assert together[0].headers == {"content-type": "a/b", "x-own": "1"}


def test_one_that_is_wrong_is_asked_alone_and_told_why(calls, model, caplog):
    caplog.set_level(logging.INFO)
    questions = [asked(body) for body in (b"a", b"bad", b"later", b"b")]
    together = calls.ask_together(questions)
    assert model.alone == [b"bad", b"later"]
    assert [each.status for each in together] == [200, 400, 202, 200]
    assert [each.message for each in caplog.records] == ["request refused: BadInput"]
    assert together == alone(calls, questions)


def test_each_answer_is_held_to_its_own_limit(calls, model):
    questions = [asked(b"x" * 6, 10), asked(b"x" * 6), asked(b"x" * 600)]
    together = calls.ask_together(questions)
    assert [each.status for each in together] == [413, 200, 413]
    assert together == alone(calls, questions)


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, BadInput("all")])
def test_where_computing_at_once_fails_each_is_computed_alone(calls, model, error):
    model.breaks = error
    together = calls.ask_together([asked(b"a"), asked(b"b")])
    assert [each.body for each in together] == [b"aa", b"bb"]
    assert not calls.has_run_out


def test_a_model_that_computes_one_at_a_time_is_asked_so(calls, model, monkeypatch):
    monkeypatch.delattr(Doubling, "predict_many")
    together = calls.ask_together([asked(b"a"), asked(b"b")])
    assert [each.body for each in together] == [b"aa", b"bb"]


def test_after_one_that_runs_out_of_memory_no_other_is_answered_here(calls, model):
    model.breaks = MemoryError
    together = calls.ask_together([asked(b"a"), asked(b"huge"), asked(b"b")])
    assert [each.status for each in together] == [200, 507]
    assert calls.has_run_out


def test_a_stock_model_server_has_each_answered_whatever_callers_send(model, monkeypatch):
    monkeypatch.setattr(model_handler._SERVED, "by_endpoint", False)
    context = Context("m", "/m", {}, 2, None, "1.0")
    context.request_processor = [RequestProcessor({**TARGET, "X-Mme-Together": "1"}) for _ in "ab"]
    told = model_handler.handle([{"body": b"a"}, {"body": b"bad"}], context)
    assert told is not None
    assert told[0] == b"aa"
    assert "no such text" in told[1]


def test_a_handler_that_knows_nothing_of_it_answers_as_ever(monkeypatch):
    context = Context("w1", "/m", {}, 1, None, "1.0")
    handle = lambda data, _: [each["body"] for each in data]  # noqa: E731
    calls = Calls(SimpleNamespace(_entry_point=handle, context=context), RESIDENTS)
    assert [each.body for each in calls.ask_together([asked(b"a"), asked(b"b")])] == [b"a", b"b"]
