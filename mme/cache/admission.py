"""What is asked of an admission: which archive, where its parts go, and what it may take.

An admission unpacks, checks and converts one artifact in a short-lived process with limits. This
module holds only the words; `mme.prefork` does the work, and the cache is given a function of type
`Admit` that asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from mme.cache.extract import ExtractionLimits
from mme.core.artifact import Findings


@dataclass(frozen=True, slots=True)
class AdmissionJob:
    """One artifact to be admitted."""

    target: str
    uri: str
    """The artifact's place in the store, for people."""
    archive: Path | None
    """The downloaded archive; None: `model_dir` holds the unpacked artifact already."""
    model_dir: Path
    """Where the archive is unpacked: an empty folder, if there is an archive."""
    scratch_dir: Path
    """Where the converted form goes."""
    limits: ExtractionLimits
    memory_bytes: int
    """Address space that the admission may add."""
    cpu_s: int
    """Processor time that the admission may take."""
    checks: bool
    """Whether our handler serves it: then it is loaded, which checks and converts it."""

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(
            {
                "target": self.target,
                "uri": self.uri,
                "archive": None if self.archive is None else str(self.archive),
                "model_dir": str(self.model_dir),
                "scratch_dir": str(self.scratch_dir),
                "limits": {
                    "archive_bytes": self.limits.archive_bytes,
                    "unpacked_bytes": self.limits.unpacked_bytes,
                    "files": self.limits.files,
                },
                "memory_bytes": self.memory_bytes,
                "cpu_s": self.cpu_s,
                "checks": self.checks,
            }
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> AdmissionJob:
        """What `to_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        record = json.loads(text)
        archive = record["archive"]
        return cls(
            target=str(record["target"]),
            uri=str(record["uri"]),
            archive=None if archive is None else Path(archive),
            model_dir=Path(record["model_dir"]),
            scratch_dir=Path(record["scratch_dir"]),
            limits=ExtractionLimits(**record["limits"]),
            memory_bytes=int(record["memory_bytes"]),
            cpu_s=int(record["cpu_s"]),
            checks=bool(record["checks"]),
        )


Admit = Callable[[AdmissionJob], Awaitable[Findings]]
"""Does the job. Raises ArtifactRejected, LoadFailed, NoDiskSpace."""
