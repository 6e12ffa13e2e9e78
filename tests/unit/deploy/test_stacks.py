"""How a stack's change is watched: against a CloudFormation that takes its time, or refuses."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from mme.deploy.errors import DeployError
from mme.deploy.stacks import Stacks
from mme.deploy.states import TAG, Stack
from mme.deploy.templates import ENDPOINT


class SlowCloudFormation:
    """The part of `Calls` that stacks use; a stack that goes through `statuses`, one a look."""

    is_dry_run = False

    def __init__(self, statuses, events=(), change_set=("CREATE_COMPLETE", "")):
        self._statuses = list(statuses)
        self._coming = [list(each) for each in events]
        self._events = []
        self._change_set = change_set
        self.changes = []

    def watch(self, *_, **__):
        """Nothing: this is no dry run."""

    def change(self, _, operation, **parameters):
        self.changes.append((operation, parameters))
        return {}

    def read(self, _, operation, **__):
        match operation:
            case "get_template_summary":
                keys = ("ModelBucket", "MaxInstances")
                return {"Parameters": [{"ParameterKey": key} for key in keys]}
            case "describe_change_set":
                status, reason = self._change_set
                return {"Status": status, "StatusReason": reason, "Changes": []}
            case "describe_stack_events":
                return {"StackEvents": self._events}
            case _:
                return self._look()

    def _look(self):
        status = self._statuses.pop(0)
        if status is None:
            told: Any = {"Error": {"Code": "ValidationError", "Message": "Stack x does not exist"}}
            raise ClientError(told, "DescribeStacks")
        if self._coming:
            for name, state, reason in self._coming.pop(0):
                self._events.insert(0, event(name, state, reason, len(self._events)))
        tags = [{"Key": TAG, "Value": "texts"}]
        return {
            "Stacks": [{"StackName": "texts", "StackId": "id", "StackStatus": status, "Tags": tags}]
        }


def slow(*given, **named) -> Any:
    return SlowCloudFormation(*given, **named)


def event(name, status, reason, number):
    return {
        "EventId": str(number),
        "StackId": "id",
        "LogicalResourceId": name,
        "PhysicalResourceId": "id" if name == "texts" else "p",
        "ResourceType": "T",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def there(**parameters):
    return Stack("texts", "id", "CREATE_COMPLETE", "", "texts", parameters)


def applied(calls, parameters, seen=None):
    said: list[str] = []
    slept: list[float] = []
    stacks = Stacks(calls, said.append, sleep=slept.append)
    try:
        return stacks.apply("texts", "texts", ENDPOINT, parameters, seen=seen), said, slept
    except DeployError as error:
        return error, said, slept


STARTED = ("texts", "CREATE_IN_PROGRESS", "User Initiated")


def test_progress_is_told_once_each_until_the_stack_is_there():
    calls = slow(
        ["CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"],
        [
            [STARTED, ("Role", "CREATE_IN_PROGRESS", "")],
            [],
            [("Role", "CREATE_COMPLETE", ""), ("texts", "CREATE_COMPLETE", "")],
        ],
    )
    is_changed, said, slept = applied(calls, {"ModelBucket": "b"})
    assert is_changed is True
    assert said == ["CREATE_IN_PROGRESS Role", "CREATE_COMPLETE Role", "texts: CREATE_COMPLETE"]
    assert len(slept) == 2


def test_a_change_that_is_rolled_back_fails_with_the_first_reason():
    calls = slow(
        ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"],
        [
            [STARTED, ("Endpoint", "UPDATE_FAILED", "the image has no /ping")],
            [("Model", "UPDATE_FAILED", "Resource update cancelled")],
        ],
    )
    error, said, _ = applied(calls, {"MaxInstances": "8"}, there(ModelBucket="b"))
    assert "UPDATE_FAILED Endpoint: the image has no /ping" in said
    assert str(error) == (
        "the stack texts is UPDATE_ROLLBACK_COMPLETE:\n  Endpoint (T): the image has no /ping"
    )


class PagedCloudFormation(SlowCloudFormation):
    """Two events a page."""

    def read(self, _, operation, **given):
        answer = super().read(_, operation, **given)
        if operation != "describe_stack_events":
            return answer
        first = int(given.get("NextToken", 0))
        page = {"StackEvents": answer["StackEvents"][first : first + 2]}
        is_last = first + 2 >= len(answer["StackEvents"])
        return page if is_last else {**page, "NextToken": str(first + 2)}


def test_a_reason_that_many_events_have_followed_is_told():
    others = [(f"Alarm{number}", "DELETE_COMPLETE", "") for number in range(9)]
    events = [[STARTED, ("Endpoint", "CREATE_FAILED", "no capacity"), *others]]
    calls: Any = PagedCloudFormation(["ROLLBACK_COMPLETE"], events)
    error, _, _ = applied(calls, {"ModelBucket": "b"})
    assert str(error) == "the stack texts is ROLLBACK_COMPLETE:\n  Endpoint (T): no capacity"


def test_what_is_not_given_keeps_its_value_where_the_template_still_has_it():
    calls = slow(["UPDATE_COMPLETE"])
    applied(calls, {"MaxInstances": "8"}, there(ModelBucket="b", MaxInstances="4", Former="x"))
    operation, parameters = calls.changes[0]
    assert (operation, parameters["ChangeSetType"]) == ("create_change_set", "UPDATE")
    assert parameters["Parameters"] == [
        {"ParameterKey": "MaxInstances", "ParameterValue": "8"},
        {"ParameterKey": "ModelBucket", "UsePreviousValue": True},
    ]
    assert parameters["Capabilities"] == ["CAPABILITY_IAM"]


def test_nothing_to_change_is_no_failure():
    reason = "The submitted information didn't contain changes. Submit different information."
    calls = slow([], change_set=("FAILED", reason))
    is_changed, said, _ = applied(calls, {"MaxInstances": "4"}, there(ModelBucket="b"))
    assert is_changed is False
    assert said == ["texts: nothing to change"]
    assert [operation for operation, _ in calls.changes] == [
        "create_change_set",
        "delete_change_set",
    ]


def test_a_refused_change_of_what_is_not_there_leaves_no_empty_stack():
    calls = slow([], change_set=("FAILED", "An asynchronous endpoint needs"))
    error, _, _ = applied(calls, {"ModelBucket": "b"})
    assert "is refused: An asynchronous endpoint needs" in str(error)
    assert [operation for operation, _ in calls.changes][1:] == [
        "delete_change_set",
        "delete_stack",
    ]


def test_a_deletion_ends_when_the_stack_is_gone():
    calls = slow(["DELETE_IN_PROGRESS", None])
    said: list[str] = []
    Stacks(calls, said.append, sleep=lambda _: None).delete(there())
    assert calls.changes == [("delete_stack", {"StackName": "id"})]


def test_a_deletion_that_fails_says_what_stays():
    failed = ("Repository", "DELETE_FAILED", "the repository has images")
    calls = slow(["DELETE_FAILED"], [[STARTED, failed]])
    with pytest.raises(DeployError, match="Repository \\(T\\): the repository has images"):
        Stacks(calls, print, sleep=lambda _: None).delete(there())
