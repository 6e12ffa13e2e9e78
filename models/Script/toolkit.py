"""The SageMaker inference toolkit, which calls a script's functions, and the context they get.

What its Transformer calls, when and with what, is as the toolkit has it. Two things differ. Errors
come out as they were raised, so that callers get a kind and a message and no stack. And the default
`input_fn` reads arrays (`application/x-npy`) without pickles, by which a caller could run code, and
sparse ones (`application/x-npz`) with a look at their indices, which could lead out of the array.
"""

from __future__ import annotations

import io
import math
import sys
import tokenize
import zipfile
import zlib
from inspect import signature
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
from mms.context import Context, RequestProcessor
from mms.metrics.metrics_store import MetricsStore
from sagemaker_inference import content_types, decoder
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
from sagemaker_inference.transformer import Transformer

from models.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE = "inference.py"
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""By the version of NumPy's format. Another is that of types with names beyond ASCII."""
OURS = "x-mme-"
"""How headers begin that the endpoint sends its workers."""
UNREADABLE = (
    ValueError, EOFError, OSError, RuntimeError, KeyError, TypeError, AttributeError, OverflowError,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What the toolkit's decoders raise at bodies that are not what they should be."""
SPELLINGS = {
    name.lower(): name
    for name in (
        "Content-Type",
        "Accept",
        "X-Amzn-SageMaker-Custom-Attributes",
        "X-Amzn-SageMaker-Target-Model",
        "X-Amzn-SageMaker-Session-Id",
    )
}
"""How SageMaker spells the headers it sends a container."""


class ScriptTransformer(Transformer):  # type: ignore[misc] # the base is untyped
    """Runs the functions of the module `inference`, or the defaults in their places."""

    def __init__(self) -> None:
        super().__init__(Defaults())
        self._wants_context: dict[int, bool] = {}
        """By the identity of each function that was called, all of which the base keeps."""

    def _run_handler_function(self, func: Any, *argv: Any) -> Any:
        # What a function takes is looked at once: four looks took half of a small request's time.
        wants_context = self._wants_context.get(id(func))
        if wants_context is None:
            answer = super()._run_handler_function(func, *argv)
            self._wants_context[id(func)] = len(signature(func).parameters) > len(argv)
            return answer
        return func(*argv, self._context) if wants_context else func(*argv)

    def _validate_user_module_and_set_functions(self) -> None:
        # An artifact is of this family by this file, whatever SAGEMAKER_PROGRAM says.
        self._environment._module_name = MODULE  # noqa: SLF001 - there is no public name
        super()._validate_user_module_and_set_functions()

    @staticmethod
    def handle_error(context: Any, inference_exception: Any, trace: str) -> Any:
        """Let go on what was raised, of which the toolkit would make a text with its stack."""
        del context, trace
        raise sys.exception() or inference_exception


class Defaults(DefaultInferenceHandler):  # type: ignore[misc] # the base is untyped
    """The toolkit's own functions for those a script has not."""

    def default_input_fn(self, input_data: Any, content_type: Any, context: Any = None) -> Any:
        """Make an array of a body. Raises BadInput, the toolkit's UnsupportedFormatError."""
        del context
        try:
            return _decoded(input_data, content_type)
        except UNREADABLE as error:
            raise BadInput(f"The body is no {content_type}: {error}") from error


def _decoded(data: Any, content_type: Any) -> Any:
    """As the toolkit's decoder. Raises UNREADABLE, the toolkit's UnsupportedFormatError."""
    if content_type == content_types.NPY:
        return _array(data)
    if content_type != content_types.NPZ:
        return decoder.decode(data, content_type)
    _check_members(data)
    # Not by the decoder, which takes a part that is missing for a content type that is.
    found = scipy.sparse.load_npz(io.BytesIO(data))
    if hasattr(found, "check_format"):
        found.check_format(full_check=True)
    return found


def _array(data: bytes) -> Any:
    """The array of a file in NumPy's format. Raises ValueError."""
    _check_said(io.BytesIO(data), len(data))
    return np.load(io.BytesIO(data), allow_pickle=False)


def _check_members(data: bytes) -> None:
    """Look at all arrays of an archive. Raises ValueError, and what `zipfile` raises."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                _check_said(file, member.file_size)


def _check_said(file: IO[bytes], size_bytes: int) -> None:
    """Raise ValueError for a larger array than there can be: its memory would be taken first."""
    version = np.lib.format.read_magic(file)
    if version in HEADERS:
        shape, _, kind = HEADERS[version](file)
        said_bytes = math.prod(shape) * kind.itemsize
        if said_bytes > size_bytes:
            raise ValueError(f"its array is said to have {said_bytes} bytes; it has {size_bytes}")


class Headers(dict[str, str]):
    """The headers of a request in SageMaker's spelling, found in any."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(
            (SPELLINGS.get(name.lower(), name), value)
            for name, value in headers.items()
            if not name.lower().startswith(OURS)
        )
        self._places = {name.lower(): name for name in self}

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(self._places.get(name.lower(), name))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._places

    def get(self, name: str, default: Any = None) -> Any:
        """As of any dict."""
        return super().get(self._places.get(name.lower(), name), default)


def new_context(model_dir: str, name: str) -> Any:
    """The model server's context of a model, before any request."""
    context = Context(name, model_dir, {}, 1, None, "1.0")
    begin_request(context, {}, 0)
    return context


def begin_request(context: Any, headers: Mapping[str, str], number: int) -> None:
    """Have the context be that of a request."""
    context.request_processor = [RequestProcessor(Headers(headers))]
    context.request_ids = {0: str(number)}
    context.metrics = MetricsStore(context.request_ids, context.model_name)
