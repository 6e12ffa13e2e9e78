"""What a store was found to hold: the archives an endpoint would offer, and what is in the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mme.doctor.finding import Finding
    from mme.store import ArtifactRef, Store


LISTING, READING = "store: list", "store: read"
"""Names of checks that every kind of store has."""


@dataclass(slots=True)
class Looked:
    """The store as it was seen; made by `store.py`."""

    store: Store | None = None
    """None: it cannot be used."""
    findings: list[Finding] = field(default_factory=list)
    offers: list[ArtifactRef] = field(default_factory=list)
    """The archives in it, in the order of targets."""
    is_listed: bool = False
    """Whether `offers` are all there are."""

    @property
    def can_be_read(self) -> bool:
        """Whether nothing is known that lets no artifact be read."""
        return not any(each.check == READING and each.verdict == "failed" for each in self.findings)

    @property
    def archive_bytes(self) -> int:
        """All archives together."""
        return sum(each.size_bytes for each in self.offers)
