"""What the sections say about each sample, and how a section is added."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from crossent.errors import UsageError
from crossent.report import render_html, render_markdown, render_text, section
from crossent.report.blocks import (
    Cell,
    IntervalChart,
    ReliabilityChart,
    Section,
    Sentences,
    Table,
    numbers_of,
)
from crossent.report.registry import build, entries, unregister
from crossent.results import Results

Sample = Callable[[str], Results]
EVERYTHING = [
    "verdict",
    "leaderboard",
    "differences",
    "confidence-set",
    "calibration",
    "classes",
    "groups",
    "floors",
    "tails",
    "data",
    "notes",
]


def sections(results: Results) -> dict[str, Section]:
    return {s.anchor: s for s in build(results)}


def tables(section: Section) -> dict[str, Table]:
    return {b.caption: b for b in section.blocks if isinstance(b, Table)}


def column(table: Table, title: str) -> list[Cell]:
    place = [c.title for c in table.columns].index(title)
    return [row[place] for row in table.rows]


@pytest.mark.parametrize(
    ("name", "silent"),
    [
        ("flights", []),
        ("many_classes", []),
        ("single", ["differences", "confidence-set", "notes"]),
        ("all_infinite", ["confidence-set"]),
        ("token_losses", ["calibration", "classes", "groups", "tails", "notes"]),
    ],
)
def test_a_section_without_anything_to_say_is_left_out(sample: Sample, name: str, silent: list[str]) -> None:
    assert list(sections(sample(name))) == [a for a in EVERYTHING if a not in silent]


def test_every_table_is_rectangular_and_names_its_rows(results: Results) -> None:
    for built in build(results):
        for table in (b for b in built.blocks if isinstance(b, Table)):
            assert table.rows, table.caption
            assert any(c.key for c in table.columns), table.caption
            assert {len(row) for row in table.rows} == {len(table.columns)}, table.caption


def test_every_model_is_in_the_leaderboard_with_its_exact_loss(results: Results) -> None:
    table = next(iter(tables(sections(results)["leaderboard"]).values()))
    assert [c.text for c in column(table, "Model")] == [m.name for m in results.models]
    assert [c.exact for c in column(table, f"{results.loss_title} ± SE")] == [
        m.loss.value for m in results.models
    ]


def test_leaderboard_of_flights(sample: Sample) -> None:
    table = tables(sections(sample("flights"))["leaderboard"])["Models, lowest loss first"]
    shown = {row[1].text: [cell.text for cell in row] for row in table.rows}
    assert shown["gbdt"] == [
        *("2", "gbdt", "0.507 ± 0.014", "0.480 to 0.534", "0.3314", "76.83 %", "0.019 (0.004)"),
        *("+0.0045 ± 0.0074", "1.000", "not told apart"),
    ]
    assert shown["knn15"][2] == "∞ (830 labels at 0)"
    assert [row[1].badge for row in table.rows] == ["chosen", "", "", "", "", ""]


def test_differences_say_when_both_are_infinite(sample: Sample) -> None:
    table = tables(sections(sample("all_infinite"))["differences"])["Against the best"]
    assert [c.text for c in column(table, "Δ ± SE")] == ["∞ − ∞"]
    assert [c.text for c in column(table, "Δ of finite rows")] == ["0.01000"]


def test_the_confidence_set_names_who_is_not_in_the_procedure(sample: Sample) -> None:
    section = sections(sample("flights"))["confidence-set"]
    sentences = [item for b in section.blocks if isinstance(b, Sentences) for item in b.items]
    assert sentences[0] == "With 95 % confidence the best is among 2 models: logistic, gbdt."
    assert sentences[-1] == "Not in the procedure, as their loss is infinite: knn15, random_forest."


def test_diagrams_are_drawn_for_one_event_and_the_rest_is_listed(sample: Sample) -> None:
    section = sections(sample("many_classes"))["calibration"]
    drawn = [b for b in section.blocks if isinstance(b, ReliabilityChart)]
    assert len(drawn) == 8
    assert len(tables(section)["Calibration error"].rows) == 8 * 3


def test_only_the_worst_classes_are_drawn_and_all_are_listed(sample: Sample) -> None:
    results = sample("many_classes")
    section = sections(results)["classes"]
    chart = next(b for b in section.blocks if isinstance(b, IntervalChart))
    losses = sorted((s.loss.value for s in results.models[0].classes), reverse=True)
    assert [p.value for p in chart.points] == losses[:30]
    assert "the 30 highest of 61" in chart.title
    assert len(tables(section)["Log loss by class"].rows) == 61


def test_a_failed_gate_is_said_at_the_top(sample: Sample) -> None:
    alarms = [
        b for b in build(sample("many_classes"))[0].blocks if isinstance(b, Sentences) and b.style == "alarm"
    ]
    assert alarms[0].items == ("The gate failed: model-b is worse than model-a.",)


def test_a_floor_that_was_asked_for_is_said_and_heads_its_column(sample: Sample) -> None:
    built = sections(replace(sample("flights"), floor=1e-15, renormalised=True))
    basis = [b for b in built["verdict"].blocks if isinstance(b, Sentences)][-1].items[0]
    assert "clipped to [1e-15, 1 − 1e-15], as asked" in basis and "renormalised" in basis
    assert "headline, floor 1e-15" in [
        c.title for c in tables(built["floors"])["Log loss at several floors"].columns
    ]


def test_data_lists_what_was_chosen(sample: Sample) -> None:
    facts = tables(sections(sample("many_classes"))["data"])["The rows"]
    shown = {row[0].text: row[1].text for row in facts.rows}
    assert shown["weight"] == "w, summing to 1,234" or shown["weight"] == "w, summing to 1,235"
    assert shown["left out, as asked"] == "3 rows of model-a"
    assert shown["only rows where"] == "split = test"


def test_brief_sections_are_verdict_leaderboard_notes(sample: Sample) -> None:
    assert [s.anchor for s in build(sample("flights"), brief=True)] == ["verdict", "leaderboard", "notes"]


def test_numbers_of_a_chart_hold_what_is_drawn(results: Results) -> None:
    for built in build(results):
        for chart in built.blocks:
            if isinstance(chart, IntervalChart):
                table = numbers_of(chart)
                assert [row[1].exact for row in table.rows] == [p.value for p in chart.points]
            elif isinstance(chart, ReliabilityChart):
                assert [row[3].exact for row in numbers_of(chart).rows] == [b.frequency for b in chart.bins]
                assert all(math.isfinite(b.weight) for b in chart.bins)


@pytest.fixture
def toy() -> Iterator[str]:
    """A section that someone else registers, between leaderboard and differences."""

    @section(order=25)
    def weather(results: Results) -> Section:
        return Section("Weather", "weather", (Sentences((f"Sunny for {results.models[0].name}.",)),))

    yield "Sunny for logistic."
    unregister(weather)


def test_a_section_registered_elsewhere_is_printed_by_every_renderer(sample: Sample, toy: str) -> None:
    results = sample("flights")
    assert [s.anchor for s in build(results)][:4] == ["verdict", "leaderboard", "weather", "differences"]
    console = Console(width=100, record=True, file=StringIO())
    render_text(results, console, full=True)
    for printed in (render_html(results), render_markdown(results), console.export_text()):
        assert toy in printed


def test_unregistered_sections_are_gone() -> None:
    assert not [e.name for e in entries() if "weather" in e.name]


def test_two_sections_with_one_anchor_are_refused(sample: Sample) -> None:
    @section(order=200)
    def again(results: Results) -> Section:
        return Section("Data again", "data", ())

    try:
        with pytest.raises(UsageError, match="section-anchor-taken"):
            build(sample("flights"))
    finally:
        unregister(again)
