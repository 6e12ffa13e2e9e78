"""One input of a batch on a node of a Ray cluster: through that node's engine, to its output."""

from __future__ import annotations

import asyncio
import platform
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import ray
from ray.exceptions import RayActorError

from mme.cli.batch_endpoint import remote_endpoint
from mme.cli.batch_places import places_of
from mme.core.version import VERSION
from mme.jobs.transform.asking import Unreachable
from mme.jobs.transform.running import TransformRun
from mme.jobs.transform.spread import Came, NotedInMemory

if TYPE_CHECKING:
    from typing import Any

    from mme.cli.ray_engine import Engine
    from mme.jobs.transform.inputs import Input
    from mme.jobs.transform.spec import Transform
    from mme.jobs.transform.targets import Targets

ENGINE_COMES_S = 60.0
"""How long a node that has just joined may be without the actor that holds its engine."""
PERIOD_S = 0.25


@dataclass(frozen=True, slots=True)
class Work:
    """What all inputs of a batch have in common."""

    run: str
    """A name of its own."""
    transform: Transform
    targets: Targets
    are_in_s3: tuple[bool, bool]
    """The inputs, the outputs."""
    version: str = VERSION
    """Of who hands the inputs out."""


class NodeUnfit(RuntimeError):
    """A node that cannot do any input; the message says which and why."""


def name_of_engine(run: str, node: str) -> str:
    """The name of the actor that holds the engine of a node."""
    return f"mme-batch-{run}-{node}"


def transform_piece(work: Work, source: Input) -> Came:
    """Do one input here. Raises NodeUnfit, and Unreachable if the engine was lost meanwhile."""
    if work.version != VERSION:
        raise _unfit(f"it has mme {VERSION}, and the command is of {work.version}")
    engine = _engine(work.run)
    if engine.problem:
        raise _unfit(f"its engine does not start: {engine.problem}")
    return asyncio.run(_transformed(work, source, engine.address))


def _unfit(reason: str) -> NodeUnfit:
    return NodeUnfit(f"the node {platform.node()} can do no input: {reason}")


def _engine(run: str) -> Engine:
    """That of this node, when it is ready."""
    name = name_of_engine(run, ray.get_runtime_context().get_node_id())
    deadline_s = time.monotonic() + ENGINE_COMES_S
    while True:
        try:
            actor: Any = ray.get_actor(name)
        except ValueError:
            if time.monotonic() > deadline_s:
                raise _unfit(f"it has no engine after {ENGINE_COMES_S:g} s") from None
            time.sleep(PERIOD_S)
        else:
            return _ready(actor)


def _ready(actor: Any) -> Engine:
    try:
        found: Engine = ray.get(actor.engine.remote())
    except RayActorError as error:  # as where the node is about to be lost: others may do it
        raise Unreachable(f"the engine of a node is lost: {error}") from error
    return found


async def _transformed(work: Work, source: Input, address: str) -> Came:
    ledger = NotedInMemory()
    inputs, outputs = (places_of(in_s3=in_s3) for in_s3 in work.are_in_s3)
    # One input of a run has all of its requests: as many as are wanted at a time for an input.
    async with remote_endpoint(address, "", work.transform.max_concurrent) as invoke:
        run = TransformRun(work.transform, work.targets, (inputs, outputs), invoke, ledger)
        summary = await run.all(iter([source]))
    return Came(replace(summary), ledger.done)
