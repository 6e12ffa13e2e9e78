"""Shapes of botocore's service models as JSON schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from botocore.loaders import Loader
from botocore.model import ServiceModel

from mme.gateway.openapi.describing import Parameter
from mme.gateway.shapes import in_python

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

    from mme.gateway.openapi.describing import Schema

RUNTIME = "sagemaker-runtime"
NUMBERS = {"integer": "integer", "long": "integer", "float": "number", "double": "number"}
NOT_PARAMETERS = ("Content-Type", "Accept")
"""OpenAPI tells of these by the kinds of bodies and answers."""
TAKEN_OTHERWISE = ("InputLocation",)
"""Members that may be left out here where something else is there."""
BEYOND = (r"\p{", "(?i", r"\Z", r"\z")
"""Patterns with these mean other things to those who read schemas."""


class Schemas:
    """Collects the schemas of shapes by name, with those that they are made of."""

    def __init__(self) -> None:
        self.by_name: dict[str, dict[str, Any]] = {}

    def ref(self, shape: Shape) -> dict[str, Any]:
        """A schema for a shape; structures are named and referred to."""
        if shape.type_name != "structure":
            return self._plain(shape)
        if shape.name not in self.by_name:
            structure = cast("StructureShape", shape)
            made = self.by_name[shape.name] = {"type": "object"}
            made["properties"] = {
                name: self.ref(member) for name, member in structure.members.items()
            }
            if structure.required_members:
                made["required"] = list(structure.required_members)
            made["additionalProperties"] = False
        return {"$ref": f"#/components/schemas/{shape.name}"}

    def _plain(self, shape: Shape) -> dict[str, Any]:
        kind, facts = shape.type_name, shape.metadata
        if kind in NUMBERS:
            limits = {"minimum": facts.get("min"), "maximum": facts.get("max")}
            return {"type": NUMBERS[kind]} | _given(limits)
        if kind == "list":
            limits = {"minItems": facts.get("min"), "maxItems": facts.get("max")}
            member = cast("ListShape", shape).member
            return {"type": "array", "items": self.ref(member)} | _given(limits)
        if kind == "map":
            value = cast("MapShape", shape).value
            return {"type": "object", "additionalProperties": self.ref(value)}
        if kind == "timestamp":
            return {"type": "number", "description": "Seconds since the epoch."}
        if kind == "boolean":
            return {"type": "boolean"}
        return {"type": "string"} | _text_limits(facts)


def header_parameters(operation: str) -> list[Parameter]:
    """The headers of an operation of SageMaker's runtime."""
    model = ServiceModel(Loader().load_service_model(RUNTIME, "service-2"), RUNTIME)
    shape = cast("StructureShape", model.operation_model(operation).input_shape)
    schemas = Schemas()
    return [
        Parameter(
            member.serialization["name"],
            f"{name} of {operation}.",
            schemas.ref(member),
            "header",
            name in shape.required_members and name not in TAKEN_OTHERWISE,
        )
        for name, member in shape.members.items()
        if member.serialization.get("location") == "header"
        and member.serialization["name"] not in NOT_PARAMETERS
    ]


def operation_schemas(
    operations: Mapping[str, OperationModel],
) -> tuple[dict[str, dict[str, Schema]], dict[str, Schema]]:
    """The schemas of each operation's `request` and `answer`, and those that they refer to.

    An operation that answers nothing has no `answer`.
    """
    schemas = Schemas()
    named: dict[str, dict[str, Schema]] = {}
    for name, model in operations.items():
        named[name] = {"request": schemas.ref(cast("Shape", model.input_shape))}
        if model.output_shape is not None:
            named[name]["answer"] = schemas.ref(model.output_shape)
    return named, dict(schemas.by_name)


def _text_limits(facts: dict[str, Any]) -> dict[str, Any]:
    pattern = facts.get("pattern")
    if pattern is not None and any(part in pattern for part in BEYOND):
        pattern = None
    return _given(
        {
            "minLength": facts.get("min"),
            "maxLength": facts.get("max"),
            "enum": facts.get("enum"),
            "pattern": None if pattern is None else f"^(?:{in_python(pattern)})$",
        }
    )


def _given(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value not in (None, [])}
