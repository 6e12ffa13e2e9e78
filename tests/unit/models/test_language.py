"""Languages: stop words, stems and parts of speech."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys

import pytest

from models.language.german_stems import stem_german
from models.language.hanta.tagger import HantaTagger
from models.language.hanta.tagsets import to_upos
from models.language.pipelines import NoPipelineError, built_in, pipeline, tag
from models.language.stemming import stemmer
from models.language.stop_words import default_stop_words
from models.language.tokens import LONGEST_RUN, tokens_of


def test_stop_words_are_spacys_and_punctuation():
    from spacy.lang.de.stop_words import STOP_WORDS  # noqa: PLC0415 - to compare with

    assert default_stop_words("de") == STOP_WORDS | set("""!"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~""")


@pytest.mark.parametrize("language", ["xx", "", "de/../en", "..", "DE", "german"])
def test_a_language_without_a_list_is_an_error(language):
    with pytest.raises(LookupError):
        default_stop_words(language)


@pytest.mark.parametrize("language", ["en", "fr", "nl", "es", "it", "pl", "tr"])
def test_many_languages_have_stop_words(language):
    assert len(default_stop_words(language)) > 100


def test_stop_words_cost_no_import_of_spacy():
    code = (
        "import sys; from models.language.stop_words import default_stop_words;"
        "default_stop_words('de'); print(*{'spacy', 'gensim', 'sklearn'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# Words of each rule, some from the sample vocabulary on snowballstem.org.
STEMS = {
    "aufeinander": "aufeinand", "aufeinanderbiss": "aufeinanderbiss", "kategorie": "kategori",
    "kategorischen": "kategor", "kater": "kat", "katers": "kat", "käuflich": "kauflich",
    "aufenthalt": "aufenthalt", "verhältnisse": "verhaltnis", "straße": "strass",
    "versicherungen": "versicher", "geschlossene": "geschloss", "freundlichkeit": "freundlich",
    "bedeutendsten": "bedeut", "bauern": "bau", "heiterkeit": "heiter",
    "fonds-klagen": "fonds-klag",
    "Österreicher": "osterreich", "a": "a", "": "", "xyz": "xyz",
}  # fmt: skip


@pytest.mark.parametrize("word", STEMS)
def test_german_words_have_their_snowball_stems(word):
    assert stem_german(word) == STEMS[word]


def test_english_words_have_their_porter_stems():
    stem = stemmer("en")
    assert [stem(word) for word in ("Caresses", "ponies", "relational")] == [
        "caress",
        "poni",
        "relat",
    ]


def test_a_language_without_stems_is_an_error():
    with pytest.raises(LookupError, match="de, en"):
        stemmer("fr")


def test_sentences_come_with_universal_parts_of_speech():
    found = tag(built_in("de"), "Der neue Impfstoff wirkt im Körper.  \n Wir prüfen CO2-Werte!")
    assert found == [
        [("Der", "DET"), ("neue", "ADJ"), ("Impfstoff", "NOUN"), ("wirkt", "VERB"), ("im", "ADP"),
         ("Körper", "NOUN"), (".", "PUNCT")],
        [("Wir", "PRON"), ("prüfen", "VERB"), ("CO2-Werte", "NOUN"), ("!", "PUNCT")],
    ]  # fmt: skip


def test_english_keeps_hyphenated_words_whole():
    found = dict(tag(built_in("en"), "The long-term effects were small.")[0])
    assert found["long-term"] == "ADJ"
    assert found["effects"] == "NOUN"
    assert found["were"] == "AUX"


@pytest.mark.parametrize(
    ("tag_", "upos"),
    [
        ("N(eigen,ev,basis,zijd,stan)", "PROPN"),
        ("N(soort,mv,basis)", "NOUN"),
        ("ADJ(prenom,basis,met-e,stan)", "ADJ"),
        ("WW(pv,tgw,ev)", "VERB"),
        ("??", "X"),
    ],
)
def test_dutch_tags_are_known_by_their_beginning(tag_, upos):
    assert to_upos("nl", "woord", tag_) == upos


@pytest.mark.parametrize(
    ("word", "upos"), [("„", "PUNCT"), ("…", "PUNCT"), ("%", "SYM"), ("€", "SYM"), ("``", "PUNCT")]
)
def test_signs_are_what_they_are_whatever_their_tag(word, upos):
    assert to_upos("de", word, "NN") == upos


def test_german_parts_of_speech_are_mostly_right(treebanks):
    tagger = HantaTagger("de")
    right = total = 0
    for name in ("ud_de_gsd_dev", "ud_de_pud"):
        with (treebanks / f"{name}.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                sentence = json.loads(line)
                tags = tagger.tag(sentence["tokens"])
                words = zip(sentence["tokens"], tags, sentence["upos"], strict=True)
                right += sum(to_upos("de", word, own) == gold for word, own, gold in words)
                total += len(tags)
    assert right / total > 0.935


STRANGE = {
    "nothing": "",
    "capitals": "DIE REGIERUNG PLANT EINE NEUE STEUER. " * 50,
    "one long word": "a" * 200_000,
    "no end of sentence": "haus baum " * 5000,
    "emoji": "😀🤷‍♂️ ﷽ Z͑ͫ̓ͪ " * 200,
    "controls": "\u202e\ufeff\u200b\x01 x" * 200,
    "spaces": "\n\n \t\u00a0" * 500,
    "case that changes length": "ẞ İ ǰ ŉ ﬀ " * 100,
    "one letter": "x",
    "quotes": "` \u00b4 '' `` \" „“ " * 20,
}


LONG = {
    "signs": "?!,;:-" * 20_000,
    "quotes": '"' * 50_000,
    "dots": "z.B." * 20_000,
    "letters and a line": "x" * 1000 + "\n" + "y" * 999 + " z" * 3,
}


@pytest.mark.parametrize("name", LONG)
def test_runs_without_a_space_are_cut_and_nothing_is_lost(name):
    text = LONG[name]
    tokens = tokens_of(built_in("de"), text)
    assert tokens.text == text
    assert max(map(len, tokens)) <= LONGEST_RUN
    assert tag(built_in("de"), text)


@pytest.mark.parametrize("name", STRANGE)
def test_strange_texts_are_tagged_all_the_same(name):
    found = tag(built_in("de"), STRANGE[name])
    words = [word for sentence in found for word, _ in sentence]
    assert "".join("".join(words).split()) == "".join(STRANGE[name].split())
    assert all(upos for sentence in found for _, upos in sentence)


def test_a_language_without_a_model_is_an_error_with_advice():
    with pytest.raises(NoPipelineError, match="name an installed spaCy pipeline"):
        pipeline("fr")


@pytest.mark.parametrize("name", ["no_such_pipeline", "/tmp", "../x", "os.path", "", "spacy "])
def test_only_installed_pipelines_can_be_named(name, tmp_path):
    with pytest.raises(NoPipelineError):
        pipeline("de", name or str(tmp_path))


def test_a_pipeline_is_loaded_once():
    assert built_in("de") is built_in("de")


class Marks:
    """Pickles as a call that creates a folder."""

    def __init__(self, marker) -> None:
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (str(self.marker),))


def test_a_tagger_model_in_the_working_directory_is_not_used(tmp_path):
    marker = tmp_path / "ran"
    (tmp_path / "morphmodel_ger.pgz").write_bytes(pickle.dumps(Marks(marker)))
    code = (
        "from models.language.pipelines import built_in, tag;"
        "print(tag(built_in('de'), 'Das Haus.'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "('Haus', 'NOUN')" in done.stdout
    assert not marker.exists()
