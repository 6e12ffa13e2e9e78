"""The parameters of a Search artifact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.elsewhere import TARGET
from models.encoding.encoders import ENCODERS
from models.errors import ArtifactError, shorten
from models.language.stop_words import stop_list

if TYPE_CHECKING:
    from models.params import Params

DEFAULT_MAX_CHARS = 1_000_000
MAX_TOP_K = 1000
MAX_CLAIMS = 10_000
MAX_MATCHES = 10_000
"""The most matches of one request, of all its claims together."""
WEIGHT_OF_MEANING = 0.7
ORIGINAL, CLEANED = "original", "cleaned"
KEYS = ("id_column", "title_column", "text_column", "title_weight", "k1", "b", "piece_weight",
        "stop_word_weight", "vector_weight", "vector_size", "embedding", "embedding_uri",
        "embedding_weight",
        "top_k", "min_relevance", "max_claims", "fields", "compat")  # fmt: skip
"""The parameters of this family."""


@dataclass(frozen=True, slots=True)
class Bm25:
    """The parameters of BM25, as in Robertson and Zaragoza (2009)."""

    k1: float
    b: float
    title_weight: float
    """How many words of the text one word of the title is worth."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each kind of evidence counts; stems of words count 1."""

    stop_words: float
    pieces: float
    vectors: float
    """What a cosine of 1 adds, as a share of the best score by terms."""
    meaning: float
    """What a standard score of 1 by meaning adds at most, as a share of the best score by terms."""


@dataclass(frozen=True, slots=True)
class SearchParams:
    """What the parameters say, checked."""

    language: str
    stop_words: frozenset[str]
    """Words that count less."""
    weights: Weights
    top_k: int
    """The most documents of an answer, if the request does not say."""
    min_relevance: float
    """The least relevance of a match, if the request does not say."""
    embedding: str | None
    """The encoder whose vectors the artifact has."""
    embedding_target: str | None
    """The target model that made them instead, as seen from the artifact's own folder."""
    max_chars: int
    """The longest request text taken, in characters."""
    max_claims: int
    """How many claims one request may hold."""
    is_original: bool
    """Whether texts are taken as they come, markup and all."""
    fields: tuple[str, ...] | None
    """The columns an answer gives, in this order; None for all."""


def parse_params(params: Params) -> SearchParams:
    """Check the parameters; ArtifactError names file, key and value."""
    language = params.text("language")
    embedding, embedding_target = _embedding(params)
    return SearchParams(
        language=language,
        stop_words=stop_list(params, language),
        weights=Weights(
            stop_words=params.number("stop_word_weight", 0.5, maximum=10),
            pieces=params.number("piece_weight", 0.33, maximum=10),
            vectors=params.number("vector_weight", 0.2, maximum=10),
            meaning=params.number("embedding_weight", WEIGHT_OF_MEANING, maximum=10),
        ),
        top_k=params.whole_number("top_k", 10, maximum=MAX_TOP_K),
        min_relevance=params.number("min_relevance", 0, maximum=1),
        embedding=embedding,
        embedding_target=embedding_target,
        max_chars=params.whole_number("max_chars", DEFAULT_MAX_CHARS),
        max_claims=params.whole_number("max_claims", 100, maximum=MAX_CLAIMS),
        is_original=params.choice("compat", (ORIGINAL, CLEANED), CLEANED) == ORIGINAL,
        fields=_fields(params),
    )


def parse_bm25(params: Params) -> Bm25:
    """The parameters of BM25, which only training uses."""
    return Bm25(
        k1=params.number("k1", 1.2, minimum=0.01, maximum=10),
        b=params.number("b", 0.75, maximum=1),
        title_weight=params.number("title_weight", 2, maximum=100),
    )


def _embedding(params: Params) -> tuple[str | None, str | None]:
    """The name of an encoder, or else a target model."""
    match params.values.get("embedding"):
        case None:
            return None, None
        case str(name) if name in ENCODERS:
            return name, None
        case {"target": str(target), **others} if not others and re.fullmatch(TARGET, target):
            return None, target
        case given:
            raise ArtifactError(
                params.file,
                f"embedding is {shorten(given)}: it must be one of {', '.join(ENCODERS)}, or"
                ' {"target": "NAME.tar.gz"} with the target model of an Embedding artifact',
            )


def _fields(params: Params) -> tuple[str, ...] | None:
    given = params.values.get("fields")
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise ArtifactError(
            params.file, f"fields is {shorten(given)}: it must be a list of columns"
        )
    return tuple(dict.fromkeys(given))
