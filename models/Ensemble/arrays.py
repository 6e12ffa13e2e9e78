"""Arrays and JSON's lists: one made of the other, for steps that ask by tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.Ensemble.kinds import ANY, BOOLEAN, INTEGER, LIST, NUMBER, STRING, Kind
from models.Ensemble.values import UnusableValue, check_value
from models.errors import shorten
from models.tensors import ANY_SIZE, BYTES, NUMPY_TYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.tensors import TensorSpec

_BY_LETTER = {"b": BOOLEAN, "i": INTEGER, "u": INTEGER, "f": NUMBER, "O": STRING}
_WRITTEN = {BOOLEAN: "b", INTEGER: "iu", NUMBER: "iuf", ANY: ""}
"""The kinds of NumPy's arrays that lists of these become."""


def element(spec: TensorSpec) -> str:
    """The type of a tensor's elements; any for what JSON cannot say."""
    return ANY if spec.datatype == "BF16" else _BY_LETTER[NUMPY_TYPES[spec.datatype].kind]


def kind_of_tensor(spec: TensorSpec) -> Kind:
    """The type of a tensor: lists in lists."""
    found: Kind = element(spec)
    for _ in spec.shape:
        found = [found]
    return found


def innermost(kind: Kind) -> Kind:
    """The type of what is in lists in lists."""
    while isinstance(kind, list):
        kind = kind[0]
    return ANY if kind == LIST else kind


def as_array(value: Any, spec: TensorSpec) -> NDArray[Any]:
    """A value as the tensor of a specification. Raises UnusableValue."""
    what, wanted = f"The tensor {spec.name}", NUMPY_TYPES[spec.datatype]
    if not isinstance(value, np.ndarray):
        try:
            array = _of_texts(value) if spec.datatype == BYTES else _of_numbers(value, spec)
        except (ValueError, TypeError, OverflowError, AttributeError):
            said = shorten(value, 60)
            raise UnusableValue(f"{what} is of {spec.datatype}, and {said} is not") from None
    else:
        array = value
    if array.dtype != wanted:
        raise UnusableValue(f"{what} is of {spec.datatype}, not of {array.dtype}")
    sizes = zip(array.shape, spec.shape, strict=False)
    if len(array.shape) != len(spec.shape) or any(
        size not in (given, ANY_SIZE) for given, size in sizes
    ):
        raise UnusableValue(f"{what} has the shape {list(spec.shape)}, not {list(array.shape)}")
    return array


def plain(value: Any) -> Any:
    """A value with lists in place of arrays. Raises UnusableValue for bytes that are no text."""
    match value:
        case np.ndarray():
            return _listed(value)
        case list():
            return [plain(each) for each in value]
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case _:
            return value


def listed(value: Any, what: str) -> Any:
    """The same of a value that is small enough, before and after. Raises TooMuchBetweenSteps.

    One that holds another many times over takes no memory until it is gone through.
    """
    check_value(value, what)
    made = plain(value)
    check_value(made, what)
    return made


def _of_texts(value: Any) -> NDArray[Any]:
    texts = np.array(value, object)
    made = np.empty(texts.size, object)
    made[:] = [text.encode() for text in texts.ravel()]
    return made.reshape(texts.shape)


def _of_numbers(value: Any, spec: TensorSpec) -> NDArray[Any]:
    # NumPy would make whole numbers of halves, and numbers of texts.
    found = np.array(value)
    if found.size and found.dtype.kind not in _WRITTEN[element(spec)]:
        raise ValueError
    with np.errstate(over="ignore"):
        made = found.astype(NUMPY_TYPES[spec.datatype], casting="unsafe")
    if made.dtype.kind == "f":
        if not np.isfinite(made).all():
            raise OverflowError
    elif not np.array_equal(made, found):
        raise OverflowError
    return made


def _listed(array: NDArray[Any]) -> Any:
    if array.dtype != object:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise UnusableValue("A tensor holds a number that is not finite")
        return array.tolist()
    made = np.empty(array.size, object)
    try:
        made[:] = [each.decode() for each in array.ravel()]
    except UnicodeDecodeError:
        raise UnusableValue("A tensor holds bytes that are no text in UTF-8") from None
    return made.reshape(array.shape).tolist()
