"""Finding a family for an artifact, and making artifacts."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import ArtifactError, CorpusError
from models.language.stop_words import default_stop_words
from models.registry import FAMILIES, family, find_family, load_model
from models.serving import Material, Needs, Request, no_progress

PROJECT = Path(__file__).parents[3]
LANGUAGE = {"language": "de"}


@pytest.mark.parametrize("name", FAMILIES)
def test_an_artifact_finds_its_own_family(trained, name):
    assert find_family(trained[name]).name == name
    assert load_model(trained[name]).describe()["family"] == name


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("TopicalPageRank", Needs(pipeline="de")),
        ("DocSim", Needs()),
        ("Search", Needs()),
    ],
)
def test_a_model_says_what_it_needs_of_its_process(trained, name, needs):
    assert load_model(trained[name]).needs() == needs


def test_an_unknown_family_is_an_error_that_lists_those_there_are():
    with pytest.raises(KeyError, match="TopicalPageRank, DocSim"):
        family("Oracle")


def test_a_folder_without_a_model_is_an_error_that_lists_its_files(tmp_path):
    (tmp_path / "readme.txt").write_text("no model here")
    with pytest.raises(
        ArtifactError, match=r"wanted .*DocSim-params\.json .*, found 'readme\.txt'"
    ):
        load_model(tmp_path)


def test_long_listings_are_cut(tmp_path):
    for number in range(30):
        (tmp_path / f"{number:02d}").touch()
    with pytest.raises(ArtifactError, match="and 20 more"):
        load_model(tmp_path)


def test_an_empty_or_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ArtifactError, match="found nothing"):
        load_model(tmp_path)
    with pytest.raises(ArtifactError, match="no readable folder"):
        load_model(tmp_path / "none")


def test_parameters_of_two_families_are_an_error(tmp_path):
    for name in FAMILIES:
        (tmp_path / f"{name}-params.json").write_text(json.dumps(LANGUAGE))
    with pytest.raises(ArtifactError, match="TopicalPageRank and DocSim"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", FAMILIES)
def test_parameters_without_a_model_are_an_error_that_names_the_file(tmp_path, name):
    (tmp_path / f"{name}-params.json").write_text(json.dumps(LANGUAGE))
    with pytest.raises(ArtifactError, match=f"{name}-model: is missing"):
        load_model(tmp_path)


def test_a_worker_imports_its_own_family_only(trained):
    code = (
        "import sys, pathlib; from models.registry import load_model;"
        f"load_model(pathlib.Path({str(trained['DocSim'])!r}));"
        "print(*{'spacy', 'gensim', 'sklearn', 'scipy', 'HanTa'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", FAMILIES)
def test_the_settings_shipped_with_a_family_are_complete(name):
    folder = PROJECT / "models" / name
    params = json.loads((folder / f"{name}-params.json").read_text("utf-8"))
    source = json.loads((folder / "inputData.json").read_text("utf-8"))
    assert source == {"Training": {"Uri": "models/corpus"}}
    assert (PROJECT / source["Training"]["Uri"] / params["train_df"]).is_file()


TRAIN = """
import json, sys
from pathlib import Path
from models.registry import family
from models.serving import Material, no_progress
name, corpus, params, output = sys.argv[1:]
Path(output).mkdir()
family(name).train(Material(Path(corpus), json.loads(params)), Path(output), no_progress)
"""


def train_elsewhere(name, corpus, output, hash_seed) -> dict[str, str]:
    """Train the shipped model in a process of its own; returns file name -> digest."""
    params = (PROJECT / "models" / name / f"{name}-params.json").read_text("utf-8")
    subprocess.run(
        [sys.executable, "-c", TRAIN, name, str(corpus), params, str(output)],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in output.iterdir()}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_same_corpus_gives_the_same_bytes_in_every_process(tmp_path, name):
    corpus = PROJECT / "models" / "corpus" / "factchecks_de.csv"
    first = train_elsewhere(name, corpus, tmp_path / "one", "1")
    second = train_elsewhere(name, corpus, tmp_path / "two", "2")
    assert first == second
    assert first.keys() == {f"{name}-params.json", f"{name}-model"}


class Bar:
    """Counts what a bar is told."""

    def __init__(self, opened) -> None:
        self.opened = opened

    @contextlib.contextmanager
    def __call__(self, total, unit, title):
        self.opened.append([title, unit, total, 0])
        yield self

    def update(self, n=1):
        self.opened[-1][3] += n


CORPUS = "id,title,claim_text\n1,Haus und Baum,Haus und Baum\n2,,\n3,Der Baum,Der Baum\n"
SMALL: dict[str, dict[str, object]] = {
    "TopicalPageRank": {**LANGUAGE, "n_topics": 2},
    "DocSim": {**LANGUAGE, "vector_size": 4, "min_count": 1, "epochs": 3},
    "Search": {**LANGUAGE},
}


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.csv"
    path.write_text(CORPUS, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", FAMILIES)
def test_progress_reaches_its_total(tmp_path, corpus, name):
    opened: list[list[object]] = []
    family(name).train(Material(corpus, SMALL[name]), tmp_path, Bar(opened))
    assert opened
    assert all(total == done for _, _, total, done in opened)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_was_trained_can_be_loaded_and_asked(tmp_path, corpus, name):
    family(name).train(Material(corpus, SMALL[name]), tmp_path, no_progress)
    recorded = json.loads((tmp_path / f"{name}-params.json").read_text("utf-8"))
    assert frozenset(recorded.pop("stop_words")) == default_stop_words("de")
    assert recorded.items() >= SMALL[name].items()
    model = load_model(tmp_path)
    answer = model.predict(Request(None, None, "Der große Baum,Der große Baum".encode()))
    assert json.loads(answer.body)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_corpus_without_its_column_is_an_error_that_names_it(tmp_path, name):
    path = tmp_path / "corpus.csv"
    path.write_text("id,text\n1,x\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"corpus\.csv: has no column"):
        family(name).train(Material(path, SMALL[name]), tmp_path, no_progress)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("TopicalPageRank", "n_topics"),
        ("DocSim", "vector_size"),
        ("DocSim", "min_count"),
        ("DocSim", "epochs"),
    ],
)
def test_training_needs_its_parameters(tmp_path, corpus, name, key):
    params = {other: value for other, value in SMALL[name].items() if other != key}
    with pytest.raises(ArtifactError, match=f"{name}-params.json: {key} is missing"):
        family(name).train(Material(corpus, params), tmp_path, no_progress)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_corpus_without_usable_words_is_an_error(tmp_path, name):
    path = tmp_path / "corpus.csv"
    path.write_text("title,claim_text\nund oder,der die\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="column"):
        family(name).train(Material(path, {**SMALL[name], "min_count": 2}), tmp_path, no_progress)
