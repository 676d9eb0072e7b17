"""Charts as static SVG: Altair specifications, drawn by vl-convert without a browser or the network.

Colours are those of the light theme; the page's style sheet maps them to its variables, so one drawing
serves both themes and print. A drawing is one image to assistive technology, named by its title; its numbers
stand in a table beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from html import escape

import altair as alt
import vl_convert

from crossent.report.blocks import (
    BarChart,
    Chart,
    HistogramChart,
    IntervalChart,
    IntervalPoint,
    ReliabilityChart,
    numbers_of,
)
from crossent.report.palette import LIGHT, model_colour
from crossent.wording import clean, things

Rows = Sequence[Mapping[str, object]]
Layers = alt.LayerChart | alt.FacetChart

_LABEL_LIMIT = 170
_ROW_HEIGHT = 26
_PANEL = 190
_CHARACTER = 7.4
"""Width of an average character of a 12 px label, to choose the plot's width from the longest label."""
_WHITE_BOX = re.compile(r'<rect width="[\d.]+" height="[\d.]+" fill="white"/>')
_ARIA = re.compile(r' (?:role|aria-[a-z]+|font-family|class|pointer-events)="[^"]*"')
_TAG = re.compile(r"<[^>]+>")
_HIDDEN = re.compile(r'<path d="" display="none"/>')
_LONG_DECIMAL = re.compile(r"(\d\.\d\d)\d+")


def svg(chart: Chart, width: int) -> str:
    """The chart as an SVG element of about that width in pixels, named and described."""
    match chart:
        case IntervalChart():
            spec, margin = _intervals(chart), _label_width([p.label for p in chart.points])
        case BarChart():
            spec, margin = _bars(chart), _label_width([label for label, _, _ in chart.bars])
        case HistogramChart():
            spec, margin = _histogram(chart), width - _PANEL
        case ReliabilityChart():
            spec, margin = _reliability(chart), width - _PANEL
    drawn = spec.properties(width=max(width - margin, 120), config=_config())
    return _finish(vl_convert.vegalite_to_svg(drawn.to_dict()), describe(chart))


def describe(chart: Chart) -> str:
    """The chart in words: its title and what it shows of how much."""
    rows = len(numbers_of(chart).rows)
    kind = {
        IntervalChart: "Interval plot",
        BarChart: "Bar chart",
        HistogramChart: "Histogram",
        ReliabilityChart: "Reliability diagram",
    }[type(chart)]
    shown = things(rows, "value")
    return clean(f"{kind}: {chart.title}. Horizontal: {chart.axis}. {shown}, listed in the table.")


def _intervals(chart: IntervalChart) -> Layers:
    finite = [_interval_row(i, p) for i, p in enumerate(chart.points) if math.isfinite(p.value)]
    infinite = [
        {"label": _keyed(i, p.label), "text": f"∞  {p.remark}".strip() if p.value > 0 else f"−∞  {p.remark}"}
        for i, p in enumerate(chart.points)
        if math.isinf(p.value)
    ]
    order = [_keyed(i, p.label) for i, p in enumerate(chart.points)]
    y = alt.Y("label:N", sort=order, title=None, axis=_label_axis(order), scale=alt.Scale(domain=order))
    scale = alt.Scale(zero=False, nice=True)
    x = alt.X("value:Q", title=clean(chart.axis), scale=scale, axis=alt.Axis(tickCount=6))
    base = alt.Chart(_data(finite)).encode(y=y)
    bars = base.mark_rule(strokeWidth=3, strokeCap="round").encode(
        x=alt.X("low:Q", scale=scale, title=clean(chart.axis)), x2="high:Q", color=_own_colour()
    )
    dots = base.mark_point(filled=True, size=75, opacity=1).encode(x=x, color=_own_colour())
    layers: list[alt.Chart] = [bars, dots]
    if chart.reference is not None:
        line = alt.Chart(_data([{"at": chart.reference}]))
        rule = line.mark_rule(color=LIGHT["soft"], strokeDash=[4, 3])
        layers.insert(0, rule.encode(x=alt.X("at:Q", scale=scale)))
    if infinite:
        marks = alt.Chart(_data(infinite)).mark_text(align="right", color=LIGHT["ink"], fontSize=12)
        layers.append(marks.encode(y=y, x=alt.value("width"), text="text:N"))
    return alt.layer(*layers).properties(height=_ROW_HEIGHT * max(len(order), 1))


def _interval_row(i: int, p: IntervalPoint) -> dict[str, object]:
    low, high = p.ends or (p.value, p.value)
    colour = LIGHT[model_colour(p.model)]
    return {"label": _keyed(i, p.label), "value": p.value, "low": low, "high": high, "colour": colour}


def _bars(chart: BarChart) -> Layers:
    rows = [
        {"label": _keyed(i, label), "share": share, "colour": LIGHT[model_colour(model)]}
        for i, (label, share, model) in enumerate(chart.bars)
    ]
    order = [_keyed(i, label) for i, (label, _, _) in enumerate(chart.bars)]
    base = alt.Chart(_data(rows)).encode(
        y=alt.Y("label:N", sort=order, title=None, axis=_label_axis(order)),
        x=alt.X("share:Q", title=clean(chart.axis), axis=alt.Axis(format="%", tickCount=6)),
    )
    bars = base.mark_bar(height=12).encode(color=_own_colour())
    return alt.layer(bars).properties(height=_ROW_HEIGHT * len(rows))


def _histogram(chart: HistogramChart) -> Layers:
    return _log_histogram(chart) if chart.logarithmic else _linear_histogram(chart)


