"""How the steps of an ensemble hang together: checked before any request, and put in order.

A tensor comes with the request or from one step; types and shapes fit; nothing waits for itself.
Shapes are compared as they are whole, with the axis of the batch, so that models with batches and
models without can stand in one ensemble. Everything wrong is an ArtifactError that names the step
and the tensor.
Source: Triton's documentation of ensemble models and of the model configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.errors import shorten
from models.steps import StepsWait, in_turn
from models.tensors import ANY_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from models.Triton.config import Config, Shape, Step, Tensor
    from models.Triton.repository import Repository

REQUEST = "the request"
SHOWN_CHARS = 300


@dataclass(frozen=True, slots=True)
class Node:
    """A tensor of an ensemble: who makes it, and what it is then."""

    maker: str
    datatype: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Graph:
    """The steps of an ensemble, checked."""

    order: Sequence[Step]
    makers: Mapping[str, str]
    """Tensor -> the step that makes it; those of the request are not there."""
    warnings: Sequence[str]

    def needed(self, wanted: Sequence[str]) -> list[Step]:
        """The steps without which these tensors are not made, in their order."""
        tensors = set(wanted)
        found: list[Step] = []
        for step in reversed(self.order):
            if not tensors.isdisjoint(step.output_map.values()):
                found.append(step)
                tensors.update(step.input_map.values())
        return found[::-1]


def read_graph(repository: Repository) -> Graph:
    """Check the ensemble that is asked. Raises ArtifactError."""
    ensemble = repository.asked.config
    nodes = {
        each.name: Node(REQUEST, each.datatype, each.inner_shape(ensemble.max_batch_size))
        for each in ensemble.inputs
    }
    configs: dict[str, Config] = {}
    for step in ensemble.steps:
        configs[step.name] = _config(step, ensemble, repository)
        _add_outputs(step, configs[step.name], ensemble, nodes)
    optional = {each.name for each in ensemble.inputs if each.is_optional}
    for step in ensemble.steps:
        _check_inputs(step, configs[step.name], ensemble, nodes, optional)
    for each in ensemble.outputs:
        _check_output(each, ensemble, nodes)
    makers = {name: node.maker for name, node in nodes.items() if node.maker != REQUEST}
    after = {
        step.name: sorted({makers[name] for name in step.input_map.values() if name in makers})
        for step in ensemble.steps
    }
    try:
        order = in_turn(after)
    except StepsWait as error:
        ensemble.refuse(f"ensemble_scheduling: {error}")
    steps = {step.name: step for step in ensemble.steps}
    return Graph([steps[name] for name in order], makers, _warnings(ensemble, repository))


def _config(step: Step, ensemble: Config, repository: Repository) -> Config:
    """The configuration of the step's model."""
    model = repository.models.get(step.model)
    if model is None:
        there = _listed([name for name in repository.models if name != ensemble.name])
        ensemble.refuse(
            f"step {step.name} asks the model {shorten(step.model, 60)}, and there is no such"
            f" folder, but {there or 'none'}"
        )
    if model.config.steps:
        ensemble.refuse(f"step {step.name} asks {step.model}, an ensemble: only one is taken")
    model.version(step.version)
    most = model.config.max_batch_size
    if 0 < most < ensemble.max_batch_size:
        ensemble.refuse(
            f"takes batches of {ensemble.max_batch_size}, and the model {step.model} of {most}"
        )
    return model.config


def _add_outputs(step: Step, config: Config, ensemble: Config, nodes: dict[str, Node]) -> None:
    outputs = {each.name: each for each in config.outputs}
    for name, tensor in step.output_map.items():
        if name not in outputs:
            ensemble.refuse(
                f"step {step.name}: the model gives no {shorten(name, 60)}, but {_listed(outputs)}"
            )
        if tensor in nodes:
            first = nodes[tensor].maker
            ensemble.refuse(f"the tensor {shorten(tensor, 60)} comes from {first} and {step.name}")
        shape = outputs[name].shape(config.max_batch_size)
        nodes[tensor] = Node(step.name, outputs[name].datatype, shape)


def _check_inputs(
    step: Step,
    config: Config,
    ensemble: Config,
    nodes: Mapping[str, Node],
    optional: set[str],
) -> None:
    inputs = {each.name: each for each in config.inputs}
    for name, tensor in step.input_map.items():
        what = f"step {step.name}: input {shorten(name, 60)}"
        if name not in inputs:
            ensemble.refuse(f"{what} is none of the model's, which takes {_listed(inputs)}")
        if tensor not in nodes:
            ensemble.refuse(
                f"{what} is the tensor {shorten(tensor, 60)}, which neither the request brings nor"
                f" a step makes; there are {_listed(nodes)}"
            )
        if tensor in optional and not inputs[name].is_optional:
            ensemble.refuse(f"{what} must be there, and {tensor} is optional")
        shape = inputs[name].shape(config.max_batch_size)
        _check_fits(what, tensor, nodes[tensor], (inputs[name].datatype, shape), ensemble)
    for each in config.inputs:
        if not each.is_optional and each.name not in step.input_map:
            ensemble.refuse(f"step {step.name}: nothing is mapped to the input {each.name}")


def _check_output(output: Tensor, ensemble: Config, nodes: Mapping[str, Node]) -> None:
    node = nodes.get(output.name)
    if node is None or node.maker == REQUEST:
        ensemble.refuse(f"no step makes the output {output.name}")
    shape = output.inner_shape(ensemble.max_batch_size)
    what = f"output {output.name}"
    _check_fits(what, output.name, node, (output.datatype, shape), ensemble)


def _check_fits(
    what: str, tensor: str, node: Node, wanted: tuple[str, Shape], ensemble: Config
) -> None:
    datatype, shape = wanted
    if node.datatype != datatype:
        ensemble.refuse(
            f"{what} is {datatype}, and {shorten(tensor, 60)} comes from {node.maker} as"
            f" {node.datatype}"
        )
    if len(shape) != len(node.shape) or any(
        ANY_SIZE not in pair and pair[0] != pair[1] for pair in zip(shape, node.shape, strict=True)
    ):
        ensemble.refuse(
            f"{what} has the shape {list(shape)}, and {shorten(tensor, 60)} comes from"
            f" {node.maker} as {list(node.shape)}"
        )


def _warnings(ensemble: Config, repository: Repository) -> list[str]:
    taken = {tensor for step in ensemble.steps for tensor in step.input_map.values()}
    vain = [each.name for each in ensemble.inputs if each.name not in taken]
    return [
        *(f"{ensemble.file}: no step takes the input {name}" for name in vain),
        *(f"{ensemble.file}: no step asks the model {name}" for name in repository.idle),
    ]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)[:SHOWN_CHARS]
