"""Where results go: into a folder, or to S3, where they are uploaded once they are complete."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError
from mme.store.address import open_s3
from mme.training.plan import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mme.store.s3 import S3Store
    from mme.training.run import Trained
    from models.serving import Progress

S3, FILE = "s3://", "file://"


class NotDeliveredError(TrainingError):
    """Training is done, but what it made could not be uploaded."""


@dataclass(frozen=True, slots=True)
class Output:
    """A folder to write to, and the store it is uploaded to, if any."""

    folder: Path
    store: S3Store | None = None

    def deliver(self, done: Trained, progress: Progress) -> tuple[str, str]:
        """Put artifact and reports where they belong; returns where it and the main report are.

        The artifact goes last, so that whoever sees it finds its reports. Raises TrainingError.
        """
        if self.store is None:
            return str(done.artifact), str(done.report)
        files = [*done.reports, done.artifact]
        try:
            with progress(
                len(files), "file", f"{done.family}: uploading to {self.store.uri}"
            ) as bar:
                for file in files:
                    self.store.put(file.relative_to(self.folder).as_posix(), file)
                    bar.update(1)
        except (EndpointError, OSError) as error:
            raise NotDeliveredError(f"{error}; the results are kept in {self.folder}") from error
        artifact, report = (
            self.store.uri + file.relative_to(self.folder).as_posix()
            for file in (done.artifact, done.report)
        )
        return artifact, report


@contextlib.contextmanager
def opened_output(output: str) -> Iterator[Output]:
    """The output at a path, `file://...` or `s3://...`. Raises TrainingError.

    A store that cannot be reached is found out now, not after an hour of training. What could not
    be uploaded stays in the folder.
    """
    if not output.startswith(S3):
        if output.startswith(FILE):
            output = urllib.parse.unquote(output.removeprefix(FILE))
        elif "://" in output:
            raise TrainingError(f"--output is {output}, neither a folder, {FILE}... nor {S3}...")
        yield Output(Path(output).expanduser())
        return
    try:
        store = open_s3(output)
        store.check_bucket()
    except (EndpointError, ValueError) as error:
        raise TrainingError(f"--output: {error}") from error
    folder = Path(tempfile.mkdtemp(prefix="mme-trained-"))
    try:
        yield Output(folder, store)
    except NotDeliveredError:
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
