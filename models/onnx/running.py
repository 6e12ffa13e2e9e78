"""onnxruntime: imported when first needed, for one core, and its errors in our words.

The library is an extra. Nothing of it runs in threads of its own, so that a process which has it
can be forked, and nothing it is told to do is reported to anybody.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from models.errors import ArtifactError, NoRoom, ServingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

EXTRA = "mme[onnx]"
QUIET = {
    # Its thread would forbid all forks, and what it sends is nobody's business.
    "ORT_DISABLE_TELEMETRY": "1",
    # Threads would not outlive a fork, and a process that serves has one core to itself.
    "TOKENIZERS_PARALLELISM": "false",
}
FATAL_ONLY = 4
"""What is logged: errors are raised as well."""
CPU_PROVIDER = "CPUExecutionProvider"
SHOWN_CHARS = 300
_NO_MEMORY = ("bad allocation", "bad_alloc", "Failed to allocate memory", "out of memory")


@cache
def library(name: str) -> Any:
    """`onnxruntime` or `tokenizers`. Raises ArtifactError, which says what to install."""
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ArtifactError(
            "the model",
            f"needs {name}, which is not installed here: pip install '{EXTRA}', or build the image"
            " with --build-arg EXTRAS=onnx",
        ) from error


def options(settings: Mapping[str, str], *, optimizes: bool) -> Any:
    """Session options for one core; `settings` are entries of its configuration.

    `optimizes`: whether the graph is changed to compute faster; not for one that has been.
    """
    ort = library("onnxruntime")
    made = ort.SessionOptions()
    made.intra_op_num_threads = made.inter_op_num_threads = 1
    made.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    made.log_severity_level = FATAL_ONLY
    level = ort.GraphOptimizationLevel
    made.graph_optimization_level = level.ORT_ENABLE_ALL if optimizes else level.ORT_DISABLE_ALL
    # Else a file may say that it is in the library's own format, which is hardly checked.
    made.add_session_config_entry("session.load_model_format", "ONNX")
    for name, value in settings.items():
        made.add_session_config_entry(name, value)
    return made


def run_options(*, is_large: bool) -> Any:
    """For one computing; after a large one the memory for what came in between is given back."""
    if not is_large:
        return None
    made = library("onnxruntime").RunOptions()
    made.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return made


def session(model: Path, chosen: Any, file: str, on: Sequence[str] = (CPU_PROVIDER,)) -> Any:
    """An inference session on one of these providers; errors name `file`.

    Raises ArtifactError, NoRoom.
    """
    with translated("cannot be loaded", file):
        # Without the library's own way to fall back, which prints and tells nobody.
        return library("onnxruntime").InferenceSession(
            str(model), chosen, providers=[*on], enable_fallback=0
        )


@contextlib.contextmanager
def translated(what: str, file: str) -> Iterator[None]:
    """Turn whatever a native library raises into ArtifactError or NoRoom."""
    try:
        yield
    except (ServingError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # Rust's panics are no Exceptions
        text = " ".join(str(error).split())
        if any(sign in text for sign in _NO_MEMORY):
            raise NoRoom("There is not enough memory to compute this model") from error
        raise ArtifactError(file, f"{what}: {text[:SHOWN_CHARS]}") from error
