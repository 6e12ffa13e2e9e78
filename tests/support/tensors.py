"""A model that answers what it was asked, in tensors of every datatype; and requests for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.open_inference.framing import content_type_of
from models.serving import Needs, Request, Response
from models.tensors import ANY_SIZE, BYTES, NUMPY_TYPES, Signature, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

TYPE = "application/vnd.sagemaker-triton.binary+json"
OPEN = (ANY_SIZE, ANY_SIZE)


class Echo:
    """Each output is the input of the same name, empty where it was not sent."""

    def __init__(self, *specs: TensorSpec) -> None:
        self.specs = specs
        self.inputs: Mapping[str, NDArray[Any]] = {}
        """Of the last request."""
        self.parameters: Mapping[str, object] = {}
        self.wanted: list[str] = []

    def signature(self) -> Signature:
        return Signature(self.specs, self.specs)

    def infer(
        self,
        inputs: Mapping[str, NDArray[Any]],
        parameters: Mapping[str, object],
        wanted: Collection[str],
    ) -> dict[str, NDArray[Any]]:
        self.inputs, self.parameters, self.wanted = inputs, parameters, [*wanted]
        kinds = {spec.name: NUMPY_TYPES[spec.datatype] for spec in self.specs}
        return {name: inputs.get(name, np.empty(0, kinds[name])) for name in wanted}

    def predict(self, request: Request) -> Response:
        return Response("text/plain", f"own form of {request.content_type}")

    def describe(self) -> dict[str, object]:
        return {"tensors": self.signature().as_json()}

    def needs(self) -> Needs:
        return Needs()


def echo_of(*datatypes: str, shape: tuple[int, ...] = OPEN) -> Echo:
    """An echo with an input of each datatype, called by it, of which none need be there."""
    return Echo(*(TensorSpec(name, name, shape, is_optional=True) for name in datatypes))


def objects(*elements: bytes) -> NDArray[Any]:
    """A tensor of BYTES."""
    array = np.empty(len(elements), object)
    array[:] = elements
    return array


def request(body: bytes, json_bytes: int | None = None, name: str = "m") -> Request:
    """A request of which the first `json_bytes` are JSON; None: all of it."""
    kind = TYPE if json_bytes is None else content_type_of(json_bytes)
    return Request(kind, None, body, headers={"x-mme-model-name": name})


ALL = tuple(NUMPY_TYPES)
assert BYTES in ALL
