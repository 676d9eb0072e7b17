"""Drawings read back: every mark stands where its number is, in the colour of its model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.report.blocks import (
    BarChart,
    Chart,
    HistogramChart,
    IntervalChart,
    IntervalPoint,
    ReliabilityChart,
)
from crossent.report.charts import describe, svg
from crossent.report.html import drawings
from crossent.report.palette import DARK, LIGHT, MODEL_COLOURS, css, model_colour
from crossent.statistics.calibration_error import ReliabilityBin

INF = float("inf")
NUMBER = r"(-?[\d.]+(?:e-?\d+)?)"
DOT = re.compile(rf'<path transform="translate\({NUMBER},{NUMBER}\)" d="M{NUMBER},0A[^"]*" fill="(#\w+)"')
LINE = re.compile(
    rf'<line transform="translate\({NUMBER},{NUMBER}\)" x2="{NUMBER}" y2="{NUMBER}"'
    rf' stroke="(#\w+)" stroke-width="{NUMBER}"'
)
BOX = re.compile(rf'<path d="M{NUMBER},{NUMBER}h{NUMBER}v{NUMBER}h-[\d.]+Z" fill="(#\w+)"')
RULE = re.compile(
    rf'<line transform="translate\({NUMBER},0\)" x2="0" y2="\d+" stroke="#57606b" stroke-dasharray'
)
TEXT = re.compile(rf'<text text-anchor="(\w+)" transform="translate\({NUMBER},{NUMBER}\)"[^>]*>([^<]+)<')


@dataclass(frozen=True)
class Axis:
    """Where numbers stand, from the axis' own labels."""

    slope: float
    offset: float

    def at(self, value: float) -> float:
        return self.offset + self.slope * value


def axis(drawn: str) -> Axis:
    found = [(float(x), text) for _, x, y, text in TEXT.findall(drawn) if y == "16"]
    places = [x for x, _ in found]
    values = [
        float(t.replace("−", "-").replace(",", "").rstrip("%")) / (100 if "%" in t else 1) for _, t in found
    ]
    slope, offset = np.polyfit(values, places, 1)
    assert np.allclose(np.polyval((slope, offset), values), places, atol=0.6)
    return Axis(float(slope), float(offset))


def labels(drawn: str) -> list[str]:
    return [text for anchor, x, _, text in TEXT.findall(drawn) if anchor == "end" and x == "-6"]


def points(*values: tuple[float, tuple[float, float] | None]) -> tuple[IntervalPoint, ...]:
    return tuple(IntervalPoint(f"m{i}", v, ends, i) for i, (v, ends) in enumerate(values))


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 1)), min_size=2, max_size=6), st.floats(-3, 3))
def test_dots_intervals_and_reference_stand_at_their_values(
    values: list[tuple[float, float]], reference: float
) -> None:
    made = points(*((v, (v - half, v + 2 * half)) for v, half in values))
    drawn = svg(IntervalChart("t", "x", made, reference=reference), 700)
    scale = axis(drawn)
    dots = [(float(x), float(y), c) for x, y, _, c in DOT.findall(drawn)]
    bars = [
        (float(x), float(y), float(x) + float(w), c) for x, y, w, _, c, s in LINE.findall(drawn) if s == "3"
    ]
    assert len(dots) == len(bars) == len(values)
    for i, (v, half) in enumerate(values):
        colour = LIGHT[f"model-{i}"]
        assert dots[i][0] == pytest.approx(scale.at(v), abs=1.5) and dots[i][2] == colour
        low, y, high, of_bar = bars[i]
        assert (low, high) == pytest.approx((scale.at(v - half), scale.at(v + 2 * half)), abs=1.5)
        assert y == dots[i][1] and of_bar == colour
    (rule,) = RULE.findall(drawn)
    assert float(rule) == pytest.approx(scale.at(reference), abs=1.5)
    assert [y for _, y, _ in dots] == sorted(y for _, y, _ in dots), "from the first to the last"
    assert labels(drawn) == [p.label for p in made]


