"""Zeros and floors: probabilities of exactly 0, and what clipping them would make of the loss."""

from __future__ import annotations

from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, Section, Table
from crossent.report.registry import section
from crossent.results import Floor, ModelResult, Quality, Results
from crossent.wording import count, plain, things

Shown = tuple[Column, Callable[[ModelResult], Cell]]


@section(order=80)
def floors(results: Results) -> Section | None:
    """The exact loss beside the clipped ones, and what the predictions look like; not of numbers."""
    if results.about_numbers:
        return None
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
    finite = "Mean over the rows with finite loss; never used to rank."
    exact = "exact" if results.floor is None else f"headline, floor {results.floor:g}"
    columns: list[Shown] = [
        cells.model_column(results, lambda m: m.name),
        (Column(exact, "right"), lambda m: cells.loss_cell(m.loss, m.n_infinite)),
        (Column("labels at 0", "right"), lambda m: cells.count_cell(m.n_infinite)),
        (
            Column("finite rows alone", "right", hint=finite),
            lambda m: cells.number_cell(m.mean_of_finite),
        ),
    ]
    columns += map(_floor, dict.fromkeys(f.name for m in results.models for f in m.floors))
    if any(m.renormalised for m in results.models):
        hint = (
            "Loss ± SE with rows that are off by more than 10⁻⁶ divided by their sum; in brackets these rows."
        )
        columns.append((Column("sums made 1", "right", hint=hint), _divided))
    return Table.of(f"{results.loss_title} at several floors", results.models, columns)


def _floor(name: str) -> Shown:
    def show(m: ModelResult) -> Cell:
        floor = {f.name: f for f in m.floors}.get(name)
        return cells.missing() if floor is None else _clipped(floor)

    return Column(f"floor {name}", "right", hint="Loss ± SE; in brackets the rows it changes."), show


def _clipped(floor: Floor) -> Cell:
    shown = cells.estimate_cell(floor.loss_clustered or floor.loss)
    rows = f" ({things(floor.rows, 'row')})" if floor.rows else ""
    return Cell(f"{shown.text}{rows}", shown.exact, tone="plain" if floor.rows else "quiet")


def _divided(m: ModelResult) -> Cell:
    found = m.renormalised
    if found is None:
        return cells.missing()
    shown = cells.loss_cell(found.loss_clustered or found.loss, m.n_infinite)
    return Cell(f"{shown.text} ({things(found.rows, 'row')})", shown.exact, shown.tone)


def _quality(results: Results) -> Table:
    at_0, at_1 = (f"Rows whose label was given probability {p}." for p in (0, 1))
    off = "Rows whose probabilities miss the sum 1 by that much."
    sums = "Smallest and largest sum of the probabilities of a row."
    ties = "Rows in which two classes share the highest probability."
    unknown = "Rows whose label no prediction column names."
    columns: list[Shown] = [
        cells.model_column(results, lambda m: m.name),
        (Column("labels at 0", "right", hint=at_0), lambda m: _alarming(m.quality.label_zero)),
        (Column("labels at 1", "right", hint=at_1), lambda m: cells.count_cell(m.quality.label_one)),
        (Column("entries < 0", "right"), lambda m: _alarming(m.quality.entries_below_zero)),
        (Column("entries > 1", "right"), lambda m: _alarming(m.quality.entries_above_one)),
        (Column("row sums", "right", hint=sums), lambda m: _sums(m.quality)),
        (Column("off by > 10⁻⁶", "right", hint=off), lambda m: cells.count_cell(m.quality.rows_off_1e6)),
        (Column("off by > 10⁻³", "right", hint=off), lambda m: _alarming(m.quality.rows_off_1e3)),
        (Column("ties at the top", "right", hint=ties), lambda m: cells.count_cell(m.quality.top_ties)),
        (Column("unknown labels", "right", hint=unknown), lambda m: _alarming(m.quality.unknown_labels)),
    ]
    return Table.of("The predictions, counted", results.models, columns)


def _alarming(n: int) -> Cell:
    return Cell(count(n), n, tone="bad" if n else "plain")


def _sums(q: Quality) -> Cell:
    if q.row_sum_min is None or q.row_sum_max is None:
        return cells.missing()
    low, high = plain(q.row_sum_min, 6), plain(q.row_sum_max, 6)
    full = f"{q.row_sum_min!r} to {q.row_sum_max!r}"
    return Cell(low if low == high else f"{low} to {high}", full=full)
