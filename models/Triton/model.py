"""A loaded artifact: from named tensors to named tensors, by one model or the steps of an ensemble.

Requests are in the open inference protocol, in JSON or with tensors as bytes. Each step's tensors
are checked against its model's configuration; an error names the step. What computes them is a
`Backend`.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from models.errors import BadInput, CodeNotAllowed
from models.media import JSON, content_type
from models.open_inference.serving import infer
from models.own_modules import forget
from models.serving import Needs
from models.steps import named
from models.Triton.plan import signature_of
from models.Triton.python_model import PythonModel
from models.Triton.shapes import UnusableTensor, given, taken

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from models.serving import LoadedModel, Request, Response
    from models.tensors import Signature
    from models.Triton.config import Step
    from models.Triton.graph import Graph
    from models.Triton.plan import Key, Plan

DATA, CODE = Needs(), Needs(is_data=False, is_code=True)
OCTETS = "application/octet-stream"
"""What many clients of Triton's call the protocol's JSON."""
MOST_STEP_CHARS = 64


class Backend(Protocol):
    """What computes one version of one model."""

    def run(
        self,
        inputs: Mapping[str, NDArray[Any]],
        wanted: Sequence[str],
        parameters: Mapping[str, object],
    ) -> Mapping[str, NDArray[Any]]:
        """The outputs by name, at least those wanted, as far as it makes them.

        Shapes are the backend's own (`Tensor.inner_shape`). Raises ServingError, MemoryError.
        """


class TritonModel:
    """An artifact whose models all run."""

    def __init__(self, plan: Plan, backends: Mapping[Key, Backend]) -> None:
        self._plan = plan
        self._asked = plan.asked.config
        self._backends = backends
        self._signature = signature_of(self._asked)
        self.steps_s: Mapping[str, float] = {}
        """See SteppedModel."""

    def predict(self, request: Request) -> Response:
        """Answer a request in the protocol's JSON, whatever it accepts, as Triton does.

        Raises ServingError.
        """
        content_type(request.content_type, (JSON, OCTETS))
        return infer(self, replace(request, content_type=None))

    def signature(self) -> Signature:
        """See TensorModel."""
        return self._signature

    def infer(
        self,
        inputs: Mapping[str, NDArray[Any]],
        parameters: Mapping[str, object],
        wanted: Collection[str],
    ) -> dict[str, NDArray[Any]]:
        """See TensorModel."""
        self.steps_s = {}
        names = list(wanted)
        try:
            tensors = taken(self._asked, inputs)
            if self._plan.graph is None:
                made = self._backends[self._plan.keys[None]].run(tensors, names, parameters)
        except UnusableTensor as error:
            raise BadInput(error.message) from error
        if self._plan.graph is not None:
            made = self._through(self._plan.graph, tensors, parameters, names)
        return given(self._asked, made, names)

    def describe(self) -> dict[str, object]:
        """See `Plan`."""
        return self._plan.describe()

    def needs(self) -> Needs:
        """A process of its own where a step is code."""
        return CODE if self._plan.is_code else DATA

    def _through(
        self,
        graph: Graph,
        tensors: dict[str, NDArray[Any]],
        parameters: Mapping[str, object],
        wanted: Sequence[str],
    ) -> dict[str, NDArray[Any]]:
        """All tensors of the ensemble that there are once the wanted ones are."""
        steps_s: dict[str, float] = {}
        for step in graph.needed(wanted):
            began_s = time.perf_counter()
            # What a step that takes only tensors of the request cannot use came with it.
            is_first = graph.makers.keys().isdisjoint(step.input_map.values())
            with named(step.name, UnusableTensor if is_first else None):
                made = self._ask(step, tensors, parameters)
            for name, tensor in step.output_map.items():
                if name in made:
                    tensors[tensor] = made[name]
            steps_s[_plain(step.name)] = time.perf_counter() - began_s
        self.steps_s = steps_s
        return tensors

    def _ask(
        self, step: Step, tensors: Mapping[str, NDArray[Any]], parameters: Mapping[str, object]
    ) -> dict[str, NDArray[Any]]:
        config = self._plan.repository.models[step.model].config
        inputs = {
            name: tensors[tensor] for name, tensor in step.input_map.items() if tensor in tensors
        }
        names = list(step.output_map)
        made = self._backends[self._plan.keys[step.name]].run(
            taken(config, inputs), names, parameters
        )
        return given(config, made, names)


class TritonCode:
    """An artifact with Python steps that do not run yet."""

    def __init__(self, plan: Plan, backends: Mapping[Key, Backend]) -> None:
        """`backends` are those of the steps that are data."""
        self._plan = plan
        self._backends = backends

    def predict(self, request: Request) -> Response:
        """Raise CodeNotAllowed: nobody has started it."""
        del request
        raise CodeNotAllowed(self._plan.asked.config.file)

    def describe(self) -> dict[str, object]:
        """See `Plan`."""
        return self._plan.describe()

    def needs(self) -> Needs:
        """A process of its own, and leave to run."""
        return CODE

    def start(self) -> LoadedModel:
        """Run the code in this process, which must be its own, and return the model it makes.

        Raises a ServingError that tells what the code raised, and names the step.
        """
        backends = dict(self._backends)
        try:
            for key in self._plan.python:
                model = self._plan.repository.models[key[0]]
                with named(key[0]):
                    backends[key] = PythonModel(model, key[1], [self._plan.root])
        except BaseException:
            forget()  # or another try would find the artifact's modules for ours
            raise
        return TritonModel(self._plan, backends)


def _plain(name: str) -> str:
    """A step's name as metrics have it: a letter first, then letters, digits, _ and -."""
    found = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return (found if found[:1].isalpha() else f"m{found}")[:MOST_STEP_CHARS]
