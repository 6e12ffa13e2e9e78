"""What a stack's status allows, and what its events say went wrong."""

from __future__ import annotations

import pytest

from mme.deploy.errors import DeployError
from mme.deploy.states import TAG, Stack, failures, kind_of_change


def stack(status, owner="texts", reason=""):
    return Stack.from_answer(
        {
            "StackName": "texts",
            "StackId": "id",
            "StackStatus": status,
            "StackStatusReason": reason,
            "Tags": [{"Key": TAG, "Value": owner}] if owner else [],
        }
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("REVIEW_IN_PROGRESS", "CREATE"),
        ("CREATE_COMPLETE", "UPDATE"),
        ("UPDATE_COMPLETE", "UPDATE"),
        ("UPDATE_ROLLBACK_COMPLETE", "UPDATE"),
    ],
)
def test_a_stack_is_made_where_there_is_none_and_changed_where_there_is(status, kind):
    assert kind_of_change(None, "texts") == "CREATE"
    assert kind_of_change(stack(status), "texts") == kind


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (stack("ROLLBACK_COMPLETE"), "`mme deploy delete texts` clears the way"),
        (stack("CREATE_FAILED", reason="no quota"), "CREATE_FAILED (no quota)"),
        (stack("UPDATE_ROLLBACK_FAILED"), "continue-update-rollback --stack-name texts"),
        (stack("UPDATE_IN_PROGRESS"), "wait until that is over"),
        (stack("CREATE_COMPLETE", owner=""), "the name texts is taken"),
        (stack("CREATE_COMPLETE", owner="other"), "the name texts is taken"),
    ],
)
def test_where_neither_works_it_is_said_why_and_what_to_do(seen, words):
    with pytest.raises(DeployError) as caught:
        kind_of_change(seen, "texts")
    assert words in str(caught.value)


def event(name, status, reason=""):
    return {
        "LogicalResourceId": name,
        "ResourceType": "T",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def test_what_failed_first_is_told_first_and_what_followed_is_not():
    newest_first = [
        event("texts", "ROLLBACK_COMPLETE"),
        event("Topic", "CREATE_FAILED", "Resource creation cancelled"),
        event("Alarm", "CREATE_FAILED", "quota"),
        event("Endpoint", "CREATE_FAILED", "no permission to the image"),
        event("Model", "CREATE_COMPLETE", "fine"),
    ]
    assert failures(newest_first) == [
        "Endpoint (T): no permission to the image",
        "Alarm (T): quota",
    ]
