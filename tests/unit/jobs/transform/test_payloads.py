import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mme.jobs.transform.errors import BadInput
from mme.jobs.transform.payloads import payloads
from mme.jobs.transform.processing import Processor
from mme.jobs.transform.records import split
from mme.jobs.transform.spec import Processing, Transform
from mme.jobs.transform.targets import OneTarget, TargetColumn

MIB = 1024 * 1024
ONE = OneTarget("m")


def made(content, transform, targets=ONE):
    records = split([content], transform.split_type, transform.payload_bytes)
    return list(payloads(records, transform, targets.of_input("in"), Processor(transform)))


@given(st.lists(st.integers(1, 400_000), max_size=30))
def test_payloads_hold_all_records_in_order_and_no_more_bytes_than_they_may(sizes):
    content = b"".join(b"x" * size + b"\n" for size in sizes)
    found = made(content, Transform(split_type="Line", max_payload_mb=1))
    assert b"".join(each.body for each in found) == content
    assert all(len(each.body) <= MIB for each in found)
    assert sum(each.record_count for each in found) == len(sizes)
    for each, following in itertools.pairwise(found):
        first = following.body.partition(b"\n")[0]
        assert len(each.body) + len(first) + 1 > MIB  # it was full


def test_a_single_record_goes_without_what_separates_it():
    found = made(b"a\nb\n", Transform(split_type="Line", strategy="SingleRecord"))
    assert [(each.body, each.first) for each in found] == [(b"a", 1), (b"b", 2)]


def test_what_is_not_split_goes_whole():
    (found,) = made(b"a\nb", Transform())
    assert found.body == b"a\nb"


def test_rows_of_what_is_not_split_are_filtered_one_by_one_and_go_together():
    processing = Processing.read(input_filter="$[1:]")
    (found,) = made(b"1,a\n2,b", Transform(content_type="text/csv", processing=processing))
    assert found.body == b"a\nb\n"
    assert found.sources == (b"1,a", b"2,b")


def test_a_column_names_the_model_and_is_not_sent():
    transform = Transform(content_type="text/csv", split_type="Line")
    targets = TargetColumn("model", "text/csv")
    found = made(b'id,model,text\n1,A,"x,y"\n2,A,z\n3,B,w\n', transform, targets)
    assert [(each.target, each.body) for each in found] == [
        ("A", b'1,"x,y"\n2,z\n'),
        ("B", b"3,w\n"),
    ]


def test_a_key_names_the_model_and_is_not_sent():
    transform = Transform(content_type="application/jsonlines", split_type="Line")
    targets = TargetColumn("model", "application/jsonlines")
    content = b'{"model": "A", "text": "x"}\n{"model": "B", "text": "y"}'
    found = made(content, transform, targets)
    assert [(each.target, json.loads(each.body)) for each in found] == [
        ("A", {"text": "x"}),
        ("B", {"text": "y"}),
    ]


@pytest.mark.parametrize(
    ("content", "content_type", "why"),
    [
        (b"a,b\n1,2\n", "text/csv", "record 1: its header line has no column 'model'; it has a, b"),
        (b"a,model\n1\n", "text/csv", "record 2: a row has no column 'model'"),
        (b'a,model\n"x\n', "text/csv", "record 2: a row is no CSV"),
        (b"\xff,model\n", "text/csv", "record 1: a row is no CSV in UTF-8"),
        (b'{"text": 1}\n', "application/jsonlines", "record 1: a record is no JSON object"),
        (b"{\n", "application/jsonlines", "record 1: a record is no JSON"),
        (b"[" * 100_000, "application/jsonlines", "record 1: a record is no JSON"),
    ],
)
def test_a_record_that_names_no_model_is_told_by_its_number(content, content_type, why):
    transform = Transform(content_type=content_type, split_type="Line")
    with pytest.raises(BadInput, match=why):
        made(content, transform, TargetColumn("model", content_type))
