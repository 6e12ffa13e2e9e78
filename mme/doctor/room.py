"""Whether memory, tasks and descriptors are enough: for the endpoint, and for what the store holds.

What is allowed is read as the endpoint reads it; the rules are pure.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from mme.app.limits import LEAST_FILES, LEAST_TASKS
from mme.doctor.finding import Finding, failed, ok, sized, warning
from mme.doctor.needs import BASE_BYTES
from mme.memory import MemoryReader, TaskReader
from mme.memory.prediction import WORKER_TASKS
from mme.memory.readings import UNLIMITED_TASKS

if TYPE_CHECKING:
    from mme.core.settings import Settings
    from mme.doctor.needs import Needs
    from mme.memory.readings import Reading

MEMORY, TASKS, FILES = "memory", "tasks", "descriptors"
USUAL_FILES = 4096
"""With fewer, connections and models in a worker are kept below what they are by default."""
COUNTED_WORKERS = 2
"""Workers of the pool that LEAST_TASKS counts."""


def check_room(settings: Settings, needs: Needs, *, is_running: bool) -> list[Finding]:
    """All three. `is_running`: an endpoint runs here and is in what is used already."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    memory = MemoryReader(settings.memory_limit).read()
    whole = MemoryReader().read()
    return [
        judge_memory(memory, settings, needs, is_running=is_running, machine_bytes=whole.limit),
        judge_tasks(TaskReader().read(), needs, is_running=is_running),
        judge_files(None if hard == resource.RLIM_INFINITY else hard),
    ]


def judge_memory(
    memory: Reading, settings: Settings, needs: Needs, *, is_running: bool, machine_bytes: int
) -> Finding:
    """Whether the endpoint, the largest model, and all models fit below the high mark."""
    mark = int(memory.limit * settings.memory_high)
    facts = {
        "limit_bytes": memory.limit,
        "used_bytes": memory.used,
        "high_bytes": mark,
        "base_bytes": BASE_BYTES,
        "models_bytes": needs.memory_bytes,
    }
    have = f"{sized(memory.limit)} may be used, {sized(memory.used)} are"
    said, advice = _cannot(settings, needs, mark)
    if said:
        return failed(MEMORY, f"{have}; {said}", advice, **facts)
    said, advice = _should_not(settings, memory, mark, machine_bytes, is_running=is_running)
    if said:
        return warning(MEMORY, f"{have}; {said}", advice, **facts)
    if not needs.models:
        return ok(MEMORY, have, **facts)
    if BASE_BYTES + needs.memory_bytes > mark:
        return ok(
            MEMORY,
            f"{have}; all models would take {sized(needs.memory_bytes)}, so the least valuable"
            " leave and come back by use",
            **facts,
        )
    return ok(MEMORY, f"{have}; all models take {sized(needs.memory_bytes)} at most", **facts)


def _cannot(settings: Settings, needs: Needs, mark: int) -> tuple[str, str]:
    """Why the endpoint, or a model, can never run in the memory there is, and what to do."""
    if mark < BASE_BYTES:
        return (
            f"an endpoint with nothing loaded takes {sized(BASE_BYTES)}",
            "give the container more, or see MME_MEMORY_LIMIT",
        )
    largest = needs.largest_in_memory
    if largest is None or BASE_BYTES + largest.memory_bytes <= mark:
        return "", ""
    wanted = (BASE_BYTES + largest.memory_bytes) / settings.memory_high
    return (
        (
            f"{largest.target} alone needs {sized(largest.memory_bytes)} beside the endpoint's"
            f" {sized(BASE_BYTES)}"
        ),
        f"give the container {sized(wanted)} or more",
    )


def _should_not(
    settings: Settings, memory: Reading, mark: int, machine_bytes: int, *, is_running: bool
) -> tuple[str, str]:
    """What will not go as the operator thinks, and what to do."""
    if not is_running and memory.used + BASE_BYTES > mark:
        return (
            f"others leave too little for an endpoint, which takes {sized(BASE_BYTES)}",
            "end what else runs here, or set MME_MEMORY_LIMIT to what the endpoint shall have",
        )
    if settings.memory_limit is not None and settings.memory_limit > machine_bytes:
        return (
            f"MME_MEMORY_LIMIT says {sized(settings.memory_limit)}, which there are not",
            "set it lower or not at all",
        )
    if settings.admission_memory > mark:
        return (
            (
                f"checking one artifact may take {sized(settings.admission_memory)}, so that one"
                " that needs it brings the whole container down"
            ),
            "set MME_ADMISSION_MEMORY below the limit",
        )
    return "", ""


def judge_tasks(tasks: Reading, needs: Needs, *, is_running: bool) -> Finding:
    """Whether processes and threads are allowed as the endpoint and models apart need them."""
    facts = {"limit": tasks.limit, "used": tasks.used, "needed": LEAST_TASKS}
    unlimited = tasks.limit >= UNLIMITED_TASKS
    have = "no limit is set" if unlimited else f"{tasks.limit} are allowed, {tasks.used} are there"
    if not is_running and tasks.free < LEAST_TASKS:
        return failed(
            TASKS, f"{have}, and an endpoint needs {LEAST_TASKS} or more",
            "raise the container's limit (--pids-limit) or ulimit -u", **facts,
        )  # fmt: skip
    pool = max(0, needs.workers - COUNTED_WORKERS) * WORKER_TASKS
    spare = tasks.limit - (0 if is_running else tasks.used) - LEAST_TASKS - pool
    at_once = max(0, spare) // WORKER_TASKS
    if needs.apart and at_once == 0:
        return failed(
            TASKS, f"{have}: that leaves none for a model with a process of its own, and"
            f" {needs.apart} need one ({WORKER_TASKS} tasks each)",
            "raise the limit by 8 for each that shall be loaded at a time", **facts,
        )  # fmt: skip
    if needs.apart > at_once:
        return warning(
            TASKS, f"{have}: {at_once} of {needs.apart} models with a process of their own can be"
            " loaded at a time",
            "raise the limit by 8 for each more", **facts,
        )  # fmt: skip
    if spare < 0:
        return warning(
            TASKS, f"{have}: the pool cannot have its {needs.workers} workers",
            "raise the limit, or set MME_POOL_MIN lower", **facts,
        )  # fmt: skip
    return ok(TASKS, have, **facts)


def judge_files(limit: int | None) -> Finding:
    """Whether enough files may be open; None: there is no limit."""
    if limit is None:
        return ok(FILES, "no limit is set", limit=None)
    if limit < LEAST_FILES:
        return failed(
            FILES, f"{limit} files may be open, and an endpoint needs {LEAST_FILES}",
            "raise ulimit -Hn", limit=limit,
        )  # fmt: skip
    if limit < USUAL_FILES:
        return warning(
            FILES,
            f"{limit} files may be open: {limit // 2} connections at a time at most, and workers"
            " keep fewer models",
            f"raise ulimit -Hn to {USUAL_FILES} or more", limit=limit,
        )  # fmt: skip
    return ok(FILES, f"{limit} files may be open", limit=limit)
