"""The parameters of a TopicalPageRank artifact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from models.errors import ArtifactError, shorten
from models.language.stemming import LANGUAGES
from models.language.stop_words import stop_list
from models.TopicalPageRank.grammar import Grammar, GrammarError

if TYPE_CHECKING:
    from models.params import Params

DEFAULT_GRAMMAR = "NP: {<ADJ>*<NOUN|PROPN>+}"
GRAPH_TAGS = frozenset({"ADJ", "NOUN", "PROPN"})
DEFAULT_MAX_CHARS = 1_000_000
NO_STEMS, STEMS = "None", "stemming"
NUMPY, PKE = "numpy", "pke"
ORIGINAL, CLEANED = "original", "cleaned"
KEPT_GRAMMARS = 8
MAX_TEXTS = 10_000
"""The most texts of a request: even the shortest takes half a millisecond."""
MAX_COUNT = 10_000
"""The most keyphrases one text is ever answered with."""


@dataclass(frozen=True, slots=True)
class TopicalPageRankParams:
    """What the parameters say, checked."""

    language: str
    grammar: Grammar
    """What a candidate phrase is, in universal part-of-speech tags."""
    normalization: str
    """`None`: words in lower case; `stemming`: their Snowball stems."""
    window: int
    """Words less than this many positions apart are linked."""
    max_count: int
    """How many keyphrases an answer has at most."""
    max_chars: int
    """The longest text taken, in characters."""
    graph_tags: frozenset[str]
    """Words with these tags are the nodes of the graph."""
    normalized: bool
    """Whether a phrase's score is divided by its number of words."""
    spacy_pipeline: str | None
    """An installed spaCy pipeline to tag with instead of the built-in one."""
    is_original: bool
    """Whether texts are left as they come, and tokens are spaCy's own, as they once were."""
    engine: str
    """`numpy`: this project's; `pke`: pke's own, if it is installed."""
    stop_words: frozenset[str]
    """Words that do not count when the topics of a text are inferred."""


@lru_cache(KEPT_GRAMMARS)
def _grammar(text: str) -> Grammar:
    """The compiled grammar, kept: forks share what was compiled before a process forked."""
    return Grammar(text)


def parse_params(params: Params) -> TopicalPageRankParams:
    """Check the parameters; ArtifactError names file, key and value."""
    text = params.text("grammar", DEFAULT_GRAMMAR)
    try:
        grammar = _grammar(text)
    except GrammarError as error:
        raise ArtifactError(params.file, f"grammar {error}") from error
    language = params.text("language")
    params.whole_number("n_topics", 1)  # only training uses it
    normalization = params.choice("normalization", (NO_STEMS, STEMS), NO_STEMS)
    if normalization == STEMS and language not in LANGUAGES:
        raise ArtifactError(
            params.file,
            f"normalization 'stemming' needs a stemmer: there are some for {', '.join(LANGUAGES)},"
            f" not for language {shorten(language)}",
        )
    return TopicalPageRankParams(
        language=language,
        grammar=grammar,
        normalization=normalization,
        window=params.whole_number("window", 10, minimum=2),
        max_count=params.whole_number("max_count", 10, maximum=MAX_COUNT),
        max_chars=params.whole_number("max_chars", DEFAULT_MAX_CHARS),
        graph_tags=params.words("pos") or GRAPH_TAGS,
        normalized=params.flag("normalized", default=False),
        spacy_pipeline=params.text("spacy_pipeline") if "spacy_pipeline" in params.values else None,
        is_original=params.choice("compat", (ORIGINAL, CLEANED), CLEANED) == ORIGINAL,
        engine=params.choice("engine", (NUMPY, PKE), NUMPY),
        stop_words=stop_list(params, language),
    )
