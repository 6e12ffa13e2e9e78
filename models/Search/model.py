"""A loaded Search model: from a request to its answer.

Requests: `text/plain` (also where no Content-Type is given), the claim itself; `application/json`,
`{"claim": ...}` or `{"claims": [...]}`, both with `top_k` and `show_words` if wanted. One claim is
answered by `{"matches": [...]}`, best first, several by `{"results": [{"matches": ...}, ...]}`; a
match is an object of `id`, `score` and the document's other columns. Accept chooses JSON or CSV: a
header line, then a line a match, for several claims after the claim's number from 0.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.bodies import (
    check_count,
    check_keys,
    check_text,
    decode,
    parse_json,
    to_csv,
    to_json,
)
from models.errors import ArtifactError, BadInput, shorten
from models.media import CSV, JSON, PLAIN, answer_type, content_type
from models.Search.params import MAX_MATCHES, MAX_TOP_K
from models.serving import Needs, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.media import MediaType
    from models.Search.index_file import Index
    from models.Search.params import SearchParams
    from models.Search.ranking import Ranker

    Matches = list[dict[str, object]]

UNDERSTOOD = (PLAIN, JSON)
KEYS = ("claim", "claims", "top_k", "show_words")


@dataclass(frozen=True, slots=True)
class _Question:
    claims: list[str]
    top_k: int
    shows_words: bool = False
    is_single: bool = True


class SearchModel:
    """Parameters, an index and what ranks its documents."""

    def __init__(self, params: SearchParams, index: Index, ranker: Ranker) -> None:
        self._params = params
        self._index = index
        self._ranker = ranker
        columns = index.columns if params.fields is None else params.fields
        self._shown = [
            (name, index.columns.index(name))
            for name in columns
            if name != index.columns[index.id_column]
        ]

    def __len__(self) -> int:
        return len(self._index)

    def predict(self, request: Request) -> Response:
        """Answer with the best documents. Raises the 4xx errors of `models.errors`."""
        media = content_type(request.content_type, UNDERSTOOD)
        answered_in = answer_type(request.accept)
        question = self._read(request.body, media)
        found = [self._matches(claim, question) for claim in question.claims]
        if answered_in == CSV:
            return Response(CSV, self._as_csv(found, question))
        results = [{"matches": matches} for matches in found]
        return Response(JSON, to_json(results[0] if question.is_single else {"results": results}))

    def describe(self) -> dict[str, object]:
        """Sizes and parameters."""
        return {
            "family": "Search",
            "language": self._params.language,
            "pipeline": "words and pieces of words",
            "documents": len(self._index),
            "terms": len(self._index.terms),
            "words": len(self._index.word_vectors),
            "dimensions": self._index.word_vectors.shape[1],
            "columns": list(self._index.columns),
            "top_k": self._params.top_k,
        }

    def needs(self) -> Needs:
        """Nothing: the model is data, and its words are found without a pipeline."""
        return Needs()

    def ids(self) -> Iterator[str]:
        """The ids of all documents, in their order."""
        return (self._cells(row)[self._index.id_column] for row in range(len(self._index)))

    def nearest_ids(self, claim: str, count: int) -> list[str]:
        """The ids of the documents best by vectors alone, for comparison."""
        matches = self._ranker.nearest(claim, count)
        return [self._cells(match.row)[self._index.id_column] for match in matches]

    def _matches(self, claim: str, question: _Question) -> Matches:
        found = self._ranker.best(claim, question.top_k)
        matches: Matches = []
        for match in found:
            cells = self._cells(match.row)
            shown: dict[str, object] = {"id": cells[self._index.id_column]}
            shown["score"] = round(match.score, 6)
            matches.append(shown | {name: cells[place] for name, place in self._shown})
        if question.shows_words:
            words = self._ranker.shared_words(claim, [match.row for match in found])
            for shown, shared in zip(matches, words, strict=True):
                shown["words"] = shared
        return matches

    def _cells(self, row: int) -> list[str]:
        """A document's cells, checked: nobody has looked at them before."""
        ends = self._index.cell_ends
        try:
            cells = json.loads(self._index.cells[int(ends[row]) : int(ends[row + 1])].tobytes())
        except (ValueError, RecursionError) as error:
            raise ArtifactError("Search-model", f"document {row} cannot be read") from error
        if (
            not isinstance(cells, list)
            or len(cells) != len(self._index.columns)
            or not all(isinstance(cell, str) for cell in cells)
        ):
            raise ArtifactError("Search-model", f"document {row} is not a text for each column")
        return cells

    def _read(self, body: bytes, media: MediaType) -> _Question:
        text = decode(body, media)
        if media.name == PLAIN:
            return _Question([self._check(text, "The claim")], self._params.top_k)
        value = parse_json(text)
        if not isinstance(value, dict):
            raise BadInput(f"The JSON body must be an object, not {shorten(value, 60)}")
        check_keys(value, KEYS)
        if ("claim" in value) == ("claims" in value):
            raise BadInput('The JSON object must have either "claim" or "claims"')
        top_k = check_count(value.get("top_k", self._params.top_k), "top_k", MAX_TOP_K)
        shows_words = value.get("show_words", False)
        if not isinstance(shows_words, bool):
            raise BadInput(f"show_words must be true or false, not {shorten(shows_words)}")
        if "claim" in value:
            return _Question([self._check(value["claim"], "claim")], top_k, shows_words)
        claims = self._claims(value["claims"])
        if len(claims) * top_k > MAX_MATCHES:
            raise BadInput(
                f"{len(claims)} claims with a top_k of {top_k} could have {len(claims) * top_k}"
                f" matches; at most {MAX_MATCHES} are given"
            )
        return _Question(claims, top_k, shows_words, is_single=False)

    def _claims(self, value: Any) -> list[str]:
        if not isinstance(value, list):
            raise BadInput(f"claims must be a list of strings, not {shorten(value)}")
        if len(value) > self._params.max_claims:
            raise BadInput(
                f"There are {len(value)} claims; at most {self._params.max_claims} are taken"
            )
        claims = [self._check(claim, f"Claim {number}") for number, claim in enumerate(value)]
        if (total := sum(map(len, claims))) > self._params.max_chars:
            raise BadInput(
                f"The claims have {total} characters; at most {self._params.max_chars} are taken"
            )
        return claims

    def _check(self, text: object, what: str) -> str:
        checked = check_text(text, what, self._params.max_chars)
        if not checked.strip():
            raise BadInput(f"{what} is blank: send the claim to find fact-checks for")
        return checked

    def _as_csv(self, found: list[Matches], question: _Question) -> str:
        names = ["id", "score", *(name for name, _ in self._shown)]
        names += ["words"] if question.shows_words else []
        lines: list[list[object]] = []
        for number, matches in enumerate(found):
            for match in matches:
                line = [_as_cell(match[name]) for name in names]
                lines.append(line if question.is_single else [number, *line])
        return to_csv([names if question.is_single else ["claim", *names], *lines])


def _as_cell(value: object) -> object:
    return " ".join(value) if isinstance(value, list) else value
