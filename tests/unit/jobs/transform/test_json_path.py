import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mme.jobs.transform.errors import BadInput, TransformRefused
from mme.jobs.transform.json_path import read_path

RECORD = {
    "id": 7,
    "features": [1, 2, 3],
    "inner": {"a": "x", "b": [{"c": 1}, {"c": 2}]},
    "a name": 0,
}
ROW = ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("$", RECORD, RECORD),
        ("$.features", RECORD, [1, 2, 3]),
        ("$['id']", RECORD, 7),
        ("$['a name']", RECORD, 0),
        ("$.['id','features']", RECORD, {"id": 7, "features": [1, 2, 3]}),
        ("$['id', 'inner']", {"id": 1, "inner": 2, "x": 3}, {"id": 1, "inner": 2}),
        ("$.inner.b[0].c", RECORD, 1),
        ("$.inner.b[*].c", RECORD, [1, 2]),
        ("$.features[-1]", RECORD, 3),
        ("$.inner.*", {"inner": {"a": 1, "b": 2}}, [1, 2]),
        ("$[1:]", ROW, ["1", "2", "3"]),
        ("$[:-1]", ROW, ["0", "1", "2"]),
        ("$[0,-1]", ROW, ["0", "3"]),
        ("$[0,2:]", ROW, ["0", "2", "3"]),
        ("$[2]", ROW, "2"),
        ("$[*]", ROW, ROW),
    ],
)
def test_a_path_leads_to(path, value, found):
    assert read_path(path, "InputFilter").select(value) == found


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("$.my_id", "'_'"),
        ("$['my_id']", "'_'"),
        ("$[0:2,246:]", "several ranges"),
        ("$[0,1][0,1]", "several brackets with several indexes"),
        ("$..id", "cannot be read from '..id'"),
        ("$[?(@.id>1)]", r"'\?'"),
        ("features", "does not begin with"),
        ("", "does not begin with"),
        ("$.", "cannot be read"),
        ("$[", "cannot be read"),
        ("$[]", "cannot be read"),
        ("$['a'", "cannot be read"),
        ("$.features" + "[0]" * 20, "70 characters; 63"),
        ("$.größe", "'ö'"),
    ],
)
def test_a_path_that_the_service_does_not_take_is_refused(path, why):
    with pytest.raises(TransformRefused, match=why) as caught:
        read_path(path, "InputFilter")
    assert str(caught.value).startswith("InputFilter")


@pytest.mark.parametrize("path", ["$.none", "$['id','none']", "$[0]", "$.features[3]", "$.id.x"])
def test_a_path_that_leads_nowhere_says_so(path):
    with pytest.raises(BadInput, match="leads nowhere"):
        read_path(path, "OutputFilter").select(RECORD)


def test_an_index_beyond_a_row_is_an_error_and_a_range_beyond_it_is_not():
    with pytest.raises(BadInput, match="there is no 9"):
        read_path("$[0,9]", "OutputFilter").select(ROW)
    assert read_path("$[3:9]", "OutputFilter").select(ROW) == ["3"]


@given(st.text(alphabet="$[]*.,:'- a1", max_size=63))
def test_any_text_is_a_path_or_refused(text):
    try:
        path = read_path(text, "InputFilter")
    except TransformRefused:
        return
    with contextlib.suppress(BadInput):
        path.select(RECORD)
    assert path.text == text
