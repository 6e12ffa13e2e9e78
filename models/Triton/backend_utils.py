"""What a Python model of Triton finds as `triton_python_backend_utils`.

Tensors, requests, responses, errors, a logger, and helpers for the configuration, under the names
and with the behaviour that the Python backend's documentation gives them; the implementation is our
own. What needs a server around it (other models asked from code, decoupled responses, memory of
GPUs) raises TritonModelException, which names it.
Source: documentation of Triton's Python backend.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]

TRITON_TO_NUMPY = {
    "TYPE_BOOL": np.bool_,
    "TYPE_UINT8": np.uint8,
    "TYPE_UINT16": np.uint16,
    "TYPE_UINT32": np.uint32,
    "TYPE_UINT64": np.uint64,
    "TYPE_INT8": np.int8,
    "TYPE_INT16": np.int16,
    "TYPE_INT32": np.int32,
    "TYPE_INT64": np.int64,
    "TYPE_FP16": np.float16,
    "TYPE_FP32": np.float32,
    "TYPE_FP64": np.float64,
    "TYPE_STRING": np.object_,
}
TRITONSERVER_REQUEST_FLAG_SEQUENCE_START = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_END = 2
TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1

log = logging.getLogger("triton")


class TritonModelException(Exception):
    """What a model raises, and what is not offered here."""


class TritonError:
    """What a response has instead of outputs."""

    UNKNOWN, INTERNAL, NOT_FOUND, INVALID_ARG = range(4)
    UNAVAILABLE, UNSUPPORTED, ALREADY_EXISTS, CANCELLED = range(4, 8)

    def __init__(self, message: str, code: int = INTERNAL) -> None:
        self._message, self._code = str(message), code

    def message(self) -> str:
        """What happened."""
        return self._message

    def code(self) -> int:
        """One of the constants."""
        return self._code

    def __str__(self) -> str:
        return self._message


class Tensor:
    """An array with a name."""

    def __init__(self, name: str, array: Array) -> None:
        if not isinstance(array, np.ndarray):
            raise TritonModelException(
                f"Tensor {name}: wanted an array of NumPy, not {type(array).__name__}"
            )
        self._name, self._array = str(name), array

    def name(self) -> str:
        """Its name."""
        return self._name

    def as_numpy(self) -> Array:
        """Its array; an element of a tensor of texts is `bytes`."""
        return self._array

    def shape(self) -> list[int]:
        """Its sizes."""
        return list(self._array.shape)

    def triton_dtype(self) -> str:
        """Its datatype as the configuration calls it."""
        return "TYPE_STRING" if self._array.dtype.kind in "OSU" else _name_of(self._array.dtype)

    def is_cpu(self) -> bool:
        """Always."""
        return True

    def to_dlpack(self) -> Any:
        """For libraries that share memory with NumPy."""
        return self._array.__dlpack__()

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()

    @classmethod
    def from_dlpack(cls, name: str, tensor: Any) -> Tensor:
        """Of another library's tensor, on the CPU."""
        return cls(name, np.from_dlpack(tensor))


class InferenceRequest:
    """What `execute` is asked."""

    def __init__(
        self,
        *,
        request_id: str = "",
        correlation_id: int = 0,
        inputs: Sequence[Tensor] = (),
        requested_output_names: Iterable[str] = (),
        model_name: str = "",
        model_version: int = -1,
        flags: int = 0,
        timeout: int = 0,
        parameters: Mapping[str, object] | None = None,
        **others: object,
    ) -> None:
        del others
        self._id, self._correlation_id = request_id, correlation_id
        self._inputs, self._wanted = list(inputs), list(requested_output_names)
        self._name, self._version = model_name, model_version
        self._flags, self._timeout = flags, timeout
        self._parameters = json.dumps(dict(parameters or {}))

    def inputs(self) -> list[Tensor]:
        """All tensors."""
        return self._inputs

    def request_id(self) -> str:
        """Of the caller; empty here."""
        return self._id

    def correlation_id(self) -> int:
        """Of a sequence; 0 here."""
        return self._correlation_id

    def requested_output_names(self) -> list[str]:
        """The outputs that are wanted."""
        return self._wanted

    def model_name(self) -> str:
        """Whom it is for."""
        return self._name

    def model_version(self) -> int:
        """Whom it is for."""
        return self._version

    def flags(self) -> int:
        """Of a sequence; 0 here."""
        return self._flags

    def timeout(self) -> int:
        """In microseconds; 0: none is said."""
        return self._timeout

    def parameters(self) -> str:
        """The request's own parameters, in JSON."""
        return self._parameters

    def is_cancelled(self) -> bool:
        """Never: a request that nobody waits for ends with its process."""
        return False

    def exec(self, *_: Any, **__: Any) -> NoReturn:
        """Raise: models are asked by an ensemble's steps."""
        raise TritonModelException(
            "InferenceRequest.exec is not offered here: a model that asks others is an ensemble"
        )

    async def async_exec(self, *_: Any, **__: Any) -> NoReturn:
        """As `exec`."""
        self.exec()

    def get_response_sender(self) -> NoReturn:
        """Raise: nothing is decoupled."""
        raise TritonModelException(
            "get_response_sender is not offered here: a request has one response"
        )


