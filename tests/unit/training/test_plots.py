"""Plots: which number comes to lie where, and what becomes of numbers that have no place."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest

from mme.training.plots.axes import BOTTOM, LEFT, RIGHT, TOP
from mme.training.plots.bars import MAX_BARS, NUMBER_PX, ROW_PX, Bar, bars
from mme.training.plots.histograms import Kind, histograms
from mme.training.plots.lines import MAX_POINTS, MAX_SERIES, Level, Series, lines
from mme.training.plots.scales import Scale, round_step, scale_of, tick_text
from mme.training.plots.svg import LETTER_PX, WIDTH, clean, fitted

NAN = math.nan
NAMES = "epoch", "loss"


def parsed(svg):
    return ET.fromstring(svg)  # noqa: S314 - our own


def found(svg, tag, kind=None):
    return [
        one.attrib
        for one in parsed(svg).iter(tag)
        if kind is None or kind in one.get("class", "").split()
    ]


def texts(svg):
    return [one.text for one in parsed(svg).iter("text")]


def places(svg, kind="line"):
    """The points of each path."""
    paths = [one["d"] for one in found(svg, "path", kind)]
    return [
        [tuple(map(float, pair)) for pair in re.findall(r"([\d.]+) ([\d.]+)", path)]
        for path in paths
    ]


# Scales


def test_a_scale_takes_its_ends_to_the_ends_and_what_is_outside_to_the_nearer_one():
    scale = Scale(10, 20, 100, 300)
    assert [scale(value) for value in (10, 15, 20, 0, 99)] == [100, 200, 300, 100, 300]
    downwards = Scale(0, 1, BOTTOM, TOP)
    assert downwards(0) == BOTTOM
    assert downwards(1) == TOP


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (0.37, 0.6931, [0.4, 0.5, 0.6]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1e14, 2e14, [1e14, 1.2e14, 1.4e14, 1.6e14, 1.8e14, 2e14]),
    ],
)
def test_ticks_are_round_numbers_within_the_range(low, high, ticks):
    assert Scale(low, high, 0, 1).ticks() == pytest.approx(ticks)


@pytest.mark.parametrize("values", [[], [0], [5, 5], [-3], [1e15], [0, 1e-300], [1, 1 + 1e-15]])
def test_numbers_that_are_all_the_same_lie_in_the_middle(values):
    scale = scale_of(values, 0, 100)
    assert [scale(value) for value in values] == pytest.approx([50] * len(values), abs=1e-3)
    assert 1 <= len(scale.ticks()) <= 12


@pytest.mark.parametrize("least", [1e-9, 0.003, 1, 1.5, 7, 99, 1e12])
def test_a_step_is_round_and_at_most_two_and_a_half_times_as_large(least):
    assert least * (1 - 1e-9) <= round_step(least) <= least * 2.5


def test_ticks_are_written_short():
    assert [tick_text(tick) for tick in (0.0, 0.25, 1000, 2.5e7, 1e-5)] == [
        "0", "0.25", "1,000", "2.5e+07", "1e-05",
    ]  # fmt: skip


# Texts


def test_a_text_that_is_too_long_ends_in_dots():
    assert fitted("kurz", 100) == "kurz"
    cut = fitted("Bundesgesundheitsministerium", 10 * LETTER_PX)
    assert cut == "Bundesges…"
    assert len(fitted("健康" * 20, 10 * LETTER_PX)) == 5


def test_what_cannot_be_seen_or_turns_texts_around_is_replaced():
    assert clean("a\0b\u202ec\ud800\n") == "a�b�c� "
    assert clean("Grüße 健康") == "Grüße 健康"


def test_names_are_escaped_in_every_place():
    hostile = "<b>&\"'"
    for svg in (
        bars(hostile, [Bar(hostile, 1, hostile)]),
        lines(hostile, [Series(hostile, [(0, 1)])], (hostile, hostile), level=Level(hostile, 1)),
        histograms(hostile, [Kind(hostile, [1])], (0, 1), (hostile, hostile)),
    ):
        assert hostile in texts(svg)
        assert parsed(svg).find("title").text == hostile


def test_every_plot_is_named_and_told_in_words():
    svg = bars("Times", [Bar("reading", 2, "2 s"), Bar("training", 4, "4 s")])
    root = parsed(svg)
    assert root.get("role") == "img"
    by_id = {one.get("id"): one.text for one in root}
    assert by_id[root.get("aria-labelledby")] == "Times"
    assert by_id[root.get("aria-describedby")] == "reading: 2 s; training: 4 s"


# Bars


def interval(svg):
    (path,) = found(svg, "path", "interval")
    low, high = re.findall(r"M([\d.]+) \S+v8", path["d"])
    return float(low), float(high)


def test_bars_are_as_long_as_their_numbers():
    svg = bars("t", [Bar("a", 4, "4"), Bar("b", 1, "1"), Bar("c", 0, "0")], names_px=100)
    widths = [float(bar["width"]) for bar in found(svg, "rect")]
    full = WIDTH - NUMBER_PX - 100
    assert widths == pytest.approx([full, full / 4, 1], abs=0.01)
    assert [float(bar["x"]) for bar in found(svg, "rect")] == [100, 100, 100]
    assert parsed(svg).get("viewBox") == f"0 0 {WIDTH} {3 * ROW_PX}"


def test_bars_of_shares_go_to_one_and_show_their_intervals():
    svg = bars("t", [Bar("a", 0.5, "0.5", 0.25, 0.75)], names_px=98, full=1)
    assert float(found(svg, "rect")[0]["width"]) == 100
    assert interval(svg) == (148, 248)


def test_an_interval_may_be_beyond_the_longest_bar():
    svg = bars("t", [Bar("a", 1, "1", 0.5, 2)], names_px=98)
    assert float(found(svg, "rect")[0]["width"]) == 100
    assert interval(svg) == (148, 298)


@pytest.mark.parametrize("rows", [[], [Bar("a", NAN, "x")], [Bar("a", math.inf, "x")]])
def test_there_are_no_bars_of_nothing(rows):
    assert bars("t", rows) == ""


def test_bars_without_a_number_are_left_out_and_others_drawn():
    svg = bars("t", [Bar("a", NAN, "x"), Bar("b", 1, "1", NAN, 2), Bar("c", -1, "-1")])
    assert [text for text in texts(svg) if text in "abc"] == ["b", "c"]
    assert "nan" not in svg
    widths = [float(bar["width"]) for bar in found(svg, "rect")]
    assert widths[1] == 1  # a negative one has no length


def test_only_so_many_bars_are_drawn():
    assert len(found(bars("t", [Bar("a", 1, "1")] * 10_000), "rect")) == MAX_BARS


# Lines


def test_a_line_goes_through_its_points():
    svg = lines("t", [Series("s", [(0, 1), (50, 0.5), (100, 0)])], NAMES)
    middle = (LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2
    assert places(svg) == [[(LEFT, TOP), pytest.approx(middle), (RIGHT, BOTTOM)]]


def test_a_single_point_is_a_dot_in_the_middle():
    svg = lines("t", [Series("s", [(3, 4)])], NAMES)
    dot = found(svg, "circle")[0]
    assert float(dot["cx"]) == pytest.approx((LEFT + RIGHT) / 2)
    assert float(dot["cy"]) == pytest.approx((TOP + BOTTOM) / 2)


@pytest.mark.parametrize("gap", [NAN, math.inf, -math.inf, 1e300])
def test_a_line_is_broken_where_a_number_has_no_place(gap):
    points = [(0, 1), (1, 2), (2, gap), (3, 1), (gap, 2), (4, 2)]
    svg = lines("t", [Series("s", points)], NAMES)
    assert [len(run) for run in places(svg)] == [2, 1, 1]
    assert "nan" not in svg
    assert "inf" not in svg


@pytest.mark.parametrize("series", [[], [Series("s", [])], [Series("s", [(NAN, 1), (1, NAN)])]])
def test_there_is_no_line_through_nothing(series):
    assert lines("t", series, NAMES, level=Level("l", 1)) == ""


def test_several_lines_share_their_axes_and_are_told_apart():
    svg = lines("t", [Series("a", [(0, 0), (1, 1)]), Series("b", [(0, 2), (2, 2)])], NAMES)
    of_a, of_b = places(svg)
    assert of_a[0] == (LEFT, BOTTOM)
    assert of_a[1] == pytest.approx(((LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2))
    assert of_b == [(LEFT, TOP), (RIGHT, TOP)]
    assert [path["class"] for path in found(svg, "path")] == ["line kind-0", "line kind-1"]
    assert {"a", "b", *NAMES} <= set(texts(svg))


def test_a_level_is_within_the_axes():
    svg = lines("t", [Series("s", [(0, 0.2), (1, 0.4)])], NAMES, level=Level("guessing", 0.7))
    assert float(found(svg, "line", "level")[0]["y1"]) == TOP
    assert "guessing" in texts(svg)


def test_shares_are_drawn_from_nought_to_one():
    svg = lines("t", [Series("s", [(0.5, 0.5)])], NAMES, unit_square=True, diagonal=True)
    diagonal = found(svg, "line", "level")[0]
    ends = [float(diagonal[key]) for key in ("x1", "y1", "x2", "y2")]
    assert ends == [LEFT, BOTTOM, RIGHT, TOP]
    assert {"0", "1"} <= set(texts(svg))


def test_a_long_line_is_thinned_and_keeps_its_ends():
    points = [(float(n), float(n)) for n in range(100_000)]
    (drawn,) = places(lines("t", [Series("s", points)] * 9, NAMES))[:1]
    assert len(drawn) == MAX_POINTS
    assert (drawn[0], drawn[-1]) == ((LEFT, BOTTOM), (RIGHT, TOP))
    assert len(places(lines("t", [Series("s", points)] * 9, NAMES))) == MAX_SERIES


def test_a_line_is_told_by_where_it_begins_and_ends():
    svg = lines("t", [Series("s", [(0, 0.7), (50, NAN), (100, 0.4)])], NAMES)
    assert parsed(svg).find("desc").text == ("loss by epoch. s: 0.7 at epoch 0, 0.4 at 100")


# Histograms


def steps(svg, number):
    path = found(svg, "path", f"kind-{number}")[0]["d"]
    heights = [float(y) for y in re.findall(r"V([\d.]+)H", path)]
    return heights, [float(x) for x in re.findall(r"H([\d.]+)", path)]


def test_a_histogram_shows_shares_and_cuts_empty_ends():
    kinds = [Kind("a", [0, 1, 3, 0]), Kind("b", [0, 2, 2, 0])]
    svg = histograms("t", kinds, (-1, 1), ("x", "share"))
    middle = (LEFT + RIGHT) / 2
    heights, ends = steps(svg, 0)
    assert ends == pytest.approx([middle, RIGHT])
    assert heights == pytest.approx([BOTTOM - (BOTTOM - TOP) / 3, TOP], abs=0.1)
    heights, _ = steps(svg, 1)
    assert heights == pytest.approx([BOTTOM - (BOTTOM - TOP) * 2 / 3] * 2, abs=0.1)
    assert {"-0.4", "0", "0.4", "a", "b"} <= set(texts(svg))


@pytest.mark.parametrize(
    ("counts", "others", "span"),
    [
        ([], [], (0, 1)),
        ([0, 0], [0, 0], (0, 1)),
        ([1, 2], [1, 2, 3], (0, 1)),
        ([1], [1], (1, 1)),
        ([1], [1], (1, 0)),
        ([1], [1], (NAN, 1)),
        ([1], [1], (0, 5e-324)),
        ([NAN], [-1], (0, 1)),
        ([1] * 1000, [1] * 1000, (0, 1)),
    ],
)
def test_there_is_no_histogram_of_nothing(counts, others, span):
    kinds = [Kind("a", counts), Kind("b", others)]
    assert histograms("t", kinds, span, ("x", "y")) == ""


def test_a_bin_without_a_sound_count_is_empty():
    svg = histograms("t", [Kind("a", [1, NAN, 1]), Kind("b", [0, 0, 0])], (0, 3), ("x", "y"))
    heights, _ = steps(svg, 0)
    assert heights == pytest.approx([TOP, BOTTOM, TOP], abs=0.1)
    assert "nan" not in svg
