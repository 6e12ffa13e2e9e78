"""Make what the templates of this folder take from a bucket: the functions, the state machine.

    python deploy/aws/package.py OUT

leaves OUT/lambdas.zip and OUT/train.asl.json. The same sources give the same bytes. boto3 is not in
it, the runtime of Lambda has it.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PARTS = (
    "deploy/aws/lambdas",
    "mme/__init__.py",
    "mme/core",
    "mme/store",
    "mme/residency/__init__.py",
    "mme/residency/trial.py",
)
MADE_AT = (2026, 1, 1, 0, 0, 0)
READABLE = 0o644 << 16


def package(out: Path) -> list[Path]:
    """Write both files into a folder; returns where they are."""
    out.mkdir(parents=True, exist_ok=True)
    functions, machine = out / "lambdas.zip", out / "train.asl.json"
    with zipfile.ZipFile(functions, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in _files():
            entry = zipfile.ZipInfo(file.relative_to(PROJECT).as_posix(), MADE_AT)
            entry.external_attr = READABLE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    shutil.copyfile(Path(__file__).with_name(machine.name), machine)
    return [functions, machine]


def _files() -> list[Path]:
    found: list[Path] = []
    for part in PARTS:
        place = PROJECT / part
        found += place.rglob("*.py") if place.is_dir() else [place]
    return sorted(found)


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and one folder
        sys.exit(f"usage: {sys.argv[0]} OUT")
    for made in package(Path(sys.argv[1])):
        sys.stdout.write(f"{made} ({made.stat().st_size} bytes)\n")
