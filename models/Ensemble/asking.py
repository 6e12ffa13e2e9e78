"""Asking a member, as its callers do: in a content type of its family, or by tensors.

`RequestWork` makes a body of a template and takes the answer's JSON as the value (the text itself
of an answer in another type). `TensorWork` is for members that are TensorModels: arrays in, arrays
out, and no JSON between two such steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.bodies import decode, parse_json, to_csv, to_json
from models.Ensemble.arrays import as_array, element, innermost, kind_of_tensor, listed
from models.Ensemble.kinds import ANY, LIST, STRING, Kind, WrongKind, fits, shown
from models.Ensemble.templates import Template, fill, kind, said
from models.Ensemble.values import MAX_BYTES, TooMuchBetweenSteps, UnusableValue, check_value
from models.errors import shorten
from models.media import CSV, JSON, PLAIN, MediaType
from models.serving import Request, as_bytes
from models.tensors import TensorModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from models.Ensemble.work import Kinds, Members, Values
    from models.tensors import Signature

SENT = {JSON: ANY, PLAIN: STRING, CSV: LIST}
"""What a request of each type is made of: JSON of anything, CSV of a list of rows."""


@dataclass(frozen=True, slots=True)
class RequestWork:
    """A request of the member's own form."""

    member: str
    request: Template
    content_type: str = JSON
    accept: str = JSON

    @property
    def templates(self) -> tuple[Template, ...]:
        """See Work."""
        return (self.request,)

    def kind(self, kinds: Kinds, _: Members) -> Kind:
        """See Work."""
        found, wanted = kind(self.request, kinds), SENT[self.content_type]
        if not fits(found, wanted):
            raise WrongKind(f"a request of {self.content_type} is no {shown(found)}")
        return ANY if self.accept == JSON else STRING

    def do(self, values: Values, members: Members) -> Any:
        """See Work."""
        body = body_of(fill(self.request, values), self.content_type)
        response = members[self.member].predict(Request(self.content_type, self.accept, body))
        answer = response.body
        if response.pieces is not None:
            answer = b"".join(map(as_bytes, response.pieces))
        return value_of(answer, response.content_type)


def body_of(value: Any, sent: str) -> bytes:
    """A request of the type `sent`. Raises UnusableValue, TooMuchBetweenSteps."""
    value = listed(value, "The request")
    if sent == JSON:
        return to_json(value).encode()
    if sent == PLAIN and isinstance(value, str):
        return value.encode()
    if sent == CSV and isinstance(value, list):
        return to_csv(row if isinstance(row, list) else [row] for row in value).encode()
    raise UnusableValue(f"The request cannot be {sent}: {shorten(value, 60)}")


def value_of(answer: str | bytes, content_type: str) -> Any:
    """What an answer says. Raises BadInput for what cannot be read, TooMuchBetweenSteps."""
    if len(answer) > MAX_BYTES:
        raise TooMuchBetweenSteps("The answer")
    media = MediaType(content_type.partition(";")[0].strip().lower())
    text = decode(answer, media) if isinstance(answer, bytes) else answer
    return parse_json(text) if media.name == JSON else text


@dataclass(frozen=True, slots=True)
class TensorWork:
    """Tensors by name."""

    member: str
    tensors: Mapping[str, Template]
    parameters: Mapping[str, Template]
    outputs: tuple[str, ...] | None
    """The ones wanted; None: all there are."""

    @property
    def templates(self) -> tuple[Template, ...]:
        """See Work."""
        return (*self.tensors.values(), dict(self.parameters))

    def kind(self, kinds: Kinds, members: Members) -> Kind:
        """See Work."""
        signature = self._signature(members)
        known = {spec.name: spec for spec in signature.inputs}
        for name, template in self.tensors.items():
            if name not in known:
                raise WrongKind(f"{self.member} takes no tensor {name}, but {', '.join(known)}")
            found = kind(template, kinds)
            if not fits(innermost(found), element(known[name])):
                raise WrongKind(
                    f"the tensor {name} is of {known[name].datatype};"
                    f" {said(template)} is {shown(found)}"
                )
        for spec in signature.inputs:
            if not spec.is_optional and spec.name not in self.tensors:
                raise WrongKind(f"{self.member} needs a tensor {spec.name}")
        given = {spec.name: spec for spec in signature.outputs}
        for name in self.outputs or ():
            if name not in given:
                raise WrongKind(f"{self.member} gives no tensor {name}, but {', '.join(given)}")
        return {name: kind_of_tensor(given[name]) for name in self.outputs or given}

    def do(self, values: Values, members: Members) -> dict[str, NDArray[Any]]:
        """See Work."""
        model, signature = members[self.member], self._signature(members)
        assert isinstance(model, TensorModel)  # noqa: S101 - `kind` has looked
        specs = {spec.name: spec for spec in signature.inputs}
        sent = fill(dict(self.tensors), values)
        check_value(sent, "The request")
        given = {name: as_array(value, specs[name]) for name, value in sent.items()}
        parameters = listed(fill(dict(self.parameters), values), "The parameters")
        wanted = self.outputs or tuple(spec.name for spec in signature.outputs)
        found = model.infer(given, parameters, wanted)
        return {name: found[name] for name in wanted}

    def _signature(self, members: Members) -> Signature:
        model = members[self.member]
        if not isinstance(model, TensorModel):
            raise WrongKind(f"{self.member} takes no tensors: ask it by a request")
        return model.signature()
