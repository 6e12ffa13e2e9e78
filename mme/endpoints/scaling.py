"""Scalable targets and scaling policies of endpoints: kept, described, and one fact read of them.

Nothing here adds an instance, for there is one. What counts is whether a variant may go to zero,
and after how long: then the whole endpoint may rest while nobody asks.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mme.endpoints.arns import arn_of
from mme.endpoints.definitions import moment
from mme.endpoints.endpoints import ENDPOINT
from mme.endpoints.live import IN_SERVICE
from mme.endpoints.records import Record
from mme.endpoints.scaling_requests import (
    CONFIGURATIONS,
    RESOURCE,
    ROLE,
    check_all_there,
    fits,
    invalid,
    limit_exceeded,
    page,
    place_in,
    policy_arn,
    target_arn,
    unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mme.endpoints.operation import Operation
    from mme.endpoints.records import Records

TARGET, POLICY = "scalable-target", "scaling-policy"
DEFAULT_COOLDOWN_S = 300.0
MOST_POLICIES = 50
"""Of one variant."""
TRACKING = CONFIGURATIONS["TargetTrackingScaling"]


class Scaling:
    """The operations of Application Auto Scaling on endpoints' variants."""

    def __init__(self, records: Records, clock: Callable[[], float] = time.time) -> None:
        self._records = records
        self._clock = clock

    def operations(self) -> Mapping[str, Operation]:
        """By the names of the service."""
        return {
            "RegisterScalableTarget": self._register,
            "DescribeScalableTargets": self._describe_targets,
            "DeregisterScalableTarget": self._deregister,
            "PutScalingPolicy": self._put_policy,
            "DescribeScalingPolicies": self._describe_policies,
            "DeleteScalingPolicy": self._delete_policy,
        }

    def keys_of(self, endpoint: str) -> Iterable[tuple[str, str]]:
        """What is kept of the variants of an endpoint, by kind and name."""
        return [
            (kind, record.name)
            for kind in (TARGET, POLICY)
            for record in self._records.all(kind)
            if record.name.startswith(f"endpoint/{endpoint}/")
        ]

    def idle_after_s(self) -> float | None:
        """See `Serving.idle_after_s`."""
        endpoints = [
            record
            for record in self._records.all(ENDPOINT)
            if record.content["Status"] == IN_SERVICE
        ]
        cooldowns = [
            self._cooldown_s(f"endpoint/{record.name}/variant/{variant['VariantName']}")
            for record in endpoints
            for variant in record.content["Config"]["ProductionVariants"]
        ]
        known = [each for each in cooldowns if each is not None]
        return max(known) if known and len(known) == len(cooldowns) else None

    async def _register(self, request: dict[str, Any]) -> dict[str, Any]:
        name = place_in(request)
        async with self._records.lock:
            self._check_variant(name)
            record = self._records.get(TARGET, name)
            if record is None:
                check_all_there(request, ("MinCapacity", "MaxCapacity"))
            now_s = self._clock()
            content = {"RoleARN": ROLE} | (record.content if record else {}) | request
            tags = content.pop("Tags", None)
            del tags  # there is no operation here that shows them
            if not 0 <= content["MinCapacity"] <= content["MaxCapacity"]:
                raise invalid("MinCapacity must be 0 or more, and not above MaxCapacity")
            record = (
                replace(record, modified_at=now_s, content=content)
                if record
                else Record(TARGET, name, target_arn(), now_s, now_s, content)
            )
            await self._records.put(record)
        return {"ScalableTargetARN": record.arn}

    async def _describe_targets(self, request: dict[str, Any]) -> dict[str, Any]:
        wanted = request.get("ResourceIds")
        shown, token = page(
            [
                record
                for record in self._records.all(TARGET)
                if fits(record, request) and (not wanted or record.name in wanted)
            ],
            request,
        )
        return {
            "ScalableTargets": [
                {
                    "SuspendedState": {},
                    **each.content,
                    "ScalableTargetARN": each.arn,
                    "CreationTime": moment(each.created_at),
                }
                for each in shown
            ],
            "NextToken": token,
        }

    async def _deregister(self, request: dict[str, Any]) -> dict[str, Any]:
        name = place_in(request)
        async with self._records.lock:
            record = self._target(request, name)
            await self._records.remove(
                (TARGET, record.name), *((POLICY, each.name) for each in self._policies(name))
            )
        return {}

    async def _put_policy(self, request: dict[str, Any]) -> dict[str, Any]:
        place = place_in(request)
        kind = request.get("PolicyType", "StepScaling")
        check_all_there(request, (CONFIGURATIONS[kind],))
        name = f"{place}/{request['PolicyName']}"
        async with self._records.lock:
            self._target(request, place)
            record = self._records.get(POLICY, name)
            if record is None and len(self._policies(place)) >= MOST_POLICIES:
                raise limit_exceeded(f"{place} has {MOST_POLICIES} policies, and may have no more")
            now_s = self._clock()
            arn = record.arn if record else policy_arn(place, request["PolicyName"])
            created_at = record.created_at if record else now_s
            content = {**request, "PolicyType": kind}
            await self._records.put(Record(POLICY, name, arn, created_at, now_s, content))
        return {"PolicyARN": arn, "Alarms": []}

    async def _describe_policies(self, request: dict[str, Any]) -> dict[str, Any]:
        names = request.get("PolicyNames")
        shown, token = page(
            [
                record
                for record in self._records.all(POLICY)
                if fits(record, request) and (not names or record.content["PolicyName"] in names)
            ],
            request,
        )
        return {
            "ScalingPolicies": [
                {
                    **each.content,
                    "PolicyARN": each.arn,
                    "Alarms": [],
                    "CreationTime": moment(each.created_at),
                }
                for each in shown
            ],
            "NextToken": token,
        }

    async def _delete_policy(self, request: dict[str, Any]) -> dict[str, Any]:
        name = f"{place_in(request)}/{request['PolicyName']}"
        async with self._records.lock:
            if self._records.get(POLICY, name) is None:
                raise unknown("scaling policy", request)
            await self._records.remove((POLICY, name))
        return {}

    def _target(self, request: Mapping[str, Any], name: str) -> Record:
        record = self._records.get(TARGET, name)
        if record is None:
            raise unknown("scalable target", request)
        return record

    def _policies(self, place: str) -> list[Record]:
        return [
            record for record in self._records.all(POLICY) if record.content["ResourceId"] == place
        ]

    def _check_variant(self, resource: str) -> None:
        found = RESOURCE.fullmatch(resource)
        endpoint, variant = found.groups() if found else ("", "")
        record = self._records.get(ENDPOINT, endpoint)
        if record is None:
            arn = arn_of(ENDPOINT, endpoint.lower())
            raise invalid(f'Could not find endpoint "{arn}".')
        names = [each["VariantName"] for each in record.content["Config"]["ProductionVariants"]]
        if variant not in names:
            raise invalid(
                f"The endpoint {endpoint} has no variant {variant!r}; it has {', '.join(names)}"
            )

    def _cooldown_s(self, resource: str) -> float | None:
        """After how long without requests a variant may go to zero; None: it may not."""
        record = self._records.get(TARGET, resource)
        if record is None or record.content["MinCapacity"] > 0:
            return None
        if record.content.get("SuspendedState", {}).get("DynamicScalingInSuspended"):
            return None
        given = [
            float(policy.content[TRACKING]["ScaleInCooldown"])
            for policy in self._policies(resource)
            if "ScaleInCooldown" in policy.content.get(TRACKING, {})
        ]
        return min(given, default=DEFAULT_COOLDOWN_S)