def _linear_histogram(chart: HistogramChart) -> Layers:
    rows = [{"low": low, "high": high, "rows": n, "zero": 0} for low, high, n in chart.bins]
    ends = [chart.bins[0][0], chart.bins[-1][1]]
    x = alt.X("low:Q", title=clean(chart.axis), scale=alt.Scale(domain=ends), axis=alt.Axis(tickCount=5))
    y = alt.Y("rows:Q", title="rows", axis=alt.Axis(tickCount=4, format="~s"))
    bars = alt.Chart(_data(rows)).mark_rect(
        color=LIGHT[model_colour(chart.model)], stroke=LIGHT["page"], strokeWidth=0.5
    )
    layers: list[alt.Chart] = [bars.encode(x=x, x2="high:Q", y=y, y2="zero:Q")]
    if chart.expected is not None:
        low, middle, high = chart.expected
        held = alt.Chart(_data([{"low": low, "middle": middle, "high": high}]))
        band = held.mark_rect(color=LIGHT["band"]).encode(y=alt.Y("low:Q", title="rows"), y2="high:Q")
        edges = [
            held.mark_rule(color=LIGHT["ink"], strokeWidth=0.5).encode(y=f"{end}:Q")
            for end in ("low", "high")
        ]
        line = held.mark_rule(color=LIGHT["ink"], strokeDash=[4, 3]).encode(y="middle:Q")
        layers = [band, *layers, *edges, line]
    return alt.layer(*layers).properties(height=130)


def _log_histogram(chart: HistogramChart) -> Layers:
    positive = [(low, high, n) for low, high, n in chart.bins if high > 0]
    smallest = min((low for low, _, _ in positive if low > 0), default=1e-6)
    rows = [{"low": max(low, smallest / 2), "high": high, "rows": n, "zero": 0} for low, high, n in positive]
    colour = LIGHT[model_colour(chart.model)]
    x = alt.X("low:Q", title=clean(chart.axis), scale=alt.Scale(type="log", nice=False), axis=_log_axis())
    bars = alt.Chart(_data(rows)).mark_rect(color=colour, stroke=LIGHT["page"], strokeWidth=0.5)
    y = alt.Y("rows:Q", title="rows", axis=alt.Axis(tickCount=4, format="~s"))
    return alt.layer(bars.encode(x=x, x2="high:Q", y=y, y2="zero:Q")).properties(height=130)


def _reliability(chart: ReliabilityChart) -> Layers:
    rows = [
        {"x": b.confidence, "y": b.frequency, "low": b.band[0], "high": b.band[1], "weight": b.weight}
        for b in sorted(chart.bins, key=lambda b: b.confidence)
    ]
    colour = LIGHT[model_colour(chart.model)]
    unit = alt.Scale(domain=[0, 1])
    ticks = alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1], format="~g", labelOverlap=False)
    x = alt.X("x:Q", scale=unit, title=clean(chart.axis), axis=ticks)
    y = alt.Y("y:Q", scale=unit, title="observed frequency", axis=ticks)
    data = alt.Chart(_data(rows))
    diagonal = alt.Chart(_data([{"x": 0, "y": 0}, {"x": 1, "y": 1}])).mark_line(
        color=LIGHT["soft"], strokeWidth=1, strokeDash=[4, 3]
    )
    band = data.mark_rule(color=LIGHT["band"], strokeWidth=9, opacity=1)
    dots = data.mark_point(filled=True, color=colour, opacity=1).encode(
        x=x, y=y, size=alt.Size("weight:Q", scale=alt.Scale(range=[14, 130]), legend=None)
    )
    line = data.mark_line(color=colour, strokeWidth=1.5).encode(x=x, y=y)
    layers = (band.encode(x=x, y=alt.Y("low:Q", scale=unit, title="observed frequency"), y2="high:Q"),)
    return alt.layer(*layers, diagonal.encode(x=x, y=y), line, dots).properties(height=_PANEL)


def _data(rows: Rows) -> alt.InlineData:
    return alt.InlineData(values=[dict(row) for row in rows])


def _own_colour() -> alt.Color:
    return alt.Color("colour:N", scale=None, legend=None)


def _keyed(index: int, label: str) -> str:
    """Labels carry their place, so that two equal ones stay two rows; the axis shows what follows it."""
    return f"{index}\t{clean(label)}"


def _label_axis(keyed: Sequence[str]) -> alt.Axis:
    room = _label_width([label.partition("\t")[2] for label in keyed])
    return alt.Axis(
        labelExpr="split(datum.value, '\\t')[1]",
        labelLimit=_LABEL_LIMIT,
        labelPadding=6,
        minExtent=room,
        grid=False,
        ticks=False,
        domain=False,
    )


def _log_axis() -> alt.Axis:
    return alt.Axis(format="~g", tickCount=4, labelOverlap="greedy", grid=False)


def _label_width(labels: Sequence[str]) -> int:
    longest = max((len(clean(label)) for label in labels), default=0)
    return min(int(longest * _CHARACTER), _LABEL_LIMIT) + 8


def _config() -> alt.Config:
    axis = {
        "gridColor": LIGHT["line"],
        "domainColor": LIGHT["soft"],
        "tickColor": LIGHT["soft"],
        "labelColor": LIGHT["ink"],
        "titleColor": LIGHT["soft"],
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    }
    return alt.Config(axis=axis, view=alt.ViewConfig(stroke=None), background="white", font="sans-serif")


def _finish(drawn: str, description: str) -> str:
    """One image with a name: no white box, no inner roles, no digits beyond a hundredth of a pixel."""
    body = _HIDDEN.sub("", _TAG.sub(_lighter, _WHITE_BOX.sub("", drawn, count=1)))
    name = escape(description, quote=True)
    return body.replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)


def _lighter(tag: re.Match[str]) -> str:
    return _LONG_DECIMAL.sub(r"\1", _ARIA.sub("", tag[0]))
