"""One self-contained page: no script, no request, light and dark, readable on paper and on a phone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING

from crossent.errors import MissingExtra
from crossent.report.blocks import (
    BarChart,
    Block,
    Cell,
    HistogramChart,
    IntervalChart,
    ReliabilityChart,
    Section,
    Sentences,
    Table,
    numbers_of,
)
from crossent.report.palette import css, model_colour
from crossent.report.registry import build
from crossent.results import Results
from crossent.wording import clean, things

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_WIDE, _NARROW, _SMALL = 880, 330, 268
"""Widths in pixels of the drawings: beside a contents list, on a phone, and side by side."""


def render_html(results: Results) -> str:
    """The report as one HTML page without script or links to elsewhere.

    Raises MissingExtra when jinja2, altair or vl-convert-python are not installed.
    """
    return page(results.title, f"{results.loss_title}{results.in_unit}", build(results))


def page(title: str, kind: str, sections: tuple[Section, ...]) -> str:
    """Sections as a page under a title and a line that says what kind of report it is."""
    style = css() + _resource("style.css")
    return _template().render(title=title, kind=kind, sections=sections, css=style)


@cache
def _environment() -> Environment:
    try:
        import jinja2
    except ImportError as missing:
        raise MissingExtra("report", "the HTML page") from missing
    environment = jinja2.Environment(
        autoescape=True,
        finalize=lambda value: clean(value) if type(value) is str else value,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"exact": exact, "colour": model_colour}
    environment.globals |= {
        "layout": layout,
        "numbers_of": numbers_of,
        "drawings": drawings,
        "things": things,
    }
    return environment


@cache
def _template() -> Template:
    return _environment().from_string(_resource("page.html.j2"))


def _resource(name: str) -> str:
    return resources.files("crossent.report").joinpath("templates", name).read_text(encoding="utf-8")


def exact(cell: Cell) -> str:
    """A cell's number to the last digit, as in the JSON document.

    >>> exact(Cell("0.503", 0.5028377706924665)), exact(Cell("∞", float("inf")))
    ('0.5028377706924665', 'inf')
    """
    if cell.exact is None or math.isnan(cell.exact):
        return ""
    return repr(cell.exact)


def _kind(block: Block) -> str:
    match block:
        case Table():
            return "table"
        case Sentences():
            return "sentences"
        case IntervalChart() | BarChart():
            return "chart"
        case ReliabilityChart() | HistogramChart():
            return "small"


def layout(section: Section) -> Iterator[tuple[str, list[Block]]]:
    """Blocks in order, small charts that follow each other together."""
    for kind, blocks in groupby(section.blocks, _kind):
        yield kind, list(blocks)


def drawings(chart: IntervalChart | BarChart | HistogramChart | ReliabilityChart) -> list[tuple[str, str]]:
    """(CSS class, SVG): one drawing for any width, or one for wide and one for narrow windows."""
    try:
        from crossent.report.charts import svg
    except ImportError as missing:
        raise MissingExtra("report", "the HTML page") from missing
    if isinstance(chart, HistogramChart | ReliabilityChart):
        return [("small", svg(chart, _SMALL))]
    return [("wide", svg(chart, _WIDE)), ("narrow", svg(chart, _NARROW))]
