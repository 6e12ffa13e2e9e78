"""A place of its own for what peers' tests expect of a machine: ports and paths that they name.

In namespaces of its own this process has its own loopback interface, so that 8080 is free whatever
runs beside it, and its own root, in which /opt/ml/models and other folders are there that are
nowhere else. Linux only; without root it takes namespaces of users.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

INSIDE = "PEERS_INSIDE"
AS_ROOT = ("--mount", "--net", "--propagation", "private")
AS_USER = ("--user", "--map-current-user", "--keep-caps", *AS_ROOT)
ROOT = """
set -euo pipefail
root=$1
shift
mount -t tmpfs none "$root"
shared() {
  if [ -L "$1" ]; then cp -P "$1" "$root$1"
  elif [ -d "$1" ]; then mkdir -p "$root$1"; mount --rbind "$1" "$root$1"
  elif [ -f "$1" ]; then touch "$root$1"; mount --bind "$1" "$root$1"
  fi
}
for entry in /*; do [ "$entry" = /opt ] || shared "$entry"; done
for entry in /opt/*; do [ "$entry" = /opt/ml ] || shared "$entry"; done
while [ $# -gt 0 ]; do
  mkdir -p "$root$1"
  mount --bind "$2" "$root$1"
  shift 2
done
"""


def is_inside() -> bool:
    """Whether this process has namespaces of its own."""
    return INSIDE in os.environ


def run_inside(module: str, arguments: Iterable[str], scratch: Path) -> int:
    """Run the module once more in namespaces of its own; its exit code.

    `scratch` is the caller's to remove when that has ended: here nothing is mounted in it.
    """
    options = AS_ROOT if os.geteuid() == 0 else AS_USER
    command = ["unshare", *options, sys.executable, "-m", module, *arguments]
    environment = os.environ | {INSIDE: str(scratch)}
    return subprocess.run(command, env=environment, check=False).returncode


def scratch() -> Path:
    """The folder that `run_inside` was given. Never remove it from inside."""
    return Path(os.environ[INSIDE])


def set_up(root: Path, folders: Mapping[str, Path]) -> None:
    """Have a loopback interface and, at the paths named, these folders. Only inside.

    `root` is an empty folder to mount the new root on. Everything there is bound into it, so it
    must not be seen in the new one, where removing what is below it would remove all.
    """
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    pairs = [text for at, folder in folders.items() for text in (at, str(folder))]
    subprocess.run(["bash", "-c", ROOT, "root", str(root), *pairs], check=True)
    here = Path.cwd()
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "."], check=True)
    subprocess.run(["umount", "-l", "."], check=True)
    os.chdir(here)
    while os.path.ismount(root):
        subprocess.run(["umount", "-l", "-R", str(root)], check=True)
    if any(root.iterdir()):
        raise SystemExit(f"{root} should be empty here")
