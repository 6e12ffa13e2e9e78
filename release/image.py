"""The image as an OCI archive, for each kind of machine the engine here can build for."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from release.bill import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
EMULATORS = {"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"}
BINFMT = Path("/proc/sys/fs/binfmt_misc")
LISTING = """
import importlib.metadata, pathlib, re, subprocess
for each in importlib.metadata.distributions():
    print('pypi', each.metadata['Name'], each.version, flush=True)
form = 'deb ${Package} ${Version}\\n'
subprocess.run(['dpkg-query', '-W', '-f', form], check=True)
java = pathlib.Path('/opt/java/release').read_text()
print('generic openjdk', re.search('JAVA_VERSION="(.+)"', java)[1])
"""


@dataclass(frozen=True, slots=True)
class Platforms:
    """What an image can be built for here."""

    built: tuple[str, ...]
    left_out: dict[str, str]
    """Why not for the others."""


def platforms(machine: str = platform.machine(), binfmt: Path = BINFMT) -> Platforms:
    """This machine's own kind, and those that its kernel has an emulator for."""
    built, left_out = [], {}
    for name in ("amd64", "arm64"):
        emulator = binfmt / EMULATORS[name]
        is_emulated = emulator.is_file() and emulator.read_text().startswith("enabled")
        if MACHINES.get(machine) == name or is_emulated:
            built.append(name)
        else:
            left_out[name] = f"this machine is {machine} and has no emulator at {emulator}"
    return Platforms(tuple(built), left_out)


@dataclass(frozen=True, slots=True)
class Engine:
    """podman or docker, and what its builds are given besides."""

    program: str
    options: Sequence[str] = ()

    @property
    def is_podman(self) -> bool:
        """Whether images are podman's, whatever its path."""
        return Path(self.program).name.startswith("podman")

    def build(self, tree: Path, version: str, machine: str, time_s: int) -> str:
        """Build the image of a tree; returns its name."""
        name = f"mme:{version}-{machine}"
        own_form = ["--format", "docker"] if self.is_podman else []
        self._run(
            "build", *own_form, *self.options, f"--platform=linux/{machine}",
            f"--build-arg=SOURCE_DATE_EPOCH={time_s}",
            f"--label=org.opencontainers.image.version={version}", f"--tag={name}", str(tree),
        )  # fmt: skip
        return name

    def save(self, image: str, path: Path) -> None:
        """Write an image as an OCI archive (docker writes that form since version 25)."""
        form = ["--quiet", "--format=oci-archive"] if self.is_podman else []
        self._run("save", *form, f"--output={path}", image)

    def parts(self, image: str) -> list[Part]:
        """What is in an image, as it says itself."""
        ran = subprocess.run(
            [
                self.program, "run", "--rm", "--network=none", "--no-healthcheck",
                "--entrypoint=/opt/venv/bin/python", image, "-c", LISTING,
            ],
            check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return [Part(*line.split()) for line in ran.stdout.splitlines()]

    def _run(self, *arguments: str) -> None:
        subprocess.run([self.program, *arguments], check=True, stdout=subprocess.DEVNULL)
