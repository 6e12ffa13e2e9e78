"""A step computed by onnxruntime: a session over mapped weights, which fits its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.onnx import running
from models.onnx.conversion import converted
from models.tensors import ANY_SIZE, BYTES
from models.Triton.shapes import UnusableTensor, WrongOutput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.Triton.config import Config, Shape, Tensor

CPU = "cpu"
DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": BYTES,
    **{f"tensor(int{bits})": f"INT{bits}" for bits in (8, 16, 32, 64)},
    **{f"tensor(uint{bits})": f"UINT{bits}" for bits in (8, 16, 32, 64)},
}
"""onnxruntime's word -> the protocol's."""
LARGE_BYTES = 16 * 1024 * 1024
"""After inputs of this size the memory for intermediate results is given back."""


class OnnxModel:
    """One version of one model."""

    def __init__(self, path: Path, scratch: Path | None, config: Config) -> None:
        """Raises ArtifactError, NoRoom, NotConverted."""
        self._file = f"{path.parent.name}/{path.name}"
        self._session = converted(path, scratch, (), lambda _: {}, provider=CPU).session
        with running.translated("its inputs and outputs cannot be read", self._file):
            inputs = {each.name: each for each in self._session.get_inputs()}
            others = {each.name: each for each in self._session.get_overridable_initializers()}
            outputs = {each.name: each for each in self._session.get_outputs()}
        for spec in config.inputs:
            if spec.is_optional and spec.name in inputs:
                config.refuse(f"input {spec.name} is optional, and {self._file} must have it")
        _check(config, "input", config.inputs, inputs | others)
        _check(config, "output", config.outputs, outputs)
        for name in inputs:
            if name not in {spec.name for spec in config.inputs}:
                config.refuse(f"lacks the input {name[:60]}, which {self._file} must have")

    def run(
        self,
        inputs: Mapping[str, NDArray[Any]],
        wanted: Sequence[str],
        parameters: Mapping[str, object],
    ) -> dict[str, NDArray[Any]]:
        """See Backend."""
        del parameters
        fed = {
            name: _texts(name, array) if array.dtype == object else array
            for name, array in inputs.items()
        }
        is_large = sum(array.nbytes for array in fed.values()) > LARGE_BYTES
        options = running.run_options(is_large=is_large)
        with running.translated("cannot be computed", self._file):
            found = self._session.run(list(wanted), fed, options)
        made = dict(zip(wanted, found, strict=True))
        for name, array in made.items():
            if not isinstance(array, np.ndarray):
                raise WrongOutput(f"The output {name} is no tensor")
        return made


def _texts(name: str, array: NDArray[Any]) -> NDArray[Any]:
    made = np.empty(array.size, object)
    try:
        made[:] = [each.decode() for each in array.flat]
    except UnicodeDecodeError as error:
        raise UnusableTensor(f"The input {name} holds bytes that are no UTF-8") from error
    return made.reshape(array.shape)


def _check(config: Config, key: str, specs: Sequence[Tensor], there: Mapping[str, Any]) -> None:
    """Refuse a tensor that the file has not, or has of another type or shape."""
    for spec in specs:
        found = there.get(spec.name)
        what = f"{key} {spec.name}"
        if found is None:
            names = ", ".join(there)[:200]
            config.refuse(f"{what} is none of the model's file, which has {names or 'none'}")
        datatype = DATATYPES.get(found.type)
        if datatype != spec.datatype:
            config.refuse(f"{what} is {spec.datatype}, and in the model's file {found.type}")
        shape = spec.inner_shape(config.max_batch_size)
        if not _is_shape(shape, found.shape):
            config.refuse(
                f"{what} has the shape {list(shape)}, and in the model's file {found.shape}"
            )


def _is_shape(wanted: Shape, there: Sequence[object]) -> bool:
    """Whether arrays of a shape can be the model's; sizes that vary have names or none there."""
    if not there:  # a single number, or a shape that the file does not tell
        return True
    return len(wanted) == len(there) and all(
        not isinstance(size, int) or size in (said, ANY_SIZE) or (size < 0)
        for said, size in zip(wanted, there, strict=True)
    )
