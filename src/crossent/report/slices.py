"""Losses on parts of the rows, classes or groups: one chart of the first model and one table of all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from crossent.report import cells
from crossent.report.blocks import Cell, Column, IntervalChart, IntervalPoint, Table
from crossent.results import Results, Slice
from crossent.statistics.slices import are_ranges

_MOST_DRAWN = 30


def slice_chart(results: Results, by_model: Mapping[str, tuple[Slice, ...]], what: str) -> IntervalChart:
    """The first model's loss on each part, worst first; the worst 30 where there are more.

    Ranges of numbers stand in their order.
    """
    leader = results.models[0]
    slices = by_model.get(leader.name, ())
    worst = sorted(slices, key=lambda s: (math.isnan(s.loss.value), -s.loss.value, s.value))[:_MOST_DRAWN]
    if are_ranges([s.value for s in slices]):
        worst = list(slices)
    title = f"{leader.name}: {results.loss_title} by {what}"
    if len(worst) < len(slices):
        title += f", the {len(worst)} highest of {len(slices)}"
    title += f", {cells.percent(results)} interval"
    points = tuple(_point(results, s) for s in worst)
    # The loss of a part is the mean over its rows, also where the headline is bits per byte.
    axis = "nats" if results.unit == "bits per byte" else results.axis
    return IntervalChart(title, axis, points, reference=_mean(leader.loss_iid.value), numbers_shown=True)


def _mean(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _point(results: Results, s: Slice) -> IntervalPoint:
    ends = s.loss.interval(cells.level(results))
    remark = cells.infinite_remark(s.n_infinite) if s.n_infinite else ""
    return IntervalPoint(s.value, s.loss.value, ends, 0, remark)


def slice_tables(results: Results, by_model: Mapping[str, tuple[Slice, ...]], what: str) -> list[Table]:
    """A row a part, a column a model: the losses, and bits per byte where bytes are named.

    Models that are paired by units have numbers of rows of their own, which then are a table, too.
    """
    own_rows = results.data.pairing == "unit"
    tables = [_table(by_model, f"{results.loss_title} by {what}", what, _loss, not own_rows)]
    if any(s.bits_per_byte is not None for slices in by_model.values() for s in slices):
        bits = _table(by_model, f"Bits per byte by {what}", what, _bits, not own_rows)
        tables.insert(0 if results.unit == "bits per byte" else 1, bits)
    if own_rows:
        tables.append(_table(by_model, f"Rows by {what}", what, lambda s: cells.count_cell(s.rows), False))
    return tables


def _table(
    by_model: Mapping[str, tuple[Slice, ...]],
    caption: str,
    what: str,
    cell: Callable[[Slice], Cell],
    same_rows: bool,
) -> Table:
    rows_of = {s.value: s.rows for slices in reversed(list(by_model.values())) for s in slices}
    values = list(dict.fromkeys(s.value for slices in by_model.values() for s in slices))
    columns: list[tuple[Column, Callable[[str], Cell]]] = [
        (Column(what, key=True), Cell),
        *([(Column("rows", "right"), lambda value: cells.count_cell(rows_of[value]))] if same_rows else []),
        *((Column(name, "right"), _shown(slices, cell)) for name, slices in by_model.items() if slices),
    ]
    return Table.of(caption, values, columns, folded=len(values) > cells.ROWS_UNFOLDED)


def _shown(slices: tuple[Slice, ...], cell: Callable[[Slice], Cell]) -> Callable[[str], Cell]:
    """A part that a model has no rows in is left open."""
    found = {s.value: s for s in slices}
    return lambda value: cell(found[value]) if value in found else cells.missing()


def _loss(s: Slice) -> Cell:
    return cells.loss_cell(s.loss, s.n_infinite)


def _bits(s: Slice) -> Cell:
    return cells.number_cell(s.bits_per_byte)
