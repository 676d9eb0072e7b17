"""HTML and Markdown read back: the same tables, cell by cell, in the same order as the blocks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from crossent.report import render_html, render_markdown
from crossent.report.blocks import (
    BarChart,
    Block,
    Cell,
    Column,
    HistogramChart,
    IntervalChart,
    IntervalPoint,
    ReliabilityChart,
    Section,
    Sentences,
    Table,
    numbers_of,
)
from crossent.report.html import layout, page
from crossent.report.markdown import escape, render_block
from crossent.report.registry import build
from crossent.results import Results
from crossent.statistics.calibration_error import ReliabilityBin
from crossent.wording import clean

Sample = Callable[[str], Results]
NAMES = ("flights", "all_infinite", "token_losses", "nasty_names")
VOID = {"meta", "link", "br", "path", "line", "rect"}


@dataclass
class Node:
    """An element of a page with what stands in it."""

    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)

    def text(self) -> str:
        return "".join(c if isinstance(c, str) else c.text() for c in self.children)

    def all(self, tag: str, marked: str = "") -> Iterator[Node]:
        for child in self.children:
            if isinstance(child, Node):
                if child.tag == tag and marked in (child.attributes.get("class") or ""):
                    yield child
                yield from child.all(tag, marked)


class Tree(HTMLParser):
    """A page as nodes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open = [Node("")]
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        last = self.open[-1].children[-1]
        if tag not in VOID and isinstance(last, Node):
            self.open.append(last)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Node(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def tree(text: str) -> Node:
    return Tree(text).open[0]


def squeezed(text: str) -> str:
    return " ".join(text.split())


def read(node: Node) -> list[list[str]]:
    return [
        [squeezed(c.text()) for c in row.children if isinstance(c, Node) and c.tag in ("td", "th")]
        for row in node.all("tr")
    ]


def as_written(table: Table, empty: str) -> list[list[str]]:
    def cell(c: Cell) -> str:
        # A label of 0 has no element of its own, and a badge is a word beside the text.
        text = f"{clean(c.text) or empty} {clean(c.badge)}" if c.badge else clean(c.text) or empty
        return squeezed(text)

    return [
        [squeezed(clean(c.title)) or empty for c in table.columns],
        *([cell(c) for c in r] for r in table.rows),
    ]


def shown_tables(results: Results) -> Iterator[Table]:
    """Tables of the blocks and those of the charts' numbers."""
    for section in build(results):
        for block in section.blocks:
            if isinstance(block, Table):
                yield block
            elif not isinstance(block, Sentences) and not block.numbers_shown:
                yield numbers_of(block)


@pytest.fixture(scope="module")
def drawn(sample: Sample) -> Callable[[str], Node]:
    """The page of a sample, drawn once."""
    return cache(lambda name: tree(render_html(sample(name))))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_holds_every_table_cell_by_cell(
    sample: Sample, drawn: Callable[[str], Node], name: str
) -> None:
    results = sample(name)
    found = [read(node) for node in drawn(name).all("table")]
    expected = [as_written(t, "(empty)") for t in shown_tables(results)]
    assert found == expected


@pytest.mark.parametrize("name", NAMES)
def test_markdown_holds_every_table_cell_by_cell(sample: Sample, name: str) -> None:
    results = sample(name)
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(render_markdown(results))
    found = [read(node) for node in tree(html).all("table")]
    expected = [as_written(t, "") for t in shown_tables(results)]
    chosen = [[re.sub(r" \(chosen\)$", " chosen", cell) for row in t for cell in row] for t in found]
    assert chosen == [[cell for row in t for cell in row] for t in expected]


def test_exact_numbers_stand_behind_every_cell_of_a_page(
    sample: Sample, drawn: Callable[[str], Node]
) -> None:
    results = sample("flights")
    nodes = list(drawn("flights").all("table"))
    for node, table in zip(nodes, shown_tables(results), strict=True):
        rows = [
            [next(c.all("data"), None) for c in row.children if isinstance(c, Node)] for row in node.all("tr")
        ][1:]
        for row, cells in zip(rows, table.rows, strict=True):
            for data, cell in zip(row, cells, strict=True):
                if cell.exact is None:
                    assert data is None
                else:
                    assert data is not None and float(data.attributes["value"] or "") == cell.exact
                    assert data.attributes["title"] == data.attributes["value"]


def only(block: Block) -> Node:
    section = Section("Some section", "some-section", (block,), "What it answers.")
    return tree(page("T", "K", (section,)))


def test_a_table_on_a_page_says_what_it_is_to_everyone() -> None:
    heads = (Column("Model", key=True, hint="Who."), Column("a title of more than 24 letters", "right"))
    rows = ((Cell("m", model=2, badge="chosen"), Cell("sha", full="sha256:0123", tone="bad")),)
    seen = only(Table("Caption", heads, rows))
    (grid,) = seen.all("div", "scroll")
    assert (grid.attributes["role"], grid.attributes["tabindex"]) == ("group", "0")
    assert grid.attributes["aria-label"] == "Caption" == squeezed(next(seen.all("caption")).text())
    model, title, cell = next(seen.all("table")).all("th")
    assert (model.attributes["scope"], model.attributes["title"]) == ("col", "Who.")
    assert title.attributes["class"] == "right long" and "title" not in title.attributes
    assert (cell.attributes["scope"], cell.attributes["class"]) == ("row", "left plain")
    (swatch,) = cell.all("span", "swatch")
    assert swatch.attributes == {"class": "swatch model-2", "aria-hidden": "true"}
    (digest,) = next(seen.all("table")).all("td")
    assert digest.attributes["class"] == "right bad"
    assert [n.attributes for n in digest.all("span")] == [{"title": "sha256:0123"}]
    assert "short" in (next(seen.all("table")).attributes["class"] or "")
    assert [squeezed(n.text()) for n in seen.all("dl")] == ["ModelWho."]


def test_wide_tables_long_cells_and_folded_tables() -> None:
    heads = tuple(Column(f"c{i}", key=i == 0, hint="h") for i in range(5))
    table = Table("Caption", heads, ((Cell("x" * 33), *(Cell("y" * 32) for _ in range(4))),), folded=True)
    seen = only(table)
    (grid,) = seen.all("table")
    assert "class" not in grid.attributes
    assert [n.attributes["class"] for n in (*grid.all("th", "long"), *grid.all("td", "long"))] == [
        "left plain long"
    ]
    (folded,) = seen.all("details")
    assert squeezed(next(folded.all("summary")).text()) == "Caption 1 row"
    assert list(seen.all("dl")) == []


@pytest.mark.parametrize("shown", [True, False])
def test_numbers_fold_under_a_chart_unless_a_table_holds_them(shown: bool) -> None:
    chart = IntervalChart("Losses", "nats", (IntervalPoint("m", 1.0, (0.5, 1.5), 0),), numbers_shown=shown)
    seen = only(chart)
    assert [squeezed(n.text()) for n in seen.all("figcaption")] == ["Losses"]
    assert [n.attributes["class"] for n in next(seen.all("figure")).all("div")][:2] == ["wide", "narrow"]
    numbers = [squeezed(n.text()) for n in seen.all("summary")]
    assert numbers == ([] if shown else ["Numbers of Losses"])
    printed = "\n".join(render_block(chart))
    assert ("<details><summary>Losses (nats)</summary>" in printed) is not shown


def test_remarks_and_what_is_not_drawn_stand_in_the_caption() -> None:
    diagram = ReliabilityChart("m", "p", (ReliabilityBin(0, 1, 1, 0.5, 0.5, (0, 1)),), 0, "ECE 0.1")
    histogram = HistogramChart("h", "nats", ((0.1, 1.0, 3),), infinite=2)
    assert [squeezed(n.text()) for n in only(diagram).all("span", "remark")] == ["ECE 0.1"]
    assert [squeezed(n.text()) for n in only(histogram).all("span", "remark")] == [
        "not drawn: 2 rows with infinite loss"
    ]
    one = replace(histogram, infinite=1)
    assert next(only(one).all("span", "remark")).text() == "not drawn: 1 row with infinite loss"
    assert list(only(replace(histogram, infinite=0)).all("span", "remark")) == []


@pytest.mark.parametrize(
    ("style", "items", "expected"),
    [
        ("list", ("One.", "Two."), [("li", None), ("li", None)]),
        ("list", ("One.",), [("p", "list")]),
        ("lead", ("One.", "Two."), [("p", "lead"), ("p", "lead")]),
        ("alarm", ("One.",), [("p", "alarm")]),
        ("quiet", ("One.",), [("p", "quiet")]),
    ],
)
def test_sentences_of_a_page(
    style: str, items: tuple[str, ...], expected: list[tuple[str, str | None]]
) -> None:
    section = next(only(Sentences(items, style)).all("section"))  # type: ignore[arg-type]
    lead, *found = [n for n in (*section.all("p"), *section.all("li"))]
    assert lead.text() == "What it answers."
    assert [(n.tag, n.attributes.get("class")) for n in found] == expected
    assert [n.text() for n in found] == list(items)


def test_contents_lead_to_every_section(sample: Sample, drawn: Callable[[str], Node]) -> None:
    results = sample("flights")
    seen = drawn("flights")
    sections = build(results)
    links = [(a.attributes["href"], a.text()) for a in next(seen.all("nav")).all("a")]
    assert links == [(f"#{s.anchor}", s.title) for s in sections]
    found = list(seen.all("section"))
    assert [n.attributes["id"] for n in found] == [s.anchor for s in sections]
    assert [n.attributes["aria-labelledby"] for n in found] == [f"{s.anchor}-title" for s in sections]
    assert [next(n.all("h2")).text() for n in found] == [s.title for s in sections]
    assert next(seen.all("title")).text() == results.title == next(seen.all("h1")).text()
    assert next(seen.all("p", "kind")).text() == "Log loss in nats"


def test_small_charts_that_follow_each_other_stand_together() -> None:
    small = HistogramChart("h", "x", ())
    diagram = ReliabilityChart("r", "x", ())
    chart, table, text = BarChart("b", "x", ()), Table("t", (), ()), Sentences(())
    section = Section("s", "s", (table, small, diagram, text, small, chart, chart))
    assert [(kind, blocks) for kind, blocks in layout(section)] == [
        ("table", [table]),
        ("small", [small, diagram]),
        ("sentences", [text]),
        ("small", [small]),
        ("chart", [chart, chart]),
    ]


# Markdown alone.


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (Sentences(("a", "b*"), "lead"), ["**a**\n\n**b\\***"]),
        (Sentences(("a",), "alarm"), ["**a**"]),
        (Sentences(("a", "b")), ["- a\n- b"]),
        (Sentences(("a", "b"), "quiet"), ["a\n\nb"]),
        (
            Table(
                "C|",
                (Column("k", key=True), Column("", "right")),
                ((Cell("m", tone="strong", badge="x"), Cell("")),),
            ),
            ["**C\\|**", "| k |   |\n| :--- | ---: |\n| **m (x)** |  |"],
        ),
        (
            Table("C", (Column("k"),), ((Cell("", tone="strong"),),), folded=True),
            ["<details><summary>C</summary>\n\n| k |\n| :--- |\n|  |\n\n</details>"],
        ),
    ],
    ids=["lead", "alarm", "list", "quiet", "table", "folded"],
)
def test_blocks_of_markdown(block: Block, expected: list[str]) -> None:
    assert [re.sub("[\u00a0\u2000-\u200a]", " ", part) for part in render_block(block)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# no heading", "\\# no heading"),
        ("#hashtag", "#hashtag"),
        ("- no item", "\\- no item"),
        ("-5", "-5"),
        ("---", "\\---"),
        ("1. no list", "1\\. no list"),
        ("12) no list", "12\\) no list"),
        ("1.5 nats", "1.5 nats"),
        ("snake_case_name", "snake_case_name"),
        ("_emphasis_", "\\_emphasis\\_"),
        ("$x$ ~y~ [z](w) `v`", "\\$x\\$ \\~y\\~ \\[z\\](w) \\`v\\`"),
        ("&lt; <b>", "&amp;lt; &lt;b&gt;"),
        ("a\nb", "a b"),
    ],
)
def test_what_markdown_would_take_for_markup_is_escaped(text: str, expected: str) -> None:
    assert escape(text) == expected


def test_markdown_has_the_sections_as_headings(sample: Sample) -> None:
    results = sample("flights")
    printed = render_markdown(results)
    headings = re.findall(r"^(#+) (.*)$", printed, re.M)
    assert headings == [("#", results.title), *(("##", s.title) for s in build(results))]
    assert printed.endswith("\n") and "\n\n\n" not in printed
    for section in build(results):
        assert not section.lead or f"## {section.title}\n\n{escape(section.lead)}\n\n" in printed
