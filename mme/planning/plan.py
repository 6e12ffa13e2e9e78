"""A plan: what a trace is like, what comes of it on a machine, with other memories, on instances.

Each replay may take long, so those for comparison see the first requests alone; their number is
part of the answer. What is printed and drawn of a plan is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mme.planning.choosing import Candidate, Choice, candidates, cheapest
from mme.planning.shares import replayed
from mme.planning.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mme.planning.costs import Costs
    from mme.planning.machine import Machine
    from mme.planning.outcome import Outcome
    from mme.planning.prices import Instance
    from mme.planning.target import Target

    Chunks = Callable[[], Iterable[Trace]]
    Progress = Callable[[int, float], None]
    Phase = Callable[[str], Progress]

MEMORIES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the machine's memory: what the curve is drawn at."""
MOST_COMPARED = 100_000
MIB = 1024**2


class NoRoom(ValueError):
    """The machine's memory does not hold the endpoint."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a trace is like."""

    requests: int
    models: int
    duration_s: float
    least_busy_s: float
    """Processor seconds of all its requests if each model were warm."""
    top_share: float
    """The share of the requests that go to the tenth of its models asked most."""

    @property
    def per_second(self) -> float:
        """Requests a second, on average."""
        return self.requests / self.duration_s if self.duration_s else float(self.requests)

    @property
    def busy_cores(self) -> float:
        """How many cores it keeps busy at least, on average."""
        return self.least_busy_s / self.duration_s if self.duration_s else 0.0


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be found out."""

    machine: Machine
    costs: Costs
    target: Target | None
    instances: Sequence[Instance] = ()
    counts: Sequence[int] = ()
    compared: int = MOST_COMPARED
    """How many requests the curve and the choice are made from, at most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All of the answer."""

    asked: Asked
    question: Question
    outcome: Outcome
    curve: Sequence[tuple[int, Outcome]]
    """(memory in bytes, what comes of it)."""
    compared: int
    """How many requests the curve and the choice were made from."""
    choice: Choice | None

    @property
    def is_met(self) -> bool | None:
        """Whether the machine itself meets the target; None: there is none."""
        target = self.question.target
        return None if target is None else target.met_by(self.outcome)


def planned(chunks: Chunks, question: Question, phase: Phase) -> Plan:
    """The plan; `phase` is told what begins, and gives what is told how it goes on."""
    costs, machine = question.costs, question.machine
    if not has_room(machine, costs):
        raise NoRoom(
            f"{machine.memory_bytes / MIB:.0f} MiB do not hold the endpoint itself, which takes"
            f" {empty_bytes(machine, costs) / MIB:.0f} MiB of the share MME_MEMORY_HIGH"
            f" ({machine.high:g}): allow more with --memory"
        )
    asked = asked_in(chunks(), costs, phase("reading"))
    outcome = replayed(chunks, costs, machine, 1, phase("replaying"))

    def few() -> Iterator[Trace]:
        return first_of(chunks(), question.compared)

    curve = []
    for share in MEMORIES:
        memory_bytes = int(machine.memory_bytes * share)
        of_memory = replace(machine, memory_bytes=memory_bytes)
        if not has_room(of_memory, costs):
            continue
        if share == 1.0 and asked.requests <= question.compared:
            curve.append((memory_bytes, outcome))
            continue
        told = phase(f"with {memory_bytes / 2**30:.1f} GiB")
        curve.append((memory_bytes, replayed(few, costs, of_memory, 1, told)))
    choice = _chosen(few, asked_in(few(), costs), question, phase)
    return Plan(asked, question, outcome, curve, min(asked.requests, question.compared), choice)


def empty_bytes(machine: Machine, costs: Costs) -> int:
    """What the endpoint takes before there is any model."""
    return costs.base_bytes + machine.pool[0] * costs.worker_bytes


def has_room(machine: Machine, costs: Costs) -> bool:
    """Whether models fit beside the endpoint itself."""
    return empty_bytes(machine, costs) < machine.memory_bytes * machine.high


def _chosen(few: Chunks, asked: Asked, question: Question, phase: Phase) -> Choice | None:
    if question.target is None:
        return None

    def machine_of(candidate: Candidate) -> Machine:
        cores, memory_bytes = candidate.instance.cores, candidate.memory_bytes
        return replace(question.machine, memory_bytes=memory_bytes, cores=cores)

    def replay(candidate: Candidate) -> Outcome:
        on = machine_of(candidate)
        told = phase(f"{candidate.count} x {candidate.instance.name}")
        return replayed(few, question.costs, on, candidate.count, told)

    offered = [
        each
        for each in candidates(question.instances, question.counts)
        if has_room(machine_of(each), question.costs)
    ]
    return cheapest(offered, replay, question.target, busy_cores=asked.busy_cores)


def first_of(chunks: Iterable[Trace], most: int) -> Iterator[Trace]:
    """The first requests of a trace."""
    left = most
    for chunk in chunks:
        yield cut(chunk, left)
        left -= len(chunk.at_s)
        if left <= 0:
            return


def cut(chunk: Trace, most: int) -> Trace:
    """The first requests of a chunk."""
    took_s = None if chunk.service_s is None else chunk.service_s[:most]
    return Trace(chunk.at_s[:most], chunk.model[:most], chunk.names, took_s)


def asked_in(chunks: Iterable[Trace], costs: Costs, told: Progress | None = None) -> Asked:
    """What a trace is like, seen once from end to end."""
    counts = np.zeros(0, np.int64)
    means_s = np.zeros(0)
    first_s, last_s, busy_s = 0.0, 0.0, 0.0
    requests = 0
    for chunk in chunks:
        if not len(chunk.at_s):
            continue
        if len(counts) != len(chunk.names):
            counts = np.zeros(len(chunk.names), np.int64)
            means_s = np.array([costs.of(name).mean_service_s for name in chunk.names])
        first_s = first_s if requests else float(chunk.at_s[0])
        last_s = float(chunk.at_s[-1])
        here = np.bincount(chunk.model, minlength=len(counts))
        counts += here
        is_said = chunk.service_s is not None
        busy_s += float(chunk.service_s.sum() if is_said else (here * means_s).sum())  # type: ignore[union-attr]
        requests += len(chunk.at_s)
        if told is not None:
            told(requests, last_s)
    used = np.sort(counts[counts > 0])[::-1]
    tenth = used[: max(1, len(used) // 10)].sum() if len(used) else 0
    overhead_s = requests * costs.overhead_s
    return Asked(
        requests,
        len(used),
        last_s - first_s,
        busy_s + overhead_s,
        float(tenth / requests) if requests else 0.0,
    )
