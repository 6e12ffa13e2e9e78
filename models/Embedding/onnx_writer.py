"""ONNX graphs written: nodes, constants, inputs and outputs, to the bytes of a file.

What the graph computes is for those who write one: `bert` and `miniature`.
Source: onnx.proto of ONNX 1.20, the numbers of its fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.onnx.protobuf import message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

IR_VERSION, OPSET = 9, 20
FLOAT, INT64 = 1, 7
TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.int64): INT64}
_INT, _FLOAT, _STRING, _INTS = 2, 1, 3, 7
"""Kinds of attributes."""


class Graph:
    """A graph that grows node by node; results are known by their names."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []

    def input(self, name: str, kind: int, shape: Sequence[int | str]) -> str:
        """An input; a size that varies has a name instead of a number."""
        self._inputs.append(_value(name, kind, shape))
        return name

    def output(self, name: str, kind: int, shape: Sequence[int | str]) -> None:
        """Make the result `name` an output."""
        self._outputs.append(_value(name, kind, shape))

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """A tensor of float32 or int64 that is part of the file."""
        array = np.ascontiguousarray(array)
        sizes = [(1, int(size)) for size in array.shape]
        self._constants.append(
            message(*sizes, (2, TYPES[array.dtype]), (8, name), (9, array.tobytes()))
        )
        return name

    def node(
        self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any
    ) -> str:
        """Add an operation; returns the name of its first result."""
        self._nodes.append(
            message(
                *((1, name) for name in inputs),
                *((2, name) for name in outputs),
                (3, outputs[0]),
                (4, kind),
                *((5, _attribute(name, value)) for name, value in attributes.items()),
            )
        )
        return outputs[0]

    def file(self) -> bytes:
        """The bytes of the ONNX file."""
        graph = message(
            *((1, node) for node in self._nodes),
            (2, "embedding"),
            *((5, tensor) for tensor in self._constants),
            *((11, each) for each in self._inputs),
            *((12, each) for each in self._outputs),
        )
        opset = message((1, ""), (2, OPSET))
        return message((1, IR_VERSION), (2, "mme"), (8, opset), (7, graph))


def _value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    sizes = [(1, message((1 if isinstance(size, int) else 2, size))) for size in shape]
    tensor = message((1, kind), (2, message(*sizes)))
    return message((1, name), (2, message((1, tensor))))


def _attribute(name: str, value: float | str | list[int]) -> bytes:
    match value:
        case float():
            return message((1, name), (2, value), (20, _FLOAT))
        case int():
            return message((1, name), (3, value), (20, _INT))
        case str():
            return message((1, name), (4, value), (20, _STRING))
    return message((1, name), *((8, each) for each in value), (20, _INTS))
