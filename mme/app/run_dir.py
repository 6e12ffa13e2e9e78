"""The folder an endpoint keeps its sockets, pipes and logs in while it runs.

Private, below the system's temporary folder, gone when the endpoint ends. One that was killed could
not clear up: on a volume that outlives the container its folder would stay for ever, so the next
endpoint there removes it. A lock, which the kernel drops with its holder, tells the dead from the
living.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mme.app.life import EndpointFailed
from mme.cache.removal import remove

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

PREFIX = "mme-"
LOCK = "in-use"
SCRIPTS = "-scripts"


@contextlib.contextmanager
def run_dir() -> Iterator[Path]:
    """A fresh folder for the time of the block; what dead endpoints left beside it is removed.

    Raises EndpointFailed.
    """
    named = os.environ.get("TMPDIR")
    with contextlib.ExitStack() as stack:
        try:
            if named:  # it may lie on a volume that is still empty
                Path(named).mkdir(parents=True, exist_ok=True)
            parent = tempfile.gettempdir()
            if named and not Path(parent).samefile(named):
                log.warning("TMPDIR=%s cannot be written: %s is used instead", named, parent)
            _remove_abandoned(Path(parent))
            made = tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(made))
            _check_programs_run(folder)
            stack.enter_context(_locked(folder / LOCK))
            stack.enter_context(_made(scripts_dir(folder)))
        except OSError as error:
            raise EndpointFailed(
                f"there is no folder for temporary files (TMPDIR={named or ''}): {error}"
            ) from error
        yield folder


def scripts_dir(folder: Path) -> Path:
    """Where code that artifacts bring may have temporary folders, beside the folder of a run.

    Workers may be another user, who does not come into the run's own.
    """
    return folder.with_name(f"{folder.name}{SCRIPTS}")


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """A folder to which every user may add, and that none may list."""
    folder.mkdir()
    try:
        folder.chmod(0o1733)
        yield
    finally:
        remove(folder.parent, folder.name)


def _check_programs_run(folder: Path) -> None:
    """Raise EndpointFailed where the launcher of workers, which is written here, could not run."""
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        raise EndpointFailed(
            f"no program may run in {folder.parent} (it is mounted noexec): set TMPDIR to a folder"
            " where programs may"
        )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock; raises BlockingIOError if somebody else does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        # Without a lock file it is just being made; of another user's we may not speak.
        if not os.access(folder / LOCK, os.W_OK):
            continue
        with contextlib.suppress(OSError), _locked(folder / LOCK):
            log.info("removing %s, which an endpoint left that was killed", folder)
            shutil.rmtree(folder, ignore_errors=True)
            remove(folder.parent, scripts_dir(folder).name)
