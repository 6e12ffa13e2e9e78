"""What is committed, as a tree apart: whatever lies beside it in the checkout is in no release."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MEMBERS = {"keyphrases": "TopicalPageRank", "search": "Search", "similarity": "DocSim"}
ENSEMBLE = "models/Ensemble/FactCheckEnsemble"


def git(project: Path, *arguments: str) -> str:
    """What git says. Raises CalledProcessError."""
    ran = subprocess.run(
        ["git", "-C", project, *arguments], check=True, capture_output=True, text=True
    )
    return ran.stdout.strip()


def changed_files(project: Path) -> list[str]:
    """What is not committed, untracked files included."""
    said = git(project, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    # Each after its two letters of state, of which the first may be a space that `git` has cut off.
    return [each.lstrip().partition(" ")[2].lstrip() for each in said.split("\0") if each]


def snapshot(project: Path) -> str:
    """A commit of the tracked files as they are, on no branch; HEAD if nothing is changed."""
    return git(project, "stash", "create") or git(project, "rev-parse", "HEAD")


def commit_time_s(project: Path, commit: str) -> int:
    """When it was committed, in seconds since the epoch: the time of all that is made of it."""
    return int(git(project, "show", "--no-patch", "--format=%ct", commit))


def archived(project: Path, commit: str, prefix: str) -> bytes:
    """The commit's files as a tar, the same bytes each time."""
    ran = subprocess.run(
        ["git", "-C", project, "-c", "tar.umask=0022", "archive", f"--prefix={prefix}", commit],
        check=True,
        capture_output=True,
    )
    return ran.stdout


def write_archive(tar: bytes, path: Path) -> None:
    """The tar compressed, the same bytes each time."""
    path.write_bytes(gzip.compress(tar, mtime=0))


def laid_out(tar: bytes, folder: Path, prefix: str) -> Path:
    """Unpack such a tar below `folder`, and make the samples that are not committed."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as packed:
        packed.extractall(folder, filter=_plain)  # noqa: S202 - git's own, and filtered
    tree = folder / prefix
    members = [f"--member={name}=artifacts/{file}.tar.gz" for name, file in MEMBERS.items()]
    subprocess.run(
        [sys.executable, "-m", "mme", "ensemble", ENSEMBLE, *members],
        cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return tree


def _plain(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """Modes that do not depend on the umask here."""
    checked = tarfile.data_filter(member, folder)
    is_program = checked.isdir() or bool((member.mode or 0) & 0o100)
    return checked.replace(mode=0o755 if is_program else 0o644)
