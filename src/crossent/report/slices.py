"""Losses on parts of the rows, classes or groups: one chart of the first model and one table of all."""

from __future__ import annotations

import math
from collections.abc import Mapping

from crossent.report import cells
from crossent.report.blocks import Cell, Column, IntervalChart, IntervalPoint, Table
from crossent.report.numbers import plain
from crossent.results import Results, Slice

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


def slice_table(
    results: Results, by_model: Mapping[str, tuple[Slice, ...]], caption: str, what: str, *, folded: bool
) -> Table:
    """A row a part, a column a model; a part that a model has no rows in is left open."""
    models = [m.name for m in results.models if by_model.get(m.name)]
    values = list(dict.fromkeys(s.value for name in models for s in by_model[name]))
    found = {(name, s.value): s for name in models for s in by_model[name]}
    with_bytes = any(s.bits_per_byte is not None for s in found.values())
    columns = (
        Column(what, key=True),
        Column("rows", "right"),
        *(Column(name, "right") for name in models),
        *(Column(f"{name}, bits per byte", "right") for name in models if with_bytes),
    )
    rows = tuple(
        (
            Cell(value),
            cells.count_cell(next(found[name, value].rows for name in models if (name, value) in found)),
            *(_loss(found.get((name, value))) for name in models),
            *(_bits(found.get((name, value))) for name in models if with_bytes),
        )
        for value in values
    )
    return Table(caption, columns, rows, folded)


def _loss(s: Slice | None) -> Cell:
    return cells.missing() if s is None else cells.loss_cell(s.loss, s.n_infinite)


def _bits(s: Slice | None) -> Cell:
    return cells.missing() if s is None else cells.number_cell(s.bits_per_byte)
