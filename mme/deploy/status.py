"""What a deployment does: its stack, endpoint, instances and alarms; and its log.

Reads only. What went wrong is said by CloudFormation's events and SageMaker's failure reason.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from mme.deploy.calls import is_refused
from mme.deploy.errors import DeployError, explained
from mme.deploy.states import GOOD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mme.deploy.calls import Calls
    from mme.deploy.stacks import Stacks
    from mme.deploy.states import Stack

ENDPOINT, SCALED, ALARM = (
    "AWS::SageMaker::Endpoint",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::CloudWatch::Alarm",
)
POLL_S = 3.0
MOST_REMEMBERED = 10_000
OVERLAP_MS = 60_000
"""Lines of several instances come a while after their time, and not in its order."""


@dataclass(frozen=True, slots=True)
class Status:
    """All that is worth a look."""

    name: str
    stack: str
    endpoint: str
    """SageMaker's name for it; "" if there is none."""
    endpoint_status: str
    instances: list[dict[str, Any]] = field(default_factory=list)
    """Of each variant: `variant`, `type`, `current`, `wanted`, `least`, `most`, `image`."""
    models: str = ""
    alarms: list[str] = field(default_factory=list)
    """Those that are on."""
    failures: list[str] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Whether it serves, as it was last told to."""
        return self.stack in GOOD and self.endpoint_status == "InService"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def status_of(stack: Stack, calls: Calls, stacks: Stacks) -> Status:
    """Look at a deployment. Raises DeployError."""
    made = stacks.resources(stack.name)
    name = next((each["name"].rpartition("/")[2] for each in made if each["type"] == ENDPOINT), "")
    told = _endpoint(calls, name) if name else {}
    failures = [] if stack.status in GOOD else stacks.failures(stack.name)
    if reason := told.get("FailureReason"):
        failures.append(f"SageMaker: {reason}")
    given = stack.parameters
    return Status(
        name=stack.name,
        stack=stack.status,
        endpoint=name if told else "",
        endpoint_status=told.get("EndpointStatus", "not there"),
        instances=[
            _variant(calls, name, each, given) for each in told.get("ProductionVariants", ())
        ],
        models="s3://{ModelBucket}/{ModelPrefix}{Artifact}".format_map(
            {"ModelBucket": "", "ModelPrefix": "", "Artifact": "", **given}
        ),
        alarms=_alarms(calls, [each["name"] for each in made if each["type"] == ALARM]),
        failures=failures,
    )


def _endpoint(calls: Calls, name: str) -> dict[str, Any]:
    try:
        return calls.read("sagemaker", "describe_endpoint", EndpointName=name)
    except ClientError as error:
        if is_refused(error, "ValidationException", "ResourceNotFound"):
            return {}
        raise explained(error, f"describing the endpoint {name}") from None


def _variant(
    calls: Calls, endpoint: str, told: Mapping[str, Any], given: Mapping[str, str]
) -> dict[str, Any]:
    answer = calls.read(
        "application-autoscaling",
        "describe_scalable_targets",
        ServiceNamespace="sagemaker",
        ResourceIds=[f"endpoint/{endpoint}/variant/{told['VariantName']}"],
    )
    scaled = (answer["ScalableTargets"] or [{}])[0]
    images = told.get("DeployedImages") or [{}]
    return {
        "variant": told["VariantName"],
        "type": given.get("InstanceType", ""),
        "current": told.get("CurrentInstanceCount"),
        "wanted": told.get("DesiredInstanceCount"),
        "least": scaled.get("MinCapacity"),
        "most": scaled.get("MaxCapacity"),
        "image": images[0].get("SpecifiedImage")
        or f"{given.get('Repository', '')}{given.get('ImageVersion', '')}",
    }


def _alarms(calls: Calls, names: list[str]) -> list[str]:
    """Those that are on."""
    if not names:
        return []
    answer = calls.read("cloudwatch", "describe_alarms", AlarmNames=names, StateValue="ALARM")
    return [f"{each['AlarmName']}: {each['StateReason']}" for each in answer["MetricAlarms"]]


def log_of(
    calls: Calls,
    group: str,
    since_ms: int,
    *,
    follows: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[dict[str, Any]]:
    """Lines of a log group as CloudWatch has them, the oldest first; what comes too, if wanted.

    Raises DeployError.
    """
    told: dict[str, None] = {}
    newest_ms = since_ms
    while True:
        from_ms = max(since_ms, newest_ms - OVERLAP_MS)
        token: dict[str, str] = {}
        while True:
            try:
                page = calls.read(
                    "logs", "filter_log_events", logGroupName=group, startTime=from_ms, **token
                )
            except ClientError as error:
                if is_refused(error, "ResourceNotFoundException"):
                    raise DeployError(f"there is no log group {group} (yet)") from None
                raise explained(error, f"reading {group}") from None
            for event in page["events"]:
                if event["eventId"] not in told:
                    told[event["eventId"]] = None
                    newest_ms = max(newest_ms, event["timestamp"])
                    yield event
            if "nextToken" not in page:
                break
            token = {"nextToken": page["nextToken"]}
        if not follows:
            return
        while len(told) > MOST_REMEMBERED:
            del told[next(iter(told))]
        sleep(POLL_S)
