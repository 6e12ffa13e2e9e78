"""What models cost: seconds and bytes of each, as they were measured or are assumed.

Kept as a file of JSON, so that a machine is measured once (`measuring.py`) and planned for often.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from mme.core.artifact import checked_number, checked_size
from mme.planning.moments import duration_of

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024
MOST_SAMPLES = 10_000
SAMPLED = ("service_s", "cold_service_s", "load_s")
"""What varies from one time to the next: kept as quantiles."""


class CostsError(ValueError):
    """A file of costs that cannot be read: says what stood where."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One model's."""

    service_s: tuple[float, ...] = (0.002,)
    """Computing one answer: quantiles at even distances, lowest first; one: it is always that."""
    load_s: tuple[float, ...] = (0.001,)
    """Coming into the memory of a worker of the pool, from this disk; quantiles as well."""
    cold_service_s: tuple[float, ...] = ()
    """Computing the first answer after a load, as `service_s`; empty: it takes no longer."""
    first_s: float = 0.3
    """Download and admission."""
    own_bytes: int = MIB
    """Memory of its own in each worker of the pool that has it."""
    mapped_bytes: int = 0
    """Size of the files a worker maps."""
    disk_bytes: int = MIB
    """What it takes in the cache on disk."""

    @property
    def mean_load_s(self) -> float:
        """Of a load."""
        return sum(self.load_s) / len(self.load_s)

    @property
    def mean_service_s(self) -> float:
        """Of a warm request."""
        return sum(self.service_s) / len(self.service_s)


@dataclass(frozen=True, slots=True)
class Costs:
    """Of all models, and what each request and worker takes whatever its model."""

    default: Cost = field(default_factory=Cost)
    """Of models that are not named."""
    by_model: Mapping[str, Cost] = field(default_factory=dict)
    """Target -> its cost."""
    overhead_s: float = 0.0005
    """The gateway's time over one request, one after the other."""
    return_s: float = 0.0
    """Time of an idle machine between gateway and caller; nothing waits for it."""
    again_s: float = 0.001
    """Bringing back a model the endpoint has forgotten while it is on the disk."""
    worker_start_s: float = 0.2
    """The start of a further worker of the pool."""
    worker_bytes: int = 16 * MIB
    """Memory of a worker of the pool without models."""
    base_bytes: int = 400 * MIB
    """Memory of gateway, template and model server."""

    def of(self, model: str) -> Cost:
        """A model's."""
        return self.by_model.get(model, self.default)

    def write(self, path: Path) -> None:
        """To a file of JSON."""
        said = asdict(self)
        said["by_model"] = {name: asdict(cost) for name, cost in self.by_model.items()}
        path.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def read_costs(path: Path) -> Costs:
    """From a file of JSON; what it does not say is as assumed. Raises CostsError."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CostsError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise CostsError(f"{path} is no JSON: {error}") from error
    return _costs(said, str(path))


def _costs(said: Any, where: str) -> Costs:
    _check_members(said, Costs, where)
    by_model = said.get("by_model", {})
    if not isinstance(by_model, Mapping):
        raise CostsError(f"{where}: by_model must be an object, not {by_model!r}")
    values: dict[str, Any] = {
        name: _value(name, value, where)
        for name, value in said.items()
        if name not in {"default", "by_model"}
    }
    if "default" in said:
        values["default"] = _cost(said["default"], f"{where}: default")
    values["by_model"] = {
        name: _cost(cost, f"{where}: by_model: {name}") for name, cost in by_model.items()
    }
    return Costs(**values)


def _cost(said: Any, where: str) -> Cost:
    _check_members(said, Cost, where)
    return Cost(**{name: _value(name, value, where) for name, value in said.items()})


def _check_members(said: Any, kind: type[Cost | Costs], where: str) -> None:
    if not isinstance(said, Mapping):
        raise CostsError(f"{where}: must be an object, not {said!r}")
    known = [each.name for each in fields(kind)]
    if unknown := [name for name in said if name not in known]:
        raise CostsError(f"{where}: {unknown[0]!r} is none of {', '.join(known)}")


def _value(name: str, value: Any, where: str) -> Any:
    try:
        if name in SAMPLED:
            return _samples(value, least=0 if name == "cold_service_s" else 1)
        return checked_size(value) if name.endswith("_bytes") else _seconds(value)
    except (TypeError, ValueError) as error:
        raise CostsError(f"{where}: {name}={value!r}: {error}") from error


def _samples(value: Any, least: int) -> tuple[float, ...]:
    samples = value if isinstance(value, list) else [value]
    if not least <= len(samples) <= MOST_SAMPLES:
        raise ValueError(f"{len(samples)} times, not {least} to {MOST_SAMPLES}")
    return tuple(sorted(map(_seconds, samples)))


def _seconds(value: Any) -> float:
    return duration_of(checked_number(value))
