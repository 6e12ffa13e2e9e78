"""What a configuration says of a model: the parts that are used here, checked one by one.

Made of JSON's terms (`schema`). Whether all else it says can be met is for `support`, how the steps
of an ensemble hang together for `graph`. Everything wrong is an ArtifactError that names the field.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from models.errors import ArtifactError, shorten
from models.tensors import ANY_SIZE, BYTES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    Shape = tuple[int, ...]

PYTHON, ONNX, ENSEMBLE = "python", "onnxruntime", "ensemble"
PLATFORMS = {"onnxruntime_onnx": ONNX, "ensemble": ENSEMBLE}
USUAL_FILES = {ONNX: "model.onnx", PYTHON: "model.py"}
NEWEST = -1
"""As the version of a step's model."""
MOST_AXES = 32
MOST_ELEMENTS = 2**40
MOST_TENSORS = 256
MOST_NAME_BYTES = 255
"""Of a file."""
MOST_STEPS = 64


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor that a model takes or gives."""

    name: str
    datatype: str
    """As the open inference protocol calls it."""
    dims: Shape
    """Without the axis of the batch."""
    reshape: Shape | None = None
    """What the backend has in place of `dims`."""
    is_optional: bool = False

    def shape(self, max_batch_size: int) -> Shape:
        """As callers have it."""
        return (ANY_SIZE, *self.dims) if max_batch_size else self.dims

    def inner_shape(self, max_batch_size: int) -> Shape:
        """As the backend has it."""
        dims = self.dims if self.reshape is None else self.reshape
        return (ANY_SIZE, *dims) if max_batch_size else dims


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an ensemble."""

    name: str
    """As errors and times name it."""
    model: str
    version: int
    """Or NEWEST."""
    input_map: Mapping[str, str]
    """Tensors of the model -> those of the ensemble."""
    output_map: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Config:
    """One model's configuration."""

    name: str
    file: str
    """The configuration's path in the artifact, for errors."""
    backend: str
    """PYTHON, ONNX or ENSEMBLE."""
    max_batch_size: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    steps: tuple[Step, ...]
    model_file: str
    """The name of the file in a version's folder; of an ensemble ""."""
    said: Mapping[str, Any]
    """All of it."""

    def refuse(self, reason: str) -> NoReturn:
        """Raise ArtifactError."""
        raise ArtifactError(self.file, reason)


def parse_config(
    said: Mapping[str, Any], name: str, file: str, present: Collection[str] = ()
) -> Config:
    """Check a configuration that lies in the folder of a model. Raises ArtifactError.

    `name` is the folder's; a configuration without a name is called so. `present` are the names of
    files in the folders of versions: they tell the backend of a configuration that names none.
    """
    backend = _backend(said, file, present)
    found = Config(
        name=said.get("name") or name,
        file=file,
        backend=backend,
        max_batch_size=said.get("max_batch_size", 0),
        inputs=_tensors(said, "input", file),
        outputs=_tensors(said, "output", file),
        steps=_steps(said, file) if backend == ENSEMBLE else (),
        model_file=said.get("default_model_filename") or USUAL_FILES.get(backend, ""),
        said=said,
    )
    if not found.name.isprintable() or len(found.name) > 200:  # noqa: PLR2004 - longer is no folder
        found.refuse(f"name {shorten(found.name, 60)} is no name of a folder")
    if found.max_batch_size < 0:
        found.refuse(f"max_batch_size is {found.max_batch_size}; it is 0 or more")
    if not found.outputs:
        found.refuse("has no output; every input and output must be in the configuration")
    if (
        any(char in found.model_file for char in "/\\\0")
        or found.model_file in (".", "..")
        or len(found.model_file.encode()) > MOST_NAME_BYTES
    ):
        found.refuse(
            f"default_model_filename {shorten(found.model_file, 60)} is no name of a file in the"
            " folder of a version"
        )
    return found


def _backend(said: Mapping[str, Any], file: str, present: Collection[str]) -> str:
    platform, backend = said.get("platform", ""), said.get("backend", "")
    by_platform = PLATFORMS.get(platform)
    if platform and by_platform is None:
        _refuse(file, f"platform {shorten(platform, 60)} is not here: {_those_here()}")
    if backend and backend not in (PYTHON, ONNX, ENSEMBLE):
        _refuse(file, f"backend {shorten(backend, 60)} is not here: {_those_here()}")
    if backend and by_platform not in (None, backend):
        _refuse(file, f"backend {backend} and platform {platform} do not fit together")
    found = backend or by_platform
    if not found:
        found = ENSEMBLE if "ensemble_scheduling" in said else _backend_of_file(said, file, present)
    if (found == ENSEMBLE) != ("ensemble_scheduling" in said):
        _refuse(file, "platform ensemble and ensemble_scheduling belong together; one is missing")
    return found


