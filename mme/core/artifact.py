"""What every package knows of an artifact on this disk: where it lies and what its admission found.

Made by an admission (`mme.prefork.admission`), kept by the disk cache, used by workers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


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
    pipeline: str | None = None
    """The language pipeline it needs, as `models.warm_up` names it."""
    details: Mapping[str, object] = field(default_factory=dict)
    """What the family says of the model: family, language, sizes."""


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
