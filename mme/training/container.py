"""A SageMaker training job: where the platform puts things, and what it wants to find at the end.

Read from `/opt/ml` (or `SAGEMAKER_BASE_DIR`) and the `SM_*` variables: hyperparameters, channels,
hosts. One family is trained, into the model's folder, which the platform packs itself.
Hyperparameters come before what `<Family>-params.json` says, in the channel or else as shipped.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mme.training.plan import TrainingError, make_job, read_object, read_value
from mme.training.run import Destination
from models.registry import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.training.plan import Job

log = logging.getLogger(__name__)

BASE = Path("/opt/ml")
CHANNEL = "SM_CHANNEL_"
TRAINING_CHANNELS = ("train", "training")
OTHER_CHANNELS = ("evaluation", "validation", "test", "model", "code")
EVALUATION_CHANNEL = "evaluation"
FAMILY = "family"
SAMPLE = "sample_request"
"""A hyperparameter: whether the artifact gets a request to try it with."""
# Of the platform's own, for scripts; `sagemaker_*` and what begins with an underscore.
PLATFORMS_OWN = ("sagemaker_", "_")
FAILURE_CHARS = 1024
SHOWN_FILES = 10


@dataclass(frozen=True, slots=True)
class Places:
    """The folders and files of a training job."""

    config: Path
    data: Path
    channels: Mapping[str, Path]
    """Folders by channel, in lower case."""
    model: Path
    reports: Path
    output: Path

    @property
    def destination(self) -> Destination:
        """Files at the root of the model's folder, reports in the output's."""
        return Destination(self.model, self.reports, is_packed=False)

    def succeeded(self) -> None:
        """Leave the sign of success, and none of a failure."""
        self.output.mkdir(parents=True, exist_ok=True)
        (self.output / "failure").unlink(missing_ok=True)
        (self.output / "success").touch()

    def failed(self, reason: str) -> None:
        """Leave the reason, of which the platform shows 1024 characters, and no sign of success."""
        try:
            self.output.mkdir(parents=True, exist_ok=True)
            (self.output / "success").unlink(missing_ok=True)
            (self.output / "failure").write_text(reason[:FAILURE_CHARS], encoding="utf-8")
        except OSError:
            log.exception("cannot leave the reason in %s", self.output)


def find_places(environ: Mapping[str, str]) -> Places | None:
    """Where a training job is, or None where there is none: no configuration and no `SM_*`."""
    base = Path(environ.get("SAGEMAKER_BASE_DIR") or BASE)
    inputs = Path(environ.get("SM_INPUT_DIR") or base / "input")
    config = Path(environ.get("SM_INPUT_CONFIG_DIR") or inputs / "config")
    named = {
        name.removeprefix(CHANNEL).lower(): Path(value)
        for name, value in environ.items()
        if name.startswith(CHANNEL) and value
    }
    if not config.is_dir() and not (named and environ.get("SM_MODEL_DIR")):
        return None
    data = inputs / "data"
    found = {path.name.lower(): path for path in _entries(data) if path.is_dir()}
    output = Path(environ.get("SM_OUTPUT_DIR") or base / "output")
    return Places(
        config=config,
        data=data,
        channels={**found, **named},
        model=Path(environ.get("SM_MODEL_DIR") or base / "model"),
        reports=Path(environ.get("SM_OUTPUT_DATA_DIR") or output / "data"),
        output=output,
    )


def is_first_host(places: Places, environ: Mapping[str, str]) -> bool:
    """Whether this host is the one to train; several would only all do the same.

    Raises TrainingError where each host has a part of the data.
    """
    path = places.config / "resourceconfig.json"
    resources = read_object(path) if path.is_file() else {}
    hosts = resources.get("hosts") or read_value(environ.get("SM_HOSTS", "[]"))
    current = resources.get("current_host") or environ.get("SM_CURRENT_HOST")
    if not isinstance(hosts, list) or len(hosts) < 2:  # noqa: PLR2004 - one host is the rule
        return True
    for name, channel in _input_data(places).items():
        if isinstance(channel, dict) and channel.get("S3DistributionType") == "ShardedByS3Key":
            raise TrainingError(
                f"channel {name} is spread over {len(hosts)} hosts (ShardedByS3Key), and training"
                " uses one: choose FullyReplicated, or one instance"
            )
    return current == min(map(str, hosts))


def container_job(places: Places, environ: Mapping[str, str], models_dir: Path) -> Job:
    """The job the platform describes. Raises TrainingError."""
    for name, described in _input_data(places).items():
        if isinstance(described, dict) and described.get("TrainingInputMode") == "Pipe":
            raise TrainingError(f"channel {name} is in Pipe mode; use File or FastFile")
    given = _hyperparameters(places, environ)
    channel = _training_channel(places)
    family = _family(given, channel)
    given.pop(FAMILY, None)
    has_sample = given.pop(SAMPLE, False)
    if not isinstance(has_sample, bool):
        raise TrainingError(f"hyperparameter {SAMPLE} is {has_sample!r}; write true or false")
    file = channel / f"{family}-params.json"
    has_own = file.is_file()
    base = read_object(file if has_own else models_dir / family / file.name)
    if not has_own and "train_df" not in given:
        base.pop("train_df", None)  # names the corpus we ship
    params = {**base, **given}
    corpus = _corpus(channel, params.get("train_df"))
    params["train_df"] = corpus.relative_to(channel).as_posix()
    evaluation = places.channels.get(EVALUATION_CHANNEL)
    job = make_job(
        family,
        params,
        str(corpus),
        bases=(channel, places.data),
        evaluation_uri=str(evaluation) if evaluation else None,
    )
    return replace(job, has_sample=has_sample)


def _hyperparameters(places: Places, environ: Mapping[str, str]) -> dict[str, object]:
    """Those meant for us; each value is read as JSON if it is JSON, else stays a string."""
    path = places.config / "hyperparameters.json"
    given = read_object(path) if path.is_file() else _object(environ.get("SM_HPS", "{}"), "SM_HPS")
    return {
        name: read_value(value) if isinstance(value, str) else value
        for name, value in given.items()
        if not name.startswith(PLATFORMS_OWN)
    }


def _object(text: str, name: str) -> dict[str, object]:
    value = read_value(text)
    if not isinstance(value, dict):
        raise TrainingError(f"{name} must hold a JSON object")
    return value


def _input_data(places: Places) -> dict[str, object]:
    path = places.config / "inputdataconfig.json"
    return read_object(path) if path.is_file() else {}


def _training_channel(places: Places) -> Path:
    channels = places.channels
    for name in TRAINING_CHANNELS:
        if name in channels:
            return channels[name]
    others = [path for name, path in channels.items() if name not in OTHER_CHANNELS]
    if len(others) == 1:
        return others[0]
    raise TrainingError(
        f"no channel to train on: wanted {' or '.join(TRAINING_CHANNELS)} below {places.data},"
        f" found {', '.join(channels) or 'none'}"
    )


def _family(given: Mapping[str, object], channel: Path) -> str:
    """The family a hyperparameter names, or the one whose parameters are in the channel."""
    named = given.get(FAMILY)
    if named is None:
        found = [name for name in FAMILIES if (channel / f"{name}-params.json").is_file()]
        if len(found) == 1:
            return found[0]
        raise TrainingError(
            f"which family? Set the hyperparameter {FAMILY} to one of {', '.join(FAMILIES)}"
        )
    if named not in FAMILIES:
        raise TrainingError(
            f"hyperparameter {FAMILY} is {named!r}; there are {', '.join(FAMILIES)}"
        )
    return str(named)


def _corpus(channel: Path, named: object) -> Path:
    """The CSV that `train_df` names, or the only one there is."""
    found = sorted(path for path in channel.rglob("*.csv") if path.is_file())
    shown = ", ".join(path.relative_to(channel).as_posix() for path in found[:SHOWN_FILES])
    if named is None:
        if len(found) == 1:
            return found[0]
        raise TrainingError(
            f"{channel} must hold one CSV, or train_df name one of several; it has"
            f" {shown or 'none'}"
        )
    if not isinstance(named, str) or (channel / named) not in found:
        raise TrainingError(f"train_df is {named!r}, but {channel} has {shown or 'no CSV'}")
    return channel / named


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
