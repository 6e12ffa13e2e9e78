"""Lists: pages, filters, order."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from mme.endpoints.listing import page
from mme.endpoints.operation import ControlPlaneError
from mme.endpoints.records import Record

RECORDS = [
    Record("model", name, f"arn:{name}", created_at, created_at + 10)
    for name, created_at in (("b-1", 100.0), ("a-1", 200.0), ("a-2", 200.0), ("C-3", 300.0))
]


def names(**request):
    shown, token = page(RECORDS, request)
    assert token is None
    return [each.name for each in shown]


def at(time_s):
    return datetime.fromtimestamp(time_s, UTC)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, ["C-3", "a-2", "a-1", "b-1"]),
        ({"SortOrder": "Ascending"}, ["b-1", "a-1", "a-2", "C-3"]),
        ({"SortBy": "Name", "SortOrder": "Ascending"}, ["C-3", "a-1", "a-2", "b-1"]),
        ({"NameContains": "A-"}, ["a-2", "a-1"]),
        ({"CreationTimeAfter": at(200)}, ["C-3", "a-2", "a-1"]),
        ({"CreationTimeBefore": at(200)}, ["b-1"]),
        ({"LastModifiedTimeBefore": at(120), "LastModifiedTimeAfter": at(110)}, ["b-1"]),
    ],
)
def test_a_list_is_filtered_and_in_the_order_asked_for(request_, expected):
    assert names(**request_) == expected


@pytest.mark.parametrize("sort_by", ["Name", "CreationTime", "Status"])
@pytest.mark.parametrize("order", ["Ascending", "Descending"])
def test_pages_show_each_once(sort_by, order):
    request = {"SortBy": sort_by, "SortOrder": order, "MaxResults": 1}
    seen, token = [], None
    while True:
        shown, token = page(RECORDS, request | ({"NextToken": token} if token else {}))
        seen += [each.name for each in shown]
        if token is None:
            break
    assert sorted(seen) == ["C-3", "a-1", "a-2", "b-1"]
    assert seen == names(SortBy=sort_by, SortOrder=order)


def test_pages_go_on_where_they_were_when_something_is_deleted():
    _, token = page(RECORDS, {"SortBy": "Name", "SortOrder": "Ascending", "MaxResults": 2})
    left = [each for each in RECORDS if each.name != "a-1"]
    request = {"SortBy": "Name", "SortOrder": "Ascending", "NextToken": token}
    assert [each.name for each in page(left, request)[0]] == ["a-2", "b-1"]


def test_by_default_a_page_has_ten():
    many = [dataclasses.replace(RECORDS[0], name=f"n{number:02}") for number in range(11)]
    shown, token = page(many, {})
    assert len(shown) == 10
    assert token is not None


def test_only_those_of_a_status_are_listed():
    shown, _ = page(
        RECORDS, {"StatusEquals": "Failed"}, lambda each: "Failed" * (each.name == "a-1")
    )
    assert [each.name for each in shown] == ["a-1"]


@pytest.mark.hostile("parameters")
@pytest.mark.parametrize("token", ["x", "WzFd", "bnVsbA==", "W251bGwsIG51bGxd", "W" * 8192, "ä"])
def test_a_token_of_no_list_is_refused(token):
    with pytest.raises(ControlPlaneError, match="NextToken"):
        page(RECORDS, {"NextToken": token})
