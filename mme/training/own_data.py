"""Jobs as the command line describes them: one's own corpus, other parameters, a name.

Parameters that are not told are the shipped ones, so that nothing but a corpus is needed. Paths are
meant from the folder the command runs in.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.errors import InvalidRequest
from mme.core.names import check_target
from mme.training.fetching import TABLE_ENDINGS
from mme.training.plan import EVALUATION, Job, TrainingError, check_families, read_object

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCHIVE_ENDING = ".tar.gz"


@dataclass(frozen=True, slots=True)
class Own:
    """What the command line says; None where it says nothing."""

    corpus: str | None = None
    language: str | None = None
    name: str | None = None
    evaluation: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_any(self) -> bool:
        """Whether it says anything."""
        return self != Own()


def own_job(family: str, own: Own, models_dir: Path) -> Job:
    """The job of training `family` on a corpus of one's own. Raises TrainingError."""
    check_families([family])
    shipped = read_object(models_dir / family / f"{family}-params.json")
    language = shipped.pop("language", None)
    shipped.pop("train_df", None)  # of the shipped corpus
    assert own.corpus is not None  # noqa: S101 - else there is nothing to do here
    corpus = absolute(own.corpus)
    is_table = corpus.lower().endswith(TABLE_ENDINGS)
    if is_table:
        shipped["train_df"] = corpus.rpartition("/")[2]
    default = language if isinstance(language, str) else None
    job = adjusted(Job(family, shipped, corpus, "", default_language=default), own)
    named = own.settings.get("train_df")
    has_name = isinstance(named, str) and not is_table
    return dataclasses.replace(job, corpus_name=str(named) if has_name else "")


def adjusted(job: Job, own: Own) -> Job:
    """The job with what the command line says instead of what it had. Raises TrainingError."""
    settings = dict(own.settings)
    evaluation = settings.pop(EVALUATION, None)
    evaluation = own.evaluation or evaluation
    if not (evaluation is None or isinstance(evaluation, str)):
        raise TrainingError(f"{job.family}: {EVALUATION} is {evaluation!r}, not a path")
    if own.language:
        settings["language"] = own.language
    return dataclasses.replace(
        job,
        params={**job.params, **settings},
        name=job.name if own.name is None else checked_name(own.name),
        evaluation_uri=absolute(evaluation) if evaluation else job.evaluation_uri,
        bases=(Path.cwd(), *job.bases),
    )


def checked_name(name: str) -> str:
    """The name of an artifact without its ending. Raises TrainingError."""
    try:
        return check_target(name.removesuffix(ARCHIVE_ENDING))
    except InvalidRequest as error:
        raise TrainingError(f"--name: {error}") from error


def absolute(uri: str) -> str:
    """The same place, wherever it is read from."""
    return uri if "://" in uri else str(Path(uri).expanduser().absolute())
