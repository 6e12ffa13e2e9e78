"""What a stack's status allows, and what its events say went wrong. Pure.

Statuses are CloudFormation's: what is being done, `_IN_PROGRESS`, or how it ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mme.deploy.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TAG = "mme:deploy"
"""On all stacks that were made here, with the deployment's name."""
EMPTY = "REVIEW_IN_PROGRESS"
"""Of a stack for which a change set was made, and never carried out."""
NEVER_CAME_UP = frozenset(
    {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}
)
GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"})
FAILED = "_FAILED"
FOLLOWS = ("cancelled", "canceled")
"""Reasons of what failed because something else had."""

Kind = Literal["CREATE", "UPDATE"]


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack as `DescribeStacks` answers it."""

    name: str
    id: str
    status: str
    reason: str
    owner: str
    """The deployment it belongs to; "" of a stack that was made elsewhere."""
    parameters: Mapping[str, str]

    @classmethod
    def from_answer(cls, told: Mapping[str, Any]) -> Stack:
        """One of the answer's `Stacks`."""
        return cls(
            name=told["StackName"],
            id=told["StackId"],
            status=told["StackStatus"],
            reason=told.get("StackStatusReason") or "",
            owner=_pairs(told.get("Tags"), "Key", "Value").get(TAG, ""),
            parameters=_pairs(told.get("Parameters"), "ParameterKey", "ParameterValue"),
        )

    @property
    def is_busy(self) -> bool:
        """Whether something is being done to it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != EMPTY


def _pairs(told: Sequence[Mapping[str, Any]] | None, key: str, value: str) -> dict[str, str]:
    return {each[key]: str(each.get(value, "")) for each in told or ()}


def kind_of_change(stack: Stack | None, name: str) -> Kind:
    """Whether a change set makes the stack or changes it. Raises DeployError if neither works."""
    if stack is None:
        return "CREATE"
    if stack.owner != name:
        raise DeployError(
            f"the name {name} is taken: there is a stack {stack.name} that `mme deploy` did not"
            f" make for it (it has no tag {TAG}={name}); choose another name"
        )
    if stack.status == EMPTY:
        return "CREATE"
    if stack.status in NEVER_CAME_UP:
        raise DeployError(
            f"the stack {stack.name} is {stack.status}{_because(stack)}: it cannot be changed any"
            f" more; `mme deploy status {name}` says what failed, `mme deploy delete {name}` clears"
            " the way"
        )
    if stack.status == "UPDATE_ROLLBACK_FAILED":
        raise DeployError(
            f"the stack {stack.name} is {stack.status}{_because(stack)}: see to what failed, then"
            f" `aws cloudformation continue-update-rollback --stack-name {stack.name}`"
        )
    if stack.is_busy:
        raise DeployError(
            f"the stack {stack.name} is {stack.status}: wait until that is over; `mme deploy status"
            f" {name}` shows it"
        )
    return "UPDATE"


def _because(stack: Stack) -> str:
    return f" ({stack.reason})" if stack.reason else ""


def failures(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """What failed and why, the first first, of events with the newest first.

    What failed because something else had is left out.
    """
    told = [
        f"{each.get('LogicalResourceId')} ({each.get('ResourceType')}): {reason}"
        for each in events
        if str(each.get("ResourceStatus", "")).endswith(FAILED)
        and (reason := each.get("ResourceStatusReason") or "")
        and not any(word in reason for word in FOLLOWS)
    ]
    return list(dict.fromkeys(reversed(told)))
