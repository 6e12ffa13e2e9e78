"""Stacks, as they are seen, changed and watched: always by change sets, and always waited for.

Which parameters a stack gets is in `endpoint.py`; what its status allows, in `states.py`.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from mme.deploy.errors import DeployError, code_of, explained, message_of
from mme.deploy.states import EMPTY, GOOD, TAG, Stack, failures, kind_of_change
from mme.deploy.templates import template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.deploy.calls import Calls
    from mme.deploy.states import Kind

CLOUDFORMATION = "cloudformation"
WATCHED = ("describe_stacks", "describe_stack_events")
POLL_S = 5.0
NOTHING_NEW = ("didn't contain changes", "No updates are to be performed")
NOT_THERE = "does not exist"
STARTED_BY_US = "User Initiated"


class Stacks:
    """The stacks of a region."""

    def __init__(
        self,
        calls: Calls,
        say: Callable[[str], None],
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`say` is told how it goes."""
        self._calls = calls
        self._say = say
        self._sleep = sleep

    def find(self, name: str) -> Stack | None:
        """The stack, if it is there. Raises DeployError."""
        try:
            answer = self._calls.read(CLOUDFORMATION, "describe_stacks", StackName=name)
        except ClientError as error:
            if code_of(error) == "ValidationError" and NOT_THERE in message_of(error):
                return None
            raise explained(error, f"looking for the stack {name}") from None
        return Stack.from_answer(answer["Stacks"][0])

    def apply(
        self,
        name: str,
        owner: str,
        template_name: str,
        parameters: Mapping[str, str],
        *,
        seen: Stack | None,
    ) -> bool:
        """Make or change a stack, keeping all parameters that are not given; wait for the end.

        Returns whether there was anything to do. Raises DeployError, also if it went wrong.
        """
        kind = kind_of_change(seen, owner)
        former = set(seen.parameters) if seen and kind == "UPDATE" else set()
        kept = self.known(template_name, parameters) & former - set(parameters)
        named = {"StackName": name, "ChangeSetName": f"mme-{uuid.uuid4().hex}"}
        try:
            self._calls.change(
                CLOUDFORMATION,
                "create_change_set",
                **named,
                ChangeSetType=kind,
                TemplateBody=template(template_name),
                Parameters=[
                    *({"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()),
                    *({"ParameterKey": k, "UsePreviousValue": True} for k in sorted(kept)),
                ],
                Capabilities=["CAPABILITY_IAM"],
                Tags=[{"Key": TAG, "Value": owner}],
            )
            if not self._is_worth_it(named, kind):
                self._say(f"{name}: nothing to change")
                return False
            seen_events = self._event_ids(name)
            self._calls.change(CLOUDFORMATION, "execute_change_set", **named)
        except ClientError as error:
            if NOTHING_NEW[1] in message_of(error):
                self._say(f"{name}: nothing to change")
                return False
            raise explained(error, f"changing the stack {name}") from None
        self._await(name, seen_events)
        return True

    def delete(self, stack: Stack) -> None:
        """Delete a stack with what it made; wait for the end. Raises DeployError."""
        seen_events = self._event_ids(stack.id)
        try:
            self._calls.change(CLOUDFORMATION, "delete_stack", StackName=stack.id)
        except ClientError as error:
            raise explained(error, f"deleting the stack {stack.name}") from None
        self._await(stack.id, seen_events)

    def resources(self, name: str) -> list[dict[str, str]]:
        """What a stack has made: `id`, `type` and `name` of each."""
        answer = self._calls.read(CLOUDFORMATION, "describe_stack_resources", StackName=name)
        return [
            {
                "id": each["LogicalResourceId"],
                "type": each["ResourceType"],
                "name": each.get("PhysicalResourceId", ""),
            }
            for each in answer["StackResources"]
            if each.get("LogicalResourceId")
        ]

    def failures(self, name: str) -> list[str]:
        """What went wrong in the newest change, and why; what follows from it is left out."""
        return failures(self._events_of_change(name))

    def _events_of_change(self, name: str) -> list[Mapping[str, Any]]:
        """The newest first, as far as the event with which the change began."""
        found: list[Mapping[str, Any]] = []
        more: dict[str, str] = {}
        while True:
            answer = self._calls.read(
                CLOUDFORMATION, "describe_stack_events", StackName=name, **more
            )
            for event in answer["StackEvents"]:
                found.append(event)
                if event.get("ResourceStatusReason") == STARTED_BY_US and _is_of_stack(event):
                    return found
            if "NextToken" not in answer:
                return found
            more = {"NextToken": answer["NextToken"]}

    def _is_worth_it(self, named: Mapping[str, str], kind: Kind) -> bool:
        """Wait until a change set is there; whether it changes anything. Raises DeployError."""
        self._calls.watch(CLOUDFORMATION, "describe_change_set", **named)
        if self._calls.is_dry_run:
            return True
        while True:
            told = self._calls.read(CLOUDFORMATION, "describe_change_set", **named)
            if told["Status"] == "CREATE_COMPLETE":
                for each in told.get("Changes", ()):
                    self._say(_as_line(each["ResourceChange"]))
                return True
            if told["Status"] == "FAILED":
                reason = told.get("StatusReason", "")
                self._calls.change(CLOUDFORMATION, "delete_change_set", **named)
                if kind == "CREATE":  # of which an empty stack would stay
                    self._calls.change(CLOUDFORMATION, "delete_stack", StackName=named["StackName"])
                if any(words in reason for words in NOTHING_NEW):
                    return False
                raise DeployError(f"the change of {named['StackName']} is refused: {reason}")
            self._sleep(POLL_S)

    def known(self, template_name: str, given: Mapping[str, str]) -> set[str]:
        """The names of a template's parameters. Raises DeployError if others are given."""
        answer = self._calls.read(
            CLOUDFORMATION, "get_template_summary", TemplateBody=template(template_name)
        )
        known = {each["ParameterKey"] for each in answer["Parameters"]}
        for name in given:
            if name not in known:
                raise DeployError(
                    f"there is no parameter {name}; there are {', '.join(sorted(known))}"
                )
        return known

    def _await(self, name: str, told: set[str]) -> None:
        """Tell new events until the stack is done. Raises DeployError if that is not well."""
        self._calls.watch(CLOUDFORMATION, *WATCHED, StackName=name)
        while not self._calls.is_dry_run:
            stack = self.find(name)
            if stack is None:  # deleted
                return
            for each in reversed(self._events_of_change(name)):
                if each["EventId"] not in told and not _is_of_stack(each):
                    reason = each.get("ResourceStatusReason") or ""
                    self._say(
                        f"{each.get('ResourceStatus')} {each.get('LogicalResourceId')}"
                        f"{f': {reason}' if reason else ''}"
                    )
                told.add(each["EventId"])
            if not stack.is_busy and stack.status != EMPTY:
                self._end(name, stack)
                return
            self._sleep(POLL_S)

    def _end(self, name: str, stack: Stack) -> None:
        self._say(f"{stack.name}: {stack.status}")
        if stack.status not in GOOD:
            reasons = "\n  ".join(self.failures(name)) or stack.reason or "no reason was given"
            raise DeployError(f"the stack {stack.name} is {stack.status}:\n  {reasons}")

    def _event_ids(self, name: str) -> set[str]:
        """What has happened already; in a dry run there may be no stack to ask for it."""
        if self._calls.is_dry_run:
            return set()
        answer = self._calls.read(CLOUDFORMATION, "describe_stack_events", StackName=name)
        return {event["EventId"] for event in answer["StackEvents"]}


def _as_line(change: Mapping[str, Any]) -> str:
    replaces = " (in place of the former)" if change.get("Replacement") == "True" else ""
    resource = f"{change['LogicalResourceId']} {change['ResourceType']}"
    return f"{change['Action'].lower():<7} {resource}{replaces}"


def _is_of_stack(event: Mapping[str, Any]) -> bool:
    return bool(event.get("PhysicalResourceId") == event.get("StackId"))
