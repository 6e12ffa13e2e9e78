"""What `mme.workers` needs of whoever lets the workers rest: how requests have them back."""

from __future__ import annotations

from typing import Protocol


class Rest(Protocol):
    """A time without workers, template and model server."""

    @property
    def is_well(self) -> bool:
        """Whether they came back when they were last wanted."""

    async def over(self) -> None:
        """Have them back; returns when they are. Raises NotBack."""
