"""The project's handler and a model that yields: what a reader of pieces gets, and what a log."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import model_handler
from mme.prefork.failures import BrokenOff
from mme.prefork.residents import RESIDENTS
from models.errors import AnswerTooLarge, BadInput, ServingError
from models.serving import Response

HEADERS = {"x-mme-model": "m", "x-mme-model-dir": "/m", "x-amzn-sagemaker-target-model": "m.tar.gz"}


@dataclass
class Context:
    headers: dict[str, str]
    model_name: str = "stock"
    system_properties: dict[str, str] = field(default_factory=lambda: {"model_dir": "/stock"})
    statuses: list[tuple[int, str]] = field(default_factory=list)
    types: list[str] = field(default_factory=list)

    def get_all_request_header(self, _):
        return self.headers

    def set_response_status(self, code, phrase, _):
        self.statuses.append((code, phrase))

    def set_response_content_type(self, _, value):
        self.types.append(value)


@dataclass
class Yielding:
    """A model that yields these; an error among them is raised."""

    pieces: list[str | Exception]
    made: int = 0

    def predict(self, request):
        assert request.in_parts
        return Response("a/b", pieces=self._pieces())

    def _pieces(self):
        for piece in self.pieces:
            self.made += 1
            if isinstance(piece, Exception):
                raise piece
            yield piece


@pytest.fixture
def answered(monkeypatch):
    def ask(model):
        monkeypatch.setattr(model_handler._SERVED, "by_endpoint", True)
        monkeypatch.setattr(RESIDENTS, "get", lambda *_: model)
        context = Context(HEADERS | {"x-mme-in-parts": "1"})
        answers = model_handler.handle([{"body": b"x"}], context)
        assert answers is not None
        (answer,) = answers
        return answer, context

    return ask


def test_the_pieces_are_yielded_as_they_are_made(answered):
    model = Yielding(["ä", "b", "c"])
    answer, context = answered(model)
    assert model.made == 1
    assert next(answer) == "ä".encode()
    assert model.made == 1
    assert list(answer) == [b"b", b"c"]
    assert context.types == ["a/b"]
    assert not context.statuses


def test_an_error_before_the_first_piece_is_an_answer(answered):
    answer, context = answered(Yielding([BadInput("no")]))
    assert json.loads(answer)["message"] == "no"
    assert context.statuses == [(400, "BadInput")]
    assert context.types == ["application/json"]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (AnswerTooLarge(9, 8), 413, "AnswerTooLarge"),
        (MemoryError(), 507, "NoRoom"),
        (KeyError("secret"), 500, "InternalError"),
    ],
)
def test_an_error_in_between_breaks_off_and_says_why(answered, error, status, kind):
    answer, _ = answered(Yielding(["a", error]))
    assert next(answer) == b"a"
    with pytest.raises(BrokenOff) as raised:
        next(answer)
    told = raised.value.answer
    content = json.loads(told.body)
    assert (told.status, content["type"], content["status"]) == (status, kind, status)
    assert content["target_model"] == "m.tar.gz"
    assert "secret" not in content["message"]
    assert isinstance(error, ServingError) == (kind == "AnswerTooLarge")


def test_of_nothing_one_empty_piece_is_made(answered):
    answer, _ = answered(Yielding([]))
    assert list(answer) == [b""]


def test_under_a_stock_server_nobody_chooses_a_model_or_folder_by_headers(monkeypatch):
    asked = []

    class Answering:
        def predict(self, request):
            asked.append(request)
            return Response("a/b", "c")

    loaded = []

    def get(name, load):
        loaded.append(name)
        return load()

    def load(*given, **_):
        loaded.append(given)
        return Answering()

    monkeypatch.setattr(model_handler._SERVED, "by_endpoint", False)
    monkeypatch.setattr(RESIDENTS, "get", get)
    monkeypatch.setattr(model_handler, "_loaded", load)
    sent = HEADERS | {"X-Mme-In-Parts": "1", "X-Mme-Scratch-Dir": "/s", "X-Mme-Load-Only": "1"}
    assert model_handler.handle([{"body": b"x"}], Context(sent)) == ["c"]
    assert loaded == ["stock", (Path("/stock"), None)]
    assert not asked[0].in_parts
    assert list(asked[0].headers) == ["x-amzn-sagemaker-target-model"]
