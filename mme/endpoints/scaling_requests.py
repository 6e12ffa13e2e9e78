"""What requests about scaling name: a variant of an endpoint, a page, a policy; and what is wrong.

Pure; what is kept is in `scaling.py`.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from mme.endpoints.arns import ACCOUNT, REGION
from mme.endpoints.operation import ControlPlaneError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mme.endpoints.records import Record

NAMESPACE, DIMENSION = "sagemaker", "sagemaker:variant:DesiredInstanceCount"
RESOURCE = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")
MOST_RESULTS = 50
ROLE = (
    f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)
PLACE = ("ServiceNamespace", "ResourceId", "ScalableDimension")
CONFIGURATIONS = {
    "StepScaling": "StepScalingPolicyConfiguration",
    "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
    "PredictiveScaling": "PredictiveScalingPolicyConfiguration",
}


def place_in(request: Mapping[str, Any]) -> str:
    """The resource of a request. Raises ControlPlaneError for what is no variant of ours."""
    if request["ServiceNamespace"] != NAMESPACE or request["ScalableDimension"] != DIMENSION:
        raise invalid(
            f"Only the ServiceNamespace {NAMESPACE} with the ScalableDimension {DIMENSION} is"
            f" served here, not {request['ServiceNamespace']} with {request['ScalableDimension']}"
        )
    resource: str = request["ResourceId"]
    if not RESOURCE.fullmatch(resource):
        raise invalid(
            f"The ResourceId {resource[:100]!r} is not of the form endpoint/NAME/variant/NAME"
        )
    return resource


def check_all_there(request: Mapping[str, Any], members: Iterable[str]) -> None:
    """Raise ControlPlaneError for members that are missing."""
    for member in members:
        if member not in request:
            raise invalid(f"{member} is missing")


def fits(record: Record, request: Mapping[str, Any]) -> bool:
    """Whether a record is of what a request names."""
    return all(
        record.content[member] == request.get(member, record.content[member]) for member in PLACE
    )


def page(records: list[Record], request: Mapping[str, Any]) -> tuple[list[Record], str | None]:
    """By name; the token is the last name that was shown."""
    after = request.get("NextToken", "")
    found = sorted((each for each in records if each.name > after), key=lambda each: each.name)
    most = max(1, min(request.get("MaxResults", MOST_RESULTS), MOST_RESULTS))
    return found[:most], found[most - 1].name if len(found) > most else None


def target_arn() -> str:
    """The ARN of a new target."""
    return (
        f"arn:aws:application-autoscaling:{REGION.get()}:{ACCOUNT}:scalable-target/"
        f"{uuid.uuid4().hex}"
    )


def policy_arn(resource: str, name: str) -> str:
    """The ARN of a new policy."""
    return (
        f"arn:aws:autoscaling:{REGION.get()}:{ACCOUNT}:scalingPolicy:{uuid.uuid4()}:resource/"
        f"{NAMESPACE}/{resource}:policyName/{name}"
    )


def unknown(what: str, request: Mapping[str, Any]) -> ControlPlaneError:
    """What the service says of what is not there."""
    named = f" named {request['PolicyName']}" if what == "scaling policy" else ""
    return ControlPlaneError(
        "ObjectNotFoundException",
        f"No {what}{named} registered for service namespace: {request['ServiceNamespace']},"
        f" resource ID: {request['ResourceId']}, scalable dimension:"
        f" {request['ScalableDimension']}",
    )


def invalid(message: str) -> ControlPlaneError:
    """What the service says of a request that is off."""
    return ControlPlaneError("ValidationException", message)


def limit_exceeded(message: str) -> ControlPlaneError:
    """What the service says where there may be no more."""
    return ControlPlaneError("LimitExceededException", message)
