"""Several requests to one model at once, those in tensors and those in its own form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.errors import ServingError
from models.open_inference.framing import Kind, kind_of
from models.open_inference.serving import read, tell
from models.serving import BatchModel
from models.tensors import Asked, TensorBatchModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.open_inference.reading import Inference
    from models.serving import LoadedModel, Request, Response


def answer_many(model: LoadedModel, requests: Sequence[Request]) -> list[Response | None]:
    """Answer what the model can answer at once, in the order of the requests.

    None: this one must be asked alone, by `answer`; so must all where this raises.
    """
    told: list[Response | None] = [None] * len(requests)
    kinds = [kind_of(each.content_type) for each in requests]
    own = [place for place, kind in enumerate(kinds) if kind is None]
    if own and isinstance(model, BatchModel):
        responses = model.predict_many([requests[place] for place in own])
        for place, response in zip(own, responses, strict=True):
            told[place] = response
    inferred = [place for place, kind in enumerate(kinds) if kind is Kind.INFER]
    if inferred and isinstance(model, TensorBatchModel):
        responses = _inferred(model, [requests[place] for place in inferred])
        for place, response in zip(inferred, responses, strict=True):
            told[place] = response
    return told


def _inferred(model: TensorBatchModel, requests: Sequence[Request]) -> list[Response | None]:
    told: list[Response | None] = [None] * len(requests)
    read_ones: list[tuple[int, Inference]] = []
    for place, request in enumerate(requests):
        try:
            read_ones.append((place, read(model, request)))
        except ServingError:
            continue
    asked = [Asked(each.inputs, each.parameters, each.names) for _, each in read_ones]
    found = model.infer_many(asked) if asked else []
    for (place, inference), outputs in zip(read_ones, found, strict=True):
        if outputs is None:
            continue
        try:
            told[place] = tell(requests[place], inference, outputs)
        except ServingError:
            continue
    return told