def _backend_of_file(said: Mapping[str, Any], file: str, present: Collection[str]) -> str:
    name = said.get("default_model_filename")
    for backend, usual in USUAL_FILES.items():
        if usual in present if name is None else name.endswith(usual.removeprefix("model")):
            return backend
    return _refuse(file, f"names neither a backend nor a platform: {_those_here()}")


def _those_here() -> str:
    return (
        f"there are the backends {PYTHON} and {ONNX} (platform onnxruntime_onnx), and the platform"
        f" {ENSEMBLE}"
    )


def _tensors(said: Mapping[str, Any], key: str, file: str) -> tuple[Tensor, ...]:
    told = said.get(key, [])
    if len(told) > MOST_TENSORS:
        _refuse(file, f"has {len(told)} times {key}; at most {MOST_TENSORS} are taken")
    found: dict[str, Tensor] = {}
    for each in told:
        tensor = _tensor(each, key, file)
        if tensor.name in found:
            _refuse(file, f"{key} {tensor.name} is there twice")
        found[tensor.name] = tensor
    return tuple(found.values())


def _tensor(said: Mapping[str, Any], key: str, file: str) -> Tensor:
    name = said.get("name", "")
    if not name or not name.isprintable() or len(name) > 200:  # noqa: PLR2004 - errors repeat it
        _refuse(file, f"{key} {shorten(name, 60)} has no usable name")
    what = f"{key} {name}"
    datatype = said.get("data_type", "TYPE_INVALID").removeprefix("TYPE_")
    if datatype == "INVALID":
        _refuse(file, f"{what} has no data_type")
    dims = _shape(said.get("dims", []), f"{what}: dims", file)
    reshape = None
    if "reshape" in said:
        reshape = _shape(said["reshape"].get("shape", []), f"{what}: reshape", file)
        if _runs(dims) != _runs(reshape):
            _refuse(file, f"{what}: dims {list(dims)} cannot be reshaped to {list(reshape)}")
    elif not dims:
        _refuse(file, f"{what} has no dims")
    datatype = BYTES if datatype == "STRING" else datatype
    return Tensor(name, datatype, dims, reshape, bool(said.get("optional")))


def _shape(sizes: list[int], what: str, file: str) -> Shape:
    if len(sizes) > MOST_AXES or math.prod(max(size, 1) for size in sizes) > MOST_ELEMENTS:
        _refuse(file, f"{what} is a shape that no tensor has: {shorten(sizes)}")
    if any(size != ANY_SIZE and size < 1 for size in sizes):
        _refuse(file, f"{what} is {shorten(sizes)}; a size is 1 or more, or -1 where it varies")
    return tuple(sizes)


def _runs(shape: Shape) -> list[int]:
    """The elements of all axes between two that vary: what two forms of a tensor have in common."""
    found = [1]
    for size in shape:
        if size == ANY_SIZE:
            found.append(1)
        else:
            found[-1] *= size
    return found


def _steps(said: Mapping[str, Any], file: str) -> tuple[Step, ...]:
    told = said["ensemble_scheduling"].get("step", [])
    if not told:
        _refuse(file, "ensemble_scheduling has no step")
    if len(told) > MOST_STEPS:
        _refuse(file, f"ensemble_scheduling has {len(told)} steps; at most {MOST_STEPS} are taken")
    found: dict[str, Step] = {}
    for each in told:
        model = each.get("model_name", "")
        if not model:
            _refuse(file, "a step of ensemble_scheduling has no model_name")
        name = model
        for number in range(2, len(found) + 2):
            if name not in found:
                break
            name = f"{model}-{number}"
        step = Step(
            name,
            model,
            each.get("model_version", NEWEST),
            each.get("input_map", {}),
            each.get("output_map", {}),
        )
        if each.get("model_namespace"):
            _refuse(file, f"step {name}: model_namespace is not supported")
        for key, mapped in (("input_map", step.input_map), ("output_map", step.output_map)):
            if not mapped or not all(mapped.values()) or len(mapped) > MOST_TENSORS:
                _refuse(file, f"step {name}: {key} must map tensors of the model to others")
        found[name] = step
    return tuple(found.values())


def _refuse(file: str, reason: str) -> NoReturn:
    raise ArtifactError(file, reason)
