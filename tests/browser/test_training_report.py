"""The training report as a reader sees it: in a real browser, on a phone, in the dark, on paper."""

from __future__ import annotations

import pytest

from mme.training.plan import make_plan
from mme.training.report_page import as_page
from mme.training.run import Destination, run_job
from models.serving import no_progress
from tests.support.endpoint import PROJECT
from tests.support.reports import FIGURES, TITLE, full_report

FAMILIES = ("DocSim", "Search", "TopicalPageRank")
PHONE_PX, DESK_PX, PICTURE_PX = 360, 1100, 840
MAX_PICTURE_BYTES = 300_000

PLOTS = """[...document.querySelectorAll('svg')].map(plot => {
  const box = plot.getBoundingClientRect();
  const named = name => (document.getElementById(plot.getAttribute(name)) || {}).textContent;
  return {width: box.width, height: box.height, title: named('aria-labelledby'),
    told: named('aria-describedby'), marks: plot.querySelectorAll('path, rect, circle').length};
})"""
TEXTS_OUTSIDE = """[...document.querySelectorAll('svg')].flatMap(plot => {
  const box = plot.getBoundingClientRect();
  return [...plot.querySelectorAll('text')].filter(text => {
    const own = text.getBoundingClientRect();
    return own.left < box.left - 1 || own.right > box.right + 1
      || own.top < box.top - 1 || own.bottom > box.bottom + 1;
  }).map(text => text.textContent);
})"""
CONTRASTS = """(() => {
  const part = value => (value /= 255) <= 0.04045
    ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = color => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map(part);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const page = light(getComputedStyle(document.body).backgroundColor);
  const contrast = color => {
    const own = light(color);
    return (Math.max(own, page) + 0.05) / (Math.min(own, page) + 0.05);
  };
  const all = (kinds, what) => [...document.querySelectorAll(kinds)]
    .map(one => contrast(getComputedStyle(one)[what]));
  return {texts: Math.min(...all('p:not(.warning), h1, h2, h3, summary, td, th', 'color'),
                          ...all('svg text', 'fill')),
    marks: Math.min(...all('.bar, .dot', 'fill'), ...all('path:not(.halo)', 'stroke'))};
})()"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
OVERFLOW_PX = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="session")
def reports(browser, tmp_path_factory):
    """A folder with the reports of all families, trained on the corpus that is shipped."""
    folder = tmp_path_factory.mktemp("reports")
    for job in make_plan(PROJECT / "models", FAMILIES):
        run_job(job, Destination(folder, folder), no_progress)
    return folder


@pytest.fixture
def full(tmp_path, page):
    """A report with everything in it, opened."""
    path = tmp_path / "full.html"
    path.write_text(as_page(full_report()), encoding="utf-8")
    return page.open(path)


def unfold(page):
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_report_has_named_plots_and_no_errors_and_asks_for_nothing_else(reports, page, family):
    address = reports / f"{family}-report.html"
    page.open(address)
    assert page.errors == []
    assert page.requests == [address.as_uri()]
    assert page.evaluate("document.title") == f"Training of {family}"
    plots = page.evaluate(PLOTS)
    assert plots
    for plot in plots:
        assert plot["width"] > 200
        assert plot["height"] > 15
        assert plot["marks"] > 0
        assert plot["title"]
        assert len(plot["told"]) > 5
    page.resize(PHONE_PX)
    assert page.evaluate(OVERFLOW_PX) == 0
    assert page.evaluate(TEXTS_OUTSIDE) == []


def test_everything_a_report_tells_is_drawn(full):
    plots = full.evaluate(PLOTS)
    assert len(plots) == FIGURES
    assert len({plot["title"] for plot in plots}) == FIGURES
    assert full.errors == []


def test_a_reader_who_cannot_see_them_is_told_what_plots_show(full):
    nodes = full.ask("Accessibility.getFullAXTree")["nodes"]
    images = [node for node in nodes if node.get("role", {}).get("value") in {"image", "img"}]
    assert len(images) == FIGURES
    assert all(node["name"]["value"] and node["description"]["value"] for node in images)


def test_what_looks_like_a_script_is_text(full):
    unfold(full)
    assert TITLE in full.evaluate("document.body.innerText")
    assert full.evaluate("document.scripts.length") == 0


@pytest.mark.parametrize("width", [PHONE_PX, 768, DESK_PX])
def test_nothing_is_wider_than_the_window(full, width):
    full.resize(width)
    assert full.evaluate(OVERFLOW_PX) == 0
    assert full.evaluate(TEXTS_OUTSIDE) == []
    unfold(full)
    assert full.evaluate(OVERFLOW_PX) == 0


def test_the_writing_in_plots_is_large_enough_on_a_phone(full):
    full.resize(PHONE_PX)
    heights = (
        "[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height)"
    )
    assert min(full.evaluate(heights)) > 11


@pytest.mark.parametrize("is_dark", [False, True])
def test_light_or_dark_texts_and_marks_stand_out(full, is_dark):
    full.look(is_dark=is_dark)
    unfold(full)
    assert full.evaluate(BACKGROUND) == ("rgb(13, 17, 23)" if is_dark else "rgb(255, 255, 255)")
    contrasts = full.evaluate(CONTRASTS)
    assert contrasts["texts"] >= 4.5
    assert contrasts["marks"] >= 3


def test_on_paper_it_is_light_and_leaves_out_what_is_folded(full):
    full.look(is_dark=True, is_printed=True)
    assert full.evaluate(BACKGROUND) == "rgb(255, 255, 255)"
    is_shown = "[...document.querySelectorAll('summary')].map(one => one.checkVisibility())"
    assert not any(full.evaluate(is_shown))
    unfold(full)
    assert all(full.evaluate(is_shown))


def test_a_reader_without_a_mouse_reaches_every_table(full):
    unfold(full)
    reachable = "[...document.querySelectorAll('.wide')].every(one => one.tabIndex === 0)"
    assert full.evaluate(reachable)
    assert full.evaluate("document.documentElement.lang") == "en"


def test_what_a_report_holds_is_asked_of_nobody(tmp_path, page):
    report = full_report()
    hostile = '<img src="http://127.0.0.1:9/x"><style>@import "http://127.0.0.1:9/y"</style>'
    report["family"] = report["warnings"][0] = report["misses"]["own"][0]["text"] = hostile
    report["params"] = {hostile: [hostile] * 20}
    path = tmp_path / "hostile.html"
    path.write_text(as_page(report), encoding="utf-8")
    page.open(path)
    assert page.requests == [path.as_uri()]
    assert page.errors == []


def test_the_picture_of_the_documentation_is_of_a_real_report(reports, page, pictures):
    page.resize(PICTURE_PX, 1290)
    page.open(reports / "DocSim-report.html")
    picture = page.picture()
    assert len(picture) < MAX_PICTURE_BYTES
    (pictures / "training-report.png").write_bytes(picture)
