"""Doing the steps for one request, one after the other, and noting what each took.

A step's failure ends the request with its own status and type, and its message names the step;
unless the step is optional. Only a want of memory is never passed over.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from models.Ensemble.arrays import plain
from models.Ensemble.elsewhere import TargetWork
from models.Ensemble.graph import uses
from models.Ensemble.kinds import ANY, fault
from models.Ensemble.templates import fill
from models.Ensemble.values import UnusableValue, check_items, check_value, check_values
from models.errors import BadInput, NoRoom, NotConverted, ServingError, shorten
from models.steps import named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from models.Ensemble.definition import Step
    from models.Ensemble.work import Members

MAX_REQUESTS = 1000
"""The most requests to a member of one step."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a step."""

    step: Step
    seconds: float
    is_left_out: bool = False
    failure: str | None = None
    """Why an optional step failed."""

    def as_json(self) -> dict[str, Any]:
        """As an answer tells it."""
        said: dict[str, Any] = {"step": self.step.name} | self.step.asks
        said["ms"] = round(self.seconds * 1000, 3)
        said |= {"left_out": True} if self.is_left_out else {}
        return said | ({} if self.failure is None else {"failure": self.failure})


@dataclass(frozen=True, slots=True)
class Ran:
    """How far one request has come."""

    values: dict[str, Any]
    """By name, of inputs and of steps that are done."""
    done: list[Done]
    asks: list[dict[str, str]]
    """What other target models are to be asked before the rest can be done."""


class Course:
    """The steps of one ensemble, in their order, and the members they ask."""

    def __init__(self, order: list[Step], members: Members) -> None:
        self._order = order
        self._members = members
        self._steps = {step.name: step for step in order}
        self._uses = {step.name: uses(step) for step in order}
        self._of_inputs = {
            name for name, used in self._uses.items() if not used & self._uses.keys()
        }

    def run(self, known: Mapping[str, Any], *, may_ask: bool = False) -> Ran:
        """Do all steps that are not among the known values. Raises ServingError.

        `may_ask`: what target models are asked is told, else such a step fails.
        """
        ran = Ran(dict(known), [], [])
        waiting: set[str] = set()
        for step in self._order:
            if step.name in ran.values:
                continue
            if waiting and self._uses[step.name] & waiting:
                waiting.add(step.name)
            elif may_ask and (asked := self._asked(step, ran.values)) is not None:
                ran.asks.append(asked)
                waiting.add(step.name)
            else:
                self._timed(step, ran, partial(self._value, step, ran.values))
        return ran

    def answered(self, name: str, ran: Ran, answer: Mapping[str, Any]) -> None:
        """Take what a step's target model has answered. Raises ServingError."""
        step = self._steps.get(name)
        if step is None or not isinstance(step.work, TargetWork) or name in ran.values:
            raise BadInput(f"{shorten(name, 60)} is no step that waits for an answer")
        work = step.work
        self._timed(step, ran, lambda: self._checked(step, work.answered(answer)))

    def _timed(self, step: Step, ran: Ran, make: Callable[[], Any]) -> None:
        began_s = time.perf_counter()
        is_left_out, failure = self._do(step, ran.values, make)
        ran.done.append(Done(step, time.perf_counter() - began_s, is_left_out, failure))
        if log.isEnabledFor(logging.DEBUG):
            log.debug("step %s took %.2f ms", step.name, ran.done[-1].seconds * 1000)

    def _asked(self, step: Step, values: Mapping[str, Any]) -> dict[str, str] | None:
        """What a step asks its target model; None: it has none, or is left out."""
        if not isinstance(step.work, TargetWork):
            return None
        with self._named(step):
            return {"step": step.name} | step.work.ask(values) if _is_due(step, values) else None

    def _do(
        self, step: Step, values: dict[str, Any], make: Callable[[], Any]
    ) -> tuple[bool, str | None]:
        """Put the step's value to the others; whether it was left out, and why it failed."""
        failure = None
        with self._named(step):
            try:
                if _is_due(step, values):
                    values[step.name] = make()
                    return False, None
            except (NoRoom, NotConverted):
                raise
            except ServingError as error:
                if not step.is_optional:
                    raise
                failure = error.message
            values[step.name] = fill(step.otherwise, values)
            check_value(values[step.name], "Its value")
        return failure is None, failure

    def _named(self, step: Step) -> AbstractContextManager[None]:
        """Let errors name the step."""
        # What a step that takes only inputs cannot use came with the request.
        return named(step.name, UnusableValue if step.name in self._of_inputs else None)

    def _value(self, step: Step, values: Mapping[str, Any]) -> Any:
        if not step.each:
            return self._checked(step, step.work.do(values, self._members))
        items: list[Any] = []
        check_values(self._items(step, values, items), "Its value")
        return self._of_kind(step, items)

    def _checked(self, step: Step, value: Any) -> Any:
        check_value(value, "Its value")
        return self._of_kind(step, value)

    def _of_kind(self, step: Step, value: Any) -> Any:
        if step.kind != ANY and (found := fault(plain(value), step.kind)):
            raise UnusableValue(f"its value {found}")
        return value

    def _items(self, step: Step, values: Mapping[str, Any], made: list[Any]) -> Iterator[Any]:
        """Each item that was made, put to the others in `made`."""
        lists = {alias: fill(each, values) for alias, each in step.each.items()}
        size = _common_size(step, lists)
        if step.work.member is not None and size > MAX_REQUESTS:
            raise UnusableValue(f"it would ask {size} times; at most {MAX_REQUESTS} are taken")
        for place in range(size):
            scope = {a: None if each is None else each[place] for a, each in lists.items()}
            made.append(step.work.do({**values, **scope}, self._members))
            yield made[-1]


def _is_due(step: Step, values: Mapping[str, Any]) -> bool:
    """Whether a step's condition holds."""
    found = True if step.when is None else fill(step.when, values)
    return found is not None and found is not False


def _common_size(step: Step, lists: Mapping[str, Any]) -> int:
    """How many items each list has; null stands for as many nulls as the others have items."""
    sizes = {}
    for alias, each in lists.items():
        reference = step.each[alias]
        if each is None:
            continue
        try:
            sizes[str(reference)] = len(each)
        except TypeError:
            sizes = {}
        if isinstance(each, (str, dict)) or str(reference) not in sizes:
            raise UnusableValue(f"{reference} is {shorten(each, 60)}, not a list")
        check_items(len(each), str(reference))
    if len(set(sizes.values())) > 1:
        found = " and ".join(f"{name} has {size}" for name, size in sizes.items())
        raise UnusableValue(f"the lists of each have different numbers of items: {found}")
    return next(iter(sizes.values()), 0)
