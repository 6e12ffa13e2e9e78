"""German texts of given lengths for the keyphrase benchmarks: real ones, each a different one.

From the development data beside the checkout where that is at hand, else from the sample corpus.
"""

from __future__ import annotations

import csv
import random

import spacy

from mme.core.settings import PROJECT_ROOT

DATA = PROJECT_ROOT.parent / "shared" / "data"
SAMPLE = PROJECT_ROOT / "models" / "corpus" / "factchecks_de.csv"
FILES = ("news_de.csv", "laws_de.csv")


def texts(length: int, count: int, seed: int) -> list[str]:
    """`count` texts of `length` tokens of spaCy's, beginning at random places."""
    chance = random.Random(seed)  # noqa: S311 - a fixed sequence, no secret
    tokenizer = spacy.blank("de").tokenizer
    sources = _passages()
    found = []
    for number in range(count):
        passages = sources[number % len(sources)]
        place, tokens = chance.randrange(len(passages)), list[str]()
        while len(tokens) < length:
            document = tokenizer(f"{passages[place % len(passages)]} ")
            tokens += [token.text_with_ws for token in document]
            place += 1
        found.append("".join(tokens[:length]))
    return found


def _passages() -> list[list[str]]:
    files = [DATA / name for name in FILES if (DATA / name).is_file()] or [SAMPLE]
    found = []
    for path in files:
        with path.open(encoding="utf-8", newline="") as file:
            found.append([row["claim_text"] for row in csv.DictReader(file)])
    return found
