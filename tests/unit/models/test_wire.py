"""Media types, bodies and parameters: the doors through which outside data enters."""

from __future__ import annotations

import json

import pytest
from sagemaker_inference.errors import BaseInferenceToolkitError

from models import bodies
from models.corpus_reader import read_corpus
from models.errors import (
    ArtifactError,
    BadInput,
    CorpusError,
    InternalError,
    NoRoom,
    NotAcceptable,
    ServingError,
    UnsupportedContentType,
    shorten,
)
from models.media import CSV, JSON, PLAIN, MediaType, answer_type, content_type
from models.params import Params, read_params


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("  ", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/*", CSV),
        ("text/csv", CSV),
        ("TEXT/CSV; header=present", CSV),
        ("application/json, text/csv;q=0.5", JSON),
        ("application/json;q=0.4, text/csv;q=0.5", CSV),
        ("text/csv, application/json", JSON),
        ("application/json;q=0, */*", CSV),
        ("*/*;q=0.1, text/csv", CSV),
        ("image/png, text/csv", CSV),
        ("image/png, nonsense, text/csv;q=0.001", CSV),
        ('x/y;a="text/html, text/csv", application/json', JSON),
        ("application/json;q=x, text/csv;q=0.1", CSV),
        ("application/json; charset=utf-8", JSON),
        (",,application/json,,", JSON),
    ],
)
def test_accept_chooses_the_type_of_the_answer(accept, chosen):
    assert answer_type(accept) == chosen


@pytest.mark.parametrize(
    "accept", ["image/png", "text/plain", "application/json;q=0", "*/*;q=0", "json", "*/*;q=7"]
)
def test_an_accept_that_cannot_be_met_is_refused_with_what_is_offered(accept):
    with pytest.raises(NotAcceptable, match="offered: application/json, text/csv") as caught:
        answer_type(accept)
    assert accept in caught.value.message


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, MediaType(PLAIN)),
        (" ", MediaType(PLAIN)),
        ("Text/Plain", MediaType(PLAIN)),
        ('application/json; Charset="UTF-8"', MediaType(JSON, {"charset": "UTF-8"})),
    ],
)
def test_content_type_is_read_without_regard_to_case(header, expected):
    assert content_type(header, (PLAIN, JSON)) == expected


@pytest.mark.parametrize("header", ["image/png", "text/csv", ";", "text", "x" * 1000])
def test_an_unknown_content_type_is_refused_with_what_is_understood(header):
    with pytest.raises(UnsupportedContentType, match="understood: text/plain") as caught:
        content_type(header, (PLAIN, JSON))
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        ("größe".encode(), None, "größe"),
        ("größe".encode("latin-1"), "ISO-8859-1", "größe"),
        ("10 €".encode("cp1252"), "windows-1252", "10 €"),
        ("größe".encode("utf-16"), "utf-16", "größe"),
        (b"\xef\xbb\xbfx", None, "x"),
    ],
)
def test_the_charset_of_the_type_is_honoured(body, charset, text):
    media = MediaType(PLAIN, {"charset": charset} if charset else {})
    assert bodies.decode(body, media) == text


@pytest.mark.parametrize(
    "charset", ["klingon", "unicode_escape", "hex", "idna", "utf-7", "a\0b", ""]
)
def test_an_unknown_charset_is_bad_input(charset):
    with pytest.raises(BadInput, match="charset"):
        bodies.decode(b"x", MediaType(PLAIN, {"charset": charset}))


def test_bytes_that_are_not_of_the_charset_are_bad_input_with_their_place():
    with pytest.raises(BadInput, match=r"byte 2 is b'\\xff'"):
        bodies.decode(b"ab\xff", MediaType(PLAIN))


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", 7, None, True, {}, [], "x" * 11])
def test_unusable_texts_are_bad_input(text):
    with pytest.raises(BadInput, match="The text"):
        bodies.check_text(text, "The text", 10)


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 200_000, "NaN", '{"a": Infinity}', "'x'", "1" * 5000, '"\x01"']
)
def test_what_is_not_json_is_bad_input(text):
    with pytest.raises(BadInput, match="JSON"):
        bodies.parse_json(text)


def test_rows_survive_quotes_line_ends_and_long_fields():
    long = "wort " * 100_000
    text = f'a,b\r\n\r\n"c ""d""","e\nf"\n,\n"{long}",NA\n1.50,"x"'
    assert bodies.parse_rows(text, 9) == [
        (1, ["a", "b"]),
        (3, ['c "d"', "e\nf"]),
        (4, ["", ""]),
        (5, [long, "NA"]),
        (6, ["1.50", "x"]),
    ]


@pytest.mark.parametrize("text", ['"never closed,b', '"a"x,b', "a\0,b"])
def test_what_is_not_csv_is_bad_input(text):
    with pytest.raises(BadInput):
        bodies.parse_rows(text, 9)


def test_errors_carry_status_type_and_message():
    errors = {
        BadInput("x"): 400,
        NotAcceptable("a", ("b",)): 406,
        UnsupportedContentType("a", ("b",)): 415,
        ArtifactError("f", "r"): 500,
        InternalError("x"): 500,
        NoRoom("x"): 507,
    }
    for error, status in errors.items():
        assert isinstance(error, ServingError)
        assert isinstance(error, BaseInferenceToolkitError)
        assert (error.status_code, error.type) == (status, type(error).__name__)
        assert str(error) == error.message == error.args[1]
    assert isinstance(NoRoom("x"), MemoryError)


