"""What the engine is asked for where an endpoint is a serial pipeline: a key that says which.

Whoever chooses (`mme.endpoints`, `mme.jobs`) makes the key, whoever runs pipelines reads it. A
pipeline of the operator's file is named; of one that was created the key has all steps, so that
what is queued does not change with the endpoint. No target model looks like either.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEME = "pipeline://"
"""Two slashes in a row: a target model with them is refused (`mme.core.names`)."""
FORM = re.compile(r"pipeline://(?P<name>[A-Za-z0-9-]{0,63})(?:/(?P<target>.*)|(?P<steps>\[.*))?")


class Step(NamedTuple):
    """One step of a pipeline that was created."""

    name: str
    key: str
    """What the engine calls its model."""
    target: str = ""
    """What the caller named, if the step is the one it chooses."""


@dataclass(frozen=True, slots=True)
class PipelineKey:
    """What such a key says."""

    name: str
    target: str = ""
    """What the caller named, for the pipeline of that name to make something of."""
    steps: tuple[Step, ...] = ()
    """None: the pipeline is looked up by its name."""

    def __str__(self) -> str:
        """The key; `read_key` reads it."""
        if self.steps:
            return f"{SCHEME}{self.name}{json.dumps(self.steps, ensure_ascii=False)}"
        return f"{SCHEME}{self.name}/{self.target}" if self.target else f"{SCHEME}{self.name}"


def key_of_steps(name: str, steps: Sequence[Step]) -> str:
    """The key of a pipeline that was created; `name` is for the log."""
    return str(PipelineKey(name, steps=tuple(steps)))


def read_key(key: str) -> PipelineKey:
    """What a key says that begins with `SCHEME`. Raises ValueError for what is none."""
    found = FORM.fullmatch(key)
    if found is None:
        raise ValueError(f"{key[:100]!r} is no pipeline")
    steps = tuple(Step(*step) for step in json.loads(found["steps"] or "[]"))
    return PipelineKey(found["name"], found["target"] or "", steps)


def in_short(key: str) -> str:
    """`key` as logs have it: of a pipeline, without its steps."""
    if not key.startswith(SCHEME):
        return key
    found = FORM.fullmatch(key)
    return key if found is None or not found["steps"] else f"{SCHEME}{found['name']}"
