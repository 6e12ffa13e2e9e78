"""A loaded DocSim model: from a request to its answer.

Requests: `text/csv` (also where no Content-Type is given), rows of two texts, answered by a list of
scores as strings, "0.00" where a text has no known word; `application/json`, answered by an object:
`{"pairs": [[a, b], ...]}` by similarities, `{"text1": a, "text2": b}` by one similarity,
`{"query": a, "documents": [...], "top_k": n}` by the best matches, all with scores as numbers.
Accept chooses JSON or CSV: a score a line, for matches after the document's number from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.bodies import (
    check_count,
    check_keys,
    check_text,
    decode,
    parse_json,
    parse_rows,
    to_csv,
    to_json,
)
from models.DocSim.vectors import similarity
from models.DocSim.words import known_words, simple_words, words_of
from models.errors import BadInput, shorten
from models.media import CSV, JSON, answer_type, content_type
from models.serving import Request, Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from models.DocSim.params import DocSimParams
    from models.DocSim.vectors import WordVectors

UNDERSTOOD = (CSV, JSON)
NO_KNOWN_WORD = "0.00"
MAX_TOP_K = 1_000_000
PAIR = 2


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer in both forms."""

    json: object
    rows: Sequence[Sequence[object]]


class DocSimModel:
    """Parameters and word vectors."""

    def __init__(self, params: DocSimParams, vectors: WordVectors) -> None:
        self._params = params
        self._vectors = vectors

    def predict(self, request: Request) -> Response:
        """Answer with similarities from -1 to 1. Raises the 4xx errors of `models.errors`."""
        media = content_type(request.content_type, UNDERSTOOD)
        answered_in = answer_type(request.accept)
        text = decode(request.body, media)
        answer = self._of_rows(text) if media.name == CSV else self._of_json(parse_json(text))
        if answered_in == CSV:
            return Response(CSV, to_csv(answer.rows))
        return Response(JSON, to_json(answer.json))

    def describe(self) -> dict[str, object]:
        """Sizes and parameters."""
        words, dimensions = self._vectors.vectors.shape
        return {
            "family": "DocSim",
            "language": self._params.language,
            "pipeline": "simple_preprocess",
            "words": words,
            "dimensions": dimensions,
            "stop_words": len(self._params.stop_words),
            "max_token_length": self._params.max_token_chars,
        }

    def _of_rows(self, text: str) -> _Answer:
        rows = parse_rows(text)
        if not rows:
            raise BadInput("The body is empty: send CSV rows of two texts each")
        for number, row in rows:
            if len(row) != PAIR:
                raise BadInput(f"Row {number} has {len(row)} columns instead of 2: {shorten(row)}")
        scores = [self._score(row[0], row[1], f"row {number}") for number, row in rows]
        return _Answer(scores, [[score] for score in scores])

    def _of_json(self, value: Any) -> _Answer:
        if not isinstance(value, dict):
            raise BadInput(f"The JSON body must be an object, not {shorten(value, 60)}")
        if "pairs" in value:
            return self._of_pairs(value)
        if "query" in value or "documents" in value:
            return self._of_query(value)
        return self._of_two_texts(value)

    def _of_pairs(self, value: dict[str, Any]) -> _Answer:
        check_keys(value, ("pairs",))
        pairs = value["pairs"]
        if not isinstance(pairs, list):
            raise BadInput(f"pairs must be a list of pairs of texts, not {shorten(pairs)}")
        scores = []
        for index, pair in enumerate(pairs):
            if not isinstance(pair, list) or len(pair) != PAIR:
                raise BadInput(f"Pair {index} must be a list of two texts, not {shorten(pair)}")
            scores.append(float(self._score(pair[0], pair[1], f"pair {index}")))
        return _Answer({"similarities": scores}, [[score] for score in scores])

    def _of_two_texts(self, value: dict[str, Any]) -> _Answer:
        check_keys(value, ("pairs", "query", "documents", "top_k", "text1", "text2"))
        if not {"text1", "text2"} <= value.keys():
            raise BadInput(
                'The JSON object must have "pairs", or "query" and "documents",'
                ' or "text1" and "text2"'
            )
        check_keys(value, ("text1", "text2"))
        score = float(self._score(value["text1"], value["text2"], "the pair"))
        return _Answer({"similarity": score}, [[score]])

    def _of_query(self, value: dict[str, Any]) -> _Answer:
        check_keys(value, ("query", "documents", "top_k"))
        documents = value.get("documents")
        if "query" not in value or not isinstance(documents, list):
            raise BadInput('"query" needs a list of texts as "documents", and the other way round')
        top_k = check_count(value.get("top_k", max(len(documents), 1)), "top_k", MAX_TOP_K)
        query = self._first(self._check(value["query"], "query"))
        scores = [
            float(_compare(query, self._second(self._check(document, f"document {index}"))))
            for index, document in enumerate(documents)
        ]
        best = sorted(range(len(scores)), key=lambda index: -scores[index])[:top_k]
        matches = [
            {"index": index, "score": scores[index], "document": documents[index]} for index in best
        ]
        return _Answer({"matches": matches}, [[index, scores[index]] for index in best])

    def _score(self, one: object, other: object, where: str) -> str:
        first = self._check(one, f"The first text of {where}")
        second = self._check(other, f"The second text of {where}")
        return _compare(self._first(first), self._second(second))

    def _check(self, text: object, what: str) -> str:
        return check_text(text, what, self._params.max_chars)

    def _first(self, text: str) -> NDArray[np.float32] | None:
        return self._mean(words_of(text, self._params.max_token_chars))

    def _second(self, text: str) -> NDArray[np.float32] | None:
        if self._params.is_one_sided:
            return self._mean(simple_words(text, self._params.max_token_chars))
        return self._first(text)

    def _mean(self, words: list[str]) -> NDArray[np.float32] | None:
        known = known_words(words, self._vectors.index, self._params.stop_words)
        return self._vectors.mean(known) if known else None


def _compare(one: NDArray[np.float32] | None, other: NDArray[np.float32] | None) -> str:
    """The similarity as the shortest decimal that is the same float32."""
    if one is None or other is None:
        return NO_KNOWN_WORD
    return str(similarity(one, other))