def test_infinite_values_stand_at_the_right_edge_in_their_rows() -> None:
    made = (
        IntervalPoint("a", 1.0, (0.5, 2.0), 0),
        IntervalPoint("b", INF, None, 1, "34 labels at 0"),
        IntervalPoint("b", -INF, None, 2),
        IntervalPoint("d", float("nan"), None, 3),
    )
    drawn = svg(IntervalChart("t", "x", made), 700)
    rows = [y for anchor, x, y, _ in TEXT.findall(drawn) if (anchor, x) == ("end", "-6")]
    texts = [(y, text) for anchor, x, y, text in TEXT.findall(drawn) if anchor == "end" and text[0] in "∞−"]
    assert texts == [(f"{float(rows[1]) + 0.5:g}", "∞  34 labels at 0"), (f"{float(rows[2]) + 0.5:g}", "−∞")]
    assert labels(drawn) == ["a", "b", "b", "d"], "two rows of one name stay two"
    assert len(DOT.findall(drawn)) == 1 and not RULE.findall(drawn)


def test_a_value_without_an_error_is_a_dot_alone() -> None:
    drawn = svg(IntervalChart("t", "x", points((1.0, None), (2.0, (1.5, 2.5)))), 700)
    widths = [float(w) for _, _, w, _, _, stroke in LINE.findall(drawn) if stroke == "3"]
    assert widths[0] == 0 < widths[1]


def test_bars_begin_at_zero_and_end_at_their_shares() -> None:
    bars = (("a", 0.4, 0), ("b", 0.1, 9), ("c", 0.0, None))
    drawn = svg(BarChart("t", "share", bars), 700)
    scale = axis(drawn)
    boxes = [(float(x), float(w), colour) for x, _, w, _, colour in BOX.findall(drawn)]
    assert boxes[0] == (0.0, pytest.approx(scale.at(0.4), abs=1), LIGHT["model-0"])
    assert boxes[1] == (0.0, pytest.approx(scale.at(0.1), abs=1), LIGHT["neutral"])
    assert labels(drawn) == ["a", "b", "c"]


def test_a_histogram_has_a_logarithmic_axis_and_heights_of_counts() -> None:
    bins = ((0.0, 0.01, 5), (0.01, 0.1, 10), (0.1, 1.0, 20), (1.0, 10.0, 0))
    drawn = svg(HistogramChart("t", "x", bins, model=1), 268)
    boxes = [(float(x), float(w), float(h), colour) for x, _, w, h, colour in BOX.findall(drawn)]
    assert {colour for *_, colour in boxes} == {LIGHT["model-1"]}
    heights = [h for _, _, h, _ in boxes]
    assert heights[:3] == pytest.approx([h * heights[2] / 20 for h in (5, 10, 20)], abs=0.1)
    left, width, *_ = zip(*boxes, strict=True)
    assert width[1] == pytest.approx(width[2], abs=0.1), "every power of ten is as wide"
    assert width[0] == pytest.approx(width[1] * np.log10(2), abs=0.1), (
        "what begins at 0 is half a factor wide"
    )
    assert list(left) == pytest.approx(np.cumsum([0, *width[:-1]]), abs=0.1)


def test_a_reliability_diagram_has_its_dots_bands_and_line_in_order() -> None:
    bins = (
        ReliabilityBin(0.5, 1.0, 9, 0.75, 0.5, (0.25, 0.9)),
        ReliabilityBin(0.0, 0.5, 36, 0.25, 0.0, (0.1, 0.4)),
    )
    drawn = svg(ReliabilityChart("t", "x", bins, 3), 268)
    dots = [(float(x) / 190, 1 - float(y) / 190, float(r), colour) for x, y, r, colour in DOT.findall(drawn)]
    assert [d[:2] for d in dots] == [pytest.approx((0.25, 0.0)), pytest.approx((0.75, 0.5))]
    assert {d[3] for d in dots} == {LIGHT["model-3"]} and dots[0][2] > dots[1][2], "more rows, larger dot"
    bands = [
        (float(x) / 190, 1 - float(y) / 190, 1 - (float(y) + float(h)) / 190)
        for x, y, _, h, colour, _ in LINE.findall(drawn)
        if colour == LIGHT["band"]
    ]
    assert bands == [pytest.approx((0.25, 0.1, 0.4)), pytest.approx((0.75, 0.25, 0.9))]
    assert '<path d="M0,190L190,0" stroke="#57606b"' in drawn, "the diagonal of perfect calibration"
    assert f'<path d="M47.5,190L142.5,95" stroke="{LIGHT["model-3"]}"' in drawn


