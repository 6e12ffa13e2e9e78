"""The training report: what went in, what came out, how good it is, how long it took.

As one JSON object; `report_page` shows the same to people. Nothing of it gets into the artifact.
"""

from __future__ import annotations

import contextlib
import json
import logging
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mme.training.plan import Job
    from mme.training.progress import Phase
    from models.evaluation.results import Evaluated
    from models.serving import Lessons, Material

LIBRARIES = ("numpy", "scipy", "scikit-learn", "gensim", "spacy", "HanTa", "mme")
SHOWN_MISSES = 20
SPOKEN_OF = ("models", "mme")


@dataclass(frozen=True, slots=True)
class Digest:
    """A file by its name, size and SHA-256."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """An artifact in its place; `archive` is None if it is a folder of files."""

    place: Path
    files: Sequence[Digest]
    archive: Digest | None

    @property
    def size_bytes(self) -> int:
        """Size of the archive, or of all files."""
        return self.archive.size_bytes if self.archive else sum(f.size_bytes for f in self.files)


@dataclass(frozen=True, slots=True)
class Outcome:
    """All there is to report."""

    job: Job
    material: Material
    lessons: Lessons
    artifact: Artifact
    evaluation: Mapping[str, Evaluated] | None
    phases: Sequence[Phase]
    warnings: Sequence[str]
    duration_s: float


def make_report(outcome: Outcome) -> dict[str, object]:
    """The report as a JSON object."""
    job, artifact, found = outcome.job, outcome.artifact, outcome.evaluation
    return {
        "family": job.family,
        "name": job.target,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "duration_s": round(outcome.duration_s, 3),
        "corpus": {
            "name": outcome.material.corpus.name,
            "from": job.corpus_uri,
            "size_bytes": outcome.material.corpus.stat().st_size,
        },
        "facts": dict(outcome.lessons.facts),
        "evaluation": None if found is None else {n: dict(e.measures) for n, e in found.items()},
        "misses": {
            name: [miss.as_json() for miss in each.misses(SHOWN_MISSES)]
            for name, each in (found or {}).items()
        },
        "artifact": {
            "place": str(artifact.place),
            "size_bytes": artifact.size_bytes,
            "sha256": artifact.archive.sha256 if artifact.archive else None,
            "files": [asdict(file) for file in artifact.files],
        },
        "phases": [
            {**asdict(phase), "duration_s": round(phase.duration_s, 3)} for phase in outcome.phases
        ],
        "params": dict(outcome.material.params),
        "further_reports": [f"{job.target}-{name}" for name in outcome.lessons.reports],
        "warnings": list(outcome.warnings),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def as_json(report: Mapping[str, object]) -> str:
    """The report as text."""
    return json.dumps(report, ensure_ascii=False, indent=2) + "\n"


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


class _Noting(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextlib.contextmanager
def warnings_noted() -> Iterator[list[str]]:
    """The warnings that we log ourselves during the block, as a list that grows."""
    noting = _Noting()
    loggers = [logging.getLogger(name) for name in SPOKEN_OF]
    for logger in loggers:
        logger.addHandler(noting)
    try:
        yield noting.said
    finally:
        for logger in loggers:
            logger.removeHandler(noting)
