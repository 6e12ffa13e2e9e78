"""How people's CSV files are written: what is recognised, what may be told, what is refused."""

from __future__ import annotations

import logging

import pytest

from models.charsets import file_charset
from models.corpus_reader import read_corpus, read_table
from models.DocSim.prepare import Wanted, read_documents
from models.errors import ArtifactError, CorpusError
from models.params import Params
from models.registry import family, load_model
from models.serving import Material, no_progress
from models.tables import Told, recognise, told_by
from models.training_params import probable_typos
from tests.unit.models.conftest import PARAMS, ROWS, Asker

COLUMNS = ("title", "claim_text")
ROWS_MEANT = [["Größe", "Öl, Gas; Strom"], ["Ähre", 'sagt "ja"']]


def written(separator=",", header=("id", "title", "claim_text"), first=""):
    cells = [list(header), *([str(n), *row] for n, row in enumerate(ROWS_MEANT, 1))]
    quoted = (
        separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in cells[1:]
    )
    return first + "\r\n".join([separator.join(header), *quoted]) + "\r\n"


def kept(path, content, told=None):
    path.write_bytes(content)
    return [row for _, row in read_table(path, COLUMNS, form=recognise(path, COLUMNS, told))]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "c.csv"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_rows_are_the_same_however_they_are_written(path, separator, encoding):
    assert kept(path, written(separator).encode(encoding)) == ROWS_MEANT


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_what_is_no_unicode_is_read_as_windows_writes_it_and_said(path, separator, caplog):
    assert kept(path, written(separator).encode("cp1252")) == ROWS_MEANT
    (said,) = caplog.messages
    assert said.startswith(f"c.csv: is not UTF-8; read as {recognise(path, COLUMNS)}. If letters")


def test_what_is_recognised_is_said_and_plain_files_are_not_spoken_of(path, caplog):
    with caplog.at_level(logging.INFO):
        kept(path, written().encode())
        assert caplog.messages == []
        kept(path, written("\t").encode("utf-16"))
        assert caplog.messages == ["c.csv: read as utf-16 with tabs"]


@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\n', "SEP=;\n"])
def test_excels_first_line_is_no_header(path, first):
    assert kept(path, written(";", first=first).encode("utf-8-sig")) == ROWS_MEANT
    path.write_text(f'{first}id;title;claim_text\n1;"b\nc";d\n2;"d"e";\n')
    with pytest.raises(CorpusError, match=r"row 2 \(line 5\)"):
        read_corpus(path, "title")


@pytest.mark.parametrize("names", [("Title", "Claim_Text"), (" title ", "CLAIM TEXT")])
def test_columns_are_found_in_any_case(path, names):
    assert kept(path, written(header=("ID", *names)).encode()) == ROWS_MEANT


def test_the_name_as_it_is_goes_before_those_like_it(path):
    path.write_text("TITLE,title\na,b\n")
    assert list(read_corpus(path, "title").texts) == ["b"]
    path.write_text("TITLE,Title\na,b\n")
    with pytest.raises(CorpusError, match="several columns that may be 'title': 'TITLE' and"):
        read_corpus(path, "title")


def test_commas_separate_where_that_gives_the_columns(path):
    path.write_text("title,a;claim_text,claim_text\nx,y;z,w\n")
    assert [row for _, row in read_table(path, COLUMNS)] == [["x", "w"]]


def test_columns_that_are_not_there_are_listed_as_they_were_read_with_advice(path):
    path.write_text("Nr;Titel;Behauptung\n1;a;b\n")
    with pytest.raises(CorpusError) as caught:
        read_corpus(path, "claim_text", advice="Set text_column")
    assert str(caught.value) == (
        "c.csv: has no column 'claim_text'; its columns (as UTF-8 with ';'): Nr, Titel, Behauptung."
        " Set text_column"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04rest", "is an Excel workbook"),
        (b"\x1f\x8brest", "compressed by gzip"),
        ("title\nSchön\nÄhre\n".encode() + b"X\xff\n", "not UTF-8 .* 2 characters in it are"),
        (b"title\n\x81\xe4\n", r"neither UTF-8 \(b'\\x81.* nor cp1252 \(byte 6 is 0x81\)"),
        ("title\nxy".encode("utf-16") + b"z", "is not utf-16"),
    ],
)
def test_what_cannot_be_told_is_refused(path, content, said):
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=said):
        read_corpus(path, "title")


