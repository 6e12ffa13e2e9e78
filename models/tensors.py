"""What a model takes and gives as named tensors: the words of the open inference protocol.

A family that serves tensors declares them once, as a `Signature`; requests in the protocol's forms,
ensembles and metadata are all made from it. Bytes on a wire are for those who read requests.
Source: Open Inference Protocol (KServe V2), "Tensor Data Types".
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

ANY_SIZE = -1
"""In a shape: as many as come."""
BYTES = "BYTES"
NUMPY_TYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "BOOL": np.dtype(np.bool_),
        **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
        **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
        **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
        "BF16": np.dtype("<u2"),
        BYTES: np.dtype(object),
    }
)
"""Each datatype's arrays. BF16 has no type in NumPy and goes as its two raw bytes; an element of
BYTES is a `bytes`."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor that a model takes or gives."""

    name: str
    datatype: str
    """A key of NUMPY_TYPES."""
    shape: tuple[int, ...]
    """Sizes in the order of the axes; ANY_SIZE where it varies."""
    is_optional: bool = False

    def as_json(self) -> dict[str, object]:
        """As the protocol's metadata have it."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


@dataclass(frozen=True, slots=True)
class Signature:
    """All that a model takes and gives."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    platform: str = "mme"
    """What the protocol's metadata name as the platform."""

    def as_json(self) -> dict[str, object]:
        """As `describe` tells it, under the key "tensors"."""
        return {
            "platform": self.platform,
            "inputs": [each.as_json() for each in self.inputs],
            "outputs": [each.as_json() for each in self.outputs],
        }


@runtime_checkable
class TensorModel(Protocol):
    """A loaded model that answers tensors as well. Not for use by several threads at once."""

    def signature(self) -> Signature:
        """What it takes and gives; the same as long as it is loaded."""

    def infer(
        self,
        inputs: Mapping[str, NDArray[Any]],
        parameters: Mapping[str, object],
        wanted: Collection[str],
    ) -> dict[str, NDArray[Any]]:
        """The outputs named in `wanted`, by name.

        `inputs` have been checked against the signature: names, datatypes, shapes. `parameters` are
        the request's own, unchecked. Raises ServingError.
        """


@runtime_checkable
class SteppedModel(Protocol):
    """A TensorModel that computes in steps."""

    steps_s: Mapping[str, float]
    """What each step of the last `infer` took, by its name."""


class Asked(NamedTuple):
    """The arguments of one `TensorModel.infer`."""

    inputs: Mapping[str, NDArray[Any]]
    parameters: Mapping[str, object]
    wanted: Collection[str]


@runtime_checkable
class TensorBatchModel(TensorModel, Protocol):
    """One that computes several inferences at once, as `serving.BatchModel` does requests."""

    def infer_many(self, asked: Sequence[Asked]) -> list[dict[str, NDArray[Any]] | None]:
        """The outputs of each, in their order; None: it must be asked alone."""


def texts_tensor(texts: Iterable[str]) -> NDArray[Any]:
    """Texts as a tensor of BYTES, in UTF-8. *Shape*: (texts,)."""
    elements = [text.encode("utf-8", "replace") for text in texts]
    tensor = np.empty(len(elements), object)
    tensor[:] = elements
    return tensor
