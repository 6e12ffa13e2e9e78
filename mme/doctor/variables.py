"""Whether the environment says what its operator means: what has no effect, contradictions."""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from mme.app.modes import MULTI_MODEL, Mode
from mme.core.settings import Settings
from mme.doctor.finding import Finding, ok, sized, warning

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

CHECK = "settings"


def check_variables(
    settings: Settings,
    misspelt: Iterable[tuple[str, str]],
    mode: Mode,
    targets: Collection[str] | None,
) -> list[Finding]:
    """What is odd, or one finding that nothing is.

    `misspelt` are variables that nothing reads, each with the nearest that something does, or "".
    `targets` are the store's, if it was listed.
    """
    found = [
        *_misspelt(misspelt),
        *_contradictions(settings, mode),
        *_pins(settings, targets),
    ]
    if found:
        return found
    count = len(settings.model_fields_set)
    return [ok(CHECK, f"{count} of {len(Settings.model_fields)} are set; none contradicts another")]


def _misspelt(misspelt: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    for name, near in misspelt:
        advice = f"{near} is one" if near else "`mme settings` lists those there are"
        yield warning(CHECK, f"{name} is no setting and does nothing", advice, variable=name)


def _contradictions(settings: Settings, mode: Mode) -> Iterator[Finding]:
    given = settings.model_fields_set
    if mode is not Mode.STANDALONE and "store" in given:
        yield warning(
            CHECK,
            f"MME_STORE is set, and this is a {mode.value}: the platform brings the models",
            f"unset it, or {MULTI_MODEL} (or remove /opt/ml/model)",
        )
    yield from _folders(settings)
    if (
        settings.max_bodies_bytes is not None
        and settings.max_bodies_bytes < settings.max_body_bytes
    ):
        yield warning(
            CHECK,
            f"MME_MAX_BODIES_BYTES ({sized(settings.max_bodies_bytes)}) lies below"
            f" MME_MAX_BODY_BYTES ({sized(settings.max_body_bytes)}): one body at a time is let in",
            "raise it",
        )
    if settings.isolation == "model" and given & {"pool_min", "pool_max", "resident_models"}:
        yield warning(
            CHECK,
            "MME_ISOLATION=model gives each model a process of its own: there is no pool that"
            " MME_POOL_MIN, MME_POOL_MAX and MME_RESIDENT_MODELS could be about",
        )
    limit, cache = settings.artifact_limit_bytes, settings.cache_limit_bytes
    if cache is not None and "artifact_limit_bytes" in given and cache < limit:
        yield warning(
            CHECK,
            f"MME_CACHE_LIMIT_BYTES ({sized(cache)}) lies below MME_ARTIFACT_LIMIT_BYTES"
            f" ({sized(limit)}): artifacts between the two are refused",
        )


def _folders(settings: Settings) -> Iterator[Finding]:
    """Folders that lie in one another."""
    places = {
        "MME_CACHE_DIR": settings.cache_dir.absolute(),
        "MME_STATE_DIR": settings.state_dir.absolute(),
    }
    if "://" not in settings.store:
        places["MME_STORE"] = Path(settings.store).expanduser().absolute()
    for inner, below in places.items():
        for outer, above in places.items():
            if inner != outer and below.is_relative_to(above):
                if below == above and inner > outer:
                    continue  # told the other way round
                yield warning(
                    CHECK, f"{inner} ({below}) lies in {outer} ({above})",
                    "name folders apart from each other",
                )  # fmt: skip


def _pins(settings: Settings, targets: Collection[str] | None) -> Iterator[Finding]:
    """Pins that no artifact of the store goes by; aliases are pinned by their artifact's name."""
    if targets is None:
        return
    for pattern in settings.pin:
        if "://" not in pattern and not any(fnmatchcase(each, pattern) for each in targets):
            near = difflib.get_close_matches(pattern, targets, 1)
            yield warning(
                CHECK, f"MME_PIN={pattern}: the store has no such artifact",
                f"{near[0]} is one" if near else "",
            )  # fmt: skip
