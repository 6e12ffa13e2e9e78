"""Rows of pairs as people's programs write them; those with commas are read as ever."""

from __future__ import annotations

import pytest

from models.DocSim.rows import is_header, read_pairs
from models.errors import BadInput

PAIRS = [["a b", "c d"], ["e", 'f "g"']]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("quotes", ["", '"'])
@pytest.mark.parametrize("header", ["", "Text1{}Text2\n", "text_a{}text_b\n"])
def test_pairs_are_read_whatever_separates_them(separator, quotes, header):
    first = f"{quotes}a b{quotes}{separator}{quotes}c d{quotes}"
    body = f'{header.format(separator)}{first}\r\n\r\ne{separator}"f ""g"""\n'
    rows = read_pairs(body, 9)
    assert [row for _, row in rows] == PAIRS
    assert [number for number, _ in rows] == ([2, 4] if header else [1, 3])


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ("text1,text2", [["text1", "text2"]]),  # nothing follows, so it is what was sent
        ("Masken; Viren,Strom; Gas\n", [["Masken; Viren", "Strom; Gas"]]),
        ("a\tb,c\td\n", [["a\tb", "c\td"]]),
        ("text1,Text eins\na,b", [["text1", "Text eins"], ["a", "b"]]),
        ("text1,text1\na,b", [["text1", "text1"], ["a", "b"]]),
    ],
)
def test_what_commas_make_pairs_is_taken_as_it_is(body, rows):
    assert [row for _, row in read_pairs(body, 9)] == rows


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "The body is empty"),
        ("a\nb", r"Row 1 has 1 columns instead of 2: \['a'\]"),
        ("a;b\nc", r"Row 1 has 1 columns instead of 2: \['a;b'\]"),
        ("a;b;c", "Row 1 has 1 columns"),
        ("a,b,c\n", "Row 1 has 3 columns instead of 2"),
        ("a;b\nc,d;e\n", "Row 1 has 1 columns"),
        ("a;b\tc\n", "may be separated by semicolons or by tabs: use commas"),
        ('"a";"b', "is not CSV at line 1"),
        ("a;b\n" * 10, "10 rows are too many; at most 9"),
    ],
)
def test_what_cannot_be_told_is_an_error_as_ever(body, said):
    with pytest.raises(BadInput, match=said):
        read_pairs(body, 9)


def test_only_names_of_columns_are_a_header():
    for row in (["Text 1", "Text 2"], ["claim1", "CLAIM2"], ["sentence_a", "sentence_b"]):
        assert is_header(row)
    for row in (
        ["text", "text"],
        ["text1", "claim2"],
        ["text1", "textb"],
        ["Text 1 ist", "Text 2"],
    ):
        assert not is_header(row)
