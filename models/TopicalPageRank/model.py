"""A loaded TopicalPageRank model: from a request to its answer.

Requests: `text/plain` (also where no Content-Type is given), the text itself; `application/json`,
`{"text": ...}` or `{"texts": [...]}`, both with `max_count` if wanted, or a bare string or list.
The shape of the answer follows the request: plain text gets the bare list `[[phrase, score], ...]`,
JSON an object, which also says so where a text is in another language. Accept chooses JSON or CSV
(lines of phrase and score, for many texts after the text's number from 0). A text of a list that
cannot be used is answered by `{"error": ...}` in its place, and by no line in a CSV. As tensors, a
request is a list of texts, and its answer what a list has for each. Cleaning is for `models.text`,
tagging for `models.language`, ranking for `ranking`.
"""

from __future__ import annotations

from itertools import starmap
from typing import TYPE_CHECKING, Any

from models.bodies import check_count, json_pieces, to_csv, to_json
from models.errors import BadInput
from models.language.pipelines import name_of, pipeline_key, tag
from models.media import CSV, JSON, PLAIN, answer_type, content_type
from models.requests import QuestionReader
from models.serving import Needs, Request, Response
from models.tensors import ANY_SIZE, BYTES, Signature, TensorSpec, texts_tensor
from models.text import clean, warning
from models.TopicalPageRank.graph import TooManyPairs
from models.TopicalPageRank.params import MAX_COUNT, MAX_TEXTS
from models.TopicalPageRank.ranking import rank
from models.TopicalPageRank.tag_patterns import TooManySteps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from numpy.typing import NDArray
    from spacy.language import Language

    from models.requests import Question
    from models.TopicalPageRank.lda import Lda
    from models.TopicalPageRank.params import TopicalPageRankParams
    from models.TopicalPageRank.pke_engine import PkeEngine

    Keyphrases = list[tuple[str, float]]

UNDERSTOOD = (PLAIN, JSON)
TEXT, KEYPHRASES = "text", "keyphrases"
SIGNATURE = Signature(
    inputs=(TensorSpec(TEXT, BYTES, (ANY_SIZE,)),),
    outputs=(TensorSpec(KEYPHRASES, BYTES, (ANY_SIZE,)),),
)


class TopicalPageRankModel:
    """Parameters, topics and the pipeline of their language."""

    def __init__(
        self,
        params: TopicalPageRankParams,
        lda: Lda,
        nlp: Language,
        engine: PkeEngine | None = None,
    ) -> None:
        """`engine` ranks instead of this project's own."""
        self._params = params
        self._engine = engine
        self._lda = lda
        self._nlp = nlp
        self._pipeline = name_of(nlp)
        self._reader = QuestionReader(
            noun="text",
            advice="send the text to find keyphrases in",
            max_chars=params.max_chars,
            options=("max_count",),
            max_texts=MAX_TEXTS,
            takes_bare=True,
        )

    def predict(self, request: Request) -> Response:
        """Answer with keyphrases, best first. Raises the 4xx errors of `models.errors`."""
        media = content_type(request.content_type, UNDERSTOOD)
        answered_in = answer_type(request.accept)
        question = self._reader.read(request.body, media)
        found = self._found(question)
        if answered_in == CSV:
            return Response(CSV, _as_csv([keyphrases for _, keyphrases in found], question))
        if question.is_plain:
            return Response(JSON, to_json(next(found)[1]))
        results = question.in_order(starmap(self._result, found))
        how = {"pipeline": self._pipeline}
        if question.is_single:
            return Response(JSON, to_json(next(results) | how))
        if request.in_parts:
            return Response(JSON, pieces=json_pieces("results", results, how))
        return Response(JSON, to_json({"results": list(results), **how}))

    def describe(self) -> dict[str, object]:
        """Sizes and parameters."""
        return {
            "family": "TopicalPageRank",
            "language": self._params.language,
            "pipeline": self._pipeline,
            "engine": self._params.engine,
            "topics": self._lda.n_topics,
            "words": len(self._lda.word_index),
            "grammar": self._params.grammar.text,
            "normalization": self._params.normalization,
            "window": self._params.window,
            "max_count": self._params.max_count,
            "tensors": SIGNATURE.as_json(),
        }

    def needs(self) -> Needs:
        """Its language's pipeline; with the engine pke also a process of its own."""
        key = pipeline_key(self._params.language, self._params.spacy_pipeline)
        return Needs(is_data=self._engine is None, pipeline=key)

    def signature(self) -> Signature:
        """Texts, and for each of them the JSON that a list of texts gets for it."""
        return SIGNATURE

    def infer(
        self,
        inputs: Mapping[str, NDArray[Any]],
        parameters: Mapping[str, object],
        wanted: Collection[str],  # noqa: ARG002 - there is one output
    ) -> dict[str, NDArray[Any]]:
        """Keyphrases of texts; the parameters are a request's options. Raises BadInput."""
        question = self._reader.read_tensor(inputs[TEXT], parameters)
        results = question.in_order(starmap(self._result, self._found(question)))
        return {KEYPHRASES: texts_tensor(map(to_json, results))}

    def _found(self, question: Question) -> Iterator[tuple[str, Keyphrases]]:
        """Each text, cleaned, and its keyphrases when it is its turn. Raises BadInput at once."""
        max_count = self._params.max_count
        if "max_count" in question.options:
            max_count = check_count(question.options["max_count"], "max_count", MAX_COUNT)
        return (self._cleaned_and_found(text, max_count) for text in question.texts)

    def _cleaned_and_found(self, text: str, max_count: int) -> tuple[str, Keyphrases]:
        cleaned = text if self._params.is_original else clean(text)
        return cleaned, self._keyphrases(cleaned, max_count)

    def _keyphrases(self, text: str, max_count: int) -> Keyphrases:
        sentences = tag(self._nlp, text, whole_words=not self._params.is_original)
        if self._engine is not None:
            return self._engine.rank(sentences)[:max_count]
        try:
            found = rank(sentences, self._params, self._lda, self._params.stop_words)
        except TooManySteps as error:
            raise BadInput(
                "This model's grammar takes too long on this text; send less at once"
            ) from error
        except TooManyPairs as error:
            raise BadInput(
                "This model's window is too wide for a text of this length; send less at once"
            ) from error
        return found[:max_count]

    def _result(self, text: str, found: Keyphrases) -> dict[str, Any]:
        """A text's keyphrases, with a warning where it is in another language."""
        result: dict[str, Any] = {
            "keyphrases": [{"phrase": phrase, "score": score} for phrase, score in found]
        }
        if not self._params.is_original:
            result |= warning(text, self._params.language)
        return result


def _as_csv(found: list[Keyphrases], question: Question) -> str:
    if question.is_single:
        return to_csv(found[0])
    return to_csv(
        (number, *pair)
        for number, keyphrases in zip(question.numbers, found, strict=True)
        for pair in keyphrases
    )
