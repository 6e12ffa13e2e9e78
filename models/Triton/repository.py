"""The models of an artifact: which folders have one, in which versions, and the one that is asked.

An artifact is one model at its root, one model in a folder, or several of which one is an ensemble.
Folders are looked at, files are only named: what is in a version's file is for its backend.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.errors import ArtifactError, shorten
from models.mapped.folder import Mapped, mapped
from models.Triton.config import ENSEMBLE, NEWEST, Config, parse_config
from models.Triton.schema import FILE, read_config
from models.Triton.support import check_support

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MOST_MODELS = 16
SHOWN_CHARS = 300
MOST_ENTRIES = 1000
"""In the root, and in the folder of a model."""
FORM = "triton.v1"
LATEST, ALL, SPECIFIC = "latest", "all", "specific"


@dataclass(frozen=True, slots=True)
class Model:
    """One model's folder."""

    config: Config
    folder: Path
    versions: tuple[int, ...]
    """Those that are served, the newest last."""
    warnings: tuple[str, ...]

    def version(self, wanted: int) -> int:
        """The version that a step asks for. Raises ArtifactError."""
        if wanted == NEWEST:
            return self.versions[-1]
        if wanted not in self.versions:
            there = ", ".join(map(str, self.versions))[:SHOWN_CHARS]
            self.config.refuse(f"has no version {wanted} to serve, but {there}")
        return wanted

    def file(self, version: int) -> Path:
        """The file of a version."""
        return self.folder / str(version) / self.config.model_file


@dataclass(frozen=True, slots=True)
class Repository:
    """All models of an artifact."""

    models: Mapping[str, Model]
    """The one that is asked, and those that its steps ask as far as they are there."""
    asked: Model
    """The one that requests are for."""
    idle: tuple[str, ...]
    """Folders of models that nothing asks; nobody has looked into them."""


def read_repository(root: Path, scratch: Path | None) -> Repository:
    """Read all configurations. Raises ArtifactError, NotConverted.

    What they say is kept in `scratch`, so that a worker that loads the model needs no schema.
    """
    folders = _folders(root)
    kept = mapped(
        scratch, [folder / FILE for folder in folders.values()], FORM, lambda: _read(folders, root)
    )
    name = _asked(kept.facts)
    asked = _model(folders[name], name, kept.facts[name], root)
    models = {name: asked}
    for step in asked.config.steps:
        if step.model in folders and step.model not in models:
            folder = folders[step.model]
            models[step.model] = _model(folder, step.model, kept.facts[step.model], root)
    return Repository(models, asked, tuple(each for each in folders if each not in models))


def _read(folders: Mapping[str, Path], root: Path) -> Mapped:
    said = {name: read_config(each / FILE, _path(each, root)) for name, each in folders.items()}
    return Mapped({}, said)


def _path(folder: Path, root: Path) -> str:
    """How errors name the configuration of a folder."""
    return FILE if folder == root else f"{folder.name}/{FILE}"


def _folders(root: Path) -> dict[str, Path]:
    """The folders that have a configuration, by their names."""
    if (root / FILE).is_file():
        _check_inside(root / FILE, root)
        return {root.name: root}
    found = [name for name in _names(root) if (root / name / FILE).is_file()]
    if len(found) > MOST_MODELS:
        raise ArtifactError(
            FILE, f"is in {len(found)} folders; at most {MOST_MODELS} models are taken"
        )
    for name in found:
        _check_inside(root / name / FILE, root)
    return {name: root / name for name in found}


def _names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        found = sorted(entry.name for entry in entries)
    if len(found) > MOST_ENTRIES:
        raise ArtifactError(
            FILE, f"{folder.name} has {len(found)} entries; at most {MOST_ENTRIES} are looked at"
        )
    return found


def _check_inside(path: Path, root: Path) -> None:
    """Refuse a link that leads out of the artifact."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise ArtifactError(str(path.relative_to(root)), "is a link that leads out of the artifact")


def _model(folder: Path, name: str, said: dict[str, Any], root: Path) -> Model:
    file = _path(folder, root)
    there = _versions_there(folder)
    present = {each for version in there for each in _names(folder / str(version))}
    config = parse_config(said, name, file, present)
    if folder != root and config.name != name:
        config.refuse(f"name {shorten(config.name, 60)} is not its folder's, {shorten(name, 60)}")
    warnings = check_support(config)
    if config.backend == ENSEMBLE:
        # An archive may have lost the empty folder that Triton wants.
        return Model(config, folder, tuple(there or [1])[-1:], tuple(warnings))
    versions = _served(config, there)
    for version in versions:
        path = folder / str(version) / config.model_file
        if not path.is_file():
            where = str(path.relative_to(root))
            raise ArtifactError(where, "is a folder" if path.is_dir() else "is missing")
        _check_inside(path, root)
    return Model(config, folder, tuple(versions), tuple(warnings))


def _versions_there(folder: Path) -> list[int]:
    """The versions that have a folder, the newest last; what is no number is passed over."""
    names = [name for name in _names(folder) if name.isascii() and name.isdecimal()]
    return sorted(
        int(name)
        for name in names
        if not name.startswith("0") and len(name) <= 18 and (folder / name).is_dir()  # noqa: PLR2004 - an int64
    )


def _served(config: Config, there: list[int]) -> list[int]:
    """Those the policy has served."""
    policy = config.said.get("version_policy", {})
    if SPECIFIC in policy:
        wanted = sorted(set(policy[SPECIFIC].get("versions", [])))
        missing = [version for version in wanted if version not in there]
        if missing or not wanted:
            config.refuse(
                f"version_policy wants the versions {shorten(wanted)}, and there are"
                f" {shorten(there)}"
            )
        return wanted
    count = len(there) if ALL in policy else policy.get(LATEST, {}).get("num_versions", 1)
    if not there or count < 1:
        config.refuse("has no version to serve: a folder whose name is a number, as 1")
    return there[-count:]


def _asked(said: Mapping[str, Mapping[str, Any]]) -> str:
    """The name of the model that requests are for."""
    if len(said) == 1:
        return next(iter(said))
    ensembles = [name for name, each in said.items() if "ensemble_scheduling" in each]
    if len(ensembles) != 1:
        found = f"{len(ensembles)} ensembles" if ensembles else "no ensemble"
        raise ArtifactError(
            FILE,
            f"is in {len(said)} folders, with {found}: with several models there must be one"
            " ensemble, which is the one that is asked",
        )
    return ensembles[0]
