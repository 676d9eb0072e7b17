"""Calibration: does what is said to happen with probability p happen that often?"""

from __future__ import annotations

from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import (
    Block,
    Cell,
    Column,
    ReliabilityChart,
    Section,
    Sentences,
    Table,
)
from crossent.report.registry import section
from crossent.results import ModelResult, Results
from crossent.statistics.calibration_error import Reliability
from crossent.wording import probability

Pair = tuple[ModelResult, Reliability]

_EVENTS_DRAWN = 2


@section(order=50)
def calibration(results: Results) -> Section | None:
    """Errors beside what they would be if calibrated, and reliability diagrams."""
    pairs = [(m, r) for m in results.models for r in m.calibration]
    if not pairs:
        return None
    events = list(dict.fromkeys(r.event for _, r in pairs))
    drawn = events if len(events) <= _EVENTS_DRAWN else events[:1]
    blocks: list[Block] = [_table(results, pairs)]
    if drawn != events:
        blocks.append(Sentences((f"Diagrams are drawn for {drawn[0]}; the table has every event.",), "quiet"))
    blocks += [
        _diagram(results, model, reliability, single=len(drawn) == 1)
        for event in drawn
        for model, reliability in pairs
        if reliability.event == event
    ]
    lead = (
        "The calibration error is never 0, even for a perfect model, because frequencies of finitely many "
        "rows vary: compare it with the error expected if calibrated. The band of a diagram holds 95 % of "
        "the frequencies of a calibrated model."
    )
    return Section("Calibration", "calibration", tuple(blocks), lead)


def _table(results: Results, pairs: list[Pair]) -> Table:
    hint = "Weighted mean of |observed − predicted| over the bins (low, high]."
    edge = "Differs where predictions lie on the edge of a bin."
    columns: list[tuple[Column, Callable[[Pair], Cell]]] = [
        cells.model_column(results, lambda pair: pair[0].name),
        (Column("event", key=True), lambda pair: Cell(pair[1].event)),
        (
            Column("ECE", "right", hint=hint),
            lambda pair: cells.probability_cell(pair[1].error, "strong"),
        ),
        (
            Column("expected if calibrated", "right"),
            lambda pair: cells.probability_cell(pair[1].error_if_calibrated),
        ),
        (
            Column("ECE, bins [low, high)", "right", hint=edge),
            lambda pair: cells.probability_cell(pair[1].error_left_closed),
        ),
        (
            Column("bins", "right", hint="Bins that hold rows."),
            lambda pair: cells.count_cell(len(pair[1].bins)),
        ),
    ]
    return Table.of("Calibration error", pairs, columns)


def _diagram(results: Results, m: ModelResult, r: Reliability, *, single: bool) -> ReliabilityChart:
    title = m.name if single else f"{m.name}: {r.event}"
    remark = f"ECE {probability(r.error)}, expected {probability(r.error_if_calibrated)}"
    return ReliabilityChart(title, f"probability of {r.event}", r.bins, cells.place(results, m.name), remark)