class InferenceResponse:
    """What `execute` answers."""

    def __init__(
        self, output_tensors: Sequence[Tensor] = (), error: TritonError | str | None = None
    ) -> None:
        self._outputs = list(output_tensors or ())
        self._error = TritonError(error) if isinstance(error, str) else error

    def output_tensors(self) -> list[Tensor]:
        """All tensors."""
        return self._outputs

    def has_error(self) -> bool:
        """Whether there is an error instead."""
        return self._error is not None

    def error(self) -> TritonError | None:
        """The error."""
        return self._error


class Logger:
    """Lines for the endpoint's log."""

    VERBOSE, INFO, WARNING, ERROR = "VERBOSE", "INFO", "WARNING", "ERROR"

    @staticmethod
    def log(message: object, level: object = INFO) -> None:
        """A line of a level."""
        levels = {"VERBOSE": logging.DEBUG, "WARNING": logging.WARNING, "ERROR": logging.ERROR}
        log.log(levels.get(str(level), logging.INFO), "%s", message)

    @staticmethod
    def log_verbose(message: object) -> None:
        """A line that mostly nobody wants."""
        log.debug("%s", message)

    @staticmethod
    def log_info(message: object) -> None:
        """A line."""
        log.info("%s", message)

    @staticmethod
    def log_warn(message: object) -> None:
        """A warning."""
        log.warning("%s", message)

    @staticmethod
    def log_error(message: object) -> None:
        """An error."""
        log.error("%s", message)


def get_input_tensor_by_name(request: InferenceRequest, name: str) -> Tensor | None:
    """An input; None: it was not sent."""
    return _named(request.inputs(), name)


def get_output_tensor_by_name(response: InferenceResponse, name: str) -> Tensor | None:
    """An output; None: there is none of the name."""
    return _named(response.output_tensors(), name)


def get_input_config_by_name(model_config: Mapping[str, Any], name: str) -> Any:
    """What the configuration says of an input; None: nothing."""
    return _config_of(model_config.get("input", []), name)


def get_output_config_by_name(model_config: Mapping[str, Any], name: str) -> Any:
    """What the configuration says of an output; None: nothing."""
    return _config_of(model_config.get("output", []), name)


def using_decoupled_model_transaction_policy(model_config: Mapping[str, Any]) -> bool:
    """Whether one request may have several responses; such models are refused here."""
    return bool(model_config.get("model_transaction_policy", {}).get("decoupled"))


def triton_to_np_type(data_type: int) -> Any:
    """NumPy's type of a datatype's number in Triton's schema."""
    return list(TRITON_TO_NUMPY.values())[data_type - 1]


def np_to_triton_type(data_type: Any) -> int:
    """The number in Triton's schema of a type of NumPy's."""
    return list(TRITON_TO_NUMPY).index(_name_of(np.dtype(data_type))) + 1


def triton_string_to_numpy(name: str) -> Any:
    """NumPy's type of TYPE_FP32 and its like."""
    if name not in TRITON_TO_NUMPY:
        raise TritonModelException(f"{name} has no type in NumPy")
    return TRITON_TO_NUMPY[name]


def serialize_byte_tensor(array: Array) -> bytes | None:
    """The bytes of a tensor of texts as the protocol has them; None: it is empty."""
    if array.size == 0:
        return None
    items = [each if isinstance(each, bytes) else str(each).encode() for each in array.flat]
    return b"".join(len(each).to_bytes(4, "little") + each for each in items)


def deserialize_bytes_tensor(data: bytes) -> Array:
    """What `serialize_byte_tensor` made, flat."""
    found, place = [], 0
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "little")
        found.append(bytes(data[place + 4 : place + 4 + size]))
        place += 4 + size
    made = np.empty(len(found), object)
    made[:] = found
    return made


def _named(tensors: Iterable[Tensor], name: str) -> Tensor | None:
    return next((each for each in tensors if each.name() == name), None)


def _config_of(said: Iterable[Mapping[str, Any]], name: str) -> Any:
    return next((each for each in said if each.get("name") == name), None)


def _name_of(dtype: np.dtype[Any]) -> str:
    if dtype.kind in "OSU":
        return "TYPE_STRING"
    for name, kind in TRITON_TO_NUMPY.items():
        if dtype == kind:
            return name
    raise TritonModelException(f"{dtype} is no datatype of a tensor")
