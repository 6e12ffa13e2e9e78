"""Looks through an ONNX file before a native library reads it: what it reaches for outside itself.

Refused: tensors kept in other files, since paths out of an artifact lead anywhere; operations of
libraries that would have to be loaded; messages in messages without end. Takes time linear in the
number of fields; weights are stepped over. Whether the graph makes sense the library says.
Source: onnx.proto of ONNX 1.20, the numbers of its fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.errors import ArtifactError, shorten
from models.onnx.protobuf import NotProtobuf, fields

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"})
"""Of operations that are part of the library."""
FILE_OPERATIONS = frozenset({"EPContext", "PythonOp", "PyOp"})
"""Those of them that would read another file, or run code."""
MOST_DEPTH = 32
"""Graphs in graphs and types in types; protocol buffers' own bound is 100 messages."""
MOST_OPERATIONS = 200_000

MODEL, GRAPH, NODE, ATTRIBUTE, TENSOR, SPARSE, FUNCTION, TRAINING, OPSET = range(9)
_INNER = {
    MODEL: {7: GRAPH, 8: OPSET, 20: TRAINING, 25: FUNCTION},
    GRAPH: {1: NODE, 5: TENSOR, 15: SPARSE},
    NODE: {5: ATTRIBUTE},
    ATTRIBUTE: {5: TENSOR, 6: GRAPH, 10: TENSOR, 11: GRAPH, 22: SPARSE, 23: SPARSE},
    SPARSE: {1: TENSOR, 2: TENSOR},
    FUNCTION: {7: NODE, 9: OPSET, 11: ATTRIBUTE},
    TRAINING: {1: GRAPH, 2: GRAPH},
}
"""Kind of message -> the fields of it that are messages to look into."""
_OPERATION, _DOMAIN, _OPSET_DOMAIN = 4, 7, 1
_LOCATION, _EXTERNAL, _EXTERNAL_DATA = 14, 1, 13
MOST_ENUM = 0xFFFFFFFF
_FUNCTIONS, _FUNCTION_DOMAIN = 25, 10


def check_onnx(path: Path, data: memoryview) -> None:
    """Raise ArtifactError for what the file at `path`, whose content is `data`, must not have."""
    try:
        known = DOMAINS | _own_domains(data)
        has_graph = False
        operations = 0
        for kind, found in _messages(path, data):
            has_graph |= kind == GRAPH
            operations += kind == NODE
            if operations > MOST_OPERATIONS:
                raise ArtifactError(path, f"has more than {MOST_OPERATIONS} operations")
            _check(path, kind, found, known)
    except NotProtobuf as error:
        raise ArtifactError(path, f"is no ONNX file: {error}") from error
    if not has_graph:
        raise ArtifactError(path, "is no ONNX file: it has no graph")


def _own_domains(data: memoryview) -> set[str]:
    """The domains of functions that the file itself defines."""
    return {
        _text(domain)
        for number, value in fields(data)
        if number == _FUNCTIONS and isinstance(value, memoryview)
        for inner, domain in fields(value)
        if inner == _FUNCTION_DOMAIN
    }


def _messages(path: Path, data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """All messages with their kinds, outer ones first."""
    waiting = [(MODEL, data, 0)]
    while waiting:
        kind, found, depth = waiting.pop()
        yield kind, found
        if depth > MOST_DEPTH:
            raise ArtifactError(path, f"has graphs in graphs, {MOST_DEPTH} deep")
        inner = _INNER.get(kind)
        if inner:
            waiting += [
                (inner[number], value, depth + 1)
                for number, value in fields(found)
                if number in inner and isinstance(value, memoryview)
            ]


def _check(path: Path, kind: int, found: memoryview, known: frozenset[str]) -> None:
    if kind == TENSOR:
        _check_tensor(path, found)
    elif kind == NODE:
        for number, value in fields(found):
            if number == _OPERATION and _text(value) in FILE_OPERATIONS:
                raise ArtifactError(path, f"has the operation {_text(value)}, which is refused")
            if number == _DOMAIN:
                _check_domain(path, _text(value), known)
    elif kind == OPSET:
        for number, value in fields(found):
            if number == _OPSET_DOMAIN:
                _check_domain(path, _text(value), known)


def _check_tensor(path: Path, found: memoryview) -> None:
    for number, value in fields(found):
        # An enumeration is the low 32 bits of whatever number is sent.
        is_outside = isinstance(value, int) and value & MOST_ENUM == _EXTERNAL
        if number == _EXTERNAL_DATA or (number == _LOCATION and is_outside):
            raise ArtifactError(
                path,
                "keeps weights in another file; an artifact has one file, as onnx.save writes"
                " without save_as_external_data",
            )


def _check_domain(path: Path, domain: str, known: frozenset[str]) -> None:
    if domain not in known:
        raise ArtifactError(
            path,
            f"has operations of {shorten(domain, 60)}, of a library of its own; known are those of"
            " ONNX and of onnxruntime itself",
        )


def _text(value: int | memoryview) -> str:
    return "" if isinstance(value, int) else bytes(value[:200]).decode("utf-8", "replace")
