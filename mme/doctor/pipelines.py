"""Whether the operator's pipelines can be read, and whether the store has their models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.app.modes import Mode
from mme.app.pipelines import pipelines_of
from mme.core.names import S3_SCHEME
from mme.core.settings import SettingsError
from mme.doctor.finding import Finding, counted, failed, ok, warning
from mme.store.alias_file import is_alias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from mme.core.settings import Settings
    from mme.pipelines.definition import Pipeline

CHECK = "pipelines"
SHOWN = 5


def check_pipelines(
    settings: Settings, mode: Mode, targets: Collection[str] | None
) -> Iterator[Finding]:
    """Nothing where there are none. `targets` are the store's, if it was listed. Blocking."""
    if settings.pipelines is None:
        return
    if mode is not Mode.STANDALONE:
        found = f"MME_PIPELINES is set, and this is a {mode.value}: it has no pipelines"
        yield warning(CHECK, found, "unset it", variable="MME_PIPELINES")
        return
    try:
        pipelines = pipelines_of(settings)
    except SettingsError as error:
        yield failed(CHECK, str(error), "see docs/pipelines.md", variable="MME_PIPELINES")
        return
    missing = sorted(_missing(pipelines, targets)) if targets is not None else []
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        found = f"the store does not have {', '.join(missing[:SHOWN])}{more}"
        yield warning(CHECK, found, f"steps of {settings.pipelines} need it", missing=missing)
    else:
        yield ok(CHECK, f"{settings.pipelines} has {counted(len(pipelines), 'pipeline')}")


def _missing(pipelines: dict[str, Pipeline], targets: Collection[str]) -> set[str]:
    """The models of steps that are not there; what aliases mean is not looked at."""
    return {
        step.key
        for pipeline in pipelines.values()
        for step in pipeline.steps
        if step.key and not step.is_targeted and not step.key.startswith(S3_SCHEME)
        if not is_alias(step.key) and step.key not in targets
    }
