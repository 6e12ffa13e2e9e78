"""Steps that ask other target models, which are not in the artifact and may be anywhere.

How they are asked is in `models.elsewhere`; the state that an ensemble goes on with are the values
of its steps. Where nobody asks for it such a step fails. Whoever has the ensemble ask knows nothing
of steps or values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.bodies import to_json
from models.elsewhere import FAILURES, NotAskedHere, message_of, nothing_to_go_on_with
from models.elsewhere import read_answers as read_said
from models.Ensemble.arrays import listed
from models.Ensemble.asking import SENT, body_of, value_of
from models.Ensemble.kinds import ANY, STRING, Kind, WrongKind, fits, shown
from models.Ensemble.templates import Template, fill, kind
from models.errors import BadInput, ServingError
from models.media import JSON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.Ensemble.work import Kinds, Members, Values


class TargetFailed(ServingError):
    """What a target model answered in place of an answer; with its status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status_code = status


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
        raise NotAskedHere(self.target, ", and not for tensors")

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
            raise TargetFailed(status, f"{self.target} answered {status}: {message_of(body)}")
        return value_of(body, str(answer.get("content_type")))


def asking(asks: list[dict[str, str]], values: Mapping[str, Any], how: Mapping[str, Any]) -> str:
    """What the ensemble answers while target models are to be asked."""
    state = listed({"values": dict(values), "how": dict(how)}, "The values of all steps together")
    return to_json({"asks": asks, "state": state})


def read_answers(text: str) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Values, how it is answered, and the answers, of a request that goes on. Raises BadInput."""
    state, answers = read_said(text)
    match state:
        case {"values": dict() as values, "how": dict() as how}:
            return values, how, answers
        case _:
            raise nothing_to_go_on_with(state)
