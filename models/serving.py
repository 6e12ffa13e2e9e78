"""The interface between the families and the server around them.

Requests, answers and the three roles: a `Family` makes `LoadedModel`s and artifacts, a `Progress`
shows how far training is. Errors are in `errors`, media types in `media`.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

BATCH = "batch"
PIPELINE_JOINER = "+"
"""Between the keys of a model that needs several pipelines."""


@dataclass(frozen=True, slots=True)
class Request:
    """One invocation; the two headers are as they came, or None if they did not."""

    content_type: str | None
    accept: str | None
    body: bytes
    in_parts: bool = False
    """Whether the answer may have `pieces`: its reader takes each as soon as it is there."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """All of the request's headers, by names in lower case; for those who must hand them on."""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    content_type: str
    body: str | bytes = ""
    pieces: Iterator[str | bytes] | None = None
    """Makes the body piece by piece, instead of `body`. A ServingError in between breaks it off."""
    steps_s: Mapping[str, float] = field(default_factory=dict)
    """Where a model computes in steps, for who counts: by their names, what each took."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers; those SageMaker lets through reach the caller."""


def as_bytes(piece: str | bytes) -> bytes:
    """A piece of an answer as it is sent. Raises UnicodeEncodeError."""
    return piece if isinstance(piece, bytes) else piece.encode()


@dataclass(frozen=True, slots=True)
class Material:
    """What a family is trained on."""

    corpus: Path
    """A CSV file with a header line."""
    params: Mapping[str, object]
    files: Mapping[str, Path] = field(default_factory=dict)
    """For each parameter `<name>_uri`: the file it names, fetched; of an archive the folder with
    what is in it. Keys are the full names."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """What training reports besides the artifact."""

    facts: Mapping[str, object]
    """JSON-able facts for the training report: rows, vocabulary, coverage and the like."""
    reports: Mapping[str, str] = field(default_factory=dict)
    """File name -> content of further reports, to be kept beside the artifact."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a loaded model asks of the process that serves it."""

    is_data: bool = True
    """Whether the model is data that this project's own code reads, so that one process can serve
    many such models. False: it runs somebody else's code and wants a process of its own."""
    is_code: bool = False
    """Whether the model is code of its artifact's. It is a `CodeModel` then, which runs only where
    the operator has allowed it, and never in a process of others."""
    pipeline: str | None = None
    """The language pipeline it tags with or the encoder it asks, as a key for `warm_up`, several
    joined by a plus; None: it needs neither."""


class ProgressBar(Protocol):
    """Something that counts steps done; a tqdm bar is one."""

    def update(self, n: int = 1, /) -> object:
        """Note `n` more steps."""


class Progress(Protocol):
    """Opens a bar for `total` steps of one `unit`."""

    def __call__(self, total: int, unit: str, title: str) -> AbstractContextManager[ProgressBar]:
        """Return the bar; leaving its context ends it."""


class LoadedModel(Protocol):
    """A model in memory. Not for use by several threads at once."""

    def predict(self, request: Request) -> Response:
        """Answer one request; raises ServingError."""

    def describe(self) -> dict[str, object]:
        """What the model is (family, language, sizes), as JSON-able values."""

    def needs(self) -> Needs:
        """What a process must have, or be, to serve the model."""


@runtime_checkable
class BatchModel(Protocol):
    """A loaded model that computes several requests at once for less than one after the other.

    Its `describe()` has `Batch(...).as_json()` under the key BATCH, which says up to which size it
    gains: those who send requests to it know from there. Answers are as good as those of `predict`.
    """

    def predict_many(self, requests: Sequence[Request]) -> list[Response | None]:
        """Answer each, in their order, by a whole body; None: it must be asked alone.

        So must all of them where this raises, and whoever sends something wrong.
        """


@dataclass(frozen=True, slots=True)
class Batch:
    """How much is computed at once with gain."""

    max_requests: int
    max_bytes: int
    """Of the bodies of all requests together."""

    def as_json(self) -> dict[str, object]:
        """As descriptions have it."""
        return {"max_requests": self.max_requests, "max_bytes": self.max_bytes}


class CodeModel(LoadedModel, Protocol):
    """A model that is code: it can be described, and answers only once it has been started."""

    def start(self) -> LoadedModel:
        """Run the artifact's code in this process, its own, and return the model it makes.

        Raises ServingError and MemoryError.
        """


class Family(Protocol):
    """A kind of model."""

    name: str

    def load(self, model_dir: Path, scratch: Path | None = None) -> LoadedModel:
        """Read an artifact; raises ArtifactError, NoRoom and NotConverted.

        `scratch` is a folder of this model's own, made if need be, for what later loads can map;
        nothing is written beside the artifact.
        """

    def rehearse(self, model_dir: Path, scratch: Path) -> Request:
        """Put a miniature model into two empty folders; returns a request it answers.

        For a process that will be forked: what it has done once, its forks need not do again.
        """

    def train(self, material: Material, output_dir: Path, progress: Progress) -> Lessons:
        """Train on `material` and write the artifact's files into `output_dir`.

        The same input gives the same bytes. Raises CorpusError and ArtifactError (of the params).
        """


class _Silent:
    def update(self, n: int = 1, /) -> None:
        """Show nothing."""


@contextlib.contextmanager
def no_progress(total: int, unit: str, title: str) -> Iterator[ProgressBar]:  # noqa: ARG001
    """A `Progress` that shows nothing."""
    yield _Silent()
