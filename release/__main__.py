"""`python -m release`: what the Makefile's `version`, `wheel` and `release` run."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from release import changelog, numbers, source
from release.image import Engine
from release.making import Plan, Refused, changes_of, known, make, refusals
from release.packages import NotInstalled

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT = Path(__file__).resolve().parents[1]
EXIT_FAILED, EXIT_REFUSED = 1, 2


def main_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    prepare = commands.add_parser("prepare", help="write a version and date its changes")
    prepare.add_argument("version", help="as 1.2.0, or 1.2.0rc1")
    making = commands.add_parser("make", help="make all that is published into dist/VERSION")
    making.add_argument(
        "--try", dest="is_try", action="store_true",
        help="of the tracked files as they are, into dist/VERSION-try, whatever speaks against it",
    )  # fmt: skip
    making.add_argument("--engine", default="", help="podman or docker; none: no image")
    making.add_argument("--image-options", default="", help="what its build is given besides")
    return parser


def prepare(version: str, project: Path = PROJECT) -> list[Path]:
    """Write `version` and the changelog's section of today. Raises NoVersion, NoSection."""
    page = project / "CHANGELOG.md"
    numbers.parsed(version)
    text = changelog.dated(page.read_text("utf-8"), version, datetime.now(UTC).date())
    written = numbers.write(project, version)
    page.write_text(text, "utf-8")
    return [*written, page]


def planned(engine: Engine | None, *, is_try: bool, project: Path = PROJECT) -> Plan:
    """What would be made. Raises Refused, NoSection."""
    version, sections = numbers.current(project), known(project)
    folder = project / "dist" / (f"{version}-try" if is_try else version)
    if is_try:
        commit = source.snapshot(project)
    else:
        commit = source.git(project, "rev-parse", "HEAD")
        tags = source.git(project, "tag").split()
        changed = source.changed_files(project)
        said = refusals(version, changed, tags, sections, is_made=folder.exists())
        if said:
            raise Refused("\n".join(said))
    return Plan(project, version, folder, commit, changes_of(version, sections), engine)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked; returns the exit code."""
    given = main_parser().parse_args(arguments)
    try:
        if given.command == "prepare":
            for path in prepare(given.version):
                print(path.relative_to(PROJECT))
            print(f"look at it, commit it as 'Version {given.version}', then: make release")
            return 0
        options = shlex.split(given.image_options)
        engine = Engine(given.engine, options) if given.engine else None
        plan = planned(engine, is_try=given.is_try)
        for path in make(plan, lambda text: print(f"release: {text}", flush=True)):
            print(f"{path.stat().st_size:>12,}  {path.relative_to(PROJECT)}")
        if not given.is_try:
            print(f"next: git tag -a v{plan.version} {plan.commit[:12]}, and publish dist/")
    except (Refused, changelog.NoSection, numbers.NoVersion) as error:
        print(f"release: {error}", file=sys.stderr)
        return EXIT_REFUSED
    except (NotInstalled, OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or ""
        print(f"release: {error}\n{said}".rstrip(), file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
