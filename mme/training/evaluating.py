"""Evaluating a model that is there: an artifact on this disk or in S3, or one on an endpoint.

An archive is unpacked as the endpoint does it, safely and within limits, and its data read by the
same checks. What is asked and measured is for `models.evaluation`.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError
from mme.training.fetching import fetched
from mme.training.plan import TrainingError
from mme.training.remote_model import RemoteModel
from mme.training.unpacking import unpacked
from models.elsewhere import AskingModel
from models.errors import CorpusError, ServingError
from models.evaluation.asking import can_evaluate, examine
from models.evaluation.single import read_any
from models.registry import FAMILIES, find_family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.evaluation.results import Evaluated
    from models.evaluation.sets import EvaluationSets
    from models.serving import LoadedModel, Progress
    from models.tables import Told


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be evaluated, on what."""

    target: str
    """An artifact's place, or the target model of an endpoint."""
    evaluation: str
    endpoint: str | None = None
    told: Told | None = None
    """How the set is written."""
    token: str = ""
    """For the endpoint, if it wants one."""


def evaluate_target(question: Question, progress: Progress) -> dict[str, Evaluated]:
    """What the model answers to each set of its kind. Raises TrainingError."""
    try:
        with fetched("the evaluation set", question.evaluation, progress) as place:
            sets = read_any(place, question.told)
        with _opened(question, sets, progress) as (family, model):
            found = examine(family, model, sets, progress) if can_evaluate(family) else {}
    except (CorpusError, ServingError, EndpointError) as error:
        raise TrainingError(str(error)) from error
    except OSError as error:
        raise TrainingError(f"{error.filename or question.target}: {error.strerror}") from error
    if not found:
        raise TrainingError(
            f"{question.evaluation} holds no set that {question.target}, of the family {family},"
            " can answer"
        )
    return found


@contextlib.contextmanager
def _opened(
    question: Question, sets: EvaluationSets, progress: Progress
) -> Iterator[tuple[str, LoadedModel]]:
    if question.endpoint is not None:
        remote = RemoteModel(question.endpoint, question.target, question.token)
        yield _family_of(remote, sets), remote
        return
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mme-evaluated-")))

        def load(what: str, uri: str) -> tuple[str, LoadedModel]:
            folder = stack.enter_context(fetched(what, uri, progress))
            if folder.is_file():
                folder = unpacked(folder, scratch / what, uri)
            family = find_family(folder)
            return family.name, family.load(folder, scratch / f"{what}, mapped")

        name, model = load("the artifact", question.target)
        if isinstance(model, AskingModel):
            # Where it is on an endpoint: as seen from the folder that the artifact is in.
            above, slash, _ = question.target.rstrip("/").rpartition("/")
            model.ask_here(lambda target: load("the embedding", f"{above}{slash}{target}")[1])
        yield name, model


def _family_of(model: RemoteModel, sets: EvaluationSets) -> str:
    """As the endpoint says; where it does not, the family that answers sets of the first kind."""
    family = model.describe().get("family")
    if isinstance(family, str) and family in FAMILIES:
        return family
    if sets.retrieval:
        return "Search"
    return "DocSim" if sets.pairs else "TopicalPageRank"
