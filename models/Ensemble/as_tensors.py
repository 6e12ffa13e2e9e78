"""An ensemble's inputs and outputs as tensors, for those who ask in the open inference protocol.

A text, number or truth value is a tensor of one element, a list of these one of as many as come.
What else there is, is one text in JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.bodies import parse_json, to_json
from models.Ensemble.kinds import BOOLEAN, INTEGER, NUMBER, STRING
from models.Ensemble.values import UnusableValue
from models.errors import BadInput
from models.tensors import ANY_SIZE, BYTES, NUMPY_TYPES, Signature, TensorSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.Ensemble.definition import Definition
    from models.Ensemble.kinds import Kind

PLATFORM = "ensemble"
DATATYPES = {STRING: BYTES, NUMBER: "FP64", INTEGER: "INT64", BOOLEAN: "BOOL"}


def signature_of(definition: Definition) -> Signature:
    """What an ensemble takes and gives."""
    inputs = [
        _spec(name, each.kind, is_optional=not each.is_required)
        for name, each in definition.inputs.items()
    ]
    outputs = [_spec(name, each.kind) for name, each in definition.outputs.items()]
    return Signature(tuple(inputs), tuple(outputs), PLATFORM)


def value_of_tensor(name: str, kind: Kind, array: NDArray[Any]) -> Any:
    """The input that a tensor is. Raises BadInput."""
    try:
        items = [each.decode() if isinstance(each, bytes) else each for each in array.tolist()]
    except UnicodeDecodeError:
        raise BadInput(f"The tensor {name} holds bytes that are no text in UTF-8") from None
    if _is_list(kind):
        return items
    if len(items) != 1:
        raise BadInput(f"The tensor {name} has {len(items)} elements, not one")
    return items[0] if _is_plain(kind) else parse_json(items[0])


def tensor_of_value(name: str, kind: Kind, value: Any) -> NDArray[Any]:
    """The tensor that an output is. Raises UnusableValue."""
    spec = _spec(name, kind)
    items = value if _is_list(kind) else [value if _is_plain(kind) else to_json(value)]
    if spec.datatype == BYTES:
        made = np.empty(len(items), object)
        made[:] = [each.encode() for each in items]
        return made
    try:
        return np.array(items, NUMPY_TYPES[spec.datatype])
    except OverflowError:
        raise UnusableValue(
            f"Output {name}: it holds a number that is none of {spec.datatype}"
        ) from None


def _spec(name: str, kind: Kind, *, is_optional: bool = False) -> TensorSpec:
    shape = (ANY_SIZE,) if _is_list(kind) else (1,)
    inner = kind[0] if isinstance(kind, list) else kind
    datatype = DATATYPES.get(inner, BYTES) if isinstance(inner, str) else BYTES
    is_whole = _is_list(kind) or _is_plain(kind)
    return TensorSpec(name, datatype if is_whole else BYTES, shape, is_optional)


def _is_plain(kind: Kind) -> bool:
    return isinstance(kind, str) and kind in DATATYPES


def _is_list(kind: Kind) -> bool:
    return isinstance(kind, list) and _is_plain(kind[0])
