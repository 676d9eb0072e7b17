"""Tables and charts on terminals, exact values on the page, and what happens without the extras."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from crossent.errors import MissingExtra
from crossent.report import render_html, render_text
from crossent.report.blocks import (
    BarChart,
    Block,
    Cell,
    Column,
    HistogramChart,
    IntervalChart,
    IntervalPoint,
    Table,
    numbers_of,
)
from crossent.report.charts import svg
from crossent.report.html import layout
from crossent.report.registry import build
from crossent.report.text import renderables
from crossent.results import Results

INF = float("inf")
Sample = Callable[[str], Results]


def printed(block: Block, width: int) -> list[str]:
    console = Console(width=width, file=StringIO(), record=True)
    for renderable in renderables(block, console.options):
        console.print(renderable)
    return console.export_text().splitlines()


@settings(max_examples=60)
@given(
    st.integers(1, 12),
    st.integers(1, 4),
    st.lists(st.integers(1, 40), min_size=12, max_size=12),
    st.integers(50, 160),
)
def test_a_table_in_parts_holds_every_cell_and_keeps_to_the_width(
    columns: int, rows: int, sizes: list[int], width: int
) -> None:
    def filled(row: int, column: int) -> str:
        return f"r{row}c{column}e".ljust(sizes[column], "x")

    heads = (Column("key", key=True), *(Column(f"c{j}", "right") for j in range(columns)))
    body = tuple((Cell(f"key{i}"), *(Cell(filled(i, j)) for j in range(columns))) for i in range(rows))
    lines = printed(Table("Some table", heads, body), width)
    assert max(map(cell_len, lines)) <= width
    words = " ".join(lines).split()
    for i in range(rows):
        for j in range(columns):
            assert words.count(filled(i, j)) == 1
    parts = sum("Some table" in line for line in lines)
    assert words.count("key0") == parts, "each part names its rows"


def test_parts_are_about_equally_wide() -> None:
    heads = (Column("k", key=True), *(Column(f"column{j}") for j in range(7)))
    lines = printed(Table("T", heads, ((Cell("a"), *(Cell("1234567890") for _ in range(7))),)), 80)
    assert [line.count("1234567890") for line in lines if "1234567890" in line] == [4, 3]


@settings(max_examples=60)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6, unique=True), st.integers(40, 120))
def test_dots_of_an_interval_plot_stand_in_the_order_of_their_values(values: list[float], width: int) -> None:
    points = tuple(IntervalPoint(f"m{i}", v, (v - 0.5, v + 0.5)) for i, v in enumerate(values))
    lines = printed(IntervalChart("t", "x", points), width)[1 : len(values) + 1]
    places = [line.index("●") for line in lines]
    order = sorted(range(len(values)), key=values.__getitem__)
    assert [places[i] for i in order] == sorted(places)
    for line in lines:
        bar = line[line.index("━") if "━" in line else line.index("●") :].rstrip()
        assert set(bar) <= {"━", "●"}


def test_dots_in_svg_stand_where_their_values_are() -> None:
    points = tuple(IntervalPoint(f"m{v}", float(v), (v - 1.0, v + 1.0), i) for i, v in enumerate((1, 2, 4)))
    drawn = svg(IntervalChart("t", "x", points), 600)
    dots = [float(x) for x in re.findall(r'<path transform="translate\(([\d.]+),[\d.]+\)" d="M4', drawn)]
    assert len(dots) == 3
    assert (dots[2] - dots[1]) / (dots[1] - dots[0]) == pytest.approx(2, abs=0.02)


def test_bars_are_as_long_as_their_shares() -> None:
    lines = printed(BarChart("t", "share", (("a", 0.5, 0), ("b", 0.25, 1), ("c", 0.0, 2))), 100)[1:4]
    lengths = [line.count("█") for line in lines]
    assert lengths[0] == pytest.approx(2 * lengths[1], abs=1) and lengths[2] == 0


def test_a_histogram_shows_every_bin_that_holds_rows_and_says_what_it_leaves_out() -> None:
    chart = HistogramChart("t", "x", ((0.0, 0.1, 1), (0.1, 1.0, 0), (1.0, 10.0, 5000)), infinite=3)
    lines = printed(chart, 80)
    assert lines[1] == "▁ █"
    assert "not drawn: 3 rows with infinite loss" in lines
    assert [row[2].text for row in numbers_of(chart).rows] == ["1", "0", "5,000", "3"]


@pytest.mark.parametrize("name", ["flights", "many_classes"])
def test_exact_values_stand_behind_the_rounded_ones(sample: Sample, name: str) -> None:
    results = sample(name)
    page = render_html(results)
    for model in results.models:
        assert f'value="{model.loss.value!r}"' in page


def test_labels_at_zero_stand_beside_the_infinite_losses(sample: Sample) -> None:
    page = render_html(sample("flights"))
    assert '<data value="inf" title="inf">∞ (830 labels at 0)</data>' in page
    assert "∞  34 labels at 0" in page


def test_a_model_has_one_colour_in_tables_and_charts(sample: Sample) -> None:
    for section in build(sample("many_classes")):
        for _, blocks in layout(section):
            for block in blocks:
                if isinstance(block, Table):
                    named = [c for row in block.rows for c in row if c.model is not None]
                    assert all(c.text == f"model-{'abcdefgh'[c.model or 0]}" for c in named)
                elif isinstance(block, IntervalChart) and section.anchor in ("leaderboard", "differences"):
                    assert all(p.label == f"model-{'abcdefgh'[p.model or 0]}" for p in block.points)


def test_more_models_than_colours(sample: Sample) -> None:
    results = sample("many_classes")
    ninth = replace(results.models[0], name="ninth", rank=9)
    page = render_html(replace(results, models=(*results.models, ninth), comparison=None))
    assert "swatch model-7" in page and "swatch neutral" in page and "model-8" not in page


@pytest.mark.parametrize("absent", ["crossent.report.charts", "jinja2"])
def test_a_page_without_the_extra_says_what_to_install(
    sample: Sample, monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    from crossent.report import html

    html._environment.cache_clear()
    html._template.cache_clear()
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'crossent[report]'")):
        render_html(sample("flights"))


def test_text_needs_neither_charts_nor_templates(sample: Sample) -> None:
    code = "import sys, crossent.report; print(sorted({'altair', 'vl_convert', 'jinja2'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_env()
    )
    assert done.stdout.strip() == "[]"
    console = Console(width=80, file=StringIO())
    render_text(sample("flights"), console, full=True)


def _env() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}


def test_one_statement_opens_the_page(sample: Sample) -> None:
    page = render_html(sample("flights"))
    lead = page.index('<p class="lead">logistic has the lowest log loss')
    assert page.index("<h1>") < lead < page.index('id="leaderboard"')
