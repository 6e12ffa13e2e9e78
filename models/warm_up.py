"""Preparing a process that will be forked: it loads and uses once what all workers need.

Imports every family and loads the language pipelines and encoders, so that a fork finds code and
data in memory that it shares, and has nothing to import. Reads no artifact.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from models.encoding.encoders import KEY, NoEncoderError, encoder
from models.errors import ServingError
from models.language.pipelines import NoPipelineError, pipeline, split_key, tag
from models.language.stop_words import default_stop_words
from models.registry import FAMILIES, OTHERS, family
from models.serving import PIPELINE_JOINER
from models.text import other_language

if TYPE_CHECKING:
    from collections.abc import Sequence

EMBEDDING, LIBRARIES = "Embedding", ("onnxruntime", "tokenizers")
"""A family whose libraries are an extra: where they are installed, they are wanted."""

log = logging.getLogger(__name__)

SAMPLES = {
    "de": "Die neue Steuer auf Strom gilt ab 2024. Das stimmt nicht!",
    "en": "The new tax on electricity starts in 2024. That is not true!",
    "nl": "De nieuwe belasting op stroom geldt vanaf 2024. Dat klopt niet!",
}


def warm_up(keys: Sequence[str]) -> list[str]:
    """Import all families; load and use once the pipelines and encoders that `keys` name.

    A key is what `Needs.pipeline` says: `de`, `de=PACKAGE`, `embedding:NAME`, or several of these,
    joined by a plus. Returns those that could be loaded; the others are only logged, since the
    process is useful without them.
    """
    for name in (*FAMILIES, *OTHERS):
        family(name)
    if all(map(find_spec, LIBRARIES)):
        _run_onnx()
    return [key for key in keys if all(map(_can_load, key.split(PIPELINE_JOINER)))]


def _can_load(key: str) -> bool:
    if key.startswith(KEY):
        return _can_encode(key.removeprefix(KEY))
    language, installed = split_key(key)
    try:
        tag(pipeline(language, installed), SAMPLES.get(language, "2024"))
    except NoPipelineError as error:
        log.warning("cannot preload the pipeline %s: %s", key, error)
        return False
    except Exception:  # an installed package runs code of its own
        log.exception("cannot preload the pipeline %s", key)
        return False
    other_language(SAMPLES["de"], "de")  # reads the stop words of all languages
    with contextlib.suppress(LookupError):  # an artifact may bring its own list
        default_stop_words(language)
    return True


def _run_onnx() -> None:
    """Load and ask a miniature of the family Embedding, in its libraries' own form and in ours.

    They must be loaded here: they look at the processor, and in a process that is confined they
    would not see it.
    """
    chosen = family(EMBEDDING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            model_dir, scratch = Path(folder, "artifact"), Path(folder, "scratch")
            model_dir.mkdir()
            request = chosen.rehearse(model_dir, scratch)
            for _ in range(2):  # converted, then mapped
                chosen.load(model_dir, scratch).predict(request)
    except (ServingError, OSError) as error:
        log.warning("cannot prepare onnxruntime: %s", error)


def _can_encode(name: str) -> bool:
    try:
        encoder(name).queries(["2024"])
    except NoEncoderError as error:
        log.warning("cannot preload an encoder: %s", error)
        return False
    return True
