"""One line of a worker's output as it travels: what is said, of which model, for which request.

A worker says it on its own standard output, where the model server takes it along; the endpoint
reads it again and writes it into its log. It is ASCII and one line whatever is said, so nothing on
its way can break it. What libraries write past Python comes as it is: `decode` finds no line in it.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

MARK = '{"mme-line":'
MOST_CHARS = 16_000
"""Of a text and of a trace."""
MOST_NAME_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class WorkerLine:
    """One line."""

    level: int
    """As `logging` has them, 0 to 50."""
    logger: str
    message: str
    target: str = ""
    request_id: str = ""
    trace: str = ""


def encode(line: WorkerLine) -> str:
    """The line as it is written, without its end."""
    fields = [
        line.level, line.logger[:MOST_NAME_CHARS], line.message[:MOST_CHARS],
        line.target[:MOST_NAME_CHARS], line.request_id[:MOST_NAME_CHARS],
        line.trace[-MOST_CHARS:],
    ]  # fmt: skip
    return f"{MARK}{json.dumps(fields)}}}"


def decode(text: str) -> WorkerLine | None:
    """What a line says; None for what `encode` has not made."""
    if not text.startswith(MARK):
        return None
    try:
        level, *texts = json.loads(text)["mme-line"]
        logger, message, target, request_id, trace = texts
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if type(level) is not int or not all(isinstance(each, str) for each in texts):
        return None
    level = min(max(level, logging.DEBUG), logging.CRITICAL)
    return WorkerLine(level, logger, message, target, request_id, trace)
