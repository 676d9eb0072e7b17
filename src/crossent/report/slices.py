"""Losses on parts of the rows, classes or groups: one chart of the first model and one table of all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from crossent.report import cells
from crossent.report.blocks import Cell, Column, IntervalChart, IntervalPoint, Table
from crossent.results import Results, Slice
from crossent.wording import plain

_MOST_DRAWN = 30


def slice_chart(results: Results, what: str, *, group: bool = False) -> IntervalChart:
    """The first model's loss on each part, worst first; the worst 30 where there are more."""
    leader = results.models[0]
    slices = dict(leader.groups).get(what, ()) if group else leader.classes
    worst = sorted(slices, key=lambda s: (-s.loss.value, s.value))[:_MOST_DRAWN]
    title = f"{leader.name}: {results.loss_title} by {what}"
    if len(worst) < len(slices):
        title += f", the {len(worst)} highest of {len(slices)}"
    title += f", {plain(100 * cells.level(results), 0)} % interval"
    points = tuple(_point(results, s) for s in worst)
    return IntervalChart(title, results.unit, points, reference=_mean(leader.loss.value), numbers_shown=True)


def _mean(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _point(results: Results, s: Slice) -> IntervalPoint:
    ends = s.loss.interval(cells.level(results))
    remark = cells.infinite_remark(s.n_infinite) if s.n_infinite else ""
    return IntervalPoint(s.value, s.loss.value, ends, 0, remark)


def slice_tables(
    results: Results, by_model: Mapping[str, tuple[Slice, ...]], what: str, *, folded: bool
) -> list[Table]:
    """A row a part, a column a model: the losses, and bits per byte where bytes are named."""
    tables = [_table(results, by_model, f"{results.loss_title} by {what}", what, _loss, folded)]
    if any(s.bits_per_byte is not None for slices in by_model.values() for s in slices):
        tables.append(_table(results, by_model, f"Bits per byte by {what}", what, _bits, folded))
    return tables


def _table(
    results: Results,
    by_model: Mapping[str, tuple[Slice, ...]],
    caption: str,
    what: str,
    cell: Callable[[Slice], Cell],
    folded: bool,
) -> Table:
    models = [m.name for m in results.models if by_model.get(m.name)]
    found = {(s.value, name): s for name in models for s in by_model[name]}
    rows_of = {s.value: s.rows for s in reversed(found.values())}
    values = dict.fromkeys(value for value, _ in found)
    columns = (
        Column(what, key=True),
        Column("rows", "right"),
        *(Column(name, "right") for name in models),
    )
    rows = tuple(
        (Cell(v), cells.count_cell(rows_of[v]), *(_cell(found.get((v, name)), cell) for name in models))
        for v in values
    )
    return Table(caption, columns, rows, folded)


def _cell(s: Slice | None, cell: Callable[[Slice], Cell]) -> Cell:
    """A part that a model has no rows in is left open."""
    return cells.missing() if s is None else cell(s)


def _loss(s: Slice) -> Cell:
    return cells.loss_cell(s.loss, s.n_infinite)


def _bits(s: Slice) -> Cell:
    return cells.number_cell(s.bits_per_byte)
