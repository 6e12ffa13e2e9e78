"""Where models come from and which names there are: what the three modes differ in.

A catalog brings artifacts to this disk, admitted; it knows no workers and no requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mme.core.artifact import Admitted


class Catalog(Protocol):
    """One mode's. All methods run on the event loop."""

    async def bring(self, target: str) -> Admitted:
        """The present version of a target, on this disk and admitted.

        Raises EndpointError: TargetNotFound or NotLoaded for a name it does not know, and whatever
        keeps the artifact from being admitted.
        """

    async def has_changed(self, artifact: Admitted) -> bool:
        """Whether the target has another version by now. Raises EndpointError."""

    def is_here(self, artifact: Admitted) -> bool:
        """Whether an artifact is still on this disk."""

    def is_intact(self, artifact: Admitted) -> bool:
        """Whether an artifact's files are still those that were admitted, as far as is known.

        Asked after each load, so it takes microseconds.
        """

    async def discard(self, artifact: Admitted) -> None:
        """Give up what is kept of a version on this disk; `bring` brings it anew."""
