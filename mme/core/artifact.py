"""What every package knows of an artifact on this disk: where it lies and what its admission found.

Made by an admission (`mme.prefork.admission`), kept by the disk cache, used by workers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SAMPLE_REQUEST = "sample-request.json"
"""A file an artifact may have: a request that is tried before the artifact is let serve."""
MOST_BYTES = 1 << 62
"""No size is as large; an index holds it."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What an admission found out about an artifact; JSON-able."""

    unpacked_bytes: int
    own_bytes: int = 0
    """Anonymous memory that loading the converted form took."""
    mapped_bytes: int = 0
    """Size of the files a worker maps: artifact and converted form."""
    load_s: float = 0.0
    """How long loading the converted form took."""
    is_data: bool = True
    """Made of data only, so any pool worker can serve it; else it gets a process of its own."""
    is_code: bool = False
    """Whether it is code, which runs only where the operator has allowed it."""
    pipeline: str | None = None
    """The language pipeline it needs, as `models.warm_up` names it."""
    details: Mapping[str, object] = field(default_factory=dict)
    """What the family says of the model: family, language, sizes."""

    @classmethod
    def from_json(cls, said: Any) -> Self:
        """From JSON that may be hostile; KeyError, TypeError or ValueError for a wrong field."""
        pipeline, details, load_s = said["pipeline"], said["details"], said["load_s"]
        if not (pipeline is None or isinstance(pipeline, str)):
            raise TypeError("pipeline")
        if not isinstance(details, dict) or not isinstance(said["is_data"], bool):
            raise TypeError("details, is_data")
        is_code = said.get("is_code", False)  # records of earlier releases have none
        if not isinstance(is_code, bool) or (is_code and said["is_data"]):
            raise TypeError("is_code")
        return cls(
            unpacked_bytes=checked_size(said["unpacked_bytes"]),
            own_bytes=checked_size(said["own_bytes"]),
            mapped_bytes=checked_size(said["mapped_bytes"]),
            load_s=checked_number(load_s),
            is_data=said["is_data"],
            is_code=is_code,
            pipeline=pipeline,
            details=details,
        )


@dataclass(frozen=True, slots=True)
class Admitted:
    """An artifact that is on this disk, checked and converted: all a worker needs to serve it."""

    name: str
    """Opaque, 32 hex digits, another one for each version."""
    target: str
    version: str
    model_dir: Path
    scratch_dir: Path
    """Where its converted form is."""
    archive_bytes: int
    admitted_at: float
    """Wall clock seconds."""
    findings: Findings


def checked_number(value: object) -> float:
    """A number from JSON that is not negative; TypeError or ValueError if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{type(value).__name__} is no number")
    if not 0 <= value < MOST_BYTES:
        raise ValueError("a number that is negative, too large or none")
    return float(value)


def checked_size(value: object) -> int:
    """A size from JSON; TypeError or ValueError if it is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no size")
    if not 0 <= value < MOST_BYTES:
        raise ValueError(f"{value} is no size")
    return value
