"""A loaded DocSim model: from a request to its answer.

Requests: `text/csv` (also where no Content-Type is given), rows of two texts, answered by a list of
scores as strings, "0.00" where a text has no known word; `application/json`, answered by an object:
`{"pairs": [[a, b], ...]}` by similarities, `{"text1": a, "text2": b}` by one similarity, both with
scores as numbers. One query against many documents is for `matching`, tags for `tagging`. Accept
chooses JSON or CSV: a score a line. As tensors, a request is the first texts of pairs and the
second ones, and its answer a similarity for each pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.bodies import (
    check_keys,
    check_texts,
    decode,
    decode_text,
    parse_json,
    to_csv,
    to_json,
)
from models.DocSim import matching, tagging
from models.DocSim.answers import Answer, check_number
from models.DocSim.matching import Matcher
from models.DocSim.params import MAX_TEXTS
from models.DocSim.rows import PAIR, read_pairs
from models.DocSim.texts import TextReader, in_batches
from models.DocSim.vectors import similarity
from models.errors import BadInput, shorten
from models.media import CSV, JSON, answer_type, content_type
from models.serving import Needs, Request, Response
from models.tensors import ANY_SIZE, BYTES, Signature, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from models.DocSim.documents import Documents
    from models.DocSim.params import DocSimParams
    from models.DocSim.tagging import Tagger
    from models.DocSim.vectors import WordVectors

UNDERSTOOD = (CSV, JSON)
NO_KNOWN_WORD = "0.00"
TEXT_1, TEXT_2, SIMILARITY = "text1", "text2", "similarity"
SIGNATURE = Signature(
    inputs=(TensorSpec(TEXT_1, BYTES, (ANY_SIZE,)), TensorSpec(TEXT_2, BYTES, (ANY_SIZE,))),
    outputs=(TensorSpec(SIMILARITY, "FP32", (ANY_SIZE,)),),
)


class DocSimModel:
    """Parameters and word vectors, with what else the artifact holds."""

    def __init__(
        self,
        params: DocSimParams,
        vectors: WordVectors,
        reader: TextReader,
        documents: Documents | None = None,
        tagger: Tagger | None = None,
    ) -> None:
        self._params = params
        self._vectors = vectors
        self._reader = reader
        self._documents = documents
        self._tagger = tagger
        self._matcher = Matcher(reader, documents, params.max_chars)

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
            "documents": 0 if self._documents is None else len(self._documents),
            "taxonomy_terms": 0 if self._tagger is None else self._tagger.terms,
            "tensors": SIGNATURE.as_json(),
        }

    def needs(self) -> Needs:
        """Nothing: the model is data, and its words are found without a pipeline."""
        return Needs()

    def signature(self) -> Signature:
        """The first and the second texts of pairs, and how alike those of each pair are."""
        return SIGNATURE

    def infer(
        self,
        inputs: Mapping[str, NDArray[Any]],
        parameters: Mapping[str, object],
        wanted: Collection[str],  # noqa: ARG002 - there is one output
    ) -> dict[str, NDArray[Any]]:
        """Similarities of pairs, 0 where a text has no known word. Raises BadInput."""
        if parameters:
            raise BadInput(
                f"This model has no parameters; {shorten(next(iter(parameters)))} is one"
            )
        firsts, seconds = inputs[TEXT_1], inputs[TEXT_2]
        if len(firsts) != len(seconds):
            raise BadInput(
                f"{TEXT_1} has {len(firsts)} texts and {TEXT_2} {len(seconds)}: they are pairs"
            )
        check_number(len(firsts), "pairs", MAX_TEXTS)
        pairs = [
            (
                decode_text(one, f"The first text of pair {place}"),
                decode_text(other, f"The second text of pair {place}"),
            )
            for place, (one, other) in enumerate(zip(firsts, seconds, strict=True))
        ]
        scores = self._scores(pairs, lambda place: f"pair {place}")
        return {SIMILARITY: np.array([float(score) for score in scores], np.float32)}

    def _of_rows(self, text: str) -> Answer:
        rows = read_pairs(text, MAX_TEXTS)
        scores = self._scores([row for _, row in rows], lambda place: f"row {rows[place][0]}")
        return Answer(scores, [[score] for score in scores])

    def _of_json(self, value: Any) -> Answer:
        if not isinstance(value, dict):
            raise BadInput(f"The JSON body must be an object, not {shorten(value, 60)}")
        if "pairs" in value:
            return self._of_pairs(value)
        if value.keys() & set(matching.KEYS):
            return self._matcher.answer(value)
        if value.keys() & set(tagging.KEYS):
            if self._tagger is None:
                raise BadInput("This artifact has no taxonomy, so it can tell no tags of a text")
            return self._tagger.answer(value)
        return self._of_two_texts(value)

    def _of_pairs(self, value: dict[str, Any]) -> Answer:
        check_keys(value, ("pairs",))
        pairs = value["pairs"]
        if not isinstance(pairs, list):
            raise BadInput(f"pairs must be a list of pairs of texts, not {shorten(pairs)}")
        check_number(len(pairs), "pairs", MAX_TEXTS)
        for index, pair in enumerate(pairs):
            if not isinstance(pair, list) or len(pair) != PAIR:
                raise BadInput(f"Pair {index} must be a list of two texts, not {shorten(pair)}")
        scores = [float(score) for score in self._scores(pairs, lambda place: f"pair {place}")]
        return Answer({"similarities": scores}, [[score] for score in scores])

    def _of_two_texts(self, value: dict[str, Any]) -> Answer:
        check_keys(value, ("pairs", *matching.KEYS, *tagging.KEYS, "text1", "text2"))
        if not {"text1", "text2"} <= value.keys():
            raise BadInput(
                'The JSON object must have "pairs", "query", "text" and "want",'
                ' or "text1" and "text2"'
            )
        check_keys(value, ("text1", "text2"))
        (score,) = self._scores([[value["text1"], value["text2"]]], lambda _: "the pair")
        return Answer({"similarity": float(score)}, [[float(score)]])

    def _scores(self, pairs: Sequence[Sequence[object]], name: Callable[[int], str]) -> list[str]:
        """Each pair's similarity as the shortest decimal that is the same float32.

        `name` says what the n-th pair is; raises BadInput.
        """
        checked = check_texts(
            [text for pair in pairs for text in pair],
            lambda place: f"The {('first', 'second')[place % PAIR]} text of {name(place // PAIR)}",
            self._params.max_chars,
        )
        firsts, seconds = checked[::PAIR], checked[1::PAIR]
        scores: list[str] = []
        for part in in_batches(len(pairs)):
            first, second = self._reader.pairs(firsts[part], seconds[part])
            are_known = ((first.counts > 0) & (second.counts > 0)).tolist()
            scores += [
                str(similarity(one, other)) if is_known else NO_KNOWN_WORD
                for one, other, is_known in zip(first.units, second.units, are_known, strict=True)
            ]
        return scores
