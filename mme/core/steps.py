"""What the steps of an answer took: a pipeline's as it says, an ensemble's by a worker's header.

Only the endpoint reads the header; callers never see it as it is. A handler that is not ours may
write anything into it, so what cannot be read is passed over.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from mme.core.timing import StepTime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.answer import Answer

STEPS = "x-mme-steps"
MOST = 64

_STEP = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,63})=([0-9.e-]{1,24})")


def steps_header(steps_s: Mapping[str, float]) -> str:
    """The header's value for seconds by step."""
    return ",".join(f"{name}={seconds:.7g}" for name, seconds in steps_s.items())


def steps_in(headers: Mapping[str, str]) -> dict[str, float]:
    """Seconds by step, of an answer whose headers have names in lower case; mostly none."""
    said = headers.get(STEPS)
    if said is None:
        return {}
    found: dict[str, float] = {}
    for each in said.split(",", MOST)[:MOST]:
        step = _STEP.fullmatch(each)
        if step is not None and math.isfinite(seconds := _number(step[2])) and seconds >= 0:
            found[step[1]] = seconds
    return found


def steps_of(answer: Answer) -> tuple[StepTime, ...]:
    """The steps of a pipeline or an ensemble; of any other answer, none."""
    return answer.steps or tuple(StepTime(*each) for each in steps_in(answer.headers).items())


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
