"""A training report with every part that the page can show, as the JSON holds it."""

from __future__ import annotations

import copy
from typing import Any

TITLE = '5G macht "nicht" krank & <script>alert(1)</script>'

_REPORT: dict[str, Any] = {
    "family": "Example",
    "finished_at": "2026-11-28T18:50:00+00:00",
    "duration_s": 12.5,
    "corpus": {"name": "c.csv", "from": "data", "size_bytes": 106_214},
    "facts": {
        "rows": 360,
        "skipped_rows": 2,
        "stop_words": ["und", "oder"],
        "learnt_stop_words": ["faktencheck"],
        "reproducible": "to the byte",
        "vocabulary_words": 1175,
        "dimensions": 40,
        "coverage": {"tokens": 0.78, "types": 0.33},
        "topics": 2,
        "titles_trained_on": 360,
        "titles_without_topic": 1,
        "perplexity": 512.25,
        "topic_words": [
            {"topic": 1, "titles_led": 200, "words": [["impfung", 0.016], ["co2", 0.012]]},
            {"topic": 0, "titles_led": 159, "words": [["strom", 0.02], ["wind", 0.0125]]},
        ],
        "learning": {
            "decisions": 360,
            "texts": 200,
            "chance": 0.6931,
            "epochs": [
                {"epoch": 0, "log_loss": 0.6931, "same_text": 0.07, "different_texts": 0.01},
                {"epoch": 50, "log_loss": 0.44, "same_text": 0.9, "different_texts": 0.85},
                {"epoch": 100, "log_loss": 0.37, "same_text": 0.72, "different_texts": 0.53},
            ],
        },
        "similarities": {
            "related": "a title and its text",
            "unrelated": "a title and another row's text",
            "auroc": 0.839,
            "related_pairs": 10,
            "unrelated_pairs": 10,
            "pairs_without_known_words": 3,
            "related_mean": 0.77,
            "unrelated_mean": 0.54,
            "related_counts": [0, 0, 3, 7],
            "unrelated_counts": [0, 6, 4, 0],
            "lowest": -1,
            "highest": 1,
        },
        "nearest_words": [
            {"word": "co2", "count": 20, "nearest": [["prozent", 0.881], ["emissionen", 0.76]]}
        ],
        "documents": 360,
        "mean_words_of_a_document": 38.17,
        "near_duplicates": {
            "documents_looked_at": 360,
            "bound": 0.8,
            "documents": 1,
            "pairs": [
                {
                    "first": {"id": "fc-1", "title": TITLE},
                    "second": {"id": "fc-2", "title": "5G macht nicht krank"},
                    "alike": 0.93,
                }
            ],
        },
        "relevance": {
            "thresholds": [0.0, 0.25, 0.5, 0.75, 1.0],
            "precision": [0.2, 0.6, 0.8, 0.9, 1.0],
            "recall": [1.0, 0.9, 0.8, 0.5, 0.1],
            "calibration": [[0.1, 0.12, 40], [0.5, 0.45, 20], [0.9, 0.93, 30]],
            "auroc": 0.931,
            "positives": 240,
            "negatives": 4800,
        },
    },
    "evaluation": {
        "own": {
            "mrr@10": 0.82,
            "mrr@10_low": 0.77,
            "mrr@10_high": 0.86,
            "recall@1": 0.7,
            "queries": 200,
        },
        "keyphrases own": {"f@5": 0.31},
    },
    "misses": {
        "own": [
            {
                "query": "q1",
                "text": "Macht 5G krank?",
                "expected": [
                    {"id": "fc-1", "rank": 3, "title": TITLE},
                    {"id": "fc-8", "rank": None, "title": "5G"},
                ],
                "found": [
                    {"rank": 1, "id": "fc-7", "title": "Impfung", "score": 7.1, "relevance": 0.71}
                ],
                "quality": 0.3333,
            },
            {"query": "q2", "text": "Wer?", "expected": [], "found": [], "quality": 0},
        ],
        "keyphrases own": [
            {
                "query": "1",
                "text": "Die Steuer",
                "expected": [{"phrase": "steuer"}],
                "found": [{"phrase": "strom", "score": 0.25}],
                "quality": 0,
            }
        ],
        "own pairs": [
            {
                "query": "4",
                "text": "a | b",
                "expected": [{"label": 1}],
                "found": [{"score": 0.1}],
                "quality": 0,
            }
        ],
    },
    "artifact": {
        "place": "out/Example.tar.gz",
        "size_bytes": 189_132,
        "sha256": "ab" * 32,
        "files": [{"name": "Example-model", "size_bytes": 200_000, "sha256": "cd" * 32}],
    },
    "phases": [
        {"title": "Example: reading", "steps": 360, "unit": "text", "duration_s": 0.25},
        {"title": "Example: training", "steps": 100, "unit": "epoch", "duration_s": 12.0},
    ],
    "params": {"language": "de", "vector_size": 40},
    "further_reports": [],
    "warnings": ["c.csv: 2 rows have no claim_text"],
    "versions": {"python": "3.11.2", "numpy": "2.4.0"},
}
FIGURES = 11
"""How many plots its page has."""


def full_report() -> dict[str, Any]:
    """A copy of it, to be changed."""
    return copy.deepcopy(_REPORT)
