"""The parameters of a DocSim artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.language.stop_words import stop_list

if TYPE_CHECKING:
    from models.params import Params

ORIGINAL_MAX_TOKEN_CHARS = 15
"""The default of gensim's `simple_preprocess`, and so of older artifacts."""

DEFAULT_MAX_TOKEN_CHARS = 40
"""The default of training today: enough for nearly all German compounds."""

TEXT_COLUMN = "claim_text"
"""The column with the texts, unless `text_column` names another one."""
DEFAULT_MAX_CHARS = 1_000_000
MAX_TEXTS = 100_000
"""A request may have at most so many pairs of texts, or documents to compare a query with."""
ORIGINAL, BOTH_SIDES = "original", "both-sides"


@dataclass(frozen=True, slots=True)
class DocSimParams:
    """What the parameters say, checked."""

    language: str
    stop_words: frozenset[str]
    """Words that are left out."""
    max_token_chars: int
    """Longer words are left out too."""
    is_one_sided: bool
    """Whether `5g` and `co2` are words only in the first text of a pair, as they once were."""
    cleans: bool
    """Whether texts are cleaned (`models.text`) before their words are looked for."""
    max_chars: int
    """The longest text taken, in characters."""


def parse_params(params: Params) -> DocSimParams:
    """Check the parameters; ArtifactError names file, key and value."""
    language = params.text("language")
    for key in ("vector_size", "min_count", "epochs"):  # only training and readers use them
        params.whole_number(key, 1)
    is_original = params.choice("compat", (ORIGINAL, BOTH_SIDES), BOTH_SIDES) == ORIGINAL
    return DocSimParams(
        language=language,
        stop_words=stop_list(params, language),
        max_token_chars=params.whole_number(
            "max_token_length", ORIGINAL_MAX_TOKEN_CHARS, minimum=6
        ),
        is_one_sided=is_original,
        # Older artifacts do not say so: their scores stay what they were.
        cleans=params.flag("clean_texts", default=False) and not is_original,
        max_chars=params.whole_number("max_chars", DEFAULT_MAX_CHARS),
    )
