"""How steps hang together: their order, and whether types fit, before any request comes.

Everything wrong is an ArtifactError that names steps and references.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.Ensemble.definition import FILE
from models.Ensemble.kinds import ANY, LIST, Kind, WrongKind, bounded, fits, shown
from models.Ensemble.templates import kind, references
from models.errors import ArtifactError
from models.steps import StepsWait, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from models.Ensemble.definition import Definition, Step
    from models.Ensemble.templates import Reference
    from models.Ensemble.work import Members


def uses(step: Step) -> set[str]:
    """The inputs and steps that a step takes values of."""
    inner = {each.name for each in references(list(step.work.templates))} - step.each.keys()
    outer = [*step.each.values(), step.otherwise, *([] if step.when is None else [step.when])]
    return inner | {each.name for each in references(outer)}


def in_order(definition: Definition) -> list[Step]:
    """The steps, each after those it takes values of. Raises ArtifactError."""
    steps, inputs = definition.steps, definition.inputs
    used_by = {name: uses(step) for name, step in steps.items()}
    for name, step in steps.items():
        _check_there(f"step {name}", used_by[name], definition)
        for alias in step.each:
            if alias in steps or alias in inputs:
                raise ArtifactError(FILE, f"step {name}: each {alias} is a name already")
    wanted: set[str] = set()
    for name, output in definition.outputs.items():
        taken = {each.name for each in references(output.value)}
        _check_there(f"output {name}", taken, definition)
        wanted |= taken
    graph = {name: sorted(used & steps.keys()) for name, used in used_by.items()}
    try:
        order = in_turn(graph)
    except StepsWait as error:
        raise ArtifactError(FILE, str(error)) from None
    for name in reversed(order):
        if name in wanted:
            wanted |= used_by[name]
    _check_used([*steps, *inputs], wanted, definition)
    return [steps[name] for name in order]


def check_kinds(definition: Definition, order: Iterable[Step], members: Members) -> None:
    """Raise ArtifactError where types do not fit."""
    kinds: dict[str, Kind] = {
        name: ANY if each.default is None else bounded(each.kind)
        for name, each in definition.inputs.items()
    }
    for step in order:
        try:
            kinds[step.name] = _kind_of_step(step, kinds, members)
        except WrongKind as error:
            raise ArtifactError(FILE, f"step {step.name}: {error}") from None
    for name, output in definition.outputs.items():
        try:
            _check_fits(kind(output.value, kinds), output.kind)
        except WrongKind as error:
            raise ArtifactError(FILE, f"output {name}: {error}") from None


def _kind_of_step(step: Step, kinds: Mapping[str, Kind], members: Members) -> Kind:
    items = {alias: _item(alias, each, kinds) for alias, each in step.each.items()}
    found = step.work.kind({**kinds, **items}, members)
    if step.each:
        found = [found]
    found = bounded(found)
    _check_fits(found, step.kind)
    if step.kind != ANY:
        found = bounded(step.kind)
    if step.when is not None:
        kind(step.when, kinds)
    elif not step.is_optional:
        return found
    otherwise = kind(step.otherwise, kinds)
    if step.otherwise is None:
        return ANY  # null, where it is left out
    _check_fits(otherwise, found)
    return found


def _item(alias: str, reference: Reference, kinds: Mapping[str, Kind]) -> Kind:
    found = kind(reference, kinds)
    if not fits(found, LIST):
        raise WrongKind(f"each {alias} takes a list; {reference} is {shown(found)}")
    return found[0] if isinstance(found, list) else ANY


def _check_fits(given: Kind, wanted: Kind) -> None:
    if not fits(given, wanted):
        raise WrongKind(f"its type is {shown(given)}, not {shown(wanted)}")


def _check_there(what: str, used: Iterable[str], definition: Definition) -> None:
    for name in sorted(used):
        if name not in definition.inputs and name not in definition.steps:
            there = ", ".join([*definition.inputs, *definition.steps])
            raise ArtifactError(
                FILE,
                f"{what} takes ${name}, which is neither an input nor a step; there are {there}",
            )


def _check_used(names: Iterable[str], wanted: set[str], definition: Definition) -> None:
    for name in names:
        if name not in wanted:
            what = "input" if name in definition.inputs else "step"
            raise ArtifactError(FILE, f"{what} {name} is in vain: no output needs it")
