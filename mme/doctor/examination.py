"""All checks in order; findings come as they are made.

First what costs nothing and stops everything, then the store, then each artifact, and what all of
that needs of this machine at the end.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mme.app.life import EndpointFailed
from mme.app.modes import Mode
from mme.app.openness import code_allowed, open_doors
from mme.core.allowed_code import may_run_code
from mme.core.errors import EndpointError
from mme.doctor.admitting import admitted
from mme.doctor.aliases import check_aliases
from mme.doctor.disk import check_disk
from mme.doctor.finding import Finding, failed, ok, sized, skipped, warning
from mme.doctor.guards import check_guards
from mme.doctor.java import check_java
from mme.doctor.listening import check_listening, check_port
from mme.doctor.looked import Looked
from mme.doctor.needs import Model, Needs
from mme.doctor.pipelines import check_pipelines
from mme.doctor.queue import check_queue
from mme.doctor.room import check_room
from mme.doctor.store import look_at_store
from mme.doctor.variables import check_variables
from mme.supervise import StartError
from mme.workers.scaling import pool_size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from mme.app.modes import Platform
    from mme.core.settings import Settings
    from mme.doctor.admitting import Outcome
    from mme.store import ArtifactRef

ARTIFACT, ARTIFACTS, OPENNESS = "artifact", "artifacts", "openness"


@dataclass(frozen=True, slots=True)
class Wish:
    """What of the store is to be looked at closely."""

    artifacts: bool = True
    """Whether artifacts are admitted."""
    named: Sequence[str] = ()
    """Only these; all if there are none."""
    limit: int | None = None
    """At most so many."""


@dataclass(slots=True)
class _Admissions:
    models: list[Model] = field(default_factory=list)
    refused: int = 0


async def examine(
    settings: Settings,
    platform: Platform,
    misspelt: Sequence[tuple[str, str]],
    wish: Wish,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> AsyncGenerator[Finding, None]:
    """Look at everything.

    `misspelt` are variables that nothing reads, each with the nearest that something does, or "".
    `on_progress(done, all)` is told of each artifact.
    """
    yield await asyncio.to_thread(check_java, settings)
    is_alone = platform.mode is Mode.STANDALONE
    first = await asyncio.to_thread(_ways_in, settings, platform)
    is_running = any(each.verdict == "ok" and "pid" in each.facts for each in first)
    looked = await asyncio.to_thread(_looked, settings, platform, wish)
    for finding in (*first, *looked.findings):
        yield finding
    admissions = _Admissions()
    async with aclosing(_artifacts(settings, looked, wish, admissions, on_progress)) as found:
        async for finding in found:
            yield finding
    workers, _ = pool_size(settings.pool_min, settings.pool_max, os.cpu_count() or 1)
    needs = Needs(admissions.models, workers, is_each_apart=settings.isolation == "model")
    for finding in check_room(settings, needs, is_running=is_running):
        yield finding
    for finding in await asyncio.to_thread(check_disk, settings, needs, looked.archive_bytes):
        yield finding
    targets = [each.target for each in looked.offers] if looked.is_listed else None
    for finding in check_variables(settings, misspelt, platform.mode, targets):
        yield finding
    for finding in check_pipelines(settings, platform.mode, targets):
        yield finding
    for finding in await asyncio.to_thread(check_queue, settings) if is_alone else []:
        yield finding
    for door in open_doors(settings) if is_alone else code_allowed(settings):
        yield warning(OPENNESS, door)


def _ways_in(settings: Settings, platform: Platform) -> list[Finding]:
    """Where it would listen, and the files that say who may. Blocking."""
    if platform.mode is Mode.STANDALONE:
        return [*check_listening(settings), *check_guards(settings)]
    return [check_port("0.0.0.0", platform.port)]  # noqa: S104 - as the container listens


def _looked(settings: Settings, platform: Platform, wish: Wish) -> Looked:
    """The store, if it is ours to ask. Blocking."""
    if platform.mode is Mode.STANDALONE:
        looked = look_at_store(settings, wish.named)
        looked.findings += check_aliases(looked)
        return looked
    reason = f"the platform brings the models of a {platform.mode.value}"
    return Looked(findings=[skipped("store", reason)])


async def _artifacts(
    settings: Settings,
    looked: Looked,
    wish: Wish,
    admissions: _Admissions,
    on_progress: Callable[[int, int], None],
) -> AsyncGenerator[Finding, None]:
    """Admit what is wished for; findings about those that are wrong, and a last one about all."""
    if not wish.artifacts:
        yield skipped(ARTIFACTS, "not asked for (--no-artifacts)")
        return
    if looked.store is None:
        yield skipped(ARTIFACTS, "there is no store to take them from")
        return
    if not looked.can_be_read and not wish.named:
        yield skipped(ARTIFACTS, "the store does not let the first one be read")
        return
    refs, missing = await asyncio.to_thread(_wanted, looked, wish)
    for finding in missing:
        yield finding
    if not refs:
        yield skipped(ARTIFACTS, "there are none to look at; --artifact NAME names one")
        return
    on_progress(0, len(refs))
    done = 0
    try:
        async with aclosing(admitted(settings, looked.store, refs)) as outcomes:
            async for outcome in outcomes:
                done += 1
                on_progress(done, len(refs))
                if outcome.model is None:
                    admissions.refused += 1
                else:
                    admissions.models.append(outcome.model)
                if (told := judge_outcome(outcome, settings.allow_code)) is not None:
                    yield told
    except (EndpointFailed, StartError) as error:
        yield failed(ARTIFACTS, f"they cannot be checked here: {error}")
        return
    yield summary(admissions.models, admissions.refused, len(looked.offers) - len(refs))


def judge_outcome(outcome: Outcome, allowed: Sequence[str] = ()) -> Finding | None:
    """What is to be told of one artifact; None: nothing is wrong with it.

    `allowed` are the patterns of targets whose code may run.
    """
    if outcome.model is None:
        return failed(
            ARTIFACT, f"{outcome.target}: {outcome.trouble}", outcome.advice,
            target_model=outcome.target,
        )  # fmt: skip
    if outcome.doubt:
        return warning(ARTIFACT, outcome.doubt, target_model=outcome.target)
    if outcome.model.findings.is_code and not may_run_code(outcome.target, allowed):
        return warning(
            ARTIFACT, f"{outcome.target} is code that MME_ALLOW_CODE does not name: it answers 403",
            "see docs/scripts.md", variable="MME_ALLOW_CODE", target_model=outcome.target,
        )  # fmt: skip
    return None


def summary(models: Sequence[Model], refused: int, unseen: int) -> Finding:
    """What all those looked at come to."""
    rest = f"; {unseen} were not looked at" if unseen > 0 else ""
    facts: dict[str, Any] = {
        "admitted": len(models),
        "refused": refused,
        "not_looked_at": max(0, unseen),
        "models": [
            {
                "target_model": each.target,
                "archive_bytes": each.archive_bytes,
                "unpacked_bytes": each.findings.unpacked_bytes,
                "memory_bytes": each.memory_bytes,
                "load_s": each.findings.load_s,
                "is_data": each.findings.is_data,
            }
            for each in models
        ],
    }
    if not models:
        return failed(ARTIFACTS, f"none of {refused} is fit to serve{rest}", **facts)
    largest = max(models, key=lambda each: each.findings.unpacked_bytes)
    sizes = (
        f"unpacked {sized(sum(each.findings.unpacked_bytes for each in models))} together,"
        f" {largest.target} with {sized(largest.findings.unpacked_bytes)} the largest"
    )
    if refused:
        return failed(
            ARTIFACTS, f"{len(models)} of {len(models) + refused} are fit to serve; {sizes}{rest}",
            **facts,
        )  # fmt: skip
    return ok(ARTIFACTS, f"all {len(models)} are fit to serve; {sizes}{rest}", **facts)


def _wanted(looked: Looked, wish: Wish) -> tuple[list[ArtifactRef], list[Finding]]:
    """The artifacts to look at, and what is wrong with those that were named. Blocking."""
    assert looked.store is not None  # noqa: S101 - for the type checker
    refs, findings = list(looked.offers), []
    if wish.named:
        refs = []
        for target in wish.named:
            try:
                refs.append(looked.store.find(target))
            except EndpointError as error:
                findings.append(failed(ARTIFACT, error.message, target_model=target))
    return refs[: wish.limit], findings
