"""The report on a terminal: every width, every script, every chart to the character."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from crossent.report import render_text
from crossent.report.blocks import (
    BarChart,
    Block,
    Cell,
    Column,
    HistogramChart,
    IntervalChart,
    IntervalPoint,
    ReliabilityChart,
    Sentences,
    Table,
)
from crossent.report.registry import build
from crossent.report.text import renderables
from crossent.results import Results
from crossent.statistics.calibration_error import ReliabilityBin

INF = float("inf")
Sample = Callable[[str], Results]


class Ascii(StringIO):
    """A terminal that knows no other character."""

    encoding = "ascii"


def printed(block: Block, width: int = 80, *, ascii_only: bool = False) -> list[str]:
    file = Ascii() if ascii_only else StringIO()
    console = Console(width=width, file=file)
    for renderable in renderables(block, console.options):
        console.print(renderable)
    return file.getvalue().splitlines()


def coloured(block: Block) -> str:
    file = StringIO()
    console = Console(width=80, file=file, force_terminal=True, color_system="standard")
    for renderable in renderables(block, console.options):
        console.print(renderable)
    return file.getvalue()


def report(results: Results, width: int, full: bool | None = None) -> str:
    file = StringIO()
    render_text(results, Console(width=width, file=file), full=full)
    return file.getvalue()


def table(*rows: tuple[str, ...], keys: int = 1) -> Table:
    heads = tuple(Column(f"h{i}", key=i < keys) for i in range(len(rows[0])))
    return Table("Caption", heads, tuple(tuple(Cell(text) for text in row) for row in rows))


# Tables.


def test_a_table_to_the_character() -> None:
    heads = (Column("Model", key=True), Column("Loss", "right"), Column("Verdict"))
    rows = (
        (Cell("a", badge="chosen"), Cell("0.5"), Cell("best")),
        (Cell("longer"), Cell("12.25"), Cell("not told apart")),
    )
    assert [line.rstrip() for line in printed(Table("Losses", heads, rows))] == [
        "Losses",
        "Model        Loss  Verdict",
        "a (chosen)    0.5  best",
        "longer      12.25  not told apart",
        "",
    ]


def test_parts_of_a_table_repeat_its_keys_and_say_so() -> None:
    wide = table(("first", "second", *("x" * 20,) * 4), keys=2)
    lines = [line.rstrip() for line in printed(wide, 60)]
    assert [line for line in lines if "Caption" in line] == ["Caption", "Caption (continued)"]
    assert [line.split()[:2] for line in lines if "xxx" in line] == [["first", "second"]] * 2
    assert [line.split() for line in lines if line.startswith("h")] == [
        ["h0", "h1", "h2", "h3"],
        ["h0", "h1", "h4", "h5"],
    ]


def test_a_table_that_just_fits_is_not_parted() -> None:
    """Columns of 3, 20 and 20 with gaps of 2: 47 are enough, 46 are not."""
    block = table(("key", "x" * 20, "y" * 20))
    assert sum("Caption" in line for line in printed(block, 47)) == 1
    assert sum("Caption" in line for line in printed(block, 46)) == 2


@pytest.mark.parametrize("columns", [1, 2])
def test_a_table_of_keys_alone_is_printed_once(columns: int) -> None:
    block = table(("a", "b")[:columns], keys=columns)
    lines = printed(block)
    assert sum("Caption" in line for line in lines) == 1 and lines[2].split() == ["a", "b"][:columns]


def test_long_texts_fold_and_long_keys_fold_earlier() -> None:
    lines = printed(table(("k" * 60, "v" * 60)), 100)
    assert max(line.count("k") for line in lines) == 28
    assert max(line.count("v") for line in lines) == 44
    assert sum(line.count("k") for line in lines) == sum(line.count("v") for line in lines) == 60


def test_a_column_is_as_wide_as_the_longest_word_of_its_title() -> None:
    heads = (Column("k", key=True), Column("expected if calibrated", "right"))
    lines = [line.rstrip() for line in printed(Table("T", heads, ((Cell("a"), Cell("1")),)))]
    assert lines[1:5] == ["     expected", "           if", "k  calibrated", "a           1"]


@settings(max_examples=50)
@given(
    st.lists(
        st.text(st.characters(categories=["Lo", "Ll", "So", "Mn"]), max_size=30), min_size=2, max_size=6
    ),
    st.integers(30, 90),
)
def test_no_script_makes_a_line_too_wide(texts: list[str], width: int) -> None:
    """Wide, narrow and combining characters; the name column is a key."""
    for line in printed(table(tuple(texts), tuple(reversed(texts))), width):
        assert cell_len(line) <= width


@pytest.mark.parametrize("tone", ["plain", "strong", "quiet", "good", "bad"])
def test_tones_are_styles_and_names_are_no_markup(tone: str) -> None:
    shown = coloured(Table("T", (Column("k", key=True),), ((Cell("[red]x[/red]", tone=tone),),)))  # type: ignore[arg-type]
    codes = {"plain": "", "strong": "\x1b[1m", "quiet": "\x1b[2m", "good": "\x1b[32m", "bad": "\x1b[31m"}
    assert f"{codes[tone]}[red]x[/red]" in shown


# Sentences.


@pytest.mark.parametrize(
    ("style", "code"), [("lead", "\x1b[1m"), ("list", ""), ("quiet", "\x1b[2m"), ("alarm", "\x1b[1;31m")]
)
def test_styles_of_sentences(style: str, code: str) -> None:
    block = Sentences(("One [b] & two.",), style)  # type: ignore[arg-type]
    assert f"{code}One [b] & two." in coloured(block)
    assert printed(block) == [("• " if style == "list" else "") + "One [b] & two.", ""]


def test_items_hang_under_their_bullets() -> None:
    lines = [line.rstrip() for line in printed(Sentences(("word " * 8, "second")), 25)]
    assert lines == ["• word word word word", "  word word word word", "• second", ""]


# Charts.


def points(*values: tuple[float, float, float]) -> tuple[IntervalPoint, ...]:
    return tuple(IntervalPoint(f"m{i}", v, (low, high)) for i, (v, low, high) in enumerate(values))


def test_an_interval_plot_to_the_character() -> None:
    chart = IntervalChart("Title", "nats", points((2, 1, 3), (9, 8, 10), (5, 0, 10)), reference=4.0)
    assert printed(chart, 25) == [
        "Title",
        "m0    ━━●━━ │            ",
        "m1          │       ━━●━━",
        "m2  ━━━━━━━━━━●━━━━━━━━━━",
        "    0.0        10.00 nats",
        "",
    ]


def test_points_without_errors_and_without_numbers() -> None:
    chart = IntervalChart(
        "Title",
        "nats",
        (
            IntervalPoint("a", 1.0, None),
            IntervalPoint("longer", 3.0, None),
            IntervalPoint("c", INF, None, remark="2 labels at 0"),
            IntervalPoint("d", -INF, None),
            IntervalPoint("e", float("nan"), None),
        ),
    )
    assert printed(chart, 33) == [
        "Title",
        "a       ●                        ",
        "longer                          ●",
        "c               ∞ (2 labels at 0)",
        "d                              −∞",
        "e                               –",
        "        1.000          3.000 nats",
        "",
    ]


def test_one_value_alone_and_equal_values_are_drawn() -> None:
    for values in ([(2.0, 2.0, 2.0)], [(2.0, 2.0, 2.0)] * 3):
        lines = printed(IntervalChart("T", "x", points(*values)), 40)
        assert all(line.count("●") == 1 for line in lines[1 : 1 + len(values)])
        assert "2.000" in lines[-2]


def test_a_reference_far_away_is_on_the_axis() -> None:
    lines = printed(IntervalChart("T", "x", points((5, 4, 6)), reference=0.0), 44)
    assert lines[1].index("│") < lines[1].index("━") and lines[1].rstrip().endswith("━")
    assert lines[2].split() == ["0.0", "6.000", "x"]


def test_long_labels_are_cut_at_a_third_of_the_line() -> None:
    chart = IntervalChart("T", "x", (IntervalPoint("long " * 20, 1.0, None), IntervalPoint("b", 2.0, None)))
    lines = printed(chart, 60)
    label = lines[1].partition("●")[0].rstrip()
    assert label.endswith("…") and cell_len(label) == 20
    assert max(map(cell_len, lines)) <= 60


def test_bars_and_their_shares() -> None:
    lines = printed(BarChart("T", "share", (("a", 0.5, 0), ("bb", 0.25, 1), ("c", 0.0, 2))), 34)
    assert lines == [
        "T",
        f"a     50.0 %  {'█' * 20}",
        f"bb    25.0 %  {'█' * 10}",
        "c      0.0 %  ",
        "",
    ]
    assert printed(BarChart("T", "share", (("none", 0.0, 0),)))[1].split() == ["none", "0.0", "%"]


def test_wide_terminals_do_not_stretch_charts() -> None:
    bars = BarChart("T", "share", (("a", 1.0, 0),))
    assert printed(bars, 100) == printed(bars, 300)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40))
def test_a_histogram_keeps_the_order_and_hides_nothing(rows: list[int]) -> None:
    bins = tuple((10.0**i, 10.0 ** (i + 1), n) for i, n in enumerate(rows))
    drawn = printed(HistogramChart("T", "x", bins), 120)[1].ljust(len(rows))
    heights = [" ▁▂▃▄▅▆▇█".index(c) for c in drawn]
    assert [h > 0 for h in heights] == [n > 0 for n in rows]
    for (a, h), (b, k) in zip(
        zip(rows, heights, strict=True), zip(rows[1:], heights[1:], strict=True), strict=False
    ):
        assert (h <= k) if a <= b else (h >= k)
    assert not any(rows) or max(heights) == 8


@pytest.mark.parametrize(
    ("bins", "infinite", "expected"),
    [
        ((), 0, [""]),
        ((), 1, ["", "not drawn: 1 row with infinite loss"]),
        (((0.001, 0.5, 1), (0.5, 2.0, 2)), 0, ["▄█", "0.001000 to 2.000 nats, logarithmic"]),
    ],
    ids=["empty", "only infinite", "two bins"],
)
def test_histograms_in_words(
    bins: tuple[tuple[float, float, int], ...], infinite: int, expected: list[str]
) -> None:
    assert printed(HistogramChart("T", "nats", bins, infinite)) == ["T", *expected, ""]


def test_a_reliability_diagram_is_a_table_on_a_terminal() -> None:
    bins = (ReliabilityBin(0.0, 0.5, 7, 0.25, 0.5, (0.125, 0.375)),)
    chart = ReliabilityChart("m", "probability of rain", bins, remark="ECE 0.250")
    lines = [line.rstrip() for line in printed(chart, 100)]
    assert lines[:2] == ["m: probability of rain (ECE 0.250)", "m: numbers"]
    assert lines[2:] == [
        "bin         weight  predicted        observed   expected 95 %",
        "0 to 0.500       7      0.250  0.500 (+0.250)  0.125 to 0.375",
        "",
    ]
    assert printed(replace(chart, remark=""))[0].rstrip() == "m"


# The whole report.


def test_brief_reports_have_no_headings_charts_or_folded_tables(sample: Sample) -> None:
    brief, full = (report(sample("flights"), 120, full) for full in (False, True))
    lines = brief.splitlines()
    assert lines[0].startswith("Late arrivals, New York City") and sum("──" in line for line in lines) == 1
    assert "●" not in brief and "The same on other scales" not in brief
    assert "●" in full and "The same on other scales" in full
    for section in build(sample("flights")):
        assert f"{section.title} ──" in full
        assert " ".join(section.lead.split()) in " ".join(full.split())
    assert len(lines) < 40 < len(full.splitlines()) / 3


@pytest.mark.parametrize("width", [34, 60, 200])
@pytest.mark.parametrize("name", ["flights", "many_classes", "nasty_names", "token_losses"])
def test_a_full_report_keeps_to_any_width(sample: Sample, name: str, width: int) -> None:
    lines = report(sample(name), width, full=True).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert not any(ord(c) < 32 or 0x202A <= ord(c) <= 0x202E for line in lines for c in line)


def test_ascii_has_a_word_for_every_character_the_report_draws(sample: Sample) -> None:
    """A question mark would stand where one is missing."""
    for name in ("flights", "single", "many_classes", "token_losses", "all_infinite"):
        file = Ascii()
        render_text(sample(name), Console(width=100, file=file), full=True)
        shown = file.getvalue().replace("frequencies of finitely many", "")
        assert "?" not in shown, [line for line in shown.splitlines() if "?" in line][:3]
    marked = printed(IntervalChart("Δ", "x", points((2, 1, 3)), reference=0.0), 30, ascii_only=True)
    assert marked[0] == "diff" and set(marked[1]) == set("m0 |-o")
    assert printed(BarChart("t", "x", (("é", 1.0, 0),)), 30, ascii_only=True)[1].startswith("?")
