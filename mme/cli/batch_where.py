"""Who does the inputs of a batch: an endpoint that runs, or the nodes of a Ray cluster."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.cli.batch_endpoint import remote_endpoint
from mme.cli.batch_places import is_in_s3
from mme.cli.ray_address import check_reachable
from mme.core.settings import Settings
from mme.jobs.transform.errors import TransformRefused
from mme.jobs.transform.running import TransformRun
from mme.jobs.transform.spread import SpreadRun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mme.cli.batch_places import Place
    from mme.jobs.transform.ledger import Ledger
    from mme.jobs.transform.spec import Transform
    from mme.jobs.transform.targets import Targets


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One that runs."""

    address: str
    """As `mme.cli.client` has them."""
    token: str


@dataclass(frozen=True, slots=True)
class Ray:
    """Engines of the run's own, one on each node of a cluster."""

    address: str
    """ray://HOST:PORT; empty: of the cluster that this machine is of."""
    settings: Settings
    """Of the command."""
    has_shared_folders: bool


@dataclass(frozen=True, slots=True)
class Terms:
    """What is to be done with which inputs."""

    transform: Transform
    targets: Targets
    places: tuple[Place, Place]
    """Inputs, outputs."""
    ledger: Ledger


def check_folders(where: Endpoint | Ray, places: tuple[Place, Place]) -> None:
    """Raise TransformRefused for a folder that other nodes may not have, or not as it is here."""
    if isinstance(where, Endpoint) or where.has_shared_folders:
        return
    source, target = places
    named = {"--input": source.uri, "--output": target.uri, "MME_STORE": where.settings.store}
    for name, uri in named.items():
        if not is_in_s3(uri):
            raise TransformRefused(
                f"{name} is {uri}, a folder of this machine, and other nodes are to use it as well:"
                " name s3://bucket/prefix, or say --shared-folders if each node has the same folder"
                " under this path"
            )


@contextlib.asynccontextmanager
async def running(
    where: Endpoint | Ray, terms: Terms, on_read: Callable[[int], object]
) -> AsyncIterator[TransformRun | SpreadRun]:
    """A run that can be begun; `on_read` hears how many bytes of inputs are done with.

    Raises EndpointError if there is nobody to do it.
    """
    inputs, outputs = (place.places for place in terms.places)
    if isinstance(where, Endpoint):
        most = terms.transform.max_concurrent
        async with remote_endpoint(where.address, where.token, most) as invoke:
            yield TransformRun(
                terms.transform,
                terms.targets,
                (inputs, outputs),
                invoke,
                terms.ledger,
                on_read=on_read,
                on_skipped=lambda skipped: on_read(skipped.ref.size_bytes),
            )
        return
    await asyncio.to_thread(check_reachable, where.address)
    from mme.cli import ray_cluster  # noqa: PLC0415 - an extra, and it takes seconds
    from mme.cli.ray_piece import Work  # noqa: PLC0415

    source, target = terms.places
    work = Work(
        ray_cluster.new_run(),
        terms.transform,
        terms.targets,
        (is_in_s3(source.uri), is_in_s3(target.uri)),
    )
    async with ray_cluster.cluster(where.address, work, _settings(where, terms)) as elsewhere:
        yield SpreadRun(
            elsewhere,
            outputs,
            terms.ledger,
            on_finished=lambda finished: on_read(finished.ref.size_bytes),
        )


def _settings(where: Ray, terms: Terms) -> dict[str, str]:
    """The variables of the nodes' engines that the command decides about, not the node."""
    usual = Settings.model_fields["max_body_bytes"].default
    return {
        "MME_STORE": where.settings.store,
        "MME_MAX_BODY_BYTES": str(max(usual, terms.transform.payload_bytes)),
        "MME_INVOKE_TIMEOUT_S": str(terms.transform.timeout_s),
    }
