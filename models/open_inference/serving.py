"""A model asked in whichever form a request has: the protocol's, Triton's generate, or its own.

The one place where requests of the protocol become calls of `TensorModel.infer`, for all families.
A model without tensors gets every request as it came.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from models.bodies import to_json
from models.elsewhere import AskingModel, answered
from models.errors import BadInput, shorten
from models.media import JSON
from models.open_inference.answering import named, response
from models.open_inference.arrays import from_json
from models.open_inference.arrays import to_json as as_list
from models.open_inference.framing import Kind, json_bytes_of, kind_of
from models.open_inference.reading import (
    checked_inputs,
    for_model,
    id_in,
    object_in,
    read_inference,
    read_object,
)
from models.serving import Response
from models.tensors import BYTES, SteppedModel, TensorModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.open_inference.arrays import Array
    from models.open_inference.reading import Inference
    from models.serving import LoadedModel, Request

NAME_HEADER = "x-mme-model-name"
"""What the caller calls the model, percent-encoded."""
TEXT_IN, TEXT_OUT, STREAM = "text_input", "text_output", "stream"


def answer(model: LoadedModel, request: Request) -> Response:
    """Answer one request, whatever form it has. Raises ServingError."""
    if isinstance(model, AskingModel) and kind_of(request.content_type) is not Kind.SIGNATURE:
        return answered(model, request, partial(_answer, model))
    return _answer(model, request)


def _answer(model: LoadedModel, request: Request) -> Response:
    kind = kind_of(request.content_type)
    if not isinstance(model, TensorModel):
        if kind is Kind.SIGNATURE:  # nobody has sent it a request
            raise BadInput("This model says nothing of tensors")
        return model.predict(request)
    if kind is None:
        return model.predict(request)
    if kind is Kind.SIGNATURE:
        return Response(JSON, to_json(model.signature().as_json()))
    return infer(model, request) if kind is Kind.INFER else generate(model, request)


def infer(model: TensorModel, request: Request) -> Response:
    """Answer one request in tensors; without a content type all of its body is JSON."""
    asked = read(model, request)
    outputs = model.infer(asked.inputs, asked.parameters, asked.names)
    made = tell(request, asked, outputs)
    return replace(made, steps_s=dict(model.steps_s)) if isinstance(model, SteppedModel) else made


def read(model: TensorModel, request: Request) -> Inference:
    """What a request in tensors asks of the model. Raises BadInput."""
    json_bytes = json_bytes_of(request.content_type or "", len(request.body))
    return read_inference(request.body, json_bytes, model.signature())


def tell(request: Request, asked: Inference, outputs: Mapping[str, Array]) -> Response:
    """The answer to it. Raises BadInput."""
    return response(_name_in(request), asked.id, asked.wanted, outputs)


def generate(model: TensorModel, request: Request) -> Response:
    """Answer `{"text_input": ...}` by `{"text_output": ...}`: a model's first text of each kind.

    Other keys are parameters, beside those under "parameters".
    """
    value = read_object(request.body)
    signature = model.signature()
    taken = [spec for spec in signature.inputs if spec.datatype == BYTES]
    given = [spec for spec in signature.outputs if spec.datatype == BYTES]
    if not taken or not given:
        raise BadInput("This model does not make texts of texts: ask it for /infer")
    if not isinstance(value.get(TEXT_IN), str):
        raise BadInput(f"{TEXT_IN} must be a string, not {shorten(value.get(TEXT_IN), 60)}")
    spec, shape = taken[0], [1] * len(taken[0].shape)
    inputs = {spec.name: from_json(TEXT_IN, BYTES, shape, [value[TEXT_IN]])}
    checked_inputs(inputs, signature)
    parameters: dict[str, Any] = {
        key: each for key, each in value.items() if key not in ("id", TEXT_IN, "parameters", STREAM)
    }
    parameters |= object_in(value, "parameters", "The request")
    parameters.pop(STREAM, None)  # which way the answer comes is the server's business
    outputs = model.infer(inputs, for_model(parameters), [given[0].name])
    texts = as_list(given[0].name, BYTES, outputs[given[0].name])
    content = named(_name_in(request), id_in(value))
    content[TEXT_OUT] = texts[0] if len(texts) == 1 else texts
    return Response(JSON, to_json(content))


def _name_in(request: Request) -> str:
    """The model's name as the caller has it; "": nobody says."""
    encoded = request.headers.get(NAME_HEADER)
    if encoded is not None:
        return unquote(encoded, errors="replace")
    return request.headers.get("x-amzn-sagemaker-target-model", "")
