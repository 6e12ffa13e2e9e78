"""One query against many documents: those sent along, or those the artifact holds prepared.

`{"query": text, "documents": [text, ...], "top_k": n}` compares with the documents sent: all of
them are answered unless `top_k` says how many; without a known word in the query all score 0.
`{"query": text, "top_k": n}` asks for the artifact's own, the best 10 by default; a query without a
known word has no match there. A document without a known word scores 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.bodies import check_count, check_keys, check_text
from models.DocSim.answers import Answer, as_number, check_number
from models.DocSim.documents import best_rows
from models.DocSim.params import MAX_TEXTS
from models.DocSim.texts import in_batches
from models.DocSim.vectors import similarity
from models.errors import AnswerTooLarge, BadInput, shorten

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.DocSim.documents import Documents
    from models.DocSim.texts import TextReader

KEYS = ("query", "documents", "top_k")
DEFAULT_TOP_K = 10
MAX_TOP_K = 1_000_000
MAX_FIELDS_BYTES = 256 * 1024 * 1024
"""The most bytes of documents in an answer."""


class Matcher:
    """Ranks documents by their similarity to a query."""

    def __init__(self, reader: TextReader, documents: Documents | None, max_chars: int) -> None:
        self._reader = reader
        self._documents = documents
        self._max_chars = max_chars

    def answer(self, value: dict[str, Any]) -> Answer:
        """Answer a request that has one of KEYS. Raises BadInput."""
        check_keys(value, KEYS)
        if "query" not in value:
            raise BadInput('"query" is missing: the text to compare documents with')
        query = check_text(value["query"], "query", self._max_chars)
        if "documents" in value:
            return self._among(query, value["documents"], value.get("top_k"))
        if self._documents is None:
            raise BadInput(
                'There are no documents to compare with: send "documents", a list of texts;'
                " this artifact has none of its own"
            )
        top_k = check_count(value.get("top_k", DEFAULT_TOP_K), "top_k", MAX_TOP_K)
        return self._prepared(self._documents, query, top_k)

    def _among(self, query: str, documents: object, top_k: object) -> Answer:
        if not isinstance(documents, list):
            raise BadInput(f'"documents" must be a list of texts, not {shorten(documents)}')
        check_number(len(documents), "documents", MAX_TEXTS)
        for index, document in enumerate(documents):
            check_text(document, f"document {index}", self._max_chars)
        wanted = check_count(max(len(documents), 1) if top_k is None else top_k, "top_k", MAX_TOP_K)
        scores = self._scores(query, documents)
        best = [(row, as_number(scores[row])) for row in best_rows(scores, wanted).tolist()]
        matches = [
            {"index": row, "score": score, "document": documents[row]} for row, score in best
        ]
        return Answer({"matches": matches}, best)

    def _scores(self, query: str, documents: list[str]) -> NDArray[np.float32]:
        """A pair's score for each document, to the last digit; 0 where there is no known word."""
        scores = np.zeros(len(documents), np.float32)
        one = self._reader.first([query])
        if not one.counts[0]:
            return scores
        for part in in_batches(len(documents)):
            others = self._reader.second(documents[part])
            # A product of matrices would add in another order.
            scores[part] = [similarity(one.units[0], other) for other in others.units]
        return scores

    def _prepared(self, documents: Documents, query: str, top_k: int) -> Answer:
        one = self._reader.first([query])
        best = documents.best(one.units[0], top_k) if one.counts[0] else []
        fields_bytes = documents.fields_bytes(row for row, _ in best)
        if fields_bytes > MAX_FIELDS_BYTES:
            raise AnswerTooLarge(fields_bytes, MAX_FIELDS_BYTES)
        matches: list[dict[str, Any]] = []
        rows: list[list[object]] = []
        for row, score in best:
            fields = documents.fields(row)
            match: dict[str, Any] = {"index": row, "score": as_number(score)}
            if "id" in fields:
                match["id"] = fields["id"]
            if fields:
                match["document"] = fields
            matches.append(match)
            rows.append([row, match["score"], fields.get("id", "")])
        return Answer({"matches": matches}, rows)