def made(start, step, times):
    for _ in range(times):
        start = step(start)
    return start


OF_ENDLESS_REPR = {
    "a long text": "x" * 10_000_000,
    "bytes": b"x" * 10_000_000,
    "a list of a million": [0] * 1_000_000,
    "lists in lists": made([], lambda inner: [inner], 100_000),
    "a tuple that doubles each time": made((), lambda inner: (inner, inner), 300),
    "a dict that doubles each time": made({}, lambda inner: {"a": inner, "b": inner}, 300),
    "a key that doubles each time": {made((), lambda inner: (inner, inner), 10): 1},
    "a number of many digits": 10**100_000,
    "many of these": [10**100_000] * 1000,
}


@pytest.mark.hostile("parameters")
@pytest.mark.timeout(5)
@pytest.mark.parametrize("name", OF_ENDLESS_REPR)
def test_of_what_was_sent_only_what_is_shown_is_made(name):
    assert len(shorten(OF_ENDLESS_REPR[name])) <= 201
    assert len(shorten(OF_ENDLESS_REPR[name], 60)) <= 61


@pytest.mark.parametrize(
    "value",
    [
        "ab",
        b"a'b",
        "a\n'\"",
        5,
        -2.5,
        None,
        True,
        [],
        (),
        {},
        (1,),
        [1, (2, "x")],
        {"a": [1, {}], 2: ()},
    ],
    ids=repr,
)
def test_what_is_short_is_shown_as_python_writes_it(value):
    assert shorten(value) == repr(value)
    assert shorten([value] * 100, 40) == repr([value] * 100)[:40] + "…"


GOOD = {"n": "10", "f": 2.0, "none": None, "word": "None", "flag": "True", "list": ["a", "a"]}


def test_parameters_may_be_numbers_or_strings():
    params = Params("p.json", GOOD)
    assert params.whole_number("n") == 10
    assert params.whole_number("f") == 2
    assert params.whole_number("missing", 3) == 3
    assert params.choice("none", ("None", "x")) == params.choice("word", ("None", "x")) == "None"
    assert params.flag("flag", default=False) is True
    assert params.words("list") == frozenset("a")
    assert params.words("missing") is None


@pytest.mark.parametrize(
    "value", ["ten", "1.5", 1.5, True, None, [], -1, 0, "nan", "1e999", 10**400]
)
def test_a_bad_number_is_an_error_that_names_file_key_and_value(value):
    with pytest.raises(ArtifactError, match=r"p\.json: window is ") as caught:
        Params("p.json", {"window": value}).whole_number("window")
    assert shorten(value) in caught.value.message


def test_a_missing_parameter_is_said_to_be_missing():
    with pytest.raises(ArtifactError, match=r"p\.json: language is missing"):
        Params("p.json", {}).text("language")


@pytest.mark.parametrize("value", [3, "", " ", None])
def test_a_bad_text_or_choice_or_list_is_an_error(value):
    params = Params("p.json", {"key": value})
    with pytest.raises(ArtifactError, match="key is"):
        params.text("key")
    with pytest.raises(ArtifactError, match="key is"):
        Params("p.json", {"key": "other"}).choice("key", ("one", "two"))
    with pytest.raises(ArtifactError, match="key is"):
        Params("p.json", {"key": ["a", 3]}).words("key")
    with pytest.raises(ArtifactError, match="key is"):
        Params("p.json", {"key": "perhaps"}).flag("key", default=True)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"7"])
def test_a_file_that_is_no_json_object_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "DocSim-params.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"DocSim-params\.json: "):
        read_params(tmp_path, "DocSim")


def test_a_corpus_is_one_column_without_blank_rows(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text('\ufeffid,title\n1,"a\nb"\n2,\n3,  \n4,c\n5\n', encoding="utf-8")
    corpus = read_corpus(path, "title")
    assert list(corpus.texts) == ["a\nb", "c"]
    assert list(corpus.texts) == ["a\nb", "c"]  # read anew
    assert len(corpus.texts) == 2
    assert corpus.skipped_rows == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"id,text\n1,x\n", "no column 'title'; its columns: id, text"),
        (b"", "its columns: none"),
        (b"id,title\n1,\n", "no text in column 'title'"),
        (b"title\nSch\xc3\xb6n\nX\xff\n", "not UTF-8 .* 1 characters in it are: it is damaged"),
        (b'title\n"x\n', r"not CSV at row 1 \(line 2\)"),
        (b'id,title\n1,a\n2,"b\nc"\n3,"d"e"\n', r"not CSV at row 3 \(line 5\)"),
        (b"id,title\n1,a\n\n2,b, c\n", r"row 2 \(line 4\) has 3 cells, the header 2"),
        (b"id,title\n1,a\n2,b\0c\n", r"row 2 \(line 3\) holds a NUL byte"),
    ],
)
def test_a_corpus_that_cannot_be_used_is_an_error_that_says_why(tmp_path, content, said):
    path = tmp_path / "c.csv"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=said) as caught:
        read_corpus(path, "title")
    assert isinstance(caught.value, ValueError)
    assert "c.csv" in str(caught.value)


def test_a_corpus_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="cannot be read"):
        read_corpus(tmp_path / "none.csv", "title")


def test_answers_keep_letters_and_quote_what_needs_it():
    assert bodies.to_json(["größe"]) == '["größe"]'
    assert bodies.to_csv([["a,b", 0.5], ["c", 1]]) == '"a,b",0.5\nc,1\n'
    assert json.loads(bodies.to_json({"a": 1e-9})) == {"a": 1e-9}
