"""onnxruntime: imported when first needed, for one core, and its errors in our words.

The library is an extra. Nothing of it runs in threads of its own, so that a process which has it
can be forked, and nothing it is told to do is reported to anybody.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import ArtifactError, NoRoom, ServingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

EXTRA = "mme[onnx]"
AUTO = "auto"
"""Whatever computes fastest here."""
QUIET = {
    # Its thread would forbid all forks, and what it sends is nobody's business.
    "ORT_DISABLE_TELEMETRY": "1",
    # Threads would not outlive a fork, and a process that serves has one core to itself.
    "TOKENIZERS_PARALLELISM": "false",
}
FATAL_ONLY = 4
"""What is logged: errors are raised as well."""
CPU_PROVIDER, CUDA_PROVIDER = "CPUExecutionProvider", "CUDAExecutionProvider"
GPU_DEVICE = Path("/dev/nvidiactl")
MANY_TOKENS = 512
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
            f"needs {name}, which is not installed here: pip install '{EXTRA}'",
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


def run_options(tokens: int) -> Any:
    """For one computing of so many tokens; after a large one its memory is given back."""
    if tokens < MANY_TOKENS:
        return None
    made = library("onnxruntime").RunOptions()
    made.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return made


def providers(wanted: str) -> list[str]:
    """What shall compute, the best first: a GPU where there is one and the library can use it."""
    available = library("onnxruntime").get_available_providers()
    if wanted == AUTO and CUDA_PROVIDER in available and os.access(GPU_DEVICE, os.R_OK):
        return [CUDA_PROVIDER, CPU_PROVIDER]
    return [CPU_PROVIDER]


def session(model: Path, chosen: Any, on: Sequence[str], file: str) -> Any:
    """An inference session; errors name `file`. Raises ArtifactError, NoRoom."""
    with translated("cannot be loaded", file):
        return library("onnxruntime").InferenceSession(str(model), chosen, providers=[*on])


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
