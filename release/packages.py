"""The wheel, and an environment that has the locked packages and nothing else.

The environment's files are links to those that are installed here already, so it takes seconds and
fetches nothing. A bill of materials is written of it, and the wheel is tried in it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import PackagePath

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ \\;]+)", re.MULTILINE)
METADATA = ".dist-info"


class NotInstalled(RuntimeError):
    """What is installed here is not what is locked."""


def locked(lock: Path) -> dict[str, str]:
    """The versions of a lock by name."""
    return dict(PIN.findall(lock.read_text("utf-8")))


def build_wheel(tree: Path, folder: Path, time_s: int) -> Path:
    """Build the wheel of `tree` into `folder`; the same bytes for the same tree and time."""
    subprocess.run(
        [
            sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, tree,
        ],
        env=os.environ | {"SOURCE_DATE_EPOCH": str(time_s)}, check=True,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel


def locked_environment(lock: Path, folder: Path, *, to_read: bool = False) -> Path:
    """A virtual environment at `folder` with just the packages of `lock`; returns its Python.

    `to_read`: only what packages say of themselves, which a bill is made of.
    Raises NotInstalled where this environment has others.
    """
    venv.create(folder, with_pip=False)
    (target,) = (folder / "lib").glob("python*/site-packages")
    for name, version in locked(lock).items():
        try:
            found = distribution(name)
        except PackageNotFoundError:
            raise NotInstalled(f"{name}=={version} is locked in {lock.name} and not here") from None
        if found.version != version:
            raise NotInstalled(f"{name} is {found.version} here and {version} in {lock.name}")
        files = [file for file in found.files or () if not to_read or METADATA in file.parts[0]]
        _link(files, Path(str(found.locate_file(""))), target)
    return folder / "bin" / "python"


def install(wheel: Path, python: Path) -> None:
    """Install a wheel into such an environment, and have pip check what it depends on."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    checked = subprocess.run([*pip, "check"], check=False, capture_output=True, text=True)
    if checked.returncode:
        raise NotInstalled(checked.stdout + checked.stderr)


def _link(files: Iterable[PackagePath], source: Path, target: Path) -> None:
    for file in files:
        if file.parts[0] == ".." or file.suffix == ".pyc":
            continue  # programs, which name their interpreter, and what Python makes anew
        place = target / file
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source / file, place)
        except (FileExistsError, FileNotFoundError):
            continue  # another package has it, too, or it was taken away after it was installed
        except OSError:
            shutil.copy2(source / file, place)
