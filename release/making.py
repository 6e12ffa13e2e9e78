"""All that is published of a version, made of one commit into one folder, or nothing.

What may be released is decided purely (`refusals`); the folder appears under its name when all
in it is made.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from release import bill, source
from release.changelog import UNRELEASED, NoSection, Section, sections
from release.image import platforms
from release.numbers import current
from release.packages import build_wheel, locked_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from release.image import Engine

CHANGES, SUMS = "CHANGES.md", "SHA256SUMS"


class Refused(RuntimeError):
    """This cannot be released; the message says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is made of which commit."""

    project: Path
    version: str
    folder: Path
    """Where it comes to lie."""
    commit: str
    changes: Section
    engine: Engine | None
    """None: no image."""


def refusals(
    version: str,
    changed: Collection[str],
    tags: Collection[str],
    changelog: Mapping[str, Section],
    *,
    is_made: bool,
) -> list[str]:
    """Why a version cannot be released; nothing: it can."""
    said = []
    if changed:
        shown = ", ".join(sorted(changed)[:5])
        said.append(f"the checkout has {len(changed)} files that are not committed: {shown}")
    if f"v{version}" in tags:
        said.append(f"{version} is released already: there is the tag v{version}")
    if is_made:
        said.append(f"dist/{version} is there already: remove it to make it anew")
    section = changelog.get(version)
    if section is None or section.date is None or not section.has_lines:
        said.append(
            f"CHANGELOG.md has no dated section with lines for {version}:"
            " run `make version VERSION=...` and commit"
        )
    elif UNRELEASED in changelog and changelog[UNRELEASED].has_lines:
        said.append(f"CHANGELOG.md has lines below '## {UNRELEASED}': move them to {version}")
    return said


def changes_of(version: str, changelog: Mapping[str, Section]) -> Section:
    """What the version brings; before it has a section, what is not released. Raises NoSection."""
    found = changelog.get(version) or changelog.get(UNRELEASED)
    if found is None or not found.has_lines:
        raise NoSection(f"CHANGELOG.md has no lines for {version}")
    return found


def known(project: Path) -> dict[str, Section]:
    """The sections of the project's changelog."""
    return sections((project / "CHANGELOG.md").read_text("utf-8"))


def make(plan: Plan, say: Callable[[str], None]) -> list[Path]:
    """Make everything; returns the files. Raises CalledProcessError, NotInstalled, OSError."""
    plan.folder.parent.mkdir(parents=True, exist_ok=True)
    partial = plan.folder.with_name(f"{plan.folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    with tempfile.TemporaryDirectory(prefix="mme-release-") as scratch:
        _make_into(plan, partial, Path(scratch), say)
    write_sums(partial)
    shutil.rmtree(plan.folder, ignore_errors=True)
    partial.rename(plan.folder)
    return sorted(plan.folder.iterdir())


def write_sums(folder: Path) -> None:
    """The digests of all files, as `sha256sum --check` reads them."""
    lines = []
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    (folder / SUMS).write_text("".join(lines))


def _make_into(plan: Plan, folder: Path, scratch: Path, say: Callable[[str], None]) -> None:
    name, time_s = f"mme-{plan.version}", source.commit_time_s(plan.project, plan.commit)
    say(f"the source of {plan.commit[:12]}")
    tar = source.archived(plan.project, plan.commit, f"{name}/")
    source.write_archive(tar, folder / f"{name}-source.tar.gz")
    tree = source.laid_out(tar, scratch, name)
    (folder / CHANGES).write_text(f"# mme {plan.version}\n\n{plan.changes.text}\n", "utf-8")
    # Before anything builds in the tree: a build leaves files there.
    if plan.engine is not None:
        _make_images(plan.engine, tree, folder / f"{name}-linux", time_s, say)
    say("the wheel, and the bill of what it needs")
    build_wheel(tree, folder, time_s)
    lock = tree / "requirements" / "runtime.lock"
    shutil.copyfile(lock, folder / f"{name}-requirements.lock")
    python = locked_environment(lock, scratch / "environment", to_read=True)
    bill.write_packages_bill(python, tree / "pyproject.toml", folder / f"{name}.cdx.json", time_s)


def _make_images(
    engine: Engine, tree: Path, stem: Path, time_s: int, say: Callable[[str], None]
) -> None:
    version = current(tree)
    possible = platforms()
    for machine, reason in possible.left_out.items():
        say(f"no image for {machine}: {reason}")
    for machine in possible.built:
        say(f"the image for {machine}")
        image = engine.build(tree, version, machine, time_s)
        engine.save(image, stem.with_name(f"{stem.name}-{machine}.oci.tar"))
        page = stem.with_name(f"{stem.name}-{machine}.cdx.json")
        bill.write_image_bill("mme", version, engine.parts(image), page, time_s)
