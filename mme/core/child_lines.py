"""Lines of our child processes in our log: each in its form, with what it is known to be about.

What a worker, the template or an admission said with a tag (`worker_line`) has level, model and
request; anything else, such as the words of a library that writes past Python, is told as it came.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict

from mme.core.log import LineWriter
from mme.core.log_format import Line
from mme.core.worker_line import WorkerLine, decode

MOST_CHARS = 16_000
MOST_WRITERS = 500
OTHERS = "others"
"""The name of loggers that come after so many."""

MOST_WORKERS = 2_000

_targets: OrderedDict[str, str] = OrderedDict()
_writers: dict[str, LineWriter] = {}


def remember(worker: str, target: str) -> None:
    """A worker, as the model server calls it, is of this target model alone."""
    _targets[worker] = target
    if len(_targets) > MOST_WORKERS:
        _targets.popitem(last=False)


def target_of(worker: str) -> str:
    """The target model that a worker is for; "": it serves any, or is not known."""
    return _targets.get(worker, "")


def write_line(text: str, otherwise: WorkerLine) -> None:
    """Log a line of a child; `otherwise` says what is known if it has no tag.

    Where a tagged line does not say its model, that is taken from `otherwise` too.
    """
    line = decode(text) or WorkerLine(
        otherwise.level, otherwise.logger, text[:MOST_CHARS], otherwise.target
    )
    writer = _writer(line.logger)
    if not writer.takes(line.level):
        return
    target = line.target or otherwise.target
    about = " ".join(filter(None, (target, line.request_id)))
    writer.tell(
        Line(
            time.time(), line.level, writer.name, line.message,
            target, line.request_id, line.trace, about,
        )
    )  # fmt: skip


def template_line(text: str) -> None:
    """Log a line of the template, or of an admission."""
    write_line(text, WorkerLine(logging.WARNING, "mme.prefork", ""))


def _writer(name: str) -> LineWriter:
    found = _writers.get(name)
    if found is None:
        if len(_writers) >= MOST_WRITERS:
            name = OTHERS
        found = _writers[name] = LineWriter(name)
    return found
