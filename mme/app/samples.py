"""The store of a standalone endpoint: the one that was named, or else the shipped samples."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.settings import SettingsError
from mme.store import SampleStore, open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.core.settings import Settings
    from mme.store import Store

log = logging.getLogger(__name__)


def store_of(settings: Settings) -> tuple[Store, Callable[[str], bool]]:
    """The store, and whether a target of it is a sample. Raises SettingsError."""
    most_files = settings.artifact_limit_files
    try:
        if "store" in settings.model_fields_set:
            return open_store(settings.store, most_files=most_files), _is_none
        samples = SampleStore(Path(settings.store), settings.models_dir, most_files=most_files)
    except (ValueError, OSError) as error:
        raise SettingsError(f"MME_STORE: {error}") from error
    log.warning(
        "MME_STORE is not set: the shipped samples answer, and their answers say X-Mme-Sample: true"
    )
    return samples, samples.is_sample


def _is_none(target: str) -> bool:
    del target
    return False
