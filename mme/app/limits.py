"""What the endpoint needs of the limits it was started under, asked for before anything starts.

Open files and tasks: with fewer, parts of it would fail later, each in its own words.
"""

from __future__ import annotations

import resource

from mme.app.life import EndpointFailed
from mme.memory import TaskReader

LEAST_FILES, MANY_FILES = 128, 65536
"""More than that is of no use, and some programs go through all that may be open."""
LEAST_TASKS = 56
"""Gateway and its threads, model server, template, two workers with their launchers: 48 were seen;
an admission and a thread to spare."""


def check_limits() -> None:
    """Raise the limit on open files as far as may be. Raises EndpointFailed if one is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most_files = MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, MANY_FILES)
    most_files = max(soft, most_files)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, hard))
    if most_files < LEAST_FILES:
        raise EndpointFailed(
            f"{most_files} open files are allowed here (ulimit -n) and the endpoint needs"
            f" {LEAST_FILES} or more"
        )
    tasks = TaskReader().read()
    if tasks.free < LEAST_TASKS:
        raise EndpointFailed(
            f"{tasks.free} more processes and threads are allowed here (ulimit -u, or the"
            f" container's limit of {tasks.limit}) and the endpoint needs {LEAST_TASKS} or more"
        )
