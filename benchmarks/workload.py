"""What is asked: copies of the sample artifacts under many names, requests, the right answers."""

from __future__ import annotations

import random
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.traffic import Exchange, post
from mme.core.settings import PROJECT_ROOT
from models.registry import load_model
from models.serving import Request

TARGET = "X-Amzn-SageMaker-Target-Model"
FAMILIES = ("DocSim", "TopicalPageRank", "Search")
TEXTS = {
    "DocSim": (
        ("text/csv", "Impfstoff,Erbgut"),
        ("text/csv", '"Der Impfstoff verändert das Erbgut nicht","Die Regierung plant Steuern"'),
        ("text/csv", '"5G-Strahlung schwächt das Immunsystem","Mobilfunk macht krank"\n"a","b"'),
    ),
    "TopicalPageRank": (
        ("text/plain", "Die Bundesregierung plant eine neue Steuer auf Strom aus Solaranlagen."),
        ("text/plain", "Impfstoffe verändern das Erbgut nicht, sagte der Minister in Berlin."),
        ("text/plain", "Das alte Video zeigt keine Flüchtlinge. Es wurde in Syrien aufgenommen!"),
    ),
    "Search": (
        ("text/plain", "Impfstoffe verändern das Erbgut."),
        ("text/plain", "Die Inflation frisst das Bargeld auf, sagt die Zentralbank."),
        ("text/plain", "Im Trinkwasser der Stadt wurden giftige Stoffe gefunden."),
    ),
}


@dataclass(frozen=True, slots=True)
class Model:
    """One artifact in the store and what it is asked."""

    target: str
    family: str


def fill_store(folder: Path, count: int, families: tuple[str, ...] = FAMILIES) -> list[Model]:
    """Put `count` artifacts, of the families in turn, into a folder.

    Those of a family are links to one file: to change one, remove it first.
    """
    folder.mkdir(parents=True)
    models: list[Model] = []
    for number in range(count):
        family = families[number % len(families)]
        target = f"{family}-{number}.tar.gz"
        if number < len(families):
            shutil.copy(PROJECT_ROOT / "artifacts" / f"{family}.tar.gz", folder / target)
        else:
            (folder / target).hardlink_to(folder / models[number % len(families)].target)
        models.append(Model(target, family))
    return models


def exchanges(url: str, model: Model, path: str = "/invocations") -> list[Exchange]:
    """The requests to one model, each with the answer it must get."""
    return [
        post(
            url + path,
            {TARGET: model.target, "Content-Type": kind},
            text.encode(),
            expected_answer(model.family, kind, text),
        )
        for kind, text in TEXTS[model.family]
    ]


@cache
def expected_answer(family: str, kind: str, text: str) -> bytes:
    """What the family's code answers when it is called directly."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(PROJECT_ROOT / "artifacts" / f"{family}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        model = load_model(Path(folder))
        body = model.predict(Request(kind, None, text.encode())).body
        return body if isinstance(body, bytes) else body.encode()


def zipf(models: list[Model], seed: int, length: int) -> list[Model]:
    """Models in an order as they might be asked: the n-th most wanted 1/n as often as the first."""
    chosen = random.Random(seed)  # noqa: S311 - a workload, not a secret
    wanted = list(models)
    chosen.shuffle(wanted)
    return chosen.choices(wanted, [1 / (rank + 1) for rank in range(len(wanted))], k=length)
