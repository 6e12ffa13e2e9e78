"""The containers of a model that was created, as invocations meet them: one, or several.

Several are a serial pipeline, each answer the next one's request, or, with the mode Direct, a
choice that each request makes. Of a container counts where its artifacts are; its image is only
told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from mme.core.errors import InvalidRequest, TargetNeeded
from mme.core.names import check_target
from mme.core.pipeline_key import Step, key_of_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SERIAL, DIRECT = "Serial", "Direct"
MOST_CONTAINERS = 15
SHOWN_CHARS = 100


@dataclass(frozen=True, slots=True)
class Container:
    """One of them."""

    name: str
    """Its ContainerHostname; "" of an only one."""
    uri: str
    """Of the artifact, or what targets are joined to."""
    is_multi: bool
    image: str = ""

    def key(self, target: str | None, check: Callable[[str], str] = check_target) -> str:
        """What the engine calls the model of a target. Raises InvalidRequest."""
        return self.uri + check(target or "") if self.is_multi else self.uri


@dataclass(frozen=True, slots=True)
class Containers:
    """All of one model."""

    all: tuple[Container, ...]
    is_direct: bool = False

    @property
    def is_multi(self) -> bool:
        """Whether one of them has many models."""
        return any(container.is_multi for container in self.all)

    @property
    def is_serial(self) -> bool:
        """Whether they are a pipeline."""
        return len(self.all) > 1 and not self.is_direct

    @property
    def uri(self) -> str:
        """Of the only one's models."""
        return self.all[0].uri

    def named(self, whose: str, name: str | None) -> Containers:
        """Those a request goes to; `whose` begins the message of the InvalidRequest."""
        if not self.is_direct:
            if name is not None:
                why = "its containers are a pipeline" if self.is_serial else "it has one container"
                raise InvalidRequest(
                    f"TargetContainerHostname {name[:SHOWN_CHARS]!r} cannot be used: {whose} has no"
                    f" containers to choose from, {why}"
                )
            return self
        there = ", ".join(container.name for container in self.all)
        if name is None:
            raise InvalidRequest(
                f"{whose} has containers of the mode {DIRECT}: name one in"
                f" TargetContainerHostname; there are {there}"
            )
        for container in self.all:
            if container.name == name:
                return Containers((container,))
        raise InvalidRequest(
            f"TargetContainerHostname {name[:SHOWN_CHARS]!r} is no container of {whose}; there are"
            f" {there}"
        )

    def key(
        self, whose: str, target: str | None, check: Callable[[str], str] = check_target
    ) -> str:
        """What the engine is asked for, by the endpoint, or job, of that name."""
        if not self.is_serial:
            return self.all[0].key(target, check)
        return key_of_steps(
            whose,
            [
                Step(each.name, each.key(target, check), (target or "") if each.is_multi else "")
                for each in self.all
            ],
        )

    def check_target(self, whose: str, what: str, target: str | None) -> None:
        """Raise InvalidRequest for a target where none is needed, TargetNeeded for none."""
        if self.is_multi and target is None:
            raise TargetNeeded(whose)
        if not self.is_multi and target is not None:
            has = "no multi-model container" if self.is_serial else "one model"
            raise InvalidRequest(
                f"{whose} is not a multi-model endpoint: {what} has {has}, so name no target model"
            )

    def as_json(self) -> dict[str, Any]:
        """To be kept; `from_json` reads it."""
        told = [
            {"Name": each.name, "Uri": each.uri, "IsMulti": each.is_multi, "Image": each.image}
            for each in self.all
        ]
        return told[0] if len(told) == 1 else {"Containers": told, "IsDirect": self.is_direct}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """What `as_json` gave."""
        return cls(
            tuple(
                Container(each.get("Name", ""), each["Uri"], each["IsMulti"], each.get("Image", ""))
                for each in kept.get("Containers", [kept])
            ),
            kept.get("IsDirect", False),
        )
