"""Small artifacts of all families, trained once, and the reference data where it is at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.registry import family, load_model
from models.serving import Material, Request, no_progress

PROJECT = Path(__file__).parents[3]
ORACLE = PROJECT.parent / "shared" / "data" / "tpr-oracle"
TREEBANKS = ORACLE.parent / "eval-dev"

ROWS = [
    ("Impfstoffe verändern das Erbgut nicht", "Ein Impfstoff verändert das Erbgut nicht."),
    ("Masken verursachen keinen Sauerstoffmangel", "Masken schaden der Atmung nicht."),
    ("Kein Impfstoff macht magnetisch", "Kein Impfstoff macht Menschen magnetisch."),
    ("5G verbreitet kein Virus", "Der Mobilfunk 5G verbreitet kein Virus und kein Erbgut."),
    ("CO2 ist kein Pflanzenschutz", "Das Gas CO2 und der Mobilfunk 5G schaden Menschen nicht."),
    ("Windräder töten Vögel selten", "Das Gas CO2 und Masken schaden dem Klima, nicht Vögeln."),
]
PARAMS: dict[str, dict[str, object]] = {
    "TopicalPageRank": {
        "language": "de",
        "train_df": "corpus.csv",
        "grammar": "NP: {<ADJ>*<NOUN|PROPN>+}",
        "normalization": "None",
        "window": "10",
        "max_count": "5",
        "n_topics": "3",
    },
    "DocSim": {
        "language": "de",
        "train_df": "corpus.csv",
        "vector_size": "8",
        "min_count": "1",
        "epochs": "20",
        "max_token_length": 30,
    },
    "Search": {"language": "de", "train_df": "corpus.csv", "vector_size": "3", "top_k": "3"},
}


def write_corpus(path: Path) -> Path:
    lines = ["id,title,claim_text,category"]
    lines += [f'{i},"{title}","{claim}",x' for i, (title, claim) in enumerate(ROWS)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Family name -> folder with its artifact."""
    root = tmp_path_factory.mktemp("trained")
    corpus = write_corpus(root / "corpus.csv")
    folders = {}
    for name, params in PARAMS.items():
        folders[name] = root / name
        folders[name].mkdir()
        family(name).train(Material(corpus, params), folders[name], no_progress)
    return folders


@pytest.fixture(scope="session")
def keyphrases(trained):
    return Asker(load_model(trained["TopicalPageRank"]), "text/plain")


@pytest.fixture(scope="session")
def similarity(trained):
    return Asker(load_model(trained["DocSim"]), "text/csv")


@pytest.fixture(scope="session")
def search(trained):
    return Asker(load_model(trained["Search"]), "text/plain")


class Asker:
    """Asks a loaded model with less to write."""

    def __init__(self, model, content_type) -> None:
        self.model = model
        self.content_type = content_type

    def __call__(self, body, content_type="", accept=None):
        if isinstance(body, str):
            body = body.encode()
        return self.model.predict(Request(content_type or self.content_type, accept, body))

    def json(self, value, accept=None):
        answer = self(json.dumps(value), "application/json", accept)
        assert answer.content_type == "application/json"
        return json.loads(answer.body)


@pytest.fixture(scope="session")
def oracle():
    """The folder of reference keyphrases."""
    if not ORACLE.is_dir():
        pytest.skip(f"no reference keyphrases at {ORACLE}")
    return ORACLE


@pytest.fixture(scope="session")
def treebanks():
    if not TREEBANKS.is_dir():
        pytest.skip(f"no treebanks at {TREEBANKS}")
    return TREEBANKS
