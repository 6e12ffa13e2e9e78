"""`mme ensemble`: an artifact of several others, checked as an endpoint checks it.

A folder has `ensemble.json`, and whatever members need besides what their archives hold; members
that lie in it unpacked need no archive. The same files give the same archive, byte for byte.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mme.core.command_options import check_local
from mme.core.errors import EndpointError
from mme.core.log import configure_logging
from mme.core.settings import OUTPUT
from mme.training.archive import write_archive
from mme.training.plan import TrainingError
from mme.training.unpacking import unpacked
from models.errors import ServingError
from models.registry import find_family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXIT_FAILED = 1
ENSEMBLE = "Ensemble"
EXAMPLES = """\
examples:
  mme ensemble models/Ensemble/FactCheckEnsemble --member search=artifacts/Search.tar.gz
    --member keyphrases=artifacts/TopicalPageRank.tar.gz --member similarity=artifacts/DocSim.tar.gz
  mme ensemble ./Triage --output /srv/models      its members lie in it, unpacked"""


def ensemble(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="where ensemble.json is; also the artifact's name",
            show_default=False,
        ),
    ],
    *,
    members: Annotated[
        list[str] | None,
        typer.Option(
            "--member", metavar="NAME=ARCHIVE", show_default=False,
            help="the .tar.gz of a model that steps call NAME; may be given several times",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="where to (default: artifacts)", show_default=False),
    ] = None,
) -> int:  # fmt: skip
    """Put models and the graph that asks them into one artifact."""
    check_local(output, "--output")
    configure_logging("WARNING")
    try:
        archive = make_ensemble(folder, _named(members or ()), output or OUTPUT)
    except (TrainingError, EndpointError, ServingError) as error:
        sys.stderr.write(f"mme ensemble: {error}\n")
        return EXIT_FAILED
    except OSError as error:
        sys.stderr.write(f"mme ensemble: {error.filename or folder}: {error.strerror}\n")
        return EXIT_FAILED
    sys.stdout.write(f"{archive} ({archive.stat().st_size} bytes)\n")
    return 0


def make_ensemble(folder: Path, members: Mapping[str, Path], output: Path) -> Path:
    """Make `output/<name of the folder>.tar.gz`; returns it.

    Raises TrainingError, ServingError for what a worker could not load, EndpointError, OSError.
    """
    with tempfile.TemporaryDirectory(prefix="mme-ensemble-") as scratch:
        made = Path(scratch, folder.resolve().name)
        shutil.copytree(folder, made)
        for name, archive in members.items():
            # Apart, since nothing may replace what lies in the folder.
            _merge(unpacked(archive, Path(scratch, "members", name), str(archive)), made / name)
        family = find_family(made)
        if family.name != ENSEMBLE:
            raise TrainingError(f"{folder} is a model of the family {family.name}, no ensemble")
        family.load(made, Path(scratch, "mapped"))
        output.mkdir(parents=True, exist_ok=True)
        archive = output / f"{made.name}.tar.gz"
        partial = output / f".{made.name}.partial"
        try:
            write_archive(made, partial)
            partial.replace(archive)
        finally:
            partial.unlink(missing_ok=True)
        return archive


def _named(members: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for each in members:
        name, has_archive, archive = each.partition("=")
        if not (has_archive and name and archive) or "/" in name or name in (".", ".."):
            raise TrainingError(f"--member is NAME=ARCHIVE, not {each}")
        if name in found:
            raise TrainingError(f"--member {name} is given twice")
        found[name] = Path(archive).expanduser()
    return found


def _merge(unpacked: Path, place: Path) -> None:
    for file in sorted(unpacked.rglob("*")):
        target = place / file.relative_to(unpacked)
        if file.is_dir():
            continue
        if target.exists():
            raise TrainingError(f"{place.name}/{file.relative_to(unpacked)} is there already")
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
