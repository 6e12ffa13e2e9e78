"""The report's page: what it says, of real trainings too, and that no report breaks it."""

from __future__ import annotations

import copy
import html
import json
import math
import re
import time

import pytest

from mme.training.page.values import in_bytes, in_figures, in_percent, in_time, plural, text
from mme.training.plan import make_job
from mme.training.report_page import as_page
from mme.training.run import Destination, run_job
from models.serving import no_progress
from tests.support.reports import FIGURES, TITLE, full_report

GAP = "\N{NO-BREAK SPACE}"
HOSTILE: tuple[object, ...] = (
    None, True, -1, 10**400, 1e308, -1e-308, math.nan, math.inf, "", "<b>\ud800\0", [], {}, [[]],
    [None], {"a": {"b": []}}, [[[[[[[[[[["deep"]]]]]]]]]]], [1, "a", {}], [["word"]],
    [[1, 2, 3, 4]],
)  # fmt: skip


def told(page):
    """The page's texts, without its elements."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).replace(GAP, " ").split())


# What it says


@pytest.mark.parametrize(
    "said",
    [
        "An artifact of 189 kB, made from c.csv (360 rows, 106 kB) in 12 s;",
        "finished 2026-11-28 18:50:00 UTC.",
        "c.csv: 2 rows have no claim_text",
        "The titles fall into 2 topics, learnt from 360 titles with 1,175 different words.",
        "The largest leads 200 titles, the smallest 159.",
        "1 title has no word that is counted",
        "Topic 1: leads 200 titles",
        "In the course of training the log-loss went from 0.693 to 0.37.",
        "the related one comes out as the more similar in 83.9 % of cases",
        "3 pairs without known words left out.",
        "1 of 360 documents shares at least 80 % of all different words with an earlier one",
        "240 pairs that belong together and 4,800 that do not",
        "mrr@10 is 0.82 on 200 questions, between 0.77 and 0.86.",
        "2 answers on own not as expected",
        "(fc-1, at rank 3); 5G (fc-8, not found)",
        "Impfung (fc-7, 0.71)",
        "Die Steuer steuer strom (0.25)",
        "a | b together 0.1",
        "2 stop words, 1 of them learnt from the corpus.",
        "Most of the time went into training (12 s).",
        TITLE,
    ],
)
def test_a_page_says_in_words_what_the_report_holds(said):
    assert said in told(as_page(full_report()))


def test_a_page_has_a_plot_for_every_part_and_nothing_from_elsewhere():
    page = as_page(full_report())
    assert page.count("<svg") == FIGURES
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page


def test_parts_that_a_report_does_not_have_are_not_there():
    report = full_report()
    report["facts"] = {"rows": 3}
    report["evaluation"] = None
    del report["misses"]
    page = as_page(report)
    assert page.count("<svg") == 1  # times
    assert "What was learnt" not in page
    assert "No evaluation set was given" in page


def test_misses_may_be_a_list_in_which_each_names_its_set():
    expected, found = {"id": "a", "title": "A"}, {"id": "b", "title": "B", "score": 0.5}
    miss = {"set": "own", "query": "Wer?", "expected": [expected], "found": [found], "rank": 3}
    said = told(as_page(full_report() | {"misses": [miss, miss | {"rank": None}]}))
    assert "2 answers on own not as expected" in said
    assert re.search(r"Wer\?\s+A \(a, at rank 3\)\s+B \(b, 0.5\)", said)
    assert re.search(r"Wer\?\s+A \(a\)", said)


def test_an_artifact_with_a_name_of_its_own_bears_it():
    assert "<h1>Training of mine (Example)</h1>" in as_page(full_report() | {"name": "mine"})


def test_topics_that_lead_nothing_and_a_bound_that_says_nothing_are_told():
    report = full_report()
    report["facts"]["topic_words"][1]["titles_led"] = 0
    report["facts"]["perplexity"] = 5000
    said = told(as_page(report))
    assert "Of the 2 told of here, 1 lead no title: fewer topics would do." in said
    assert "no less than the 1,175 words there are" in said


def test_a_corpus_without_near_duplicates_is_said_to_be_so():
    report = full_report()
    report["facts"]["near_duplicates"] |= {"documents": 0, "pairs": []}
    assert "No two of 360 documents share 80 % of their words." in told(as_page(report))


# Numbers


def test_numbers_are_written_for_people():
    assert [in_figures(n) for n in (1234567, 0.5, 3.0, True, 1e-9, 1e20, None, "x")] == [
        "1,234,567", "0.5", "3", "yes", "1e-09", "1e+20", "not known", "not known",
    ]  # fmt: skip
    assert [in_percent(n) for n in (0.839, 1, None)] == [f"83.9{GAP}%", f"100{GAP}%", "not known"]
    assert [in_bytes(n) for n in (12, 1500, 189_132, 3.5e9)] == [
        f"12{GAP}bytes", f"1.5{GAP}kB", f"189{GAP}kB", f"3.5{GAP}GB",
    ]  # fmt: skip
    assert [in_time(n).replace(GAP, " ") for n in (0.254, 12.4, 250, 7500)] == [
        "0.25 s", "12 s", "4 min 10 s", "2 h 5 min",
    ]  # fmt: skip
    assert [plural(n, "row") for n in (1, 2, 0)] == ["1 row", "2 rows", "0 rows"]
    assert text(10**100) == "a very large number"


# Real trainings

TEXTS = (
    "Der Impfstoff schützt vor Corona sehr",
    "Die Steuer auf Strom steigt nun",
    "Wind macht Strom im Norden",
)
PARAMS = {
    "DocSim": {"vector_size": 8, "min_count": 1, "epochs": 3},
    "TopicalPageRank": {"n_topics": 2},
    "Search": {"vector_size": 3},
}
PARTS = {
    "DocSim": ("Log-loss by epoch", "Similarity of halves of texts by epoch",
               "Similarities of related and of unrelated texts", "The commonest words"),
    "TopicalPageRank": ("Titles each topic leads", "Topic 0: leads", "Topic 1: leads"),
    "Search": ("documents can be found", "Documents that say nearly the same"),
}  # fmt: skip


@pytest.mark.parametrize("family", sorted(PARTS))
def test_the_page_of_a_real_training_has_the_parts_of_its_family(family, tmp_path):
    rows = "".join(
        f"{n},{title} {n % 3},{title} bis heute Abend gegen sieben\n"
        for n, title in enumerate(TEXTS * 5)
    )
    (tmp_path / "c.csv").write_text(f"id,title,claim_text\n{rows}", encoding="utf-8")
    params = {"language": "de", "train_df": "c.csv", **PARAMS[family]}
    job = make_job(family, params, str(tmp_path), (tmp_path,), None)
    done = run_job(job, Destination(tmp_path / "out", tmp_path / "out"), no_progress)
    written = done.report.with_suffix(".html").read_text("utf-8")
    for part in (*PARTS[family], "Time of each phase", "Parameters", "Versions"):
        assert part in told(written)
    assert as_page(json.loads(done.report.read_text("utf-8"))) == written


# Reports that are not as they should be


def paths_of(value, path=()):
    """The path of everything in a JSON value."""
    yield path
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths_of(item, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


@pytest.mark.parametrize("new", HOSTILE, ids=[f"{n}" for n in range(len(HOSTILE))])
def test_whatever_stands_in_place_of_a_value_the_page_is_whole(new):
    report = full_report()
    for path in list(paths_of(report))[1:]:
        page = as_page(replaced(report, path, new))
        assert page.endswith("</main></body></html>\n"), path
        assert "<b>" not in page
        page.encode()


def test_an_empty_report_has_a_page():
    assert "<h1>Training of </h1>" in as_page({})


@pytest.mark.parametrize(
    "huge",
    ["<x>" * 3_000_000, ["<x>" * 20] * 300_000, {f"<{n}>" * 30: n for n in range(200_000)},
     [{"a": ["<x>"] * 1000}] * 1000, [["<x>", 1.0]] * 300_000],
    ids=["text", "texts", "keys", "objects", "pairs"],
)  # fmt: skip
def test_a_page_of_a_huge_report_is_small_and_soon_there(huge):
    report = full_report()
    began_s = time.process_time()
    for key in ("family", "facts", "evaluation", "misses", "params", "warnings", "phases"):
        assert len(as_page(report | {key: huge})) < 2_000_000, key
    for fact in report["facts"]:
        page = as_page(report | {"facts": report["facts"] | {fact: huge}})
        assert len(page) < 2_000_000, fact
    assert time.process_time() - began_s < 20
