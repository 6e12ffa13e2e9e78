"""The control plane as a whole: its operations by name, and the endpoints it has made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from mme.endpoints.definitions import CONFIG, MODEL, Definitions, found
from mme.endpoints.endpoints import ENDPOINT, Endpoints
from mme.endpoints.live import Live, live_of
from mme.endpoints.records import Records
from mme.endpoints.refusals import check_config, check_model, containers_in
from mme.endpoints.scaling import Scaling
from mme.endpoints.tags import Tags

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mme.core.database import Database
    from mme.endpoints.containers import Containers
    from mme.endpoints.operation import Operation

KINDS = (MODEL, CONFIG, ENDPOINT, "transform-job")
SERVED: Mapping[str, tuple[str, ...]] = {
    "sagemaker": (
        "CreateModel",
        "DescribeModel",
        "ListModels",
        "DeleteModel",
        "CreateEndpointConfig",
        "DescribeEndpointConfig",
        "ListEndpointConfigs",
        "DeleteEndpointConfig",
        "CreateEndpoint",
        "DescribeEndpoint",
        "ListEndpoints",
        "UpdateEndpoint",
        "UpdateEndpointWeightsAndCapacities",
        "DeleteEndpoint",
        "AddTags",
        "ListTags",
        "DeleteTags",
    ),
    "application-autoscaling": (
        "RegisterScalableTarget",
        "DescribeScalableTargets",
        "DeregisterScalableTarget",
        "PutScalingPolicy",
        "DescribeScalingPolicies",
        "DeleteScalingPolicy",
    ),
}
"""The names of `ControlPlane.operations`, by service as botocore calls it."""


class ControlPlane:
    """What was created, and the operations on it. The event loop owns it."""

    def __init__(self, records: Records, reach: Callable[[str, bool], Awaitable[str]]) -> None:
        """`reach`: see Endpoints."""
        self.on_topic: Callable[[str], None] = lambda _: None
        """Told the ARN of each topic that an endpoint is made with."""
        self.records = records
        self._live = {record.name: live_of(record) for record in records.all(ENDPOINT)}
        self._scaling = Scaling(records)
        self._parts = (
            Definitions(records, "Model", MODEL, check_model),
            Definitions(records, "EndpointConfig", CONFIG, self._check_config),
            Endpoints(records, reach, self._renew, self._scaling.keys_of),
            Tags(records),
            self._scaling,
        )

    @classmethod
    async def open(cls, database: Database, reach: Callable[[str, bool], Awaitable[str]]) -> Self:
        """The control plane whose state is in `database`. Raises sqlite3.Error."""
        return cls(await Records.open(database), reach)

    def operations(self) -> dict[str, Operation]:
        """All operations by the services' names for them."""
        return {
            name: operation for part in self._parts for name, operation in part.operations().items()
        }

    def names(self) -> list[str]:
        """The endpoints, in order."""
        return sorted(self._live)

    def live(self, endpoint: str) -> Live | None:
        """See `serving.Created`."""
        return self._live.get(endpoint)

    def idle_after_s(self) -> float | None:
        """See `serving.Created`."""
        return self._scaling.idle_after_s()

    def containers_of_model(self, name: str) -> Containers:
        """What a model that was created is made of. Raises ControlPlaneError if it is not there."""
        return containers_in(found(self.records, MODEL, name).content)

    def _check_config(self, config: dict[str, Any]) -> None:
        check_config(config, self.containers_of_model)

    def _renew(self, name: str) -> None:
        record = self.records.get(ENDPOINT, name)
        if record is None:
            self._live.pop(name, None)
            return
        before = self._live.get(name)
        self._live[name] = live = live_of(record)
        if before is None and live.async_terms is not None:
            for topic in sorted({live.async_terms.success_topic, live.async_terms.error_topic}):
                if topic:
                    self.on_topic(topic)
