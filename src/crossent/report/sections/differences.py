"""Paired differences: which models can be told apart on these rows."""

from __future__ import annotations

from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, IntervalChart, IntervalPoint, Section, Table
from crossent.report.registry import section
from crossent.results import Results
from crossent.statistics.paired import Difference
from crossent.wording import adjusted_p, interval


@section(order=30)
def differences(results: Results) -> Section | None:
    """Every model against the best, then every two."""
    comparison = results.comparison
    if comparison is None or not comparison.differences or _stopped(results):
        return None
    chart = IntervalChart(
        f"Loss minus that of {comparison.reference}, {cells.percent(results)} interval",
        f"difference{results.in_unit}",
        tuple(_point(results, d) for d in comparison.differences),
        reference=0.0,
        numbers_shown=True,
    )
    blocks: list[Block] = [chart, _table(results, "Against the best", comparison.differences)]
    if len(results.models) > 2:
        blocks.append(
            _table(results, "Every two models", comparison.pairwise, folded=len(results.models) > 5)
        )
    if comparison.if_independent:
        caption = f"If rows were independent, and rows of one {results.data.cluster_column} are not"
        blocks.append(_table(results, caption, comparison.if_independent, folded=True))
    lead = (
        "Both models of a pair are scored on the same rows, so what is common to them cancels. "
        "Detectable is the smallest true difference that this test would find with power 0.8."
    )
    return Section("Differences", "differences", tuple(blocks), lead)


def _stopped(results: Results) -> bool:
    """Whether reading stopped early: differences then have intervals and a section of their own."""
    return results.stopping is not None and results.stopping.decided


def _point(results: Results, d: Difference) -> IntervalPoint:
    ends = d.difference.interval(cells.level(results))
    remark = cells.infinite_remark(d.n_infinite) if d.n_infinite else ""
    return IntervalPoint(d.model, d.difference.value, ends, cells.place(results, d.model), remark)


def _table(results: Results, caption: str, pairs: tuple[Difference, ...], folded: bool = False) -> Table:
    adjustment = results.comparison.adjustment if results.comparison else "none"
    columns: list[tuple[Column, Callable[[Difference], Cell]]] = [
        cells.model_column(results, lambda d: d.model),
        cells.model_column(results, lambda d: d.reference, "minus"),
        (Column("Δ ± SE", "right"), cells.difference_cell),
        (
            Column("interval", "right"),
            lambda d: Cell(interval(d.difference, cells.level(results), sign=True)),
        ),
        (Column("p", "right", hint="Two-sided paired t test."), lambda d: cells.p_cell(d.p)),
        (
            Column(adjusted_p(adjustment), "right", hint="Over all comparisons in this table."),
            lambda d: cells.adjusted_cell(d),
        ),
        (Column("detectable", "right"), lambda d: cells.number_cell(d.detectable)),
    ]
    if any(d.n_infinite for d in pairs):
        finite = "Mean difference over the rows where both are finite; never used to rank."
        columns.append(
            (Column("Δ of finite rows", "right", hint=finite), lambda d: cells.number_cell(d.mean_of_finite))
        )
    columns.append((Column("verdict"), cells.verdict_cell))
    return Table.of(caption, pairs, columns, folded=folded)
