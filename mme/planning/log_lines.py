"""Invocations in the lines of an endpoint's log as text (docs/logs.md)."""

from __future__ import annotations

import math
import re

from mme.planning.moments import seconds_of

LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) +[A-Z]+ +"
    r"mme\.(?:gateway\.access|core\.invocation_log): "
    r"\S+ .+? (?:\d{3}|failed|left) (?P<total_ms>\d+\.\d) ms [0-9a-f]{8}-[0-9a-f-]{27} "
    r"(?P<target>\S+) (?:warm|cold|first)\b(?P<rest>.*)"
)
TOOK = re.compile(r" load \d+\.\d model (\d+\.\d)\b")


def text_request(line: str) -> tuple[float, str, float] | None:
    """When it came, the model it asked for, the seconds it was computed; None: it is no such line.

    The line was written when it was over. Of an alias the model it meant counts.
    """
    found = LINE.match(line)
    if found is None:
        return None
    at_s = seconds_of(found["at"].replace(",", ".")) - float(found["total_ms"]) / 1000
    took = TOOK.search(found["rest"])
    alias, _, meant = found["target"].rpartition("=")
    model = meant if alias and not alias.endswith(".tar.gz") else found["target"]
    return at_s, model, float(took[1]) / 1000 if took else math.nan
