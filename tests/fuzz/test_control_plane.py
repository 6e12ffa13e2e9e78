"""Operations of the control plane: whatever is asked, in whatever order, is answered or refused.

Each example is a few requests at one control plane: valid ones, changed in some places. What is
accepted is kept, and the endpoints are there again when it is read anew.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from hypothesis import strategies as st

from mme.core.errors import InvalidRequest
from mme.core.pipeline_key import SCHEME, read_key
from mme.endpoints.control_plane import SERVED, ControlPlane
from mme.endpoints.operation import ControlPlaneError
from mme.gateway.shapes import checked, on_the_wire
from tests.support.fuzzing import fuzz

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES: dict[str, Any] = {
    name: ServiceModel(Loader().load_service_model(service, "service-2"), service)
    .operation_model(name)
    .input_shape
    for service, names in SERVED.items()
    for name in names
}
NAMES = st.sampled_from(["a", "b", "A", "never"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(
        ["a", "b", "s3://a-b/c", "s3://..", 10**400, 1e308, "MultiModel", "", "\ud800"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
PLACES = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/a/variant/a",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
TRACKING = {"TargetValue": 1.0, "ScaleInCooldown": 5}
CONTAINER = {"Image": "mme", "Mode": "MultiModel", "ModelDataUrl": "s3://models/a"}
SEVERAL = [{"ModelDataUrl": "s3://models/a.tar.gz"}, CONTAINER]
VARIANT = {"VariantName": "a", "ModelName": "a", "InstanceType": "ml.m5.large"}
ARN = "arn:aws:sagemaker:us-east-1:000000000000:endpoint/a"
VALID: dict[str, dict[str, Any]] = {
    "CreateModel": {"ModelName": "a", "PrimaryContainer": CONTAINER},
    "CreateEndpointConfig": {"EndpointConfigName": "a", "ProductionVariants": [VARIANT]},
    "CreateEndpoint": {"EndpointName": "a", "EndpointConfigName": "a"},
    "UpdateEndpoint": {"EndpointName": "a", "EndpointConfigName": "a"},
    "UpdateEndpointWeightsAndCapacities": {
        "EndpointName": "a",
        "DesiredWeightsAndCapacities": [{"VariantName": "a", "DesiredWeight": 1.0}],
    },
    "AddTags": {"ResourceArn": ARN, "Tags": [{"Key": "a", "Value": "b"}]},
    "ListTags": {"ResourceArn": ARN},
    "DeleteTags": {"ResourceArn": ARN, "TagKeys": ["a"]},
    "RegisterScalableTarget": {**PLACES, "MinCapacity": 0, "MaxCapacity": 1},
    "DeregisterScalableTarget": PLACES,
    "PutScalingPolicy": {
        **PLACES,
        "PolicyName": "a",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": TRACKING,
    },
    "DeleteScalingPolicy": {**PLACES, "PolicyName": "a"},
    "DescribeScalableTargets": {"ServiceNamespace": "sagemaker"},
    "DescribeScalingPolicies": {"ServiceNamespace": "sagemaker"},
    **{f"List{word}s": {"MaxResults": 1} for word in ("Model", "EndpointConfig", "Endpoint")},
    **{
        f"{verb}{word}": {f"{word}Name": "a"}
        for verb in ("Describe", "Delete")
        for word in ("Model", "EndpointConfig", "Endpoint")
    },
}
SETUP = ("CreateModel", "CreateEndpointConfig", "CreateEndpoint", "RegisterScalableTarget")


@st.composite
def asked(draw: st.DrawFn) -> tuple[str, Any]:
    """An operation and its request: a valid one, some members of which are others, or there."""
    name = draw(st.sampled_from(sorted(VALID)))
    request = dict(VALID[name])
    members = sorted(SHAPES[name].members)
    for _ in range(draw(st.integers(0, 2))):
        value = VALUES | NAMES | st.sampled_from([*request.values(), SEVERAL, {"Mode": "Direct"}])
        request[draw(st.sampled_from(members))] = draw(value)
    return name, request


class Database:
    """As `mme.core.database`, at once and in memory."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:")

    async def run(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        return work(self._connection)

    def close(self) -> None:
        self._connection.close()


async def _reach(_uri: str, _is_prefix: bool) -> str:
    return ""


async def _ask(plane: ControlPlane, name: str, request: Any) -> None:
    parsed, wrong = checked(SHAPES[name], request)
    if wrong:
        return
    try:
        answer = await plane.operations()[name](parsed)
    except ControlPlaneError as error:
        assert error.code.isalpha()  # noqa: PT017 - whatever is raised is one of these
    else:
        json.dumps(on_the_wire(answer), allow_nan=False)


async def _ask_all(requests: list[tuple[str, Any]]) -> None:
    database = Database()
    try:
        plane = await ControlPlane.open(database, _reach)  # type: ignore[arg-type] # as one
        for name in SETUP:
            await _ask(plane, name, VALID[name])
        for name, request in requests:
            await _ask(plane, name, request)
        again = await ControlPlane.open(database, _reach)  # type: ignore[arg-type]
        for name in ("a", "b", "A"):
            assert again.live(name) == plane.live(name)
            live = plane.live(name)
            if live is not None:
                _choose(live)
        assert again.idle_after_s() == plane.idle_after_s()
    finally:
        database.close()


def _choose(live: Any) -> None:
    for target in ("x.tar.gz", None):
        for container in ("container-2", None):
            try:
                chosen = live.choose(target, None, lambda: 0.5, container=container)
            except InvalidRequest:
                continue
            key = chosen.key
            keys = [each.key for each in read_key(key).steps] if key.startswith(SCHEME) else [key]
            assert all(each.startswith("s3://") for each in keys)


def test_whatever_is_asked_is_answered_or_refused_and_there_again():
    assert VALID.keys() == SHAPES.keys()
    assert fuzz(lambda requests: asyncio.run(_ask_all(requests)), st.lists(asked(), max_size=6))
