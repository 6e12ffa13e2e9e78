"""A model's tensors in a request: whether they fit its configuration, and in its backend's shapes.

Outputs are held to their datatype alone: Triton does not compare their shapes with the
configuration, and archives that work there are not always right about them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ServingError
from models.tensors import ANY_SIZE, BYTES, NUMPY_TYPES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from models.Triton.config import Config, Shape, Tensor

    Arrays = dict[str, NDArray[Any]]


class UnusableTensor(ServingError):
    """A tensor that a model cannot take; the message says why."""

    status = 500


class WrongOutput(ServingError):
    """What a model made and should not have; the message says why."""

    status = 500


def taken(config: Config, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
    """The inputs in the shapes of the model's backend. Raises UnusableTensor."""
    found: Arrays = {}
    batch: tuple[str, int] | None = None
    for spec in config.inputs:
        array = inputs.get(spec.name)
        if array is None:
            if spec.is_optional:
                continue
            raise UnusableTensor(f"The input {spec.name} is missing")
        shape = spec.shape(config.max_batch_size)
        _check_input(spec, array, shape)
        if config.max_batch_size:
            batch = batch or (spec.name, len(array))
            _check_batch(config, spec.name, len(array), batch)
        if spec.reshape is not None:
            array = array.reshape(
                _other(array.shape, shape, spec.inner_shape(config.max_batch_size))
            )
        found[spec.name] = array
    return found


def given(config: Config, outputs: Mapping[str, NDArray[Any]], wanted: Collection[str]) -> Arrays:
    """The outputs in callers' shapes. Raises WrongOutput."""
    found: Arrays = {}
    for spec in config.outputs:
        if spec.name not in wanted:
            continue
        array = outputs.get(spec.name)
        if array is None:
            raise WrongOutput(f"The model made no output {spec.name}")
        array = _of_type(spec, array)
        if spec.reshape is not None:
            array = _reshaped(spec, array, config)
        found[spec.name] = array
    return found


def fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    """Whether the sizes of an array are those of a shape."""
    return len(shape) == len(wanted) and all(
        size in (found, ANY_SIZE) for found, size in zip(shape, wanted, strict=True)
    )


def _check_input(spec: Tensor, array: NDArray[Any], shape: Shape) -> None:
    if array.dtype != NUMPY_TYPES[spec.datatype]:
        raise UnusableTensor(f"The input {spec.name} is {spec.datatype}, not {array.dtype}")
    if not fits(array.shape, shape):
        raise UnusableTensor(
            f"The input {spec.name} is of shape {list(shape)}, not {list(array.shape)}"
        )


def _check_batch(config: Config, name: str, size: int, first: tuple[str, int]) -> None:
    if not 1 <= size <= config.max_batch_size:
        raise UnusableTensor(
            f"The input {name} has a batch of {size}; the model {config.name} takes 1 to"
            f" {config.max_batch_size}"
        )
    if size != first[1]:
        raise UnusableTensor(
            f"The input {name} has a batch of {size}, and {first[0]} one of {first[1]}"
        )


def _of_type(spec: Tensor, array: NDArray[Any]) -> NDArray[Any]:
    """An output as an array of its datatype, texts as bytes."""
    if spec.datatype == BYTES and array.dtype.kind in "OSU":
        flat = [each if isinstance(each, bytes) else str(each).encode() for each in array.flat]
        made = np.empty(len(flat), object)
        made[:] = flat
        return made.reshape(array.shape)
    if array.dtype != NUMPY_TYPES[spec.datatype]:
        raise WrongOutput(f"The output {spec.name} is {spec.datatype}, not {array.dtype}")
    return array


def _reshaped(spec: Tensor, array: NDArray[Any], config: Config) -> NDArray[Any]:
    inner = spec.inner_shape(config.max_batch_size)
    if not fits(array.shape, inner):
        raise WrongOutput(
            f"The output {spec.name} is of shape {list(inner)} before it is reshaped, not"
            f" {list(array.shape)}"
        )
    return array.reshape(_other(array.shape, inner, spec.shape(config.max_batch_size)))


def _other(sizes: tuple[int, ...], now: Shape, then: Shape) -> tuple[int, ...]:
    """The sizes of a tensor in its other form: of each pair of axes that vary, the same one."""
    varying = iter([size for size, said in zip(sizes, now, strict=True) if said == ANY_SIZE])
    return tuple(next(varying) if said == ANY_SIZE else said for said in then)
