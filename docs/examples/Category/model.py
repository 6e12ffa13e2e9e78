"""A loaded model: from a request to its answer.

Requests: `text/plain`, the text itself; `application/json`, `{"text": ...}`, with `max_count` if
wanted. The answer is `{"categories": [{"category", "score"}, ...]}`, best first, or rows of both
for `Accept: text/csv`. A text without a word of the corpus has no category: an empty list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.bodies import check_count, check_keys, check_text, decode, parse_json, to_csv, to_json
from models.Category.centroids import MAX_CATEGORIES
from models.errors import BadInput, shorten
from models.media import CSV, JSON, PLAIN, answer_type, content_type
from models.serving import Needs, Request, Response

if TYPE_CHECKING:
    from models.Category.centroids import Centroids, WordReader
    from models.media import MediaType


class CategoryModel:
    """Categories and what reads words."""

    def __init__(
        self, reader: WordReader, centroids: Centroids, max_chars: int, max_count: int
    ) -> None:
        self._reader = reader
        self._centroids = centroids
        self._max_chars = max_chars
        self._max_count = max_count

    def predict(self, request: Request) -> Response:
        """Answer with the nearest categories. Raises the 4xx errors of `models.errors`."""
        media = content_type(request.content_type, (PLAIN, JSON))
        answered_in = answer_type(request.accept)
        text, count = self._question(request.body, media)
        likeness = self._centroids.likeness(self._reader.buckets(text))
        order = [] if likeness is None else np.argsort(-likeness, kind="stable")[:count].tolist()
        names = self._centroids.categories
        found = [
            {"category": names[row], "score": round(float(likeness[row]), 4)}
            for row in order
            if likeness is not None
        ]
        if answered_in == CSV:
            return Response(CSV, to_csv([list(each.values()) for each in found]))
        return Response(JSON, to_json({"categories": found}))

    def describe(self) -> dict[str, object]:
        """Language and categories."""
        return {
            "family": "Category",
            "language": self._reader.language,
            "categories": list(self._centroids.categories),
        }

    def needs(self) -> Needs:
        """Nothing: the model is data, so it shares workers with all others."""
        return Needs()

    def _question(self, body: bytes, media: MediaType) -> tuple[str, int]:
        """The text, and how many categories are wanted. Raises BadInput."""
        value: object = decode(body, media)
        count = self._max_count
        if media.name == JSON:
            value = parse_json(str(value))
            if not isinstance(value, dict) or "text" not in value:
                raise BadInput(f'Send an object with the key "text", not {shorten(value, 60)}')
            check_keys(value, ("text", "max_count"))
            count = check_count(value.get("max_count", count), "max_count", MAX_CATEGORIES)
            value = value["text"]
        text = check_text(value, "The text", self._max_chars)
        if not text.strip():
            raise BadInput("The text is blank: send the text to find a category for")
        return text, count
