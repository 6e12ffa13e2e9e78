"""One artifact on its way from the store to its place: downloaded, admitted, renamed.

Everything happens in a folder of its own in `partial`, which `end` removes. Leaves limits of the
cache as a whole to `artifact_cache.py`.
"""

from __future__ import annotations

import contextlib
import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.cache.admission import AdmissionJob
from mme.cache.download import Download
from mme.cache.entry import MAPPED_FOLDER, MODEL_FOLDER, Entry, read_entry, write_entry
from mme.cache.folders import disk_bytes
from mme.cache.removal import remove
from mme.cache.seal import NotPlain, sealed
from mme.core.artifact import Admitted
from mme.core.errors import ArtifactRejected, NoDiskSpace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mme.cache.extract import ExtractionLimits
    from mme.cache.folders import Folders
    from mme.cache.threads import Run
    from mme.core.artifact import Findings
    from mme.store import ArtifactRef, Store

ARCHIVE_FILE = "archive"
LEAST_CPU_S, BYTES_PER_CPU_S = 10, 512 * 1024
"""What is small is admitted in a tenth of a second, or hostile."""
IN_THE_WAY = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


@dataclass(frozen=True, slots=True)
class AdmissionTerms:
    """What an admission may take, and whether it loads the model (see AdmissionJob)."""

    memory_bytes: int
    cpu_s: int
    checks: bool


class Arrival:
    """The artifact `ref`, to be called `name`. Steps in order; `end` in any case, then anew."""

    def __init__(self, name: str, ref: ArtifactRef, folders: Folders, run: Run) -> None:
        self.ref = ref
        self._name = name
        self._folders = folders
        self._run = run
        self._scratch: Path | None = None
        self._is_checked = False

    @property
    def scratch(self) -> Path:
        """Where it is before it has its place."""
        if self._scratch is None:
            with self._disk_full_named():
                self._scratch = self._folders.new_partial()
        return self._scratch

    async def download(self, store: Store, most_bytes: int) -> None:
        """Raises ArtifactRejected, NoDiskSpace, and what the store raises."""
        download = Download(self.ref, store, most_bytes)
        archive = self.scratch / ARCHIVE_FILE
        try:
            with self._disk_full_named():
                await self._run(lambda: download.into(archive))
        finally:
            download.stop()

    def job(self, limits: ExtractionLimits, terms: AdmissionTerms) -> AdmissionJob:
        """What an admission is to do with the archive."""
        self._is_checked = terms.checks
        model_dir, mapped_dir = self.scratch / MODEL_FOLDER, self.scratch / MAPPED_FOLDER
        with self._disk_full_named():
            model_dir.mkdir(mode=0o755)
            mapped_dir.mkdir(mode=0o755)
        return AdmissionJob(
            target=self.ref.target,
            uri=self.ref.uri,
            archive=self.scratch / ARCHIVE_FILE,
            model_dir=model_dir,
            scratch_dir=mapped_dir,
            limits=limits,
            memory_bytes=terms.memory_bytes,
            cpu_s=min(terms.cpu_s, LEAST_CPU_S + self.ref.size_bytes // BYTES_PER_CPU_S),
            checks=terms.checks,
        )

    async def finished(self, findings: Findings, admitted_at: float) -> Entry:
        """The record of what the admission has left, which is all that is kept."""
        folder, scratch = self._folders.artifacts / self._name, self.scratch
        artifact = Admitted(
            name=self._name,
            target=self.ref.target,
            version=self.ref.version,
            model_dir=folder / MODEL_FOLDER,
            scratch_dir=folder / MAPPED_FOLDER,
            archive_bytes=self.ref.size_bytes,
            admitted_at=admitted_at,
            findings=findings,
        )

        def finish() -> Entry:
            (scratch / ARCHIVE_FILE).unlink(missing_ok=True)
            # Whoever handles it may write beside its files; a family never does.
            try:
                seal = sealed(scratch) if self._is_checked else None
            except NotPlain as error:
                raise ArtifactRejected(self.ref.uri, f"its admission left {error}") from error
            entry = Entry(artifact, disk_bytes(scratch), seal)
            write_entry(scratch, entry)
            scratch.chmod(0o755)
            return entry

        with self._disk_full_named():
            return await self._run(finish)

    async def placed(self, entry: Entry) -> Entry:
        """Let the artifact appear under its name; returns the record that is there."""
        scratch = self.scratch
        with self._disk_full_named():
            return await self._run(lambda: self._place(scratch, entry))

    async def end(self) -> None:
        """Remove what is left on the way."""
        scratch, self._scratch = self._scratch, None
        left = None if scratch is None else self._folders.leave(scratch)
        if left is not None:
            await self._run(lambda: remove(self._folders.leaving, left))

    def _place(self, scratch: Path, entry: Entry) -> Entry:
        folder = self._folders.artifacts / self._name
        try:
            scratch.rename(folder)
        except OSError as error:
            if error.errno not in IN_THE_WAY:
                raise
            # One that was faster with the same name is as good; anything else goes.
            there = read_entry(folder)
            if there is not None:
                return there
            self._folders.clear_away(folder)
            scratch.rename(folder)
        return entry

    @contextlib.contextmanager
    def _disk_full_named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoDiskSpace(str(self._folders.root), self.ref.uri) from error
            raise
