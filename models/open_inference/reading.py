"""From a body to inputs that fit a model's signature, and what is wanted of its outputs.

The JSON may have keys that nobody here knows: the protocol lets servers add some. What an extension
would have to be there for is refused by its name. Errors are BadInput.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from models.bodies import decode, parse_json
from models.errors import BadInput, shorten
from models.media import MediaType
from models.open_inference.arrays import from_bytes, from_json
from models.open_inference.framing import Kind
from models.tensors import ANY_SIZE, BYTES, NUMPY_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.open_inference.arrays import Array
    from models.tensors import Signature, TensorSpec

BINARY, BINARY_SIZE, ALL_BINARY = "binary_data", "binary_data_size", "binary_data_output"
PROTOCOLS = frozenset(
    {ALL_BINARY, "sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "headers"}
)
"""Parameters of a request that are the protocol's own, and no model's."""
RESERVED = "triton_"
ABSENT = {
    "shared_memory_region": "shared memory",
    "classification": "the classification extension",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output that is to be answered."""

    spec: TensorSpec
    is_binary: bool


@dataclass(frozen=True, slots=True)
class Inference:
    """One request."""

    inputs: Mapping[str, Array]
    wanted: Sequence[Wanted]
    parameters: Mapping[str, object] = field(default_factory=dict)
    """For the model."""
    id: str | None = None

    @property
    def names(self) -> list[str]:
        """Of the outputs that are wanted."""
        return [each.spec.name for each in self.wanted]


def read_inference(body: bytes, json_bytes: int | None, signature: Signature) -> Inference:
    """The request in a body of which the first `json_bytes` are JSON; None: all of it is.

    With none of it JSON, the body is the one input's only element, or all of its elements.
    """
    if json_bytes == 0:
        return _raw(body, signature)
    value = read_object(body if json_bytes is None else body[:json_bytes])
    parameters = object_in(value, "parameters", "The request")
    rest = None if json_bytes is None else memoryview(body)[json_bytes:]
    return Inference(
        _inputs(_list_in(value, "inputs"), rest, signature),
        _wanted(_list_in(value, "outputs"), parameters, signature),
        for_model(parameters),
        id_in(value),
    )


def read_object(body: bytes) -> dict[str, Any]:
    """The object that a body of JSON is."""
    value = parse_json(decode(body, MediaType(Kind.INFER)))
    if not isinstance(value, dict):
        raise BadInput(f"The request must be an object of JSON, not {shorten(value, 60)}")
    return value


def object_in(value: Mapping[str, Any], key: str, whose: str) -> dict[str, Any]:
    """The object under a key, empty if there is none."""
    found = value.get(key) or {}
    if not isinstance(found, dict):
        raise BadInput(f"{whose} has {key} that are no object: {shorten(found, 60)}")
    return found


def id_in(value: Mapping[str, Any]) -> str | None:
    """The name the caller gives the request."""
    found = value.get("id")
    if found is None:
        return None
    if not isinstance(found, str) or not found.isprintable():
        raise BadInput(f"id must be a string of printable characters, not {shorten(found, 60)}")
    return found


def for_model(parameters: Mapping[str, object]) -> dict[str, object]:
    """The parameters of a request without those that are the protocol's own."""
    return {
        name: value
        for name, value in parameters.items()
        if name not in PROTOCOLS and not name.startswith(RESERVED)
    }


def all_outputs(signature: Signature, *, are_binary: bool) -> list[Wanted]:
    """Every output of a model."""
    return [Wanted(spec, are_binary) for spec in signature.outputs]


def checked_inputs(inputs: Mapping[str, Array], signature: Signature) -> None:
    """Refuse inputs without all that must be there."""
    missing = [s.name for s in signature.inputs if s.name not in inputs and not s.is_optional]
    if missing:
        raise BadInput(f"The input {', '.join(missing)} is missing; {_takes(signature)}")


def _inputs(
    sent: list[dict[str, Any]], rest: memoryview | None, signature: Signature
) -> dict[str, Array]:
    specs = {spec.name: spec for spec in signature.inputs}
    inputs: dict[str, Array] = {}
    place = 0
    for each in sent:
        name = each.get("name")
        if not isinstance(name, str) or name not in specs:
            raise BadInput(f"There is no input {shorten(name, 60)}; {_takes(signature)}")
        if name in inputs:
            raise BadInput(f"The input {name} is there twice")
        shape = _shape(each, specs[name])
        parameters = object_in(each, "parameters", f"The input {name}")
        _refuse_absent(parameters, name)
        if BINARY_SIZE not in parameters:
            if "data" not in each:
                raise BadInput(f"The input {name} has neither data nor {BINARY_SIZE}")
            inputs[name] = from_json(name, specs[name].datatype, shape, each["data"])
            continue
        size = _binary_size(name, parameters[BINARY_SIZE], None if rest is None else rest[place:])
        data = memoryview(b"") if rest is None else rest[place : place + size]
        inputs[name] = from_bytes(name, specs[name].datatype, shape, data)
        place += size
    if rest is not None and place != len(rest):
        raise BadInput(f"{len(rest)} bytes follow the JSON, and the inputs have {place} of them")
    checked_inputs(inputs, signature)
    return inputs


