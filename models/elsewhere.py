"""Models that need answers of other target models, which are not in their artifact.

A worker cannot ask them. Where the server says that it will (MAY_ASK), a model answers with what is
to be asked (ASKS) and with a state; it is given the state and the answers again (ANSWERS) and goes
on. The server's side is `mme/pipelines/ensembles.py`, which knows no more than that. Ensembles keep
the values of their steps (`models.Ensemble.elsewhere`). Every other such model is an `AskingModel`:
its state is the request itself, which it answers from the beginning, the answers at hand.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from models.bodies import parse_json, to_json
from models.errors import BadInput, ServingError, shorten
from models.media import JSON
from models.serving import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from models.serving import LoadedModel, Request

MAY_ASK = "x-mme-may-ask"
"""A header of requests that only the server itself can send."""
ASKS = "application/vnd.mme.ensemble-asks+json"
ANSWERS = "application/vnd.mme.ensemble-answers+json"
TARGET = r"(?!\.\.?/)[A-Za-z0-9_.][A-Za-z0-9_.-]{0,200}(/(?!\.\.?/)[A-Za-z0-9_.-]{1,200}){0,8}"
"""How an artifact names another target model, as seen from the folder it is in itself."""
FAILURES = 400


class NotAskedHere(ServingError):
    """Nobody asks target models for a model."""

    status = 501

    def __init__(self, target: str, besides: str = "") -> None:
        super().__init__(
            f"it asks the target model {target}, which only a standalone endpoint does{besides}"
        )


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to another target model."""

    step: str
    """What errors call it."""
    target: str
    body: str
    content_type: str = JSON
    accept: str = JSON


class Needed(NotAskedHere):
    """Others are to be asked before a request can be answered."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(ask.target)
        self.ask = ask


@dataclass(frozen=True, slots=True)
class Told:
    """What another model answered."""

    ask: Ask
    status: int
    body: str

    @property
    def failure(self) -> str | None:
        """What to say of an error; None: it is none."""
        if self.status < FAILURES:
            return None
        return f"{self.ask.target} answered {self.status}: {message_of(self.body)}"


@runtime_checkable
class AskingModel(Protocol):
    """A loaded model that raises Needed where it wants to know something of others."""

    @property
    def targets(self) -> Sequence[str]:
        """Whom it asks; `describe` has the same under the key "targets"."""

    def told(self, answers: Sequence[Told]) -> AbstractContextManager[None]:
        """Have these answers for the time of the block. Raises ServingError."""

    def ask_here(self, load: Callable[[str], LoadedModel]) -> None:
        """Ask whatever `load` gives for a target from now on, in this process; raises its errors.

        For training and evaluation, where no endpoint is.
        """


def answered(
    model: AskingModel, request: Request, answer: Callable[[Request], Response]
) -> Response:
    """What `answer` makes of the request, or what is to be asked before. Raises ServingError."""
    if MAY_ASK not in request.headers:
        raise NotAskedHere(model.targets[0])
    answers: list[Told] = []
    if (request.content_type or "").partition(";")[0].strip().lower() == ANSWERS:
        request, answers = _resumed(request)
    with model.told(answers):
        try:
            return answer(request)
        except Needed as needed:
            ask = asdict(needed.ask)
            body = base64.b64encode(request.body).decode()
            state = {"content_type": request.content_type, "body": body, "asked": ask}
            return Response(ASKS, to_json({"asks": [ask], "state": state}))


def _resumed(request: Request) -> tuple[Request, list[Told]]:
    """The request that was to be answered first, and what has been answered since."""
    state, answers = read_answers(request.body.decode("utf-8", "replace"))
    match state, answers:
        case (
            {"content_type": str() | None as content_type, "body": str(body), "asked": dict(asked)},
            [{"status": int(status), "body": str(said)}],
        ):
            try:
                raw = base64.b64decode(body, validate=True)
                told = Told(Ask(**asked), status, said)
            except (binascii.Error, TypeError, ValueError):
                pass
            else:
                return replace(request, content_type=content_type, body=raw), [told]
    raise nothing_to_go_on_with(answers)


def read_answers(text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The state and the answers of a request that goes on. Raises BadInput."""
    said = parse_json(text)
    match said:
        case {"state": dict(state), "answers": list(answers)} if all(
            isinstance(each, dict) for each in answers
        ):
            return state, answers
        case _:
            raise nothing_to_go_on_with(said)


def nothing_to_go_on_with(said: object) -> BadInput:
    """The error about a request to go on that is none."""
    return BadInput(f"This is nothing to go on with: {shorten(said, 60)}")


def message_of(body: str) -> str:
    """What an error answer says."""
    try:
        said: Mapping[str, Any] | Any = json.loads(body)
    except (ValueError, RecursionError):
        return shorten(body)
    message = said.get("message") if isinstance(said, dict) else None
    return message if isinstance(message, str) else shorten(body)
