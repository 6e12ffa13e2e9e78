"""Requests that note what is read of them, and values for members that are only kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.model import ListShape, MapShape, StructureShape

from mme.gateway.shapes import compiled

if TYPE_CHECKING:
    from botocore.model import Shape

TEXTS = (
    "x1",
    "s3://bucket/some/key",
    "arn:aws:iam::000000000000:role/some",
    "arn:aws:sns:us-east-1:000000000000:some",
    "arn:aws:sagemaker:us-east-1:000000000000:some/thing",
    "text/csv",
    "/metrics",
    "mig-1g.5gb",
)
"""One of them fits any pattern."""


class Watched(dict[str, Any]):
    """A structure of a request; the paths that are looked up by name go to `read`."""

    def __init__(self, value: Mapping[str, Any], read: set[str], place: str = "") -> None:
        super().__init__(
            {name: watched(each, read, f"{place}{name}.") for name, each in value.items()}
        )
        self._read, self._place = read, place

    def __getitem__(self, name: str) -> Any:
        self._read.add(self._place + name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._read.add(f"{self._place}{name}")
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._read.add(self._place + name)
        return super().get(name, default)


def watched(value: Any, read: set[str], place: str = "") -> Any:
    """A value of a request, at whatever depth."""
    if isinstance(value, Mapping):
        return Watched(value, read, place)
    return [watched(each, read, place) for each in value] if isinstance(value, list) else value


def paths(value: Any, place: str = "") -> Iterator[str]:
    """Where something is in a request or an answer: each structure, and each value in it."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, Mapping):
            for name, inner in each.items():
                if inner is not None:
                    yield place + name
                    yield from paths(inner, f"{place}{name}.")


def found_at(value: Any, path: str) -> Iterator[Any]:
    """All that is at a path, of each member of lists on the way."""
    for each in value if isinstance(value, list) else [value]:
        name, _, rest = path.partition(".")
        if isinstance(each, Mapping) and each.get(name) is not None:
            yield from found_at(each[name], rest) if rest else [each[name]]


def put(value: Any, path: str, new: Any) -> None:
    """Put `new` at a path, where all before its end is there and it is not."""
    name, _, rest = path.partition(".")
    for each in value if isinstance(value, list) else [value]:
        if not rest:
            each.setdefault(name, new)
        elif name in each:
            put(each[name], rest, new)


def sample(shape: Shape) -> Any:
    """A good value of a shape, with all that can be in it."""
    if isinstance(shape, StructureShape):
        return {name: sample(member) for name, member in shape.members.items()}
    if isinstance(shape, ListShape):
        return [sample(shape.member)]
    if isinstance(shape, MapShape):
        return {sample(shape.key): sample(shape.value)}
    if shape.type_name == "boolean":
        return True
    if shape.type_name in ("integer", "long", "float", "double"):
        return max(shape.metadata.get("min", 1), 1)
    assert shape.type_name == "string", shape
    return _text(shape)


def _text(shape: Shape) -> str:
    if choice := shape.metadata.get("enum"):
        return str(choice[0])
    pattern = compiled(shape.metadata.get("pattern", ".*"))
    least = shape.metadata.get("min", 0)
    return next(text for text in TEXTS if pattern.fullmatch(text) and len(text) >= least)
