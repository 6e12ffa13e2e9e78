"""Training on one's own data in one command: what it takes, what it assumes, where results go."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile

import pytest

from mme.training.delivery import NotDeliveredError, opened_output
from mme.training.language import guess_language
from mme.training.options import setting
from mme.training.own_data import Own, adjusted, own_job
from mme.training.plan import TrainingError, make_job
from mme.training.run import Destination, run_job
from models.serving import no_progress
from tests.support.endpoint import PROJECT
from tests.support.s3 import running_s3

MODELS = PROJECT / "models"
CLAIMS = (
    ("Impfstoffe verändern das Erbgut nicht", "Ein Impfstoff ändert nichts an dem Erbgut."),
    ("Masken schaden der Atmung nicht", "Unter einer Maske sammelt sich kein gefährliches CO2."),
    ("5G verbreitet kein Virus", "Der Mobilfunk kann keine Viren in die Häuser tragen."),
    ("Windräder töten Vögel selten", "Die meisten Vögel sterben an Fenstern und durch Katzen."),
)


@pytest.fixture
def corpus(tmp_path):
    """As Excel in Germany writes it."""
    rows = [f"f{n};{title};{text}" for n, (title, text) in enumerate(CLAIMS)]
    path = tmp_path / "meine.csv"
    path.write_bytes("\r\n".join(["ID;Titel;Behauptung", *rows]).encode("cp1252"))
    return path


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "fragen.csv"
    path.write_text(
        "text;doc_id\nVerändert Impfung das Erbgut?;f0\nMobilfunk;f2\nKäse;\nVögel;f0\n"
    )
    return path


def train(*arguments, cwd=PROJECT, **environment):
    return subprocess.run(
        [sys.executable, PROJECT / "serve.py", "train", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment},
    )  # fmt: skip


COLUMNS = ("--text-column", "behauptung", "--title-column", "titel")


def test_one_command_makes_a_model_of_a_file_as_people_have_it(corpus, questions, tmp_path):
    done = train(
        "Search", "--corpus", corpus.name, *COLUMNS, "--name", "de/Fakten", "--output", "out",
        "--evaluation", questions.name, "--set", "top_k=3", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Search: language de, by its stop words" in done.stderr
    assert "read as cp1252 with ';'" in done.stderr
    assert done.stdout.startswith("Search: out/de/Fakten.tar.gz (")
    assert "  mrr@10            0.6667   (95 %: 0.0000 to 1.0000)" in done.stdout
    assert "known_roc_auc" in done.stdout
    out = tmp_path / "out" / "de"
    assert sorted(path.name for path in out.iterdir()) == [
        "Fakten-report.html", "Fakten-report.json", "Fakten.tar.gz",
    ]  # fmt: skip
    report = json.loads((out / "Fakten-report.json").read_text("utf-8"))
    assert (report["name"], report["facts"]["read_as"]) == ("de/Fakten", "cp1252 with ';'")
    (miss,) = report["misses"]["fragen"]
    assert (miss["text"], miss["expected"][0]["id"], miss["found"][0]["id"]) == (
        "Vögel",
        "f0",
        "f3",
    )
    assert miss["found"][0]["title"] == "Windräder töten Vögel selten"
    with tarfile.open(out / "Fakten.tar.gz") as packed:
        params = json.load(packed.extractfile("Search-params.json") or io.BytesIO())
    assert {key: params[key] for key in ("language", "top_k", "train_df", "text_column")} == {
        "language": "de", "top_k": 3, "train_df": "meine.csv", "text_column": "behauptung",
    }  # fmt: skip


def test_results_may_go_to_s3_and_the_corpus_come_from_there(corpus, tmp_path):
    with running_s3() as server:
        client = server.client()
        client.create_bucket(Bucket="data")
        client.upload_file(str(corpus), "data", "in/meine.csv")
        environment = {
            "AWS_ENDPOINT_URL_S3": server.url, "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x", "TMPDIR": str(tmp_path / "t"),
        }  # fmt: skip
        done = train(
            "Search", "--corpus", "s3://data/in/", *COLUMNS, "--language", "de", "--quiet",
            "--output", "s3://data/out/", **environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Search: s3://data/out/Search.tar.gz" in done.stdout
        kept = [each["Key"] for each in client.list_objects_v2(Bucket="data")["Contents"]]
        assert kept == [
            "in/meine.csv", "out/Search-report.html", "out/Search-report.json", "out/Search.tar.gz",
        ]  # fmt: skip
        missing = train(
            "Search", "--corpus", corpus, *COLUMNS, "--output", "s3://none/", **environment
        )
    assert missing.returncode == 1
    assert "--output: " in missing.stderr
    assert "NoSuchBucket" in missing.stderr
    assert list((tmp_path / "t").iterdir()) == []


def _train_and_lose_the_bucket(own, server):
    with opened_output("s3://data/x") as output:
        job = own_job("Search", own, MODELS)
        done = run_job(job, Destination(output.folder, output.folder), no_progress)
        server.client().delete_bucket(Bucket="data")
        output.deliver(done, no_progress)


def test_what_could_not_be_uploaded_is_kept_and_told(corpus, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with running_s3() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        server.client().create_bucket(Bucket="data")
        own = Own(str(corpus), "de", settings={"text_column": "Behauptung"})
        with pytest.raises(NotDeliveredError, match="the results are kept in") as caught:
            _train_and_lose_the_bucket(own, server)
    kept = str(caught.value).rpartition(" ")[2]
    assert "Search.tar.gz" in os.listdir(kept)  # noqa: PTH208 - a name out of a message


def test_a_folder_with_one_table_is_a_corpus(corpus, tmp_path):
    own = Own(str(corpus.parent), "de", settings={"text_column": "Behauptung"})
    out = tmp_path / "out"
    done = run_job(own_job("Search", own, MODELS), Destination(out, out), no_progress)
    assert done.artifact == out / "Search.tar.gz"
    (tmp_path / "other.csv").write_text("x")
    with pytest.raises(TrainingError, match=r"has meine.csv, other.csv: it must hold one CSV"):
        run_job(own_job("Search", own, MODELS), Destination(out, out), no_progress)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("Serch", "--corpus", "x.csv"), 1, "Serch: no such model family.*; is Search meant?"),
        (("docsim",), 1, "is DocSim meant?"),
        (("--corpus", "x.csv"), 1, "which family is to be trained"),
        (("Search", "--corpus", "/no/x.csv"), 1, "there is no file or folder /no/x.csv"),
        (("Search", "--corpus", "x.csv", "--name", "../x"), 1, "--name: .*not a plain path"),
        (("Search", "DocSim", "--corpus", "x.csv", "--name", "x"), 1, "--name is for one family"),
        (("Search", "--output", "ftp://x"), 1, "--output is ftp://x"),
        (("Search", "--set", "top_k"), 2, "'top_k' is no KEY=VALUE"),
        (("Search", "--separator", "xx"), 2, "must be one character"),
        (("Search", "--encoding", "klingon"), 2, "must be one of"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_code(arguments, code, said):
    done = train(*arguments)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    (last,) = done.stderr.splitlines()[-1:]
    assert re.search(said, last), last


def test_columns_that_do_not_fit_are_listed_with_the_option_to_set(corpus):
    own = Own(str(corpus), "de")
    with pytest.raises(TrainingError) as caught:
        run_job(
            own_job("DocSim", own, MODELS), Destination(corpus.parent, corpus.parent), no_progress
        )
    assert "its columns (as cp1252 with ';'): ID, Titel, Behauptung" in str(caught.value)
    assert "--text-column" in str(caught.value)


def test_settings_are_json_where_they_are_json():
    assert setting("a=1") == ("a", 1)
    assert setting('b=["x"]') == ("b", ["x"])
    assert setting("c=x=y") == ("c", "x=y")
    assert setting("d=NaN") == ("d", "NaN")


def test_a_planned_job_takes_what_is_told_instead_of_what_it_had(tmp_path):
    job = make_job("Search", {"train_df": "c.csv", "language": "de", "top_k": 5}, "models/corpus")
    told = adjusted(job, Own(language="en", evaluation="sets", settings={"top_k": 7}))
    assert told.params == {"train_df": "c.csv", "language": "en", "top_k": 7}
    assert told.evaluation_uri == str(PROJECT.cwd() / "sets")
    assert (told.corpus_uri, told.corpus_name, told.target) == ("models/corpus", "c.csv", "Search")


def test_a_language_is_guessed_only_where_it_is_clear(tmp_path):
    path = tmp_path / "c.csv"
    english = "the vaccine does not change what is in our genes and it has never been shown to "
    for text, language in (
        (english * 3, "en"),
        ("das ist nicht der Fall und es gibt auch keinen Beleg dafür wie man oft liest " * 3, "de"),
        ("Erbgut Masken Windrad " * 30, None),
        ("the and of", None),
    ):
        path.write_text(f"claim_text\n{text}\n", encoding="utf-8")
        assert guess_language(path) == language
