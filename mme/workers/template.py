"""What `mme.workers` needs of the template: whether it is there, and what its forks have."""

from __future__ import annotations

from typing import Protocol


class Template(Protocol):
    """The process workers are forked from; its generations count up as it learns pipelines."""

    @property
    def generation(self) -> int:
        """The newest that forks."""

    async def is_up(self) -> None:
        """Return when it forks on request."""

    def pipelines(self, generation: int) -> frozenset[str]:
        """The language pipelines that workers of a generation have from birth."""

    def learn(self, pipeline: str) -> bool:
        """Have a new generation with this pipeline; False if that was tried in vain.

        Returns at once; does nothing for one that is there or being learned.
        """
