"""What an admission is asked to do: unpack one archive, check it, convert it.

The cache makes such a job for each artifact it brings in; `mme.prefork` does it, in a process of
its own. As text it crosses from one process to the other.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from mme.cache.extract import ExtractionLimits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mme.core.artifact import Findings


@dataclass(frozen=True, slots=True)
class AdmissionJob:
    """One artifact to be admitted, and what that may take."""

    target: str
    """The target model, for errors."""
    uri: str
    """Where the archive came from, for errors."""
    archive: Path | None
    """The archive on disk; None: `model_dir` holds the artifact's files already."""
    model_dir: Path
    """Where the artifact's files go; an empty folder if there is an archive."""
    scratch_dir: Path
    """Where the converted form goes."""
    limits: ExtractionLimits
    memory_bytes: int
    """Memory it may take beyond what the process that does it has."""
    cpu_s: int
    """Processor time it may take."""
    checks: bool
    """Whether the artifact is loaded as well, with the families of this project."""

    def to_json(self) -> str:
        """One line of text."""
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote; ValueError, KeyError or TypeError if it is something else."""
        fields: dict[str, Any] = json.loads(text)
        archive = fields["archive"]
        return cls(
            target=str(fields["target"]),
            uri=str(fields["uri"]),
            archive=None if archive is None else Path(archive),
            model_dir=Path(fields["model_dir"]),
            scratch_dir=Path(fields["scratch_dir"]),
            limits=ExtractionLimits(**fields["limits"]),
            memory_bytes=int(fields["memory_bytes"]),
            cpu_s=int(fields["cpu_s"]),
            checks=bool(fields["checks"]),
        )


REJECTED, UNLOADABLE, NO_DISK = "rejected", "unloadable", "no-disk"
"""The kinds of errors in an admission's outcome."""
NO_MEMORY = 107
"""The exit code of an admission without memory for words; those of Python and shells are others."""

Admit: TypeAlias = "Callable[[AdmissionJob], Awaitable[Findings]]"
"""Does the job. Raises ArtifactRejected, LoadFailed, NoDiskSpace."""
