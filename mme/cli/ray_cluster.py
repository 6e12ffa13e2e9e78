"""A Ray cluster as the place where the inputs of a batch are done.

Ray decides which node does which input, and has another node do what a lost one did. Here is said
that each node has one engine, how many inputs wait at Ray, and what is told of what went wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mme.cli.ray_address import ClusterFailed
from mme.cli.ray_engine import NodeEngine
from mme.cli.ray_piece import NodeUnfit, Work, name_of_engine, transform_piece
from mme.jobs.transform.asking import Unreachable
from mme.jobs.transform.running import Summary
from mme.jobs.transform.spread import Came

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from mme.core.errors import EndpointError
    from mme.jobs.transform.inputs import Input

log = logging.getLogger(__name__)

LOOK_S = 2.0
"""How often nodes are looked for that have joined."""
AHEAD = 2
"""Inputs at Ray for each processor of the cluster: one that is done, and the next."""
ATTEMPTS = 5
"""Nodes, engines and processes an input may lose before it is given up."""
ENGINE_RESTARTS = 5
STOP_S = 15.0
LOCAL = "auto"
"""Ray's word for the cluster that this machine is of."""
CPU = "CPU"


@contextlib.asynccontextmanager
async def cluster(
    address: str, work: Work, settings: Mapping[str, str]
) -> AsyncIterator[RayCluster]:
    """Connected, with an engine of these settings on each node. Raises ClusterFailed."""
    try:
        ray.init(address or LOCAL, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RayError, RuntimeError, TimeoutError, ValueError) as error:
        where = f"at {address}" if address else "from this machine"
        raise ClusterFailed(f"no Ray cluster can be reached {where}: {error}") from error
    made = RayCluster(work, settings)
    try:
        await made.look()
        if not made.has_nodes:
            log.warning("no node of the Ray cluster has a processor: the batch waits for one")
        watching = asyncio.create_task(made.watch())
        try:
            yield made
        finally:
            watching.cancel()
            await made.stop()
    finally:
        await asyncio.to_thread(ray.shutdown)


class RayCluster:
    """See `Elsewhere`."""

    def __init__(self, work: Work, settings: Mapping[str, str]) -> None:
        self._work = ray.put(work)
        self._run = work.run
        self._settings = dict(settings)
        self._engines: dict[str, Any] = {}
        self._nodes = set[str]()
        self._has_begun = False
        self._processors = 0
        self._piece: Any = ray.remote(transform_piece).options(
            num_cpus=1,
            max_retries=ATTEMPTS - 1,
            retry_exceptions=[Unreachable],
            scheduling_strategy="SPREAD",
        )

    @property
    def has_nodes(self) -> bool:
        """Whether there is anybody to do an input."""
        return bool(self._nodes)

    def most(self) -> int:
        """See Elsewhere."""
        return AHEAD * max(1, self._processors)

    async def __call__(self, source: Input) -> Came:
        """See Elsewhere."""
        if not self._has_begun:
            self._has_begun = True
            self._equip()
        reference = self._piece.remote(self._work, source)
        try:
            came: Came = await asyncio.wrap_future(reference.future())
        except asyncio.CancelledError:
            ray.cancel(reference)
            raise
        except RayTaskError as error:
            raise _meant(error) from None
        except RayError as error:  # the process or the node that did it is gone, again and again
            came = Came(Summary(), [])
            reason = str(error).partition("\n")[0]
            came.summary.fail(source.ref.uri, f"given up after {ATTEMPTS} attempts: {reason}")
        return came

    async def watch(self) -> None:
        """Look for nodes now and then, without end."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except RayError as error:
                log.warning("the nodes cannot be looked at: %s", error)

    async def look(self) -> None:
        """See which nodes are there, and give each an engine once there is anything to do."""
        nodes = [each for each in await asyncio.to_thread(ray.nodes) if _computes(each)]
        self._nodes = {str(each["NodeID"]) for each in nodes}
        self._processors = int(sum(each["Resources"][CPU] for each in nodes))
        if self._has_begun:
            self._equip()

    def _equip(self) -> None:
        for node in self._engines.keys() - self._nodes:
            log.warning("node %s is lost: others do what it did", node)
            del self._engines[node]
        for node in self._nodes - self._engines.keys():
            self._engines[node] = self._engine(node)

    def _engine(self, node: str) -> Any:
        actor: Any = ray.remote(NodeEngine)
        return actor.options(
            name=name_of_engine(self._run, node),
            num_cpus=0,
            max_restarts=ENGINE_RESTARTS,
            max_task_retries=-1,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        ).remote(self._settings)

    async def stop(self) -> None:
        """End the engines; those that do not within their time end with the connection."""
        ending = [engine.stop.remote() for engine in self._engines.values()]
        if ending:
            await asyncio.to_thread(ray.wait, ending, num_returns=len(ending), timeout=STOP_S)


def new_run() -> str:
    """A name that no other run on the cluster has."""
    return secrets.token_hex(4)


def _computes(node: Mapping[str, Any]) -> bool:
    return bool(node["Alive"] and node["Resources"].get(CPU))


def _meant(error: RayTaskError) -> EndpointError:
    """What a task raised, said as one line."""
    cause = error.cause
    if isinstance(cause, Unreachable):
        return cause
    if isinstance(cause, NodeUnfit):
        return ClusterFailed(str(cause))
    return ClusterFailed(f"a node can do no input: {type(cause).__name__}: {cause}")