def test_a_quote_after_a_capital_umlaut_is_not_taken_for_utf_8(path):
    rows = "„FPÖ“ träumt, Grüne zögern, Schüler stören, für später, höher, größer\n"
    path.write_bytes(f"title\n{rows.replace(',', ' ')}".encode("cp1252"))
    assert "FPÖ“ träumt" in next(iter(read_corpus(path, "title").texts))


def test_what_is_told_goes_before_what_would_be_recognised(path):
    content = "title§claim_text\r\nGr€n§x\r\n".encode("iso8859-15")
    told = told_by(Params("p", {"separator": "§", "encoding": "ISO-8859-15"}))
    assert kept(path, content, told) == [["Gr€n", "x"]]
    assert told_by(Params("p", {"separator": "tab", "encoding": None})) == Told("\t")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"separator": ";;"}, "p: separator is ';;': it must be one character"),
        ({"separator": "a"}, "separator is 'a'"),
        ({"separator": 3}, "separator is 3: it must be a string"),
        ({"encoding": "klingon"}, "encoding is 'klingon': it must be one of .*cp1252"),
        ({"encoding": "rot13"}, "encoding is 'rot13'"),
    ],
)
def test_what_is_told_wrongly_is_named(params, said):
    with pytest.raises(ArtifactError, match=said):
        told_by(Params("p", params))


def test_charsets_go_by_their_usual_names():
    names = {"UTF-8": "utf-8-sig", "utf8": "utf-8-sig", "Windows-1252": "cp1252", "latin1":
             "iso8859-1", "UTF-16LE": "utf-16-le", "nope": None}  # fmt: skip
    assert {name: file_charset(name) for name in names} == names


@pytest.mark.parametrize("name", PARAMS)
def test_every_family_learns_the_same_from_a_file_as_excel_writes_it(tmp_path, trained, name):
    lines = ["Id;Title;Claim_Text;Category"]
    lines += [f"{n};{title};{claim};x" for n, (title, claim) in enumerate(ROWS)]
    corpus = tmp_path / "corpus.csv"
    corpus.write_bytes("\r\n".join(lines).encode("cp1252"))
    out = tmp_path / "out"
    out.mkdir()
    facts = family(name).train(Material(corpus, PARAMS[name]), out, no_progress).facts
    assert facts["read_as"] == "cp1252 with ';'"
    if name != "Search":  # whose index holds the names of the columns
        model = f"{name}-model"
        assert (out / model).read_bytes() == (trained[name] / model).read_bytes()


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Search", "text_column"),
        ("DocSim", "text_column"),
        ("TopicalPageRank", "title_column"),
    ],
)
def test_the_column_with_the_texts_may_be_called_otherwise(tmp_path, name, key):
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("\n".join(["nr;inhalt", *(f"{n};{t}" for n, (t, _) in enumerate(ROWS))]))
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(CorpusError, match=f"Set {key} "):
        family(name).train(Material(corpus, PARAMS[name]), out, no_progress)
    given = Material(corpus, {**PARAMS[name], key: "Inhalt", "documents": True})
    lessons = family(name).train(given, out, no_progress)
    assert lessons.facts["rows"] == len(ROWS)
    if name == "DocSim":
        ask = Asker(load_model(out), "application/json")
        assert '"inhalt": "Kein Impfstoff' in ask('{"query": "Impfstoff magnetisch"}').body


def test_documents_of_a_table_with_semicolons_are_kept_by_its_names(path):
    path.write_bytes('sep=;\nNr;Claim Text\n1;"Größe"\n2\n'.encode("cp1252"))
    assert list(read_documents(path, Wanted())) == [
        (1, "Größe", {"Nr": "1", "Claim Text": "Größe"})
    ]


def test_texts_that_say_nothing_are_counted_and_warned_of(tmp_path, caplog):
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("id,title,claim_text\n1,NaN,Haus Baum\n2,Haus,None\n1,Baum,Haus Baum\n")
    for name, params in PARAMS.items():
        out = tmp_path / name
        out.mkdir()
        given = Material(corpus, {**params, "documents": True, "n_topics": 4})
        facts = family(name).train(given, out, no_progress).facts
        assert facts["rows_without_words"] == (2 if name == "Search" else 1)
    for said in (
        "1 rows have only NaN, None or null as their title",
        "2 rows have a title or text that is only NaN",
        "1 documents have an id that one before has too",
        "n_topics is 4, and there are 3 titles",
    ):
        assert said in caplog.text


def test_a_misspelt_key_is_told_though_the_right_one_is_given_too():
    known = {"n_topics", "window"}
    assert list(probable_typos(["n_topics", "n_topic"], known)) == [("n_topic", "n_topics")]
    assert list(probable_typos(["n_topics", "windw", "other"], known)) == [("windw", "window")]
