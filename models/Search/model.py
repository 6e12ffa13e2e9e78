"""A loaded Search model: from a request to its answer.

Requests: `text/plain` (also where no Content-Type is given), the claim itself; `application/json`,
`{"claim": ...}` or `{"claims": [...]}`, with `top_k`, `min_relevance`, `show_words` and `explain`
if wanted. One claim is answered by `{"matches": [...]}`, best first, several by `{"results":
[{"matches": ...}, ...]}`; a match is an object of `id`, `score`, `relevance` and the document's
other columns. Accept chooses JSON or CSV: a header line, then a line a match, for several claims
after the claim's number from 0. A claim of a list that cannot be used is answered by
`{"error": ...}` in its place, and by no line in a CSV. As tensors, a request is a list of claims,
and its answer what a list has for each. An answer to a claim in another language says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.bodies import check_count, json_pieces, to_csv, to_json
from models.encoding.encoders import KEY
from models.errors import AnswerTooLarge, ArtifactError, BadInput, shorten
from models.media import CSV, JSON, PLAIN, answer_type, content_type
from models.requests import QuestionReader
from models.Search.analysis import Analyser
from models.Search.explanation import Explainer
from models.Search.params import MAX_MATCHES, MAX_TOP_K
from models.Search.ranking import Ranker
from models.serving import Needs, Request, Response
from models.tensors import ANY_SIZE, BYTES, Signature, TensorSpec, texts_tensor
from models.text import clean, warning

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from models.requests import Question
    from models.Search.index_file import Index
    from models.Search.meaning import Meaning
    from models.Search.params import SearchParams
    from models.Search.ranking import Match

    Matches = list[dict[str, object]]

UNDERSTOOD = (PLAIN, JSON)
CLAIM, MATCHES = "claim", "matches"
SIGNATURE = Signature(
    inputs=(TensorSpec(CLAIM, BYTES, (ANY_SIZE,)),),
    outputs=(TensorSpec(MATCHES, BYTES, (ANY_SIZE,)),),
)
MAX_CELLS_BYTES = 256 * 1024 * 1024
"""The most bytes of documents in an answer."""


@dataclass(frozen=True, slots=True)
class _Options:
    """What a request wants to know."""

    top_k: int
    min_relevance: float
    shows_words: bool
    explains: bool


class SearchModel:
    """Parameters, an index and what ranks its documents."""

    def __init__(self, params: SearchParams, index: Index, meaning: Meaning | None = None) -> None:
        analyser = Analyser(params.language, params.stop_words, folds_words=index.folds_words)
        self._params = params
        self._index = index
        self._meaning = meaning
        self._ranker = Ranker(index, analyser, params.weights, meaning)
        self._explainer = Explainer(self._ranker.scorer)
        self._reader = QuestionReader(
            noun="claim",
            advice="send the claim to find fact-checks for",
            max_chars=params.max_chars,
            options=("top_k", "min_relevance", "show_words", "explain"),
            max_texts=params.max_claims,
        )
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
        question = self._reader.read(request.body, media)
        options = self._options(question)
        found = self._found(question.texts, options)
        if answered_in == CSV:
            names = self._names(options)
            return Response(CSV, _as_csv([matches for _, matches in found], names, question))
        results = self._results(question, found)
        if question.is_single:
            return Response(JSON, to_json(next(results)))
        if request.in_parts:
            return Response(JSON, pieces=json_pieces("results", results))
        return Response(JSON, to_json({"results": list(results)}))

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
            "embedding": self._params.embedding,
            "top_k": self._params.top_k,
            "tensors": SIGNATURE.as_json(),
        }

    def needs(self) -> Needs:
        """The encoder, if the artifact has vectors of one; words are found without a pipeline."""
        return Needs(pipeline=self._params.embedding and KEY + self._params.embedding)

    def signature(self) -> Signature:
        """Claims, and for each of them the JSON that a list of claims gets for it."""
        return SIGNATURE

    def infer(
        self,
        inputs: Mapping[str, NDArray[Any]],
        parameters: Mapping[str, object],
        wanted: Collection[str],  # noqa: ARG002 - there is one output
    ) -> dict[str, NDArray[Any]]:
        """Documents for claims; the parameters are a request's options.

        Raises BadInput, AnswerTooLarge.
        """
        question = self._reader.read_tensor(inputs[CLAIM], parameters)
        found = self._found(question.texts, self._options(question))
        return {MATCHES: texts_tensor(map(to_json, self._results(question, found)))}

    def ids(self) -> Iterator[str]:
        """The ids of all documents, in their order."""
        return (self._cells(row)[self._index.id_column] for row in range(len(self._index)))

    def nearest_ids(self, claim: str, count: int) -> list[str]:
        """The ids of the documents best by vectors alone, for comparison."""
        rows = self._ranker.nearest(claim, count)
        return [self._cells(row)[self._index.id_column] for row, _ in rows]

    def _found(self, claims: Sequence[str], options: _Options) -> Iterator[tuple[str, Matches]]:
        """Each claim, cleaned, and what is found for it when it is its turn.

        Raises AnswerTooLarge.
        """
        cells_bytes = 0
        for claim in self._prepared(claims, options.top_k):
            best = [
                match
                for match in self._ranker.best(claim, options.top_k)
                if match.relevance >= options.min_relevance
            ]
            cells_bytes += sum(self._cells_bytes(match.row) for match in best)
            if cells_bytes > MAX_CELLS_BYTES:  # a few documents may be large, or one be found often
                raise AnswerTooLarge(cells_bytes, MAX_CELLS_BYTES)
            yield claim, self._matches(claim, best, options)

    def _prepared(self, claims: Sequence[str], count: int) -> Iterable[str]:  # noqa: ARG002
        """The claims as they are searched, for `count` documents each."""
        return map(self._cleaned, claims)

    def _results(
        self, question: Question, found: Iterator[tuple[str, Matches]]
    ) -> Iterator[dict[str, Any]]:
        """What a list has for each of its claims."""
        return question.in_order(
            {MATCHES: matches} | self._warning(claim) for claim, matches in found
        )

    def _warning(self, claim: str) -> dict[str, str]:
        """Said of a claim in another language, which only a model with an encoder understands."""
        return {} if self._meaning else warning(claim, self._params.language)

    def _cleaned(self, claim: str) -> str:
        return claim if self._params.is_original else clean(claim)

    def _matches(self, claim: str, found: Sequence[Match], options: _Options) -> Matches:
        matches: Matches = []
        for match in found:
            cells = self._cells(match.row)
            shown: dict[str, object] = {"id": cells[self._index.id_column]}
            shown["score"] = round(match.score, 6)
            shown["relevance"] = round(match.relevance, 4)
            matches.append(shown | {name: cells[place] for name, place in self._shown})
        if options.shows_words:
            words = self._explainer.shared_words(claim, [match.row for match in found])
            for shown, shared in zip(matches, words, strict=True):
                shown["words"] = shared
        if options.explains:
            for shown, shares in zip(matches, self._explainer.explain(claim, found), strict=True):
                shown["explain"] = shares
        return matches

    def _cells_bytes(self, row: int) -> int:
        return int(self._index.cell_ends[row + 1]) - int(self._index.cell_ends[row])

    def _cells(self, row: int) -> list[str]:
        """A document's cells. The check of the index leaves them out, so they are checked here."""
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

    def _options(self, question: Question) -> _Options:
        """What the answer is to hold. Raises BadInput."""
        given, claims = question.options, len(question.texts)
        top_k = check_count(given.get("top_k", self._params.top_k), "top_k", MAX_TOP_K)
        if not question.is_single and claims * top_k > MAX_MATCHES:
            raise BadInput(
                f"{claims} claims with a top_k of {top_k} could have {claims * top_k}"
                f" matches; at most {MAX_MATCHES} are given"
            )
        least = given.get("min_relevance", self._params.min_relevance)
        if isinstance(least, bool) or not isinstance(least, (int, float)) or not 0 <= least <= 1:
            raise BadInput(f"min_relevance must be a number from 0 to 1, not {shorten(least)}")
        return _Options(top_k, least, _flag(given, "show_words"), _flag(given, "explain"))

    def _names(self, options: _Options) -> list[str]:
        """What a match is made of, in the order of its columns."""
        names = ["id", "score", "relevance", *(name for name, _ in self._shown)]
        names += ["words"] if options.shows_words else []
        return [*names, "explain"] if options.explains else names


def _flag(options: Mapping[str, object], name: str) -> bool:
    value = options.get(name, False)
    if not isinstance(value, bool):
        raise BadInput(f"{name} must be true or false, not {shorten(value)}")
    return value


def _as_csv(found: list[Matches], names: list[str], question: Question) -> str:
    lines: list[list[object]] = []
    for number, matches in zip(question.numbers, found, strict=True):
        for match in matches:
            line = [_as_cell(match[name]) for name in names]
            lines.append(line if question.is_single else [number, *line])
    return to_csv([names if question.is_single else ["claim", *names], *lines])


def _as_cell(value: object) -> object:
    if isinstance(value, dict):
        return to_json(value)
    return " ".join(value) if isinstance(value, list) else value
