"""Who can use the page: by keys alone, with a reader of screens, on a phone, in the dark."""

from __future__ import annotations

import pytest

from tests.support.crowd import fill_store, is_complete
from tests.support.endpoint import running_endpoint
from tests.support.waiting import eventually

COUNT = 200
PHONE_PX = 360
OVERFLOW_PX = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
FOCUSED = "document.activeElement.title || document.activeElement.id"
NAMELESS = """[...document.querySelectorAll('button, input, select, textarea, a')]
  .filter(one => one.checkVisibility() && !one.textContent.trim() && !one.labels?.length
    && !one.getAttribute('aria-label')).map(one => one.outerHTML)"""
CONTRASTS = """(() => {
  const part = value => (value /= 255) <= 0.04045
    ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = color => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map(part);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = one => {
    for (; one; one = one.parentElement) {
      const color = getComputedStyle(one).backgroundColor;
      if (!/, 0\\)$/.test(color)) return light(color);
    }
    return light('rgb(255, 255, 255)');
  };
  const low = [];
  for (const one of document.querySelectorAll('body *')) {
    const hasText = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!hasText || !one.checkVisibility() || one.closest('option, noscript, .skip')) continue;
    const own = light(getComputedStyle(one).color), page = behind(one);
    const contrast = (Math.max(own, page) + 0.05) / (Math.min(own, page) + 0.05);
    if (contrast < 4.5) low.push([one.outerHTML.slice(0, 80), contrast]);
  }
  return low;
})()"""


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("reach")
    fill_store(scratch / "store", COUNT)
    (scratch / "store" / "broken.tar.gz").write_bytes(b"no archive")
    with running_endpoint(str(scratch / "store"), scratch) as running:
        yield running


@pytest.fixture
def opened(page, endpoint):
    page.open(f"{endpoint.url}/")
    page.wait_for(is_complete(COUNT + 1))
    return page


def said(page, selector, words):
    page.wait_for(f"document.querySelector('{selector}').textContent.includes('{words}')")


def tab_to(page, wanted):
    """Press Tab until the focus is there; what came before."""
    passed = []
    for _ in range(60):
        page.press("Tab")
        passed.append(page.evaluate(FOCUSED))
        if passed[-1] == wanted:
            return passed
    raise AssertionError(f"{wanted} is not reached by Tab: {passed}")


def test_all_can_be_done_without_a_mouse(opened):
    opened.press("Tab")
    assert opened.evaluate("document.activeElement.textContent") == "Skip to the models"
    opened.press("/")
    assert opened.evaluate(FOCUSED) == "search"
    opened.type("model-0000")
    opened.press("Enter")
    assert opened.evaluate(FOCUSED) == "team-00/model-00000.tar.gz"
    opened.press("ArrowDown", times=3)
    assert opened.evaluate(FOCUSED) == "team-03/model-00003.tar.gz"
    opened.press("End")
    assert opened.evaluate(FOCUSED) == "team-09/model-00009.tar.gz"
    opened.press("Enter")
    said(opened, "#detail-title", "team-09/model-00009.tar.gz")
    said(opened, "#detail-why", "in the store")
    tab_to(opened, "act-load")
    opened.press("Enter")
    said(opened, "#act-said", "It is loaded")
    opened.wait_for("document.getElementById('invoke-body').value")
    tab_to(opened, "invoke-send")
    opened.press("Enter")
    said(opened, "#answer-said", "200, after")
    opened.press("Escape")
    opened.wait_for("!document.getElementById('detail').open")
    assert opened.evaluate(FOCUSED) == "team-09/model-00009.tar.gz"
    assert opened.errors == []


def test_the_table_is_one_stop_on_the_way_of_the_tab_key(opened):
    opened.evaluate("document.getElementById('state').focus()")
    passed = tab_to(opened, "kinds")
    assert sum(name.endswith(".tar.gz") for name in passed) == 1


def test_a_row_far_away_is_reached_by_keys(opened):
    opened.evaluate("document.getElementById('search').focus()")
    opened.press("Enter")
    opened.press("End")
    assert opened.evaluate(FOCUSED) == "team-19/model-00199.tar.gz"
    opened.press("PageUp")
    opened.press("Home")
    assert opened.evaluate(FOCUSED) == "broken.tar.gz"


def test_everything_has_a_name_for_those_who_do_not_see_it(opened):
    assert opened.evaluate(NAMELESS) == []
    opened.evaluate("location.hash = 'model=en%2FDocSim.tar.gz'")
    said(opened, "#detail-why", "in the store")
    assert opened.evaluate(NAMELESS) == []
    nodes = opened.ask("Accessibility.getFullAXTree")["nodes"]
    dialogs = [node for node in nodes if node.get("role", {}).get("value") == "dialog"]
    assert [node["name"]["value"] for node in dialogs] == ["en/DocSim.tar.gz"]


def test_the_table_is_a_grid_whose_rows_say_which_they_are(opened):
    nodes = opened.ask("Accessibility.getFullAXTree")["nodes"]
    roles = [node.get("role", {}).get("value") for node in nodes if not node.get("ignored")]
    assert roles.count("grid") == 1
    assert roles.count("columnheader") == 8
    assert roles.count("rowheader") == roles.count("row") - 1


@pytest.mark.parametrize("width", [PHONE_PX, 768, 1280])
def test_nothing_is_wider_than_the_window(opened, width):
    opened.resize(width)
    assert opened.evaluate(OVERFLOW_PX) == 0
    opened.evaluate("location.hash = 'model=en%2FDocSim.tar.gz'")
    said(opened, "#detail-why", "in the store")
    dialog = "document.getElementById('detail')"
    assert opened.evaluate(f"{dialog}.scrollWidth - {dialog}.clientWidth") == 0
    assert opened.evaluate(f"{dialog}.getBoundingClientRect().left") >= 0


def test_on_a_phone_rows_are_as_high_as_they_are_said_to_be_and_can_be_hit(opened):
    opened.resize(PHONE_PX)
    heights = opened.evaluate(
        "[...document.querySelectorAll('#rows tr')].map(row => row.getBoundingClientRect().height)"
    )
    assert set(heights) == {72}
    sizes = opened.evaluate(
        "[...document.querySelectorAll('button:not(.link):not(.opener)')]"
        ".filter(one => one.checkVisibility() && !one.closest('thead'))"
        ".map(one => one.getBoundingClientRect().height)"
    )
    assert all(size >= 44 for size in sizes)

    def rows_and_headers():
        nodes = opened.ask("Accessibility.getFullAXTree")["nodes"]
        roles = [node.get("role", {}).get("value") for node in nodes if not node.get("ignored")]
        rows = opened.evaluate("document.querySelectorAll('#rows tr').length")
        return rows, roles.count("rowheader")

    # A window of another size has another number of rows, a moment later.
    eventually(rows_and_headers, lambda counts: counts[0] == counts[1] > 0)


@pytest.mark.parametrize("is_dark", [False, True])
def test_light_or_dark_every_text_stands_out(opened, is_dark):
    opened.look(is_dark=is_dark)
    background = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(13, 17, 23)" if is_dark else "rgb(255, 255, 255)")
    opened.evaluate("location.hash = 'model=broken.tar.gz'")
    said(opened, "#detail-why", "in the store")
    opened.click("#act-load")
    opened.wait_for("document.querySelector('#act-said.bad')")
    assert opened.evaluate(CONTRASTS) == []
    opened.click("#detail-close")
    assert opened.evaluate(CONTRASTS) == []
