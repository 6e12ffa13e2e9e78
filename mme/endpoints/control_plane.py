"""The control plane as a whole: its operations by name, and the endpoints it has made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from mme.endpoints.definitions import CONFIG, MODEL, Definitions, check_config, check_model
from mme.endpoints.endpoints import ENDPOINT, Endpoints
from mme.endpoints.live import Live, live_of
from mme.endpoints.records import Records
from mme.endpoints.tags import Tags

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mme.core.database import Database
    from mme.endpoints.operation import Operation

KINDS = (MODEL, CONFIG, ENDPOINT, "transform-job")


class ControlPlane:
    """What was created, and the operations on it. The event loop owns it."""

    def __init__(self, records: Records, reach: Callable[[str, bool], Awaitable[str]]) -> None:
        """`reach`: see Endpoints."""
        self.records = self._records = records
        self._live: dict[str, Live] = {}
        self._parts = (
            Definitions(records, "Model", MODEL, check_model),
            Definitions(records, "EndpointConfig", CONFIG, check_config),
            Endpoints(records, reach, self._renew),
            Tags(records, self._is_there),
        )
        for record in records.all(ENDPOINT):
            self._live[record.name] = live_of(record)

    @classmethod
    async def open(cls, database: Database, reach: Callable[[str, bool], Awaitable[str]]) -> Self:
        """The control plane whose state is in `database`. Raises sqlite3.Error."""
        return cls(await Records.open(database), reach)

    def operations(self) -> dict[str, Operation]:
        """All operations by the services' names for them."""
        return {
            name: operation for part in self._parts for name, operation in part.operations().items()
        }

    def live(self, endpoint: str) -> Live | None:
        """See `serving.Created`."""
        return self._live.get(endpoint)

    def idle_after_s(self) -> float | None:
        """See `serving.Created`."""
        return None

    def _renew(self, name: str) -> None:
        record = self._records.get(ENDPOINT, name)
        if record is None:
            self._live.pop(name, None)
        else:
            self._live[name] = live_of(record)

    def _is_there(self, arn: str) -> bool:
        return any(record.arn == arn for kind in KINDS for record in self._records.all(kind))
