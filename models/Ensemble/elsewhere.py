"""Steps that ask other target models, which are not in the artifact and may be anywhere.

A worker cannot ask them. Where the server says that it will (MAY_ASK), the ensemble answers with
what is to be asked, and with its state; it is given both the answers and its state again, and goes
on. Elsewhere such a step fails. Whoever has the ensemble ask knows nothing of steps or values.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.bodies import parse_json, to_json
from models.Ensemble.arrays import listed
from models.Ensemble.asking import SENT, body_of, value_of
from models.Ensemble.kinds import ANY, STRING, Kind, WrongKind, fits, shown
from models.Ensemble.templates import Template, fill, kind
from models.errors import BadInput, ServingError, shorten
from models.media import JSON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.Ensemble.work import Kinds, Members, Values

MAY_ASK = "x-mme-may-ask"
"""A header of requests that only the server itself can send."""
ASKS = "application/vnd.mme.ensemble-asks+json"
ANSWERS = "application/vnd.mme.ensemble-answers+json"
TARGET = r"(?!\.\.?/)[A-Za-z0-9_.][A-Za-z0-9_.-]{0,200}(/(?!\.\.?/)[A-Za-z0-9_.-]{1,200}){0,8}"
FAILURES = 400


class TargetFailed(ServingError):
    """What a target model answered in place of an answer; with its status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status_code = status


class NotAskedHere(ServingError):
    """Nobody asks target models for the ensemble."""

    status = 501


@dataclass(frozen=True, slots=True)
class TargetWork:
    """A request to another target model."""

    target: str
    """As seen from the folder where the ensemble's own artifact is."""
    request: Template
    content_type: str = JSON
    accept: str = JSON
    member: None = None

    @property
    def templates(self) -> tuple[Template, ...]:
        """See Work."""
        return (self.request,)

    def kind(self, kinds: Kinds, _: Members) -> Kind:
        """See Work."""
        found = kind(self.request, kinds)
        if not fits(found, SENT[self.content_type]):
            raise WrongKind(f"a request of {self.content_type} is no {shown(found)}")
        return ANY if self.accept == JSON else STRING

    def do(self, values: Values, _: Members) -> Any:  # noqa: ARG002 - as all works
        """Fail: see the module."""
        raise NotAskedHere(
            f"it asks the target model {self.target}, which only a standalone endpoint does"
        )

    def ask(self, values: Values) -> dict[str, str]:
        """What is to be asked."""
        body = body_of(fill(self.request, values), self.content_type).decode()
        said = {"target": self.target, "content_type": self.content_type, "accept": self.accept}
        return said | {"body": body}

    def answered(self, answer: Mapping[str, Any]) -> Any:
        """The value of an answer. Raises TargetFailed, BadInput."""
        status, body = answer.get("status"), answer.get("body")
        if not isinstance(status, int) or not isinstance(body, str):
            raise BadInput("An answer has a status and a body")
        if status >= FAILURES:
            raise TargetFailed(status, f"{self.target} answered {status}: {_message(body)}")
        return value_of(body, str(answer.get("content_type")))


def asking(asks: list[dict[str, str]], values: Mapping[str, Any], how: Mapping[str, Any]) -> str:
    """What the ensemble answers while target models are to be asked."""
    state = listed({"values": dict(values), "how": dict(how)}, "The values of all steps together")
    return to_json({"asks": asks, "state": state})


def read_answers(text: str) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Values, how it is answered, and the answers, of a request that goes on. Raises BadInput."""
    said = parse_json(text)
    match said:
        case {
            "state": {"values": dict() as values, "how": dict() as how},
            "answers": list() as answers,
        } if all(isinstance(each, dict) for each in answers):
            return values, how, answers
        case _:
            raise BadInput(f"This is nothing to go on with: {shorten(said, 60)}")


def _message(body: str) -> str:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return shorten(body)
    message = said.get("message") if isinstance(said, dict) else None
    return message if isinstance(message, str) else shorten(body)
