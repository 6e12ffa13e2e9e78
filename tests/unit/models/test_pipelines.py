"""Which pipeline tags: named, spaCy's own for the language, built in; with real packages."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import pytest
import spacy
from hypothesis import assume, given
from hypothesis import strategies as st
from spacy.tokens import Doc

from models.language import pipelines, tokens
from models.language.pipelines import (
    NoPipelineError,
    name_of,
    official,
    pipeline,
    pipeline_key,
    split_key,
    tag,
)
from models.registry import load_model
from models.serving import Needs, Request
from models.warm_up import warm_up

CODE = """
from pathlib import Path
from spacy.util import load_model_from_init_py

def load(**overrides):
    return load_model_from_init_py(__file__, **overrides)
"""
TEXT = "Der neue Impfstoff wirkt. Das Klima nicht."


def make_package(folder, name, *, language="de", tags=True, entry_point=True, broken=False):
    """A spaCy pipeline that calls all words in capitals NOUN, as an installed package."""
    nlp = spacy.blank(language)
    nlp.meta.update(name=name.partition("_")[2], version="3.8.0")
    ner: Any = nlp.add_pipe("ner")
    ner.add_label("PERSON")
    nlp.initialize()
    if tags:
        ruler: Any = nlp.add_pipe("attribute_ruler")
        ruler.add([[{"IS_TITLE": True}]], {"POS": "NOUN"})
        ruler.add([[{"IS_TITLE": False}]], {"POS": "X"})
    package = folder / name
    package.mkdir()
    nlp.to_disk(package / f"{name}-3.8.0")
    (package / "__init__.py").write_text(CODE)
    (package / "meta.json").write_text(json.dumps(nlp.meta))
    if broken:
        (package / f"{name}-3.8.0" / "config.cfg").unlink()
    info = folder / f"{name}-3.8.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 3.8.0\n")
    if entry_point:
        (info / "entry_points.txt").write_text(f"[spacy_models]\n{name} = {name}\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that packages can be installed into."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    official.cache_clear()
    pipelines._installed.cache_clear()
    for name in [name for name in sys.modules if "_core_news_" in name or name == "de_own_tagger"]:
        del sys.modules[name]
    importlib.invalidate_caches()


def install(site, *names, **options):
    for name in names:
        make_package(site, name, **options)
    official.cache_clear()
    importlib.invalidate_caches()


def test_without_any_installed_the_built_in_one_tags():
    assert name_of(pipeline("de")) == "built-in de"


def test_an_installed_one_of_spacys_own_comes_before_the_built_in_one(site):
    install(site, "de_core_news_sm")
    assert name_of(pipeline("de")) == "de_core_news_sm 3.8.0"
    assert dict(tag(pipeline("de"), TEXT)[0])["Der"] == "NOUN"
    assert len(tag(pipeline("de"), TEXT)) == 2
    assert name_of(pipeline("en")) == "built-in en"


def test_the_smallest_of_spacys_own_is_taken(site):
    install(site, "de_core_news_lg", "de_core_news_md", "de_core_news_sm")
    assert name_of(pipeline("de")) == "de_core_news_sm 3.8.0"


def test_what_tells_nothing_of_parts_of_speech_is_left_out(site):
    install(site, "de_core_news_sm")
    assert "ner" not in pipeline("de").pipe_names


def test_a_named_one_comes_before_spacys_own(site):
    install(site, "de_core_news_sm", "de_own_tagger")
    assert name_of(pipeline("de", "de_own_tagger")) == "de_own_tagger 3.8.0"


def test_a_package_that_only_has_the_name_is_not_taken(site):
    install(site, "de_core_news_sm", entry_point=False)
    (site / "de_core_news_md.py").write_text("raise SystemExit('a placeholder was imported')")
    info = site / "de_core_news_md-0.0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: de-core-news-md\nVersion: 0.0.1\n")
    assert name_of(pipeline("de")) == "built-in de"


@pytest.mark.parametrize("fault", [{"tags": False}, {"language": "en"}, {"broken": True}])
def test_one_that_does_not_tag_the_language_is_passed_over(site, caplog, fault):
    install(site, "de_core_news_sm", **fault)
    install(site, "de_core_news_md")
    assert name_of(pipeline("de")) == "de_core_news_md 3.8.0"
    assert "de_core_news_sm" in caplog.text


@pytest.mark.hostile("parameters")
@pytest.mark.parametrize("name", ["de_own_tagger", "numpy", "pip", "spacy", "models", "os", "json"])
def test_only_what_declares_itself_a_pipeline_can_be_named(site, name):
    install(site, "de_own_tagger", entry_point=False)
    (site / "de_own_tagger" / "__init__.py").write_text("raise SystemExit('it was imported')")
    with pytest.raises(NoPipelineError, match=f"'{name}' is no installed spaCy pipeline"):
        pipeline("de", name)


@pytest.mark.hostile("requests to models")
@pytest.mark.parametrize("bound", ["MOST_WORDS", "LONG_TEXT_CHARS"])
def test_an_installed_one_keeps_words_within_bounds(site, monkeypatch, bound):
    install(site, "de_core_news_sm")
    nlp = pipeline("de")
    monkeypatch.setattr(tokens, bound, 0)
    tag(nlp, TEXT)
    known = len(nlp.vocab.strings)
    for text in (f"Wort{number} steht{number} hier." for number in range(20)):
        assert tag(nlp, text)[0][0] == (text.split()[0], "NOUN")
    assert len(nlp.vocab.strings) == known


def test_an_answer_and_the_models_description_name_the_pipeline(site, trained, tmp_path):
    install(site, "de_core_news_sm")
    model = load_model(trained["TopicalPageRank"])
    body = json.dumps({"text": TEXT}).encode()
    answer = json.loads(model.predict(Request("application/json", None, body)).body)
    assert answer["pipeline"] == "de_core_news_sm 3.8.0"
    assert "der" in [found["phrase"] for found in answer["keyphrases"]]
    assert model.describe()["pipeline"] == "de_core_news_sm 3.8.0"


def test_a_named_pipeline_is_used_by_the_model_that_names_it_alone(site, trained, tmp_path):
    install(site, "de_own_tagger")
    folder = tmp_path / "artifact"
    folder.mkdir()
    source = trained["TopicalPageRank"]
    (folder / "TopicalPageRank-model").write_bytes((source / "TopicalPageRank-model").read_bytes())
    params = json.loads((source / "TopicalPageRank-params.json").read_text())
    params["spacy_pipeline"] = "de_own_tagger"
    (folder / "TopicalPageRank-params.json").write_text(json.dumps(params))
    model = load_model(folder)
    assert model.describe()["pipeline"] == "de_own_tagger 3.8.0"
    assert model.needs() == Needs(pipeline="de=de_own_tagger")
    assert load_model(source).describe()["pipeline"] == "built-in de"


def test_warming_up_says_which_pipelines_could_be_loaded(site, caplog):
    install(site, "de_own_tagger")
    install(site, "de_broken", broken=True)
    keys = ["de", "de=de_own_tagger", "xx=de_own_tagger", "de=de_broken", "de=none", "tlh"]
    assert warm_up(keys) == ["de", "de=de_own_tagger", "xx=de_own_tagger"]
    for key in ("de=de_broken", "de=none", "tlh"):
        assert f"cannot preload the pipeline {key}" in caplog.text


def test_a_pipeline_warmed_up_is_the_one_a_model_of_that_key_gets(site):
    install(site, "de_own_tagger")
    key = pipeline_key("de", "de_own_tagger")
    assert warm_up([key]) == [key]
    assert pipelines._installed.cache_info().currsize == 1
    pipeline(*split_key(key))
    assert pipelines._installed.cache_info().hits == 1


@given(st.text(), st.none() | st.from_regex(r"[A-Za-z]\w*", fullmatch=True))
def test_a_pipelines_key_can_be_taken_apart_again(language, installed):
    assume(installed is not None or "=" not in language)
    assert split_key(pipeline_key(language, installed)) == (language, installed)


def test_the_built_in_pipeline_gives_spacy_documents():
    assert isinstance(pipeline("de")(TEXT), Doc)
