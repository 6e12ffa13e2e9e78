"""A request's JSON against a service's model: what passes, what is said of what does not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from mme.endpoints.control_plane import SERVED
from mme.gateway.shapes import checked, compiled, on_the_wire

MODELS = {
    name: ServiceModel(Loader().load_service_model(name, "service-2"), name) for name in SERVED
}
MUST = "failed to satisfy constraint: Member must"


def check(operation, request, service="sagemaker"):
    shape = MODELS[service].operation_model(operation).input_shape
    assert shape is not None
    return checked(shape, request)


def config(**variant):
    known = {"VariantName": "v", "ModelName": "m"}
    return {"EndpointConfigName": "c", "ProductionVariants": [known | variant]}


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("CreateModel", {"ModelName": "m", "Tags": [{"Key": "größe 1", "Value": "ä+b@c"}]}),
        ("CreateEndpointConfig", config(InitialVariantWeight=1, InitialInstanceCount=2)),
        ("CreateEndpointConfig", config(InitialVariantWeight=0.5)),
        ("ListModels", {}),
        ("ListModels", {"MaxResults": 100, "SortBy": "Name"}),
    ],
)
def test_what_the_service_takes_is_taken_as_it_is(operation, request_):
    assert check(operation, request_) == (request_, "")


def test_times_come_as_aware_datetimes_and_what_is_null_is_not_there():
    request, wrong = check("ListModels", {"CreationTimeAfter": 1.5, "NameContains": None})
    assert not wrong
    assert request == {"CreationTimeAfter": datetime.fromtimestamp(1.5, UTC)}


@pytest.mark.parametrize(
    ("operation", "request_", "words"),
    [
        ("CreateModel", {}, f"Value null at 'modelName' {MUST} not be null"),
        ("CreateModel", {"ModelName": "m" * 64}, f"at 'modelName' {MUST} have length less than or"),
        ("CreateModel", {"ModelName": "-"}, f"Value '-' at 'modelName' {MUST} satisfy regular"),
        ("CreateModel", {"ModelName": 5}, f"Value at 'modelName' {MUST} be a string"),
        ("CreateModel", {"ModelName": "m", "Name": "x"}, "Unknown member 'Name' at ''"),
        (
            "CreateModel",
            {"ModelName": "m", "PrimaryContainer": {"Mode": "Many"}},
            f"'primaryContainer.mode' {MUST} satisfy enum value set: [SingleModel, MultiModel]",
        ),
        (
            "CreateModel",
            {"ModelName": "m", "PrimaryContainer": {"Environment": {"1": "x"}}},
            f"Value '1' at 'primaryContainer.environment.key' {MUST} satisfy regular",
        ),
        (
            "CreateEndpointConfig",
            config(InitialInstanceCount=0),
            f"Value '0' at 'productionVariants.1.member.initialInstanceCount' {MUST} have value",
        ),
        ("CreateEndpointConfig", config(InitialInstanceCount=1.5), "be a integer"),
        ("CreateEndpointConfig", config(InitialInstanceCount=True), "be a integer"),
        ("CreateEndpointConfig", config(InitialVariantWeight="1"), "be a number"),
        ("CreateEndpointConfig", config(VolumeSizeInGB=513), "less than or equal to 512"),
        ("CreateEndpointConfig", config(EnableSSMAccess=1), "be a boolean"),
        (
            "CreateEndpointConfig",
            {"EndpointConfigName": "c", "ProductionVariants": []},
            "'productionVariants' failed to satisfy constraint: Member must have length greater",
        ),
        ("CreateEndpointConfig", {**config(), "ProductionVariants": {}}, "be a list"),
        ("ListModels", {"CreationTimeAfter": "now"}, "be a time"),
        ("ListModels", {"MaxResults": 101}, "less than or equal to 100"),
    ],
)
def test_what_the_service_refuses_is_refused_in_its_words(operation, request_, words):
    taken, wrong = check(operation, request_)
    assert taken == {}
    assert words in wrong
    assert wrong.startswith("1 validation error detected: ")


def test_all_that_is_wrong_is_told_at_once():
    _, wrong = check("CreateEndpoint", {"EndpointName": "?"})
    assert wrong.startswith("2 validation errors detected: ")


@pytest.mark.hostile("parameters")
@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("CreateModel", []),
        ("CreateModel", {"ModelName": "m" * 1_000_000}),
        ("CreateModel", {"ModelName": {"a": "b"}}),
        ("CreateModel", {"ModelName": "m", **{str(number): 1 for number in range(100_000)}}),
        ("CreateModel", {"ModelName": "m", "Tags": [{}] * 100_000}),
        ("CreateModel", {"ModelName": "m", "Tags": [{"Key": "-" * 129, "Value": ""}] * 50}),
        ("CreateEndpointConfig", config(VariantName="a" + "-" * 62)),
        ("CreateEndpointConfig", config(InitialVariantWeight=10**400)),
        ("CreateEndpointConfig", config(InitialVariantWeight=float("inf"))),
        ("CreateEndpointConfig", config(InitialInstanceCount=float("inf"))),
        ("CreateEndpointConfig", config(InitialInstanceCount=-(10**400))),
        ("CreateModel", {"ModelName": "m", "PrimaryContainer": {"Environment": {"A": "\ud800"}}}),
        ("CreateModel", {"ModelName": "m", "\ud800": 1}),
        ("ListModels", {"CreationTimeAfter": 1e300}),
        ("ListModels", {"CreationTimeAfter": 10**400}),
        ("ListModels", {"CreationTimeAfter": True}),
    ],
)
def test_whatever_is_sent_is_refused_shortly(operation, request_):
    taken, wrong = check(operation, request_)
    assert taken == {}
    assert 0 < len(wrong) < 30_000


def patterns():
    """The pattern of every member that an operation served here takes."""
    seen: set[object] = set()
    found: dict[str, dict[str, Any]] = {}

    def walk(shape):
        if (shape.name, id(shape._shape_model)) in seen:
            return
        seen.add((shape.name, id(shape._shape_model)))
        if "pattern" in shape.metadata:
            found[shape.metadata["pattern"]] = shape.metadata
        if shape.type_name == "structure":
            for member in shape.members.values():
                walk(member)
        elif shape.type_name == "list":
            walk(shape.member)
        elif shape.type_name == "map":
            walk(shape.key)
            walk(shape.value)

    for service, names in SERVED.items():
        for name in names:
            walk(MODELS[service].operation_model(name).input_shape)
    return found


@pytest.mark.hostile("parameters")
@pytest.mark.parametrize("letter", ["a", "-", "/", " ", "."])
def test_no_pattern_takes_long_on_any_value(letter):
    found = patterns()
    assert len(found) > 15
    for pattern, facts in found.items():
        value = letter * (min(facts.get("max", 2048), 2048) - 1) + "\0"
        compiled(pattern).fullmatch("a" + value)


def test_letters_of_all_languages_are_letters_in_tags_and_paths():
    tag = r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"
    assert compiled(tag).fullmatch("größe 1/日本")
    assert not compiled(tag).fullmatch("a#b")
    resource = r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*"
    assert compiled(resource).fullmatch("endpoint/e 😀")
    assert not compiled(resource).fullmatch("\x00")


def test_an_answer_is_written_as_the_protocol_has_it():
    answer = {"At": datetime.fromtimestamp(1.25, UTC), "None": None, "List": [{"A": None}]}
    assert on_the_wire(answer) == {"At": 1.25, "List": [{}]}
