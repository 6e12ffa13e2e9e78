"""A loaded Embedding model: from a request to its answer.

Requests: `text/plain` (also where no Content-Type is given), one text; `application/json`,
`{"text": ...}` or `{"texts": [...]}`, with the options that there are if wanted; `text/csv`, a
text a row. The answer is `{"embeddings": [[...], ...]}`, one for each text, with the numbers of
those that were cut, from 0, as `truncated`, and those of a list that cannot be used as `errors`,
null in their place. Accept chooses JSON, CSV or `application/x-npy`, which have no place for
either: a text that cannot be used is a 400 then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.bodies import check_text, decode, parse_rows
from models.Embedding.answers import NPY, as_csv, as_json, as_npy, check_numbers
from models.Embedding.params import INPUT_TYPES, QUERY
from models.Embedding.together import Lot, answered_together
from models.errors import BadInput, ServingError, shorten
from models.media import CSV, JSON, PLAIN, answer_type, content_type
from models.requests import Question, QuestionReader
from models.serving import BATCH, Needs, Request, Response
from models.tensors import ANY_SIZE, BYTES, Asked, Signature, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from models.Embedding.engines import Embedded, Engine
    from models.Embedding.params import EmbeddingParams
    from models.media import MediaType

UNDERSTOOD = (PLAIN, JSON, CSV)
OFFERED = (JSON, NPY, CSV)
TEXT, EMBEDDING, TRUNCATED = "text", "embedding", "truncated"
ADVICE = "send the text to embed"
INPUT_TYPE, TRUNCATE, FINGERPRINT = "input_type", "truncate", "fingerprint"
OPTIONS = (INPUT_TYPE, TRUNCATE, FINGERPRINT)


class OtherModel(ServingError):
    """The request is for vectors of another model than this one."""

    status = 409


@dataclass(frozen=True, slots=True)
class _Request(Lot):
    """What a request asks, and how."""

    question: Question
    answered_in: str


@dataclass(frozen=True, slots=True)
class _Tensors(Lot):
    """What an inference asks."""

    wanted: Collection[str]


class EmbeddingModel:
    """Parameters and an engine."""

    def __init__(self, params: EmbeddingParams, engine: Engine) -> None:
        self._params = params
        self._engine = engine
        self._reader = QuestionReader(
            noun=TEXT,
            advice=ADVICE,
            max_chars=params.max_chars,
            options=OPTIONS,
            max_texts=params.max_texts,
        )

    def predict(self, request: Request) -> Response:
        """Answer with vectors. Raises the 4xx errors of `models.errors`, and ArtifactError."""
        asked = self._asked(request)
        return self._answered(asked, self._engine.embed(asked.texts, asked.kind))

    def predict_many(self, requests: Sequence[Request]) -> list[Response | None]:
        """As BatchModel says: the texts of all requests are computed together."""
        return answered_together(self._engine, requests, self._asked, self._answered)

    def describe(self) -> dict[str, object]:
        """Sizes and parameters."""
        batch = self._engine.batch
        return {
            "family": "Embedding",
            "language": self._params.language,
            "pipeline": self._engine.name,
            "dimensions": self._engine.dimensions,
            "pooling": self._params.pooling,
            "normalize": self._params.normalizes,
            "max_tokens": self._params.max_tokens,
            "fingerprint": self._engine.fingerprint,
            **self._engine.describe(),
            "tensors": self.signature().as_json(),
            **({} if batch is None else {BATCH: batch.as_json()}),
        }

    def needs(self) -> Needs:
        """Its library or encoder; the model is data.

        What computes it is a library that has been told to load no code and to start no thread, and
        a graph calls nothing: at worst it ends its worker, or holds it until the request's time is
        over, and the request with it.
        """
        return Needs(pipeline=self._engine.prepared)

    def signature(self) -> Signature:
        """Texts to vectors, and which were cut."""
        return Signature(
            inputs=(TensorSpec(TEXT, BYTES, (ANY_SIZE,)),),
            outputs=(
                TensorSpec(EMBEDDING, "FP32", (ANY_SIZE, self._engine.dimensions)),
                TensorSpec(TRUNCATED, "BOOL", (ANY_SIZE,)),
            ),
        )

    def infer(
        self,
        inputs: Mapping[str, NDArray[Any]],
        parameters: Mapping[str, object],
        wanted: Collection[str],
    ) -> dict[str, NDArray[Any]]:
        """As `predict` for a list of texts; a text that cannot be used is a BadInput."""
        asked = self._inferred(Asked(inputs, parameters, wanted))
        return self._outputs(asked, self._engine.embed(asked.texts, asked.kind))

    def infer_many(self, asked: Sequence[Asked]) -> list[dict[str, NDArray[Any]] | None]:
        """As TensorBatchModel says."""
        return answered_together(self._engine, asked, self._inferred, self._outputs)

    def _inferred(self, asked: Asked) -> _Tensors:
        given = asked.inputs[TEXT].tolist()
        if len(given) > self._params.max_texts:
            raise BadInput(_too_many(len(given), self._params.max_texts))
        texts = [self._checked(_as_text(each, n), f"Text {n}") for n, each in enumerate(given)]
        self._check_total(texts)
        kind, cuts = self._options(texts, asked.parameters)
        return _Tensors(texts, kind, cuts, asked.wanted)

    def _outputs(self, asked: _Tensors, found: Embedded) -> dict[str, NDArray[Any]]:
        self._check_cut(asked, found)
        outputs = {EMBEDDING: found.vectors, TRUNCATED: found.were_cut}
        return {name: outputs[name] for name in outputs if name in asked.wanted}

    def _asked(self, request: Request) -> _Request:
        media = content_type(request.content_type, UNDERSTOOD)
        answered_in = answer_type(request.accept, OFFERED)
        question = self._read(request.body, media)
        if question.refused and answered_in != JSON:
            raise BadInput(next(iter(question.refused.values())))
        kind, cuts = self._options(question.texts, question.options)
        return _Request(question.texts, kind, cuts, question, answered_in)

    def _answered(self, asked: _Request, found: Embedded) -> Response:
        self._check_cut(asked, found)
        if asked.answered_in == NPY:
            return Response(NPY, as_npy(found.vectors))
        if asked.answered_in == CSV:
            return Response(CSV, as_csv(found.vectors))
        question = asked.question
        others: dict[str, object] = {}
        if found.were_cut.any():
            cut = zip(question.numbers, found.were_cut.tolist(), strict=True)
            others[TRUNCATED] = [number for number, was_cut in cut if was_cut]
        if question.refused:
            others["errors"] = {str(key): text for key, text in question.refused.items()}
        count = len(question.texts) + len(question.refused)
        return Response(JSON, as_json(found.vectors, question.numbers, count, others))

    def _read(self, body: bytes, media: MediaType) -> Question:
        if media.name != CSV:
            return self._reader.read(body, media)
        rows = parse_rows(decode(body, media), self._params.max_texts)
        for number, row in rows:
            if len(row) != 1:
                raise BadInput(f"Row {number} has {len(row)} columns instead of 1: {shorten(row)}")
        if not rows:
            raise BadInput(f"The body is empty: {ADVICE}, one a row")
        if len(rows) > 1 and rows[0][1][0].strip().lower() == TEXT:
            rows = rows[1:]
        texts = [self._checked(row[0], f"Row {number}") for number, row in rows]
        self._check_total(texts)
        return Question(texts, is_single=False)

    def _checked(self, text: object, what: str) -> str:
        checked = check_text(text, what, self._params.max_chars)
        if not checked.strip():
            raise BadInput(f"{what} is blank: {ADVICE}")
        return checked

    def _check_total(self, texts: Sequence[str]) -> None:
        total = sum(map(len, texts))
        if total > self._params.max_chars:
            raise BadInput(
                f"The texts have {total} characters; at most {self._params.max_chars} are taken"
            )

    def _options(self, texts: Sequence[str], options: Mapping[str, object]) -> tuple[str, bool]:
        """The kind of the texts, and whether they may be cut."""
        kind = options.get(INPUT_TYPE, QUERY)
        if not isinstance(kind, str) or kind not in INPUT_TYPES:
            raise BadInput(
                f"{INPUT_TYPE} must be one of {', '.join(INPUT_TYPES)}, not {shorten(kind, 60)}"
            )
        cuts = options.get(TRUNCATE, True)
        if not isinstance(cuts, bool):
            raise BadInput(f"{TRUNCATE} must be true or false, not {shorten(cuts, 60)}")
        wanted, have = options.get(FINGERPRINT), self._engine.fingerprint
        if wanted is not None and wanted != have:
            raise OtherModel(
                f"This model's fingerprint is {have}, and vectors of {shorten(wanted, 60)} are"
                " wanted"
            )
        check_numbers(len(texts), self._engine.dimensions)
        return kind, cuts

    def _check_cut(self, asked: Lot, found: Embedded) -> None:
        if not asked.cuts and found.were_cut.any():
            number = int(np.flatnonzero(found.were_cut)[0])
            raise BadInput(
                f"Text {number} has more than {self._params.max_tokens} tokens, and truncate is"
                " false"
            )


def _too_many(count: int, most: int) -> str:
    return f"There are {count} texts; at most {most} are taken"


def _as_text(value: object, number: int) -> object:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise BadInput(
            f"Text {number} is not UTF-8: {error.reason} at byte {error.start}"
        ) from None