def _binary_size(name: str, size: object, left: memoryview | None) -> int:
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise BadInput(f"The input {name} has a {BINARY_SIZE} that is none: {shorten(size, 60)}")
    if left is None:
        if size == 0:  # KServe's client sends no size of the JSON if no bytes follow
            return 0
        raise BadInput(f"The input {name} has a {BINARY_SIZE}, but no size of the JSON was sent")
    if size > len(left):
        raise BadInput(f"The input {name} is said to have {size} bytes; {len(left)} are left")
    return size


def _shape(sent: Mapping[str, Any], spec: TensorSpec) -> list[int]:
    """The shape of one input, which has the datatype and the shape that the model takes."""
    datatype, shape = sent.get("datatype"), sent.get("shape")
    if not isinstance(datatype, str) or datatype not in NUMPY_TYPES:
        raise BadInput(f"The input {spec.name} has a datatype that is none of"
                       f" {', '.join(NUMPY_TYPES)}: {shorten(datatype, 60)}")  # fmt: skip
    if datatype != spec.datatype:
        raise BadInput(f"The input {spec.name} is {spec.datatype}, not {datatype}")
    if not isinstance(shape, list) or not all(
        isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in shape
    ):
        raise BadInput(f"The input {spec.name} has a shape that is no list of sizes:"
                       f" {shorten(shape, 60)}")  # fmt: skip
    if len(shape) != len(spec.shape) or any(
        wanted not in (ANY_SIZE, size) for wanted, size in zip(spec.shape, shape, strict=True)
    ):
        raise BadInput(f"The input {spec.name} is of shape {list(spec.shape)}, not"
                       f" {shorten(shape, 60)}")  # fmt: skip
    return shape


def _wanted(
    sent: list[dict[str, Any]], parameters: Mapping[str, object], signature: Signature
) -> list[Wanted]:
    are_binary = _flag(parameters, ALL_BINARY, default=False)
    if not sent:
        return all_outputs(signature, are_binary=are_binary)
    specs = {spec.name: spec for spec in signature.outputs}
    wanted: dict[str, Wanted] = {}
    for each in sent:
        name = each.get("name")
        if not isinstance(name, str) or name not in specs:
            raise BadInput(f"There is no output {shorten(name, 60)}; {_gives(signature)}")
        if name in wanted:
            raise BadInput(f"The output {name} is wanted twice")
        own = object_in(each, "parameters", f"The output {name}")
        _refuse_absent(own, name)
        wanted[name] = Wanted(specs[name], _flag(own, BINARY, default=are_binary))
    return list(wanted.values())


def _raw(body: bytes, signature: Signature) -> Inference:
    """A body without JSON: the data of the one input there is."""
    if len(signature.inputs) != 1:
        raise BadInput(f"A body without JSON is one input; {_takes(signature)}")
    (spec,) = signature.inputs
    wanted = all_outputs(signature, are_binary=True)
    if spec.shape.count(ANY_SIZE) > 1:
        raise BadInput(f"The input {spec.name} has more than one size that is open: send JSON")
    if spec.datatype == BYTES:
        framed = memoryview(len(body).to_bytes(4, "little") + body)
        shape = [1 if size == ANY_SIZE else size for size in spec.shape]
        return Inference({spec.name: from_bytes(spec.name, BYTES, shape, framed)}, wanted)
    each_bytes = NUMPY_TYPES[spec.datatype].itemsize
    for size in spec.shape:
        each_bytes *= 1 if size == ANY_SIZE else size
    open_size = len(body) // each_bytes if each_bytes else 0
    shape = [open_size if size == ANY_SIZE else size for size in spec.shape]
    data = memoryview(body)
    return Inference({spec.name: from_bytes(spec.name, spec.datatype, shape, data)}, wanted)


def _list_in(value: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = value.get(key) or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BadInput(f"{key} must be a list of objects, not {shorten(found, 60)}")
    return found


def _flag(parameters: Mapping[str, object], name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise BadInput(f"{name} must be true or false, not {shorten(value, 60)}")
    return value


def _refuse_absent(parameters: Mapping[str, object], name: str) -> None:
    for key, what in ABSENT.items():
        if key in parameters:
            raise BadInput(f"{name} asks for {what}, which is not offered here")


def _takes(signature: Signature) -> str:
    return f"the model takes {', '.join(spec.name for spec in signature.inputs)}"


def _gives(signature: Signature) -> str:
    return f"the model gives {', '.join(spec.name for spec in signature.outputs)}"
