"""Lines of the model server in our log: its own, and those of the workers it has started.

`config.log_config` has it write an object of JSON a line. What comes otherwise is of Java itself.
"""

from __future__ import annotations

import json
import logging
import re

from mme.core.child_lines import target_of, write_line
from mme.core.worker_line import WorkerLine

MARK = '{"mms":'
OURS = "mms"
USUAL = ("Model server started", "WARNING: sun.reflect.Reflection.getCallerClass")
"""What Java says at every start."""
WORKER = re.compile(r"W-\d+-(w\d+)-std(?:out|err)")
"""The threads that read what workers write."""
LEVELS = {
    "TRACE": logging.DEBUG,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
}


def mms_line(text: str) -> None:
    """Log what one line says."""
    try:
        found = json.loads(text) if text.startswith(MARK) else {}
        kind, level, message = found["mms"], LEVELS[found["level"]], found["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        level = logging.INFO if text.startswith(USUAL) else logging.WARNING
        write_line(text, WorkerLine(level, OURS, ""))
        return
    if kind != "worker":
        write_line(str(message).rstrip(), WorkerLine(level, OURS, ""))
        return
    of = WORKER.match(str(found.get("thread")))
    target = "" if of is None else target_of(of[1])
    write_line(str(message).rstrip(), WorkerLine(level, "worker", "", target))