EMPTY: list[Chart] = [
    IntervalChart("t", "x", ()),
    BarChart("t", "x", ()),
    HistogramChart("t", "x", ()),
    ReliabilityChart("t", "x", ()),
]


@pytest.mark.parametrize("chart", EMPTY, ids=lambda c: type(c).__name__)
def test_an_empty_chart_is_drawn_and_described(chart: Chart) -> None:
    assert svg(chart, 300).startswith('<svg role="img"')
    assert describe(chart).endswith("0 values, listed in the table.")


def test_descriptions_count_and_are_safe_in_an_attribute() -> None:
    chart = BarChart('"a" <b>\n&', "share", (("x", 0.5, 0),))
    assert describe(chart) == 'Bar chart: "a" <b> &. Horizontal: share. 1 value, listed in the table.'
    assert 'aria-label="Bar chart: &quot;a&quot; &lt;b&gt; &amp;. Horizontal' in svg(chart, 300)


@pytest.mark.parametrize("label", ["a\tb", "<b>&amp;", "'quoted\\n'", "\x1b[31mred", "🦊 مرحبا", ""])
def test_any_name_is_a_label(label: str) -> None:
    drawn = svg(
        IntervalChart("t", "x", (IntervalPoint(label, 1.0, None), IntervalPoint("z", 2.0, None))), 400
    )
    shown = {"a\tb": "a b", "<b>&amp;": "&lt;b&gt;&amp;amp;", "\x1b[31mred": "�[31mred"}.get(label, label)
    assert labels(drawn) == [text for text in (shown, "z") if text]


@pytest.mark.parametrize(
    ("chart", "sizes"),
    [
        (EMPTY[0], ["wide", "narrow"]),
        (EMPTY[1], ["wide", "narrow"]),
        (EMPTY[2], ["small"]),
        (EMPTY[3], ["small"]),
    ],
    ids=lambda v: type(v).__name__,
)
def test_wide_charts_are_drawn_for_phones_too(chart: Chart, sizes: list[str]) -> None:
    drawn = drawings(chart)
    assert [size for size, _ in drawn] == sizes
    widths = [int(re.findall(r' width="(\d+)"', text)[0]) for _, text in drawn]
    assert widths == sorted(widths, reverse=True) and widths[-1] < 350


# Colours.


def linear(colour: str) -> np.ndarray:  # type: ignore[type-arg]
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """CIE L*a*b* of linear sRGB, white D65."""
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = matrix @ np.clip(rgb, 0, 1) / matrix.sum(axis=1)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# Machado, Oliveira and Fernandes 2009 (doi:10.1109/TVCG.2009.113), severity 1.
VISION = {
    "full": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("vision", list(VISION))
def test_the_first_models_are_told_apart_by_every_eye(theme: dict[str, str], vision: str) -> None:
    """A difference of 10 in L*a*b* is seen at a glance, 2.3 is the least that is seen side by side."""
    seen = [lab(VISION[vision] @ linear(theme[model_colour(i)])) for i in range(MODEL_COLOURS)]
    for i, j in combinations(range(MODEL_COLOURS), 2):
        distance = float(np.linalg.norm(seen[i] - seen[j]))
        assert distance > (10 if j < 4 else 5), (i, j, distance)


def test_the_style_sheet_maps_every_colour_to_its_variable() -> None:
    rules = css()
    assert LIGHT.keys() == DARK.keys()
    root, dark, _ = re.split(r"@media[^{]*\{|\}\}", rules, maxsplit=2)
    for name in LIGHT:
        assert f"--{name}:{LIGHT[name]}" in root and f"--{name}:{DARK[name]}" in dark
        assert f'.chart [fill="{LIGHT[name]}"]{{fill:var(--{name})}}' in rules
        assert f'.chart [stroke="{LIGHT[name]}"]{{stroke:var(--{name})}}' in rules
        assert f".swatch.{name}{{background:var(--{name})}}" in rules
    assert [model_colour(i) for i in (0, 7, 8, None)] == ["model-0", "model-7", "neutral", "neutral"]
    assert f"model-{MODEL_COLOURS}" not in LIGHT and f"model-{MODEL_COLOURS - 1}" in LIGHT
