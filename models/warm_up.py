"""Preparing a process that will be forked into workers: what they all need, loaded and used once.

Imports every family and loads the language pipelines, so that a fork finds code and data in
memory that it shares, and has nothing to import. Reads no artifact.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from models.language.pipelines import NoPipelineError, pipeline, tag
from models.language.stop_words import default_stop_words
from models.registry import FAMILIES, family

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

SAMPLES = {
    "de": "Die neue Steuer auf Strom gilt ab 2024. Das stimmt nicht!",
    "en": "The new tax on electricity starts in 2024. That is not true!",
    "nl": "De nieuwe belasting op stroom geldt vanaf 2024. Dat klopt niet!",
}


def warm_up(languages: Sequence[str]) -> None:
    """Load and use once what workers of any family need; unknown languages are only logged."""
    for name in FAMILIES:
        family(name)
    for language in languages:
        try:
            tag(pipeline(language), SAMPLES.get(language, "2024"))
            default_stop_words(language)
        except (NoPipelineError, LookupError) as error:
            log.warning("cannot preload language %s: %s", language, error)
