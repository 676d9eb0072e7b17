"""Paired differences: which models can be told apart on these rows."""

from __future__ import annotations

from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, IntervalChart, IntervalPoint, Section, Table
from crossent.report.registry import section
from crossent.results import Results
from crossent.statistics.paired import Difference
from crossent.wording import interval, p_value, plain


@section(order=30)
def differences(results: Results) -> Section | None:
    """Every model against the best, then every two."""
    comparison = results.comparison
    if comparison is None or not comparison.differences:
        return None
    chart = IntervalChart(
        f"Loss minus that of {comparison.reference}, {plain(100 * comparison.level, 0)} % interval",
        f"difference in {results.unit}",
        tuple(_point(results, d) for d in comparison.differences),
        reference=0.0,
        numbers_shown=True,
    )
    blocks: list[Block] = [chart, _table(results, "Against the best", comparison.differences)]
    if len(results.models) > 2:
        blocks.append(
            _table(results, "Every two models", comparison.pairwise, folded=len(results.models) > 5)
        )
    lead = (
        "Both models of a pair are scored on the same rows, so what is common to them cancels. "
        "Detectable is the smallest true difference that this test would find with power 0.8."
    )
    return Section("Differences", "differences", tuple(blocks), lead)


def _point(results: Results, d: Difference) -> IntervalPoint:
    ends = d.difference.interval(cells.level(results))
    remark = cells.infinite_remark(d.n_infinite) if d.n_infinite else ""
    return IntervalPoint(d.model, d.difference.value, ends, cells.place(results, d.model), remark)


def _table(results: Results, caption: str, pairs: tuple[Difference, ...], folded: bool = False) -> Table:
    partly = any(d.n_infinite for d in pairs)
    finite = "Mean difference over the rows where both are finite; never used to rank."
    columns = [
        cells.MODEL,
        Column("minus", key=True),
        Column("Δ ± SE", "right"),
        Column("interval", "right"),
        Column("p", "right", hint="Two-sided paired t test."),
        Column("p (Holm)", "right", hint="Adjusted for all comparisons in this table."),
        Column("detectable", "right"),
        *([Column("Δ of finite rows", "right", hint=finite)] if partly else []),
        Column("verdict"),
    ]
    rows = tuple(
        (
            cells.model_cell(results, d.model),
            cells.model_cell(results, d.reference),
            cells.difference_cell(d),
            Cell(interval(d.difference, cells.level(results), sign=True)),
            Cell(p_value(d.p), d.p),
            Cell(p_value(d.p_holm), d.p_holm),
            cells.number_cell(d.detectable),
            *([_of_finite(d)] if partly else []),
            cells.verdict_cell(d),
        )
        for d in pairs
    )
    return Table(caption, tuple(columns), rows, folded)


def _of_finite(d: Difference) -> Cell:
    return cells.missing() if d.mean_of_finite is None else cells.number_cell(d.mean_of_finite)
