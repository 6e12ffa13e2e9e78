"""What the models of a store would take of this machine: made of what their admissions measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.memory.prediction import predicted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mme.core.artifact import Findings

MIB = 1024 * 1024
BASE_BYTES = 200 * MIB
"""What an endpoint takes that has nothing loaded: 189 to 199 MiB were measured."""


@dataclass(frozen=True, slots=True)
class Model:
    """One artifact that was admitted, and what that has measured."""

    target: str
    archive_bytes: int
    findings: Findings

    @property
    def disk_bytes(self) -> int:
        """On the disk once it is there: artifact and converted form."""
        return max(self.findings.mapped_bytes, self.findings.unpacked_bytes)

    @property
    def memory_bytes(self) -> int:
        """In one worker, without the files it maps."""
        if self.findings.is_data:
            return self.findings.own_bytes
        return predicted(None, self.findings.unpacked_bytes).bytes


@dataclass(frozen=True, slots=True)
class Needs:
    """All of them together."""

    models: Sequence[Model]
    workers: int
    """Of the pool, each of which may have each model of data."""
    is_each_apart: bool = False
    """Whether each model has a process of its own."""

    @property
    def memory_bytes(self) -> int:
        """With all models loaded everywhere they may be."""
        return sum(
            model.memory_bytes * (1 if self.is_apart(model) else self.workers)
            for model in self.models
        )

    def is_apart(self, model: Model) -> bool:
        """Whether a model has a process of its own."""
        return self.is_each_apart or not model.findings.is_data

    @property
    def apart(self) -> int:
        """How many models have a process of their own."""
        return sum(map(self.is_apart, self.models))

    @property
    def disk_bytes(self) -> int:
        """On the disk, all of them."""
        return sum(model.disk_bytes for model in self.models)

    @property
    def largest_in_memory(self) -> Model | None:
        """The model that takes most of one worker's memory."""
        return max(self.models, key=lambda model: model.memory_bytes, default=None)

    @property
    def largest_on_disk(self) -> Model | None:
        """The model that takes most room while it is being brought in."""
        return max(
            self.models, key=lambda model: model.disk_bytes + model.archive_bytes, default=None
        )
