import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mme.jobs.transform.errors import BadInput
from mme.jobs.transform.payloads import Payload
from mme.jobs.transform.processing import Processor
from mme.jobs.transform.spec import Processing, Transform

CSV, JSON, LINES = "text/csv", "application/json", "application/jsonlines"


def processor(
    content_type, *, split_type="Line", assemble="Line", strategy="MultiRecord", **filters
):
    return Processor(
        Transform(
            content_type=content_type,
            split_type=split_type,
            strategy=strategy,
            assemble_with=assemble,
            processing=Processing.read(**filters),
        )
    )


def payload(*sources, first=1):
    return Payload("m", b"", sources, first, len(sources))


def test_an_answer_is_kept_as_it_is_without_filters():
    kept = processor("image/png", assemble="None").kept(payload(b"x"), b"\x00\n", "image/png")
    assert kept == b"\x00\n"


def test_assembling_ends_each_answer_with_one_line_break():
    assemble = processor(CSV)
    assert assemble.kept(payload(b"x"), b"0.5", CSV) == b"0.5\n"
    assert assemble.kept(payload(b"x"), b"0.5\n", CSV) == b"0.5\n"


def test_rows_are_joined_with_the_rows_of_the_answer():
    joined = processor(CSV, join="Input").kept(payload(b'1,"a,b"', b"2,c"), b"0.5\n0.7\n", CSV)
    assert joined == b'1,"a,b",0.5\n2,c,0.7\n'


def test_rows_are_joined_with_the_items_of_a_json_list():
    joined = processor(CSV, join="Input").kept(payload(b"a,b", b"c,d"), b'["0.5", 0.7]', JSON)
    assert joined == b"a,b,0.5\nc,d,0.7\n"


def test_a_joined_row_is_filtered():
    filtering = processor(CSV, join="Input", output_filter="$[0,-1]")
    assert filtering.kept(payload(b"1,a,b"), b"0.5", CSV) == b"1,0.5\n"


def test_an_input_filter_sends_less_and_the_join_has_all():
    filtering = processor(CSV, join="Input", input_filter="$[1:]")
    assert filtering.sent(b'1,"a,x",b') == b'"a,x",b'
    assert filtering.kept(payload(b"1,a,b"), b"0.5", CSV) == b"1,a,b,0.5\n"


def test_an_object_gets_the_answer_under_the_services_key():
    joined = processor(LINES, join="Input").kept(
        payload(b'{"id": 1}', b'{"id": 2}'), b'{"p": 0.5}\n{"p": 0.7}\n', LINES
    )
    assert [json.loads(line) for line in joined.splitlines()] == [
        {"id": 1, "SageMakerOutput": {"p": 0.5}},
        {"id": 2, "SageMakerOutput": {"p": 0.7}},
    ]


def test_what_is_no_object_gets_a_key_of_its_own():
    joined = processor(JSON, split_type="None", join="Input").kept(payload(b"[1, 2]"), b"3", JSON)
    assert json.loads(joined) == {"SageMakerInput": [1, 2], "SageMakerOutput": 3}


def test_a_joined_object_is_filtered():
    filtering = processor(LINES, join="Input", output_filter="$['id','SageMakerOutput']")
    kept = filtering.kept(payload(b'{"id": 1, "text": "x"}'), b'["y"]\n', LINES)
    assert json.loads(kept) == {"id": 1, "SageMakerOutput": ["y"]}


def test_one_records_list_is_its_answer():
    joined = processor(LINES, strategy="SingleRecord", join="Input").kept(
        payload(b'{"id": 1}'), b'["only"]', JSON
    )
    assert json.loads(joined)["SageMakerOutput"] == ["only"]


def test_an_output_filter_works_without_a_join():
    filtering = processor(LINES, output_filter="$.p")
    assert filtering.kept(payload(b"{}", b"{}"), b'{"p": 1}\n{"p": 2}', LINES) == b"1\n2\n"


@pytest.mark.parametrize(
    ("answer", "content_type", "why"),
    [
        (b"0.5\n", CSV, "records 3 to 4: it has 1 parts for 2 records"),
        (b"[1, 2, 3]", JSON, "it has 3 parts for 2 records"),
        (b"{", JSON, "no JSON"),
        (b'"a', CSV, "no CSV"),
    ],
)
def test_an_answer_that_does_not_fit_the_records_is_refused(answer, content_type, why):
    with pytest.raises(BadInput, match=why):
        processor(CSV, join="Input").kept(payload(b"a", b"b", first=3), answer, content_type)


def test_a_filter_that_leads_nowhere_names_the_record():
    with pytest.raises(BadInput, match=r"the answer to record 5: .* leads nowhere"):
        processor(CSV, output_filter="$[9]").kept(payload(b"a", first=5), b"1,2", CSV)


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8")), min_size=2))
def test_columns_survive_a_filter(row):
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(row)
    sent = processor(CSV, input_filter="$[0:]").sent(written.getvalue().encode())
    assert next(csv.reader([sent.decode()], strict=True)) == row
