"""What is to be trained: the switches, each family's input and its parameters.

Reads `models/models_to_be_trained.json`, `models/<Family>/inputData.json` and
`models/<Family>/<Family>-params.json`; every fault is a TrainingError that names file and key. The
plan of a SageMaker training job is for `container`.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from mme.core.settings import PROJECT_ROOT
from models.registry import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SWITCHES = "models_to_be_trained.json"
EVALUATION = "evaluation_uri"
NEAR = 0.5


class TrainingError(RuntimeError):
    """Training cannot start or go on; the message names what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Job:
    """One family to train: its parameters, and where the CSV is that they name."""

    family: str
    params: Mapping[str, object]
    """What the artifact is to be made with, and will carry."""
    corpus_uri: str
    """A folder, `s3://bucket/prefix`, or the CSV itself."""
    corpus_name: str
    """The CSV's name in the folder; empty for the only one there."""
    evaluation_uri: str | None = None
    """A folder of evaluation sets, or a set that is one file. It shapes no model, so it is not
    among the parameters."""
    bases: tuple[Path, ...] = (PROJECT_ROOT,)
    """Folders a relative path may be meant below, the first that has it."""
    name: str = ""
    """What the artifact is called, without its ending; slashes make folders."""
    default_language: str | None = None
    """What to take where the parameters name no language and the corpus does not show it."""
    has_sample: bool = False
    """Whether the artifact gets a sample request."""

    @property
    def target(self) -> str:
        """The artifact's name; the family's unless it has one of its own."""
        return self.name or self.family


def make_plan(models_dir: Path, wanted: Sequence[str] = ()) -> list[Job]:
    """The jobs switched on, or just the `wanted` families, in the order of the switches."""
    switches = read_object(models_dir / SWITCHES)
    check_families([*switches, *wanted])
    chosen = list(wanted) or [name for name, on in switches.items() if _is_on(name, on)]
    return [_job(models_dir / name, name) for name in chosen]


def check_families(names: Sequence[str]) -> None:
    """Raise TrainingError for names that are no family's, with the nearest that is."""
    if unknown := [name for name in names if name not in FAMILIES]:
        folded = {name.casefold(): name for name in FAMILIES}
        near = difflib.get_close_matches(unknown[0].casefold(), folded, 1, NEAR)
        meant = f"; is {folded[near[0]]} meant?" if near else ""
        raise TrainingError(
            f"{', '.join(unknown)}: no such model family; there are {', '.join(FAMILIES)}{meant}"
        )


def make_job(
    family: str,
    params: Mapping[str, object],
    corpus_uri: str,
    bases: tuple[Path, ...] = (PROJECT_ROOT,),
    evaluation_uri: str | None = None,
) -> Job:
    """A job whose parameters may name an evaluation set as well. Raises TrainingError."""
    shaping = {key: value for key, value in params.items() if key != EVALUATION}
    evaluation = params.get(EVALUATION) or evaluation_uri
    if not (evaluation is None or isinstance(evaluation, str)):
        raise TrainingError(f"{family}: {EVALUATION} is {evaluation!r}, not the name of a folder")
    name = shaping.get("train_df", "")
    if not isinstance(name, str) or (not name and not corpus_uri.endswith(".csv")):
        raise TrainingError(f"{family}-params.json: train_df must name the CSV in {corpus_uri}")
    return Job(family, shaping, corpus_uri, name, evaluation, bases)


def _is_on(name: str, switch: object) -> bool:
    if not isinstance(switch, bool):
        raise TrainingError(f"{SWITCHES}: {name} is {switch!r}; write true or false")
    return switch


def _job(folder: Path, family: str) -> Job:
    params_file, input_file = folder / f"{family}-params.json", folder / "inputData.json"
    params, inputs = read_object(params_file), read_object(input_file)
    training = inputs.get("Training")
    uri = training.get("Uri") if isinstance(training, dict) else None
    if not isinstance(uri, str) or not uri:
        raise TrainingError(
            f'{input_file} must read {{"Training": {{"Uri": "s3://... or a path"}}}}'
        )
    return make_job(family, params, uri)


def read_value(text: str) -> object:
    """The JSON that a text is; the text itself if it is none."""

    def refuse(_: str) -> NoReturn:
        raise ValueError("no JSON value")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return text


def read_object(path: Path) -> dict[str, object]:
    """The JSON object in a file. Raises TrainingError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise TrainingError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise TrainingError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise TrainingError(f"{path} must hold a JSON object")
    return content
