"""A virtual environment for each peer, made once below a cache folder, as pip is configured.

A peer never enters this project's environment: their dependencies disagree with each other's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.table import NotPossible

PACKAGES = {
    "triton": ("nvidia-pytriton==0.7.0", "numpy<2", "gensim==4.4.0"),
    # With a newer uvloop its parallel workers die at their start.
    "mlserver": ("mlserver==1.7.1", "uvloop<0.22", "gensim==4.4.0"),
    "mosec": ("mosec==0.9.8", "gensim==4.4.0"),
}
MARK = "installed"


def environment(name: str) -> Path:
    """The folder of a peer's environment, made if need be. Raises NotPossible."""
    folder = _cache() / name
    wanted = "\n".join(PACKAGES[name])
    mark = folder / MARK
    if mark.is_file() and mark.read_text() == wanted:
        return folder
    print(f"installing {', '.join(PACKAGES[name])} into {folder} (once)", flush=True)
    try:
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        pip = (str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check")
        _run(*pip, "install", "--quiet", *PACKAGES[name])
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise NotPossible(f"{name} cannot be installed: {said.strip()[-300:]}") from error
    mark.write_text(wanted)
    return folder


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "mme-benchmarks" / "peers"


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
