"""The form in which workers load a model: its graph optimised, its weights in a file to be mapped.

onnxruntime makes both, once, from what came in the artifact. The weights are in the order in which
this processor multiplies them, so that all workers compute with the same pages; a session over the
artifact's own file would copy all of them. The folder is named after the artifact's files, the
library and the processor, and appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import logging
import mmap
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import ArtifactError, is_short_of_room
from models.mapped.folder import check_may_convert
from models.onnx import gpu, running
from models.onnx.check import check_onnx

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


FORM = "onnx.v2"
GRAPH_FILE, WEIGHTS_FILE, FACTS_FILE = "graph.onnx", "weights.bin", "facts.json"
LEAST_MAPPED_BYTES = 1024
"""Smaller tensors stay in the graph."""
SAVING = {
    "session.optimized_model_external_initializers_file_name": WEIGHTS_FILE,
    "session.optimized_model_external_initializers_min_size_in_bytes": str(LEAST_MAPPED_BYTES),
    "session.save_external_prepacked_constant_initializers": "1",
}
_FEATURES: Mapping[str, bool] = getattr(
    importlib.import_module("numpy._core._multiarray_umath"), "__cpu_features__", {}
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Converted:
    """A session, and what was found out when it was converted."""

    session: Any
    facts: dict[str, Any]


def converted(
    source: Path,
    scratch: Path | None,
    tried: object,
    examine: Callable[[Any], dict[str, Any]],
    *,
    provider: str = gpu.AUTO,
    others: Sequence[Path] = (),
) -> Converted:
    """A session over the converted form, which is made first where it is not there.

    `examine` tries the session of a conversion and returns its facts, JSON-able; what they
    depend on besides the file is in the repr of `tried`, and in the files `others`. Without a
    scratch folder, or on a GPU, which has the weights in memory of its own, the artifact's file is
    loaded.
    Raises what `examine` raises, ArtifactError, NoRoom, NotConverted, and OSError where memory or
    file descriptors have run out.
    """

    def on_gpu() -> Any | None:
        return gpu.session(provider, lambda on: _session_of_artifact(source, on))

    folder = None if scratch is None else scratch / _identity([source, *others], tried)
    if folder is not None and (facts := _facts(folder)) is not None:
        if (made := on_gpu()) is not None:
            return Converted(made, facts)
        with contextlib.suppress(ArtifactError):  # a damaged copy: it is made anew
            return Converted(_mapped_session(folder, source), facts)
    check_may_convert(source)
    _check(source)
    if folder is not None:
        try:
            facts = _convert(source, folder, examine)
        except OSError as error:
            if is_short_of_room(error):
                raise
            log.warning("cannot keep a converted artifact: %s", error)
        else:
            return Converted(on_gpu() or _mapped_session(folder, source), facts)
    made = on_gpu() or _session_of_artifact(source)
    return Converted(made, examine(made))


def _check(source: Path) -> None:
    try:
        with source.open("rb") as file:
            # Not closed here: an error on its way still holds views of it.
            memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    except FileNotFoundError as error:
        raise ArtifactError(source, "is missing") from error
    except ValueError as error:
        raise ArtifactError(source, "is empty") from error
    check_onnx(source, memoryview(memory))


def _session_of_artifact(source: Path, on: Sequence[str] = (running.CPU_PROVIDER,)) -> Any:
    return running.session(source, running.options({}, optimizes=True), source.name, on)


def _mapped_session(folder: Path, source: Path) -> Any:
    options = running.options({}, optimizes=False)
    return running.session(folder / GRAPH_FILE, options, source.name)


def _convert(
    source: Path, folder: Path, examine: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    """Make the converted form. Raises OSError besides."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        options = running.options(SAVING, optimizes=True)
        options.optimized_model_filepath = str(partial / GRAPH_FILE)
        facts = examine(running.session(source, options, source.name))
        kept = json.dumps({"facts": facts, "sizes": _sizes(partial)})
        (partial / FACTS_FILE).write_text(kept, encoding="utf-8")
        for path in partial.iterdir():
            path.chmod(0o644)
        partial.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)  # it was damaged
        with contextlib.suppress(FileExistsError):  # another process was as far
            partial.rename(folder)
        return facts
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _facts(folder: Path) -> dict[str, Any] | None:
    """What was kept of a conversion; None: there is none, or it is damaged."""
    try:
        kept = json.loads((folder / FACTS_FILE).read_bytes())
        # Whoever maps a file that is too short is ended when it reads behind its end.
        if kept["sizes"] != _sizes(folder):
            return None
        return dict(kept["facts"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        if is_short_of_room(error):
            raise
        return None


def _sizes(folder: Path) -> dict[str, int]:
    """The bytes of each file but the facts'."""
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.name != FACTS_FILE}


def _identity(sources: Sequence[Path], tried: object) -> str:
    """A name for what is made of the first file, by this library, for this kind of processor."""
    try:
        files = [path.stat() for path in sources]
    except FileNotFoundError as error:
        raise ArtifactError(sources[0], "is missing") from error
    library = running.library("onnxruntime").__version__
    processor = sorted(name for name, has in _FEATURES.items() if has)
    are = [(status.st_size, status.st_mtime_ns, status.st_ino) for status in files]
    facts = (FORM, library, processor, tried, are)
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest() + os.extsep + "onnx"
