"""The program the model server starts in place of Python: a shell script, since it must be small.

It hands the worker's arguments to the template and then waits for the worker's end. A shell
that waits owns about 0.1 MiB and starts in a millisecond; an interpreter would take ten.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

REQUEST_LIMIT_BYTES = 4096
"""A write to a FIFO up to PIPE_BUF is one piece, however many launchers write at once."""
SEPARATOR = "\t"
STDIN_COPY = 3
"""Where the worker finds the launcher's standard input: 0 is the lifeline while it waits."""


def launcher_script(requests: Path, lifelines: Path, fallback: str) -> str:
    """The launcher's text.

    `requests` is the template's request FIFO, `lifelines` the folder for lifelines. Whatever
    is not a model's worker (the model server also starts a metrics collector) goes to `fallback`,
    a program that behaves as a Python interpreter.
    """
    return f"""#!/bin/sh
case "$1" in */model_service_worker.py) ;; *) exec {shlex.quote(fallback)} "$@" ;; esac
lifeline={shlex.quote(str(lifelines))}/$$
mkfifo -m 600 "$lifeline" 2>/dev/null || {{
  # Left behind by another process of this number.
  rm -f "$lifeline"
  mkfifo -m 600 "$lifeline" || exit 1
}}
exec {STDIN_COPY}<&0
shift
IFS='{SEPARATOR}'
request="$$	$lifeline	$*"
if [ ${{#request}} -ge {REQUEST_LIMIT_BYTES // 4} ]; then
  echo "launcher: the arguments are too long" >&2
  exit 1
fi
echo "$request" > {shlex.quote(str(requests))} || exit 1
read -r _ < "$lifeline"
exit 1
"""
