"""A control plane on a real database, over an S3 that answers as a test says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from mme.core.database import Database
from mme.core.settings import Settings
from mme.endpoints.control_plane import SERVED, ControlPlane
from mme.endpoints.serving import Serving
from tests.support.fake_engine import FakeStandalone

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = "000000000000.dkr.ecr.eu-central-1.amazonaws.com/mme:1"
PREFIX = "s3://models/a/"

OUTPUTS = {
    name: ServiceModel(Loader().load_service_model(service, "service-2"), service)
    .operation_model(name)
    .output_shape
    for service, names in SERVED.items()
    for name in names
}


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(each) for name, each in value.items() if each is not None}
    return [_without_none(each) for each in value] if isinstance(value, list) else value


@dataclass
class Plane:
    """A control plane and what is behind it; operations are asked as the surface asks them."""

    database: Database
    plane: ControlPlane = field(init=False)
    serving: Serving = field(init=False)
    engine: FakeStandalone = field(default_factory=FakeStandalone)
    failures: dict[str, str] = field(default_factory=dict)
    """Why a URI cannot be reached."""
    reached: list[tuple[str, bool]] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    draw: Callable[[], float] = lambda: 0.0

    async def start(self, **settings: Any) -> None:
        """Read the database, as at the start of an endpoint."""
        self.plane = await ControlPlane.open(self.database, self._reach)
        self.plane.on_topic = self.topics.append
        known = Settings(**({"endpoint_names": ()} | settings))
        self.serving = Serving(known, self.engine, self.plane, self._draw)

    async def ask(self, operation: str, **request: Any) -> dict[str, Any]:
        """One operation, whose answer must be what the service's model says."""
        answer = await self.plane.operations()[operation](request)
        shape = OUTPUTS[operation]
        told = {name: value for name, value in answer.items() if value is not None}
        if shape is None:
            assert told == {}
        else:
            assert ParamValidator().validate(_without_none(told), shape).generate_report() == ""
            assert told.keys() <= shape.members.keys()
        return answer

    async def create_model(self, name: str = "m", url: str = PREFIX, **container: Any) -> None:
        await self.ask(
            "CreateModel",
            ModelName=name,
            PrimaryContainer={
                "Image": IMAGE,
                "Mode": "MultiModel",
                "ModelDataUrl": url,
                **container,
            },
        )

    async def create_config(self, name: str = "c", *weights: float, **members: Any) -> None:
        """With a variant for each weight: v1, v2, ... of the models m, m2, m3, ..."""
        variants = [
            {
                "VariantName": f"v{number}",
                "ModelName": "m" if number == 1 else f"m{number}",
                "InitialInstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "InitialVariantWeight": weight,
            }
            for number, weight in enumerate(weights or (1.0,), 1)
        ]
        given = {"EndpointConfigName": name, "ProductionVariants": variants}
        await self.ask("CreateEndpointConfig", **given | members)

    async def create(self, name: str = "e", config: str = "c", **members: Any) -> dict[str, Any]:
        return await self.ask(
            "CreateEndpoint", EndpointName=name, EndpointConfigName=config, **members
        )

    async def create_all(self, **members: Any) -> None:
        """An endpoint `e` of one model."""
        await self.create_model()
        await self.create_config(**members)
        await self.create()

    def _draw(self) -> float:
        return self.draw()

    async def _reach(self, uri: str, is_prefix: bool) -> str:
        self.reached.append((uri, is_prefix))
        return self.failures.get(uri, "")


@pytest.fixture
async def plane(tmp_path):
    database = Database(tmp_path / "state.sqlite")
    made = Plane(database)
    await made.start()
    yield made
    database.close()
