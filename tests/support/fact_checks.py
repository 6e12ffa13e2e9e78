"""What the sample ensemble does, by a client: each step asked of a target model of its own."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mme.training.ensemble_command import make_ensemble
from tests.support.endpoint import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[[str, Any], Any]
    """Asks a target model; JSON both ways."""

ENSEMBLE = "FactCheckEnsemble.tar.gz"
SOURCE = PROJECT / "models" / "Ensemble" / "FactCheckEnsemble"
MEMBERS = {"keyphrases": "TopicalPageRank", "search": "Search", "similarity": "DocSim"}
RANK_OFFSET = 60
"""Of reciprocal ranks, as their inventors have it."""
CLAIMS = (
    "Unter der Maske sammelt sich CO2",
    "Impfstoffe verändern das Erbgut.",
    "Die 5G-Strahlung schwächt das Immunsystem",
)


def make_sample(store: Path) -> Path:
    """Put the ensemble into a store, and each of its members as a target model of its own."""
    sources = {name: PROJECT / "artifacts" / f"{each}.tar.gz" for name, each in MEMBERS.items()}
    made = make_ensemble(SOURCE, sources, store)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(made) as archive:
            archive.extractall(folder, filter="data")
        for name in MEMBERS:
            packed = shutil.make_archive(str(store / name), "gztar", Path(folder) / name)
            assert packed.endswith(f"{name}.tar.gz")
    return made


def one_by_one(ask: Ask, claim: str, top_k: int = 5) -> dict[str, Any]:
    """What the ensemble answers, by its members asked one after the other."""
    said = ask("keyphrases.tar.gz", {"text": claim, "max_count": 5})
    phrases = [each["phrase"] for each in said["keyphrases"]]
    wanted = {"claim": " ".join([claim, *phrases]), "top_k": 20, "min_relevance": 0.5}
    matches = ask("search.tar.gz", wanted)["matches"]
    texts = [each["claim_text"] for each in matches]
    alike = ask("similarity.tar.gz", {"pairs": [[claim, text] for text in texts]})["similarities"]
    tagged = ask("similarity.tar.gz", {"texts": texts, "want": "tags"})["results"]
    joined = [
        {name: match[name] for name in ("id", "title", "claim_text", "relevance")}
        | {"similarity": similarity, "tags": [tag["tag"] for tag in found["tags"]]}
        for match, similarity, found in zip(matches, alike, tagged, strict=True)
    ]
    return {"fact_checks": _ranked(joined)[:top_k], "keyphrases": phrases}


def _ranked(joined: list[dict[str, Any]]) -> list[dict[str, Any]]:
    merits = {each["id"]: 0.0 for each in joined}
    for by in ("relevance", "similarity"):
        for rank, each in enumerate(sorted(joined, key=lambda item: -item[by]), 1):
            merits[each["id"]] += 1 / (RANK_OFFSET + rank)
    return sorted(joined, key=lambda item: -merits[item["id"]])
