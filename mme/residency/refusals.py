"""Artifacts that were not fit to be what an alias means, and why; without any I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.core.errors import ArtifactRejected, ModelFailed, TargetNotFound
from mme.residency.trial import SampleFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mme.core.errors import EndpointError

MOST = 1000
FOR_GOOD = float("inf")
AGAIN_S = {
    ArtifactRejected: FOR_GOOD,
    TargetNotFound: FOR_GOOD,
    SampleFailed: FOR_GOOD,
    ModelFailed: 600.0,
}
"""After which an artifact that has not changed is tried again; others at the next look."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an artifact was refused."""

    target: str
    version: str
    """Of the artifact; "" if the store had none."""
    reason: str
    again_at_s: float
    """Monotonic."""


class Refusals:
    """The last ones. The event loop owns it."""

    def __init__(self) -> None:
        self._of: dict[str, Refusal] = {}

    def __iter__(self) -> Iterator[Refusal]:
        yield from self._of.values()

    def of(self, target: str) -> Refusal | None:
        """Why an artifact was refused last."""
        return self._of.get(target)

    def is_refused(self, target: str, version: str, now_s: float) -> bool:
        """Whether a version of an artifact is not worth another try yet."""
        known = self._of.get(target)
        return known is not None and known.version == version and now_s < known.again_at_s

    def note(self, target: str, version: str, error: EndpointError, now_s: float) -> bool:
        """An artifact was refused; whether that is news."""
        wait_s = next((wait for kind, wait in AGAIN_S.items() if isinstance(error, kind)), 0.0)
        former = self._of.pop(target, None)
        if len(self._of) >= MOST:
            del self._of[next(iter(self._of))]
        self._of[target] = Refusal(target, version, error.message, now_s + wait_s)
        return former is None or (former.version, former.reason) != (version, error.message)

    def forget(self, target: str) -> None:
        """An artifact is fit after all."""
        self._of.pop(target, None)
