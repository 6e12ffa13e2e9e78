"""A step that is Python: its `TritonPythonModel`, started in this process and asked one request.

Each has its own modules, `triton_python_backend_utils` among them, whatever other steps of the
artifact call theirs. What it raises comes out with its class and message and without a stack.
"""

from __future__ import annotations

import importlib
import json
import logging
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ArtifactError, CodeError, ServingError, words_of
from models.own_modules import OwnModules
from models.python_source import bound, outermost, parsed
from models.Triton import backend_utils
from models.Triton.shapes import WrongOutput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.Triton.repository import Model

UTILS = "triton_python_backend_utils"
CLASS, EXECUTE = "TritonPythonModel", "execute"
STATUSES = {
    backend_utils.TritonError.UNKNOWN: 400,
    backend_utils.TritonError.INTERNAL: 500,
    backend_utils.TritonError.NOT_FOUND: 404,
    backend_utils.TritonError.INVALID_ARG: 400,
    backend_utils.TritonError.UNAVAILABLE: 503,
    backend_utils.TritonError.UNSUPPORTED: 501,
    backend_utils.TritonError.ALREADY_EXISTS: 400,
    backend_utils.TritonError.CANCELLED: 499,
}
"""As Triton's HTTP front end has them."""

log = logging.getLogger(__name__)


def check_source(path: Path, file: str) -> None:
    """Refuse code that has no such class, without running it. Raises ArtifactError."""
    if path.suffix != ".py":
        raise ArtifactError(file, "must be a source file of Python, .py")
    if "." in path.stem:
        raise ArtifactError(file, "has a dot in its name, so it cannot be imported")
    names: set[str] = set()
    for node in outermost(parsed(path, file).body):
        names.update(bound(node))
    if CLASS not in names and "*" not in names:
        raise ArtifactError(file, f"has no class {CLASS}")


class PythonModel:
    """One version of one model, running."""

    def __init__(self, model: Model, version: int, others: Sequence[str] = ()) -> None:
        """Import the code and let `initialize` run. Raises CodeError, MemoryError.

        Where `others` lie on this machine is not told in errors, nor where the model itself does.
        """
        path = model.file(version)
        self._secret = (str(model.folder), *others)
        self._name, self._version = model.config.name, version
        self._own = OwnModules((model.folder, path.parent), {UTILS: backend_utils})
        self._own.take_turn()
        try:
            module = importlib.import_module(f"{version}.{path.stem}")
            self._model = getattr(module, CLASS)()
            if hasattr(self._model, "initialize"):
                self._model.initialize(_arguments(model, version))
        except (Exception, SystemExit) as error:
            raise self._as_error(error) from error
        if not callable(getattr(self._model, EXECUTE, None)):
            raise ArtifactError(f"{version}/{path.name}", f"{CLASS} has no method {EXECUTE}")
        if hasattr(self._model, "finalize"):
            weakref.finalize(self, _finalize, self._model, self._own)

    def run(
        self,
        inputs: Mapping[str, NDArray[Any]],
        wanted: Sequence[str],
        parameters: Mapping[str, object],
    ) -> dict[str, NDArray[Any]]:
        """See Backend."""
        # Copies: what the code does to its inputs is nobody else's business.
        request = backend_utils.InferenceRequest(
            inputs=[backend_utils.Tensor(name, np.array(each)) for name, each in inputs.items()],
            requested_output_names=wanted,
            model_name=self._name,
            model_version=self._version,
            parameters=parameters,
        )
        self._own.take_turn()
        try:
            responses = self._model.execute([request])
            return self._outputs(responses)
        except (Exception, SystemExit) as error:
            raise self._as_error(error) from error

    def _outputs(self, responses: Any) -> dict[str, NDArray[Any]]:
        if not isinstance(responses, list) or len(responses) != 1:
            said = f"{len(responses)} responses" if isinstance(responses, list) else "no list"
            raise WrongOutput(f"{EXECUTE} must return a list of one response, not {said}")
        (response,) = responses
        if not isinstance(response, backend_utils.InferenceResponse):
            raise WrongOutput(f"{EXECUTE} returned a {type(response).__name__[:60]}")
        error = response.error()
        if error is not None:
            raise CodeError(self._told(str(error)), "TritonError", _status(error))
        return {each.name(): each.as_numpy() for each in response.output_tensors()}

    def _as_error(self, error: BaseException) -> BaseException:
        """What a caller is told of what the code raised; the log gets the rest."""
        if isinstance(error, (ServingError, MemoryError)):
            return error
        return CodeError(self._told(words_of(error)), type(error).__name__)

    def _told(self, message: str) -> str:
        for path in self._secret:
            message = message.replace(path, "<model>")
        return message


def _status(error: Any) -> int:
    code = error.code() if isinstance(error, backend_utils.TritonError) else None
    return STATUSES.get(code, 500) if isinstance(code, int) else 500


def _arguments(model: Model, version: int) -> dict[str, str]:
    said = {"name": model.config.name, "max_batch_size": 0, "input": [], "output": []}
    return {
        "model_config": json.dumps({**said, "parameters": {}, **model.config.said}),
        "model_instance_kind": "CPU",
        "model_instance_name": f"{model.config.name}_0",
        "model_instance_device_id": "0",
        "model_repository": str(model.folder),
        "model_version": str(version),
        "model_name": model.config.name,
    }


def _finalize(model: Any, own: OwnModules) -> None:
    own.take_turn()
    try:
        model.finalize()
    except (Exception, SystemExit):
        log.exception("a model's finalize failed")
