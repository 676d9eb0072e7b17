"""Zeros and floors: probabilities of exactly 0, and what clipping them would make of the loss."""

from __future__ import annotations

from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, Section, Table
from crossent.report.registry import section
from crossent.results import Floor, Quality, Results
from crossent.wording import count, plain, things


@section(order=80)
def floors(results: Results) -> Section:
    """The exact loss beside the clipped ones, and what the predictions look like."""
    blocks: list[Block] = []
    if any(m.floors for m in results.models):
        blocks.append(_floors(results))
    blocks.append(_quality(results))
    lead = (
        "A label given probability 0 costs infinity. A floor replaces that by a number of one's choosing: "
        "the clipped losses say as much about the floor as about the model."
    )
    return Section("Zeros and floors", "floors", tuple(blocks), lead)


def _floors(results: Results) -> Table:
    names = list(dict.fromkeys(f.name for m in results.models for f in m.floors))
    finite = "Mean over the rows with finite loss; never used to rank."
    columns = (
        cells.MODEL,
        Column("exact" if results.floor is None else f"headline, floor {results.floor:g}", "right"),
        Column("labels at 0", "right"),
        Column("finite rows alone", "right", hint=finite),
        *(Column(f"floor {n}", "right", hint="Loss ± SE; in brackets the rows it changes.") for n in names),
    )
    rows = tuple(
        (
            cells.model_cell(results, m.name),
            cells.loss_cell(m.loss, m.n_infinite),
            cells.count_cell(m.n_infinite),
            cells.number_cell(m.mean_of_finite),
            *(_floor({f.name: f for f in m.floors}.get(n)) for n in names),
        )
        for m in results.models
    )
    return Table(f"{results.loss_title} at several floors", columns, rows)


def _floor(floor: Floor | None) -> Cell:
    if floor is None:
        return cells.missing()
    shown = cells.estimate_cell(floor.loss_clustered or floor.loss)
    rows = f" ({things(floor.rows, 'row')})" if floor.rows else ""
    return Cell(f"{shown.text}{rows}", shown.exact, tone="plain" if floor.rows else "quiet")


def _quality(results: Results) -> Table:
    columns = (
        cells.MODEL,
        Column("labels at 0", "right", hint="Rows whose label was given probability 0."),
        Column("labels at 1", "right", hint="Rows whose label was given probability 1."),
        Column("entries < 0", "right"),
        Column("entries > 1", "right"),
        Column("row sums", "right", hint="Smallest and largest sum of the probabilities of a row."),
        Column("off by > 10⁻⁶", "right", hint="Rows whose probabilities miss the sum 1 by that much."),
        Column("off by > 10⁻³", "right", hint="Rows whose probabilities miss the sum 1 by that much."),
        Column("ties at the top", "right", hint="Rows in which two classes share the highest probability."),
        Column("unknown labels", "right", hint="Rows whose label no prediction column names."),
    )
    rows = tuple((cells.model_cell(results, m.name), *_counts(m.quality)) for m in results.models)
    return Table("The predictions, counted", columns, rows)


def _counts(q: Quality) -> tuple[Cell, ...]:
    return (
        _alarming(q.label_zero),
        cells.count_cell(q.label_one),
        _alarming(q.entries_below_zero),
        _alarming(q.entries_above_one),
        _sums(q),
        cells.count_cell(q.rows_off_1e6),
        _alarming(q.rows_off_1e3),
        cells.count_cell(q.top_ties),
        _alarming(q.unknown_labels),
    )


def _alarming(n: int) -> Cell:
    return Cell(count(n), n, tone="bad" if n else "plain")


def _sums(q: Quality) -> Cell:
    if q.row_sum_min is None or q.row_sum_max is None:
        return cells.missing()
    low, high = plain(q.row_sum_min, 6), plain(q.row_sum_max, 6)
    full = f"{q.row_sum_min!r} to {q.row_sum_max!r}"
    return Cell(low if low == high else f"{low} to {high}", full=full)
