"""A loaded ensemble: from a request to its answer.

Requests: `application/json`, an object of the inputs by name and `"trace": true` if wanted;
`text/plain` where one text is all that an ensemble must be given. The answer is an object of the
outputs by name, with `trace` the steps and their milliseconds. What the steps do is for `running`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from models.bodies import check_keys, decode, parse_json, to_json
from models.elsewhere import ANSWERS, ASKS, MAY_ASK
from models.Ensemble.arrays import listed
from models.Ensemble.as_tensors import signature_of, tensor_of_value, value_of_tensor
from models.Ensemble.definition import TRACE
from models.Ensemble.elsewhere import asking, read_answers
from models.Ensemble.graph import uses
from models.Ensemble.kinds import STRING, fault
from models.Ensemble.running import Course, Ran
from models.Ensemble.templates import Missing, fill
from models.Ensemble.values import UnusableValue, check_value
from models.errors import BadInput, shorten
from models.media import JSON, PLAIN, answer_type, content_type
from models.serving import PIPELINE_JOINER, Needs, Response

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from models.Ensemble.definition import Definition, Step
    from models.serving import LoadedModel, Request
    from models.tensors import Signature


class EnsembleModel:
    """Steps in their order, and the members they ask."""

    def __init__(
        self, definition: Definition, order: list[Step], members: Mapping[str, LoadedModel]
    ) -> None:
        self._definition = definition
        self._order = order
        self._members = members
        self._course = Course(order, members)
        self._signature = signature_of(definition)
        required = [name for name, each in definition.inputs.items() if each.is_required]
        is_text = len(required) == 1 and definition.inputs[required[0]].kind == STRING
        self._text = required[0] if is_text else None
        """The input that a text alone is for."""
        self.steps_s: Mapping[str, float] = {}
        """See SteppedModel."""

    def predict(self, request: Request) -> Response:
        """Do all steps and answer with the outputs. Raises ServingError."""
        began_s = time.perf_counter()
        may_ask = bool(self._definition.targets) and MAY_ASK in request.headers
        types = (JSON,) if self._text is None else (JSON, PLAIN)
        media = content_type(request.content_type, (*types, ANSWERS) if may_ask else types)
        answer_type(request.accept, (JSON,))
        text = decode(request.body, media)
        if media.name == ANSWERS:
            return self._go_on(text, began_s)
        sent = {self._text: text} if media.name == PLAIN else parse_json(text)
        wants_trace = _flag(sent)
        ran = self._course.run(self._inputs(sent), may_ask=may_ask)
        return self._answer(ran, {TRACE: wants_trace, "before": []}, began_s)

    def _go_on(self, text: str, began_s: float) -> Response:
        values, how, answers = read_answers(text)
        ran = Ran(values, [], [])
        for answer in answers:
            self._course.answered(str(answer.get("step")), ran, answer)
        asked = {str(answer["step"]): answer.get("seconds", 0.0) for answer in answers}
        done = [replace(each, seconds=each.seconds + asked[each.step.name]) for each in ran.done]
        more = self._course.run(ran.values, may_ask=True)
        return self._answer(Ran(more.values, done + more.done, more.asks), how, began_s)

    def _answer(self, ran: Ran, how: dict[str, Any], began_s: float) -> Response:
        """The outputs; or what is to be asked, and `how` to go on."""
        steps = [*how["before"], *(each.as_json() for each in ran.done)]
        if ran.asks:
            how = {**how, "before": steps}
            return Response(ASKS, asking(ran.asks, ran.values, how))
        answer = self._outputs(ran.values)
        if how[TRACE]:
            whole_ms = sum(each["ms"] for each in how["before"])
            whole_ms += (time.perf_counter() - began_s) * 1000
            answer[TRACE] = {"ms": round(whole_ms, 3), "steps": steps}
        steps_s = {each["step"]: each["ms"] / 1000 for each in steps if "left_out" not in each}
        return Response(JSON, to_json(answer), steps_s=steps_s)

    def signature(self) -> Signature:
        """See TensorModel."""
        return self._signature

    def infer(
        self,
        inputs: Mapping[str, NDArray[Any]],
        parameters: Mapping[str, object],  # noqa: ARG002 - steps' parameters are inputs
        wanted: Collection[str],
    ) -> dict[str, NDArray[Any]]:
        """See TensorModel."""
        declared, outputs = self._definition.inputs, self._definition.outputs
        sent = {
            name: value_of_tensor(name, declared[name].kind, array)
            for name, array in inputs.items()
        }
        ran = self._course.run(self._inputs(sent))
        made = self._outputs(ran.values)
        self.steps_s = {each.step.name: each.seconds for each in ran.done if not each.is_left_out}
        return {name: tensor_of_value(name, outputs[name].kind, made[name]) for name in wanted}

    def describe(self) -> dict[str, object]:
        """Inputs, steps in their order, outputs, and all members."""
        told = {name: model.describe() for name, model in self._members.items()}
        languages = {str(each["language"]) for each in told.values() if each.get("language")}
        inputs, outputs = self._definition.inputs, self._definition.outputs
        return {
            "family": "Ensemble",
            **({"language": languages.pop()} if len(languages) == 1 else {}),
            "inputs": {name: each.kind for name, each in inputs.items()},
            "steps": [_told(step) for step in self._order],
            "outputs": {name: each.kind for name, each in outputs.items()},
            "tensors": self._signature.as_json(),
            "members": told,
            **({"targets": self._definition.targets} if self._definition.targets else {}),
        }

    def needs(self) -> Needs:
        """What all members need, together."""
        found = [model.needs() for model in self._members.values()]
        keys = sorted({each.pipeline for each in found if each.pipeline is not None})
        return Needs(
            is_data=all(each.is_data for each in found),
            pipeline=PIPELINE_JOINER.join(keys) or None,
        )

    def _inputs(self, sent: Any) -> dict[str, Any]:
        inputs = self._definition.inputs
        if not isinstance(sent, dict):
            raise BadInput(f"The JSON body must be an object, not {shorten(sent, 60)}")
        check_keys(sent, (*inputs, TRACE))
        values: dict[str, Any] = {}
        for name, each in inputs.items():
            if name not in sent and each.is_required:
                raise BadInput(f'"{name}" is missing')
            values[name] = sent.get(name, each.default)
            is_default = name not in sent or (values[name] is None and each.default is None)
            if not is_default and (found := fault(values[name], each.kind)):
                raise BadInput(f"{name} {found}")
        try:
            check_value(list(values.values()), "The request")
        except UnusableValue as error:
            raise BadInput(error.message) from error
        return values

    def _outputs(self, values: Mapping[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, output in self._definition.outputs.items():
            try:
                value = listed(fill(output.value, values), f"Output {name}")
            except Missing as error:
                raise UnusableValue(f"Output {name}: {error.message}") from error
            if found := fault(value, output.kind):
                raise UnusableValue(f"Output {name} {found}")
            made[name] = value
        return made


def _flag(sent: Any) -> bool:
    wanted = sent.get(TRACE, False) if isinstance(sent, dict) else False
    if not isinstance(wanted, bool):
        raise BadInput(f"{TRACE} must be true or false, not {shorten(wanted)}")
    return wanted


def _told(step: Step) -> dict[str, object]:
    said: dict[str, object] = {"step": step.name, **step.asks}
    return said | {"after": sorted(uses(step))}
