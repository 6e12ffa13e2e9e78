"""Invocations in the lines of an endpoint's log as text (docs/logs.md)."""

from __future__ import annotations

import re

from mme.planning.measuring import Observed
from mme.planning.moments import duration_of, seconds_of

LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) +[A-Z]+ +"
    r"mme\.(?:gateway\.access|core\.invocation_log): "
    r"\S+ .+? (?:\d{3}|failed|left) (?P<total_ms>\d+\.\d) ms [0-9a-f]{8}-[0-9a-f-]{27} "
    r"(?P<target>\S+) (?P<outcome>warm|cold|first)\b(?P<rest>.*)"
)
PARTS = re.compile(
    r"(?: fetch (?P<fetch>\d+\.\d))? queue (?P<queue>\d+\.\d)"
    r" load (?P<load>\d+\.\d) model (?P<model>\d+\.\d)\b"
)


def text_request(line: str) -> tuple[float, Observed] | None:
    """When it came, and what is told of it; None: it is no such line.

    The line was written when it was over. Of an alias the model it meant counts.
    Raises ValueError: there is no such time.
    """
    found = LINE.match(line)
    if found is None:
        return None
    total_s = duration_of(found["total_ms"], 1e-3)
    at_s = seconds_of(found["at"].replace(",", ".")) - total_s
    alias, _, meant = found["target"].rpartition("=")
    model = meant if alias and not alias.endswith(".tar.gz") else found["target"]
    parts = PARTS.search(found["rest"])
    if parts is None:
        return at_s, Observed(model, found["outcome"], total_s)
    took = (duration_of(parts[name] or 0, 1e-3) for name in ("fetch", "queue", "load", "model"))
    return at_s, Observed(model, found["outcome"], total_s, *took)
