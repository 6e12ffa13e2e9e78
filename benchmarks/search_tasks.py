"""Retrieval tasks for the family Search, and corpora of any size to hide their documents in.

Labelled sets where they are at hand (`../shared/data`), and tasks made of corpora: the heading of
a section of law finds the section, an article's first sentence the rest of it, the title of a
fact-check its text. The last needs only what this project brings.
"""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from itertools import cycle, groupby
from typing import TYPE_CHECKING

from mme.core.settings import PROJECT_ROOT
from models.corpus_reader import read_table
from models.evaluation.sets import read_retrieval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DATA = PROJECT_ROOT.parent / "shared" / "data"
SETS = DATA / "eval-dev"
FACT_CHECKS = PROJECT_ROOT / "models" / "corpus" / "factchecks_de.csv"
COLUMNS = ("id", "title", "claim_text")
LABELLED = ("news", "law", "xquad_de")
MOST_QUERIES = 300
MIN_HEADING_WORDS, MIN_PASSAGES = 3, 3
DROPPED, REPLACED = 0.1, 0.2


@dataclass(frozen=True, slots=True)
class Task:
    """Documents by id, each a title and a text; queries by id; which documents they should find."""

    name: str
    documents: Mapping[str, tuple[str, str]]
    queries: Mapping[str, str]
    relevance: Mapping[str, Mapping[str, float]]

    def halved(self) -> Task:
        """The same with the first half of each query."""
        halves = {
            key: " ".join(text.split()[: max(3, len(text.split()) // 2)])
            for key, text in self.queries.items()
        }
        return Task(f"{self.name}, queries cut in half", self.documents, halves, self.relevance)


def labelled_tasks() -> list[Task]:
    """The evaluation sets, none if they are not there."""
    if not SETS.is_dir():
        return []
    sets = [read_retrieval(SETS, name) for name in LABELLED]
    return [
        Task(
            each.name,
            {key: (document.title, document.text) for key, document in each.documents.items()},
            each.queries,
            each.relevance,
        )
        for each in sets
    ]


def made_tasks() -> list[Task]:
    """Those made of the corpora that are there."""
    tasks = [_finding_itself("fact-check by its title", list(_rows(FACT_CHECKS)))]
    if DATA.is_dir():
        laws = list(_rows(DATA / "laws_de.csv"))
        headings = [title for _, title, _ in laws]
        once = [
            row
            for row in laws
            if headings.count(row[1]) == 1 and len(row[1].split()) >= MIN_HEADING_WORDS
        ]
        random.Random(7).shuffle(once)  # noqa: S311 - a choice, not a secret
        tasks += [_finding_itself("section of law by its heading", once[:1500])]
        tasks += [_finding_itself("article by its first sentence", _articles())]
    return tasks


def write_corpus(path: Path, documents: Mapping[str, tuple[str, str]]) -> None:
    """The documents as a CSV that Search is trained on."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((key, *document) for key, document in documents.items())


def crowd(tasks: list[Task], size: int) -> dict[str, tuple[str, str]]:
    """The documents of `tasks` and others around them, `size` in all.

    The others are the corpora's, over and over, each time with other words left out or replaced.
    """
    documents = {key: document for task in tasks for key, document in task.documents.items()}
    names = ("laws_de", "news_de", "tweets_de")
    paths = [DATA / f"{name}.csv" for name in names] if DATA.is_dir() else [FACT_CHECKS]
    rows = [row for path in paths for row in _rows(path)]
    words = [word for _, _, text in rows for word in text.split()]
    chance = random.Random(5)  # noqa: S311 - texts to be found, not a secret
    for number, (_, title, text) in enumerate(cycle(rows)):
        if len(documents) >= size:
            break
        if number >= len(rows):
            kept = [word for word in text.split() if chance.random() > DROPPED]
            text = " ".join(  # noqa: PLW2901
                chance.choice(words) if chance.random() < REPLACED else word for word in kept
            )
        documents[f"other-{number}"] = title, text
    return documents


def _finding_itself(name: str, rows: list[tuple[str, str, str]]) -> Task:
    """Titles find the texts they are the titles of, which do not have them."""
    asked = rows[:MOST_QUERIES]
    return Task(
        name,
        {key: ("", text) for key, _, text in rows},
        {key: title for key, title, _ in asked},
        {key: {key: 1.0} for key, _, _ in asked},
    )


def _articles() -> list[tuple[str, str, str]]:
    """Each article's id, first sentence, and all its passages but the first."""
    passages = groupby(_rows(DATA / "news_de.csv"), key=lambda row: row[0].rpartition("-")[0])
    articles = [(key, list(rows)) for key, rows in passages]
    return [
        (key, rows[0][1], " ".join(text for _, _, text in rows[1:]))
        for key, rows in articles
        if len(rows) >= MIN_PASSAGES
    ]


def _rows(path: Path) -> Iterator[tuple[str, str, str]]:
    for _, (key, title, text) in read_table(path, COLUMNS):
        yield key, title, text
