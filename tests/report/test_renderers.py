"""Every renderer prints every kind of block, and no name breaks a format."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from io import StringIO
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len
from rich.console import Console

from crossent.report import blocks, render_html, render_markdown, render_text
from crossent.report.blocks import Block, Cell, Column, Section, Sentences, Table
from crossent.report.charts import describe, svg
from crossent.report.html import page
from crossent.report.markdown import escape, render_block
from crossent.report.palette import DARK, LIGHT
from crossent.report.text import renderables
from crossent.results import Results
from crossent.statistics.calibration_error import ReliabilityBin
from crossent.wording import clean

INF = float("inf")
VOID = {"meta", "link", "br", "path", "line", "rect"}
Sample = Callable[[str], Results]

BLOCKS: dict[type, tuple[Block, tuple[str, ...]]] = {
    Table: (
        Table(
            "A caption", (Column("key", key=True), Column("n", "right")), ((Cell("row"), Cell("7", 7.25)),)
        ),
        ("row", "7"),
    ),
    Sentences: (Sentences(("First sentence.", "Second sentence.")), ("First sentence.", "Second sentence.")),
    blocks.IntervalChart: (
        blocks.IntervalChart(
            "Intervals",
            "nats",
            (
                blocks.IntervalPoint("alpha", 0.5, (0.25, 0.75), 0),
                blocks.IntervalPoint("beta", 0.6, None, 1),
                blocks.IntervalPoint("gamma", INF, None, 2, "34 labels at 0"),
            ),
            reference=0.25,
        ),
        ("Intervals", "alpha", "beta", "gamma", "34 labels at 0"),
    ),
    blocks.BarChart: (
        blocks.BarChart("Shares", "share", (("alpha", 0.125, 0), ("beta", 0.5, None))),
        ("Shares", "alpha", "12.5 %", "50.0 %"),
    ),
    blocks.HistogramChart: (
        blocks.HistogramChart("Losses", "nats", ((0.0, 0.01, 3), (0.01, 0.1, 40), (0.1, 1.0, 7)), infinite=2),
        ("Losses", "nats"),
    ),
    blocks.ReliabilityChart: (
        blocks.ReliabilityChart(
            "Diagram",
            "probability",
            (
                ReliabilityBin(0.0, 0.5, 10, 0.25, 0.3, (0.2, 0.4)),
                ReliabilityBin(0.5, 1, 20, 0.75, 0.7, (0.6, 0.8)),
            ),
        ),
        ("Diagram", "0.300", "0.700"),
    ),
}


def as_html(block: Block) -> str:
    return re.sub(r"\s+", " ", page("Title", "Kind", (Section("S", "s", (block,)),)))


def as_markdown(block: Block) -> str:
    return "\n\n".join(render_block(block))


def as_text(block: Block) -> str:
    console = Console(width=100, file=StringIO(), record=True)
    for renderable in renderables(block, console.options):
        console.print(renderable)
    return console.export_text()


def test_every_kind_of_block_has_an_example() -> None:
    kinds = {kind for part in get_args(Block) for kind in (get_args(part) or (part,))}
    assert kinds == set(BLOCKS)


@pytest.mark.parametrize("render", [as_html, as_markdown, as_text])
@pytest.mark.parametrize("kind", list(BLOCKS), ids=lambda k: k.__name__)
def test_every_renderer_prints_every_kind_of_block(render: Callable[[Block], str], kind: type) -> None:
    block, expected = BLOCKS[kind]
    printed = render(block)
    assert [e for e in expected if e not in printed] == []


@pytest.mark.parametrize("kind", [k for k in BLOCKS if k not in (Table, Sentences)], ids=lambda k: k.__name__)
def test_a_drawing_is_one_named_image_in_the_palettes_colours(kind: type) -> None:
    chart = BLOCKS[kind][0]
    assert not isinstance(chart, Table | Sentences)
    drawn = svg(chart, 300)
    assert drawn.count('role="img"') == 1 and f'aria-label="{describe(chart)}"' in drawn
    colours = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]+|[a-z]+)"', drawn)) - {"none"}
    assert colours <= set(LIGHT.values())
    assert not re.search(r"<script|<image|url\(|href=", drawn)


def test_charts_hold_no_empty_ends() -> None:
    lone = blocks.IntervalChart("t", "x", (blocks.IntervalPoint("only", INF, None),), reference=0.0)
    for printed in (as_html(lone), as_markdown(lone), as_text(lone)):
        assert "only" in printed and "∞" in printed


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_stand_out_from_the_page(theme: dict[str, str]) -> None:
    """WCAG 2.2, 1.4.3 and 1.4.11: 4.5:1 for text, 3:1 for marks."""
    page_colour = luminance(theme["page"])
    for name in (n for n in theme if n not in ("page", "line", "band")):
        high, low = sorted((luminance(theme[name]), page_colour), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= (4.5 if name in ("ink", "soft") else 3), name
    assert len(set(theme.values())) == len(theme)


class Reader(HTMLParser):
    """What a browser would see: tags, identifiers, links and text; fails on an unbalanced page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [v or "" for k, v in attrs if k in ("href", "src", "xlink:href")]
        assert not [k for k in found if k.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_page_is_balanced_self_contained_and_has_one_heading(results: Results) -> None:
    printed = render_html(results)
    seen = Reader(printed)
    assert seen.tags.count("h1") == 1 and seen.tags.count("main") == 1
    assert "script" not in seen.tags
    assert len(seen.ids) == len(set(seen.ids))
    assert all(link == "data:," or (link[0] == "#" and link[1:] in seen.ids) for link in seen.links)
    assert seen.tags.count("svg") >= 1 or len(results.models) == 1
    assert len(printed.encode()) < 1_500_000
    for statement in results.statements:
        assert clean(statement) in "".join(seen.text)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_names_come_through_every_format(sample: Sample, nasty: tuple[str, ...]) -> None:
    results = sample("nasty_names")
    html = "".join(Reader(render_html(results)).text)
    markdown = MarkdownIt("commonmark").enable("table").render(render_markdown(results))
    console = Console(width=90, file=StringIO(), record=True, force_terminal=True)
    render_text(results, console, full=True)
    text = console.export_text()
    for name in nasty:
        assert clean(name) in html
        assert clean(name) in "".join(Reader(markdown).text)
        assert squeezed(clean(name)) in squeezed(text)
    assert "<script" not in markdown
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", text)


@settings(max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_markdown_prints_any_text_as_it_is(text: str) -> None:
    table = MarkdownIt("commonmark").enable("table").render(f"| {escape(text)} | x |\n| --- | --- |\n")
    cells = re.findall(r"<th>(.*?)</th>", table, re.S)
    assert len(cells) == 2
    assert "".join(Reader(cells[0]).text).strip() == clean(text).strip()


@settings(max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_markdown_lists_any_text_as_one_item(text: str) -> None:
    rendered = MarkdownIt("commonmark").enable("table").render(as_markdown(Sentences((text,))))
    assert set(Reader(rendered).tags) <= {"ul", "li", "p"}


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_text_keeps_to_the_terminal_and_drops_nothing(sample: Sample, width: int) -> None:
    results = sample("flights")
    console = Console(width=width, file=StringIO(), record=True)
    render_text(results, console)
    text = console.export_text()
    assert max(map(cell_len, text.splitlines())) <= width
    for shown in (
        "+0.0045 ± 0.0074",
        "0.475 to 0.530",
        "77.64 %",
        "not told apart",
        "< 0.001",
        "∞ (830 labels at 0)",
    ):
        assert shown in text
    assert text.index("lowest log loss") < text.index("0.475 to 0.530") < text.index("[clustered-se]")


def test_several_models_are_brief_and_one_is_full(sample: Sample) -> None:
    def printed(name: str, full: bool | None) -> str:
        console = Console(width=100, file=StringIO(), record=True)
        render_text(sample(name), console, full=full)
        return console.export_text()

    assert "Zeros and floors" not in printed("flights", None)
    assert "Zeros and floors" in printed("flights", True)
    assert "Zeros and floors" in printed("single", None)


def test_a_terminal_without_unicode_is_not_broken(results: Results) -> None:
    class Ascii(StringIO):
        encoding = "ascii"

    file = Ascii()
    render_text(results, Console(width=90, file=file), full=True)
    assert [c for c in file.getvalue() if not c.isascii()] == []
    assert "+/-" in file.getvalue()
