"""Variables `MME_*` that nothing reads: most likely misspelt, and so without the effect meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "MME_"
OF_COMMANDS = frozenset({"MME_ENDPOINT", "MME_TOKEN"})
"""Read by commands that ask an endpoint."""
OF_OTHERS = frozenset(
    {
        # batch transform jobs: which model, in a container that is given no more than variables
        "MME_TARGET_MODEL",
        "MME_TARGET_COLUMN",
        "MME_TARGET_PATTERN",
        # docker-compose.yml, Makefile, tests
        "MME_PUBLISH",
        "MME_IMAGE",
        "MME_ENGINE",
        "MME_FUZZ_S",
        "MME_SDK_PYTHON",
        "MME_TEST_ENDPOINT",
        # what workers are told by the endpoint that starts them
        "MME_ANSWER_LIMIT_BYTES",
        "MME_CONFINEMENT",
        "MME_DOORS",
        "MME_GRANTED_BYTES",
        "MME_LOAD_REPORTS",
        "MME_OWN_TEMP_DIR",
        "MME_POOL_DIR",
        "MME_SCRATCH_DIR",
    }
)


def misspelt(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each variable that nothing reads, with the nearest one that something does, or ""."""
    odd = sorted(
        name
        for name in environ
        if name.upper().startswith(PREFIX) and name.upper() not in OF_COMMANDS | OF_OTHERS
    )
    if not odd:
        return
    from mme.core.settings import GONE, Settings  # noqa: PLC0415 - takes 0.2 s

    known = [PREFIX + field.upper() for field in Settings.model_fields]
    for name in odd:
        if name.upper() not in known and name.upper() not in GONE:
            near = difflib.get_close_matches(name.upper(), [*known, *OF_COMMANDS], 1)
            yield name, near[0] if near else ""


def warnings(environ: Mapping[str, str]) -> Iterator[str]:
    """A line for each."""
    for name, near in misspelt(environ):
        advice = f"did you mean {near}?" if near else "`mme settings` lists those there are"
        yield f"{name} is no setting and does nothing: {advice}"
