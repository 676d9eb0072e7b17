"""Reading that stopped when the best model was decided: what was read, and what it decided."""

from __future__ import annotations

from collections.abc import Callable

from crossent.decided_early import share_read
from crossent.report import cells
from crossent.report.blocks import Cell, Column, IntervalChart, IntervalPoint, Section, Sentences, Table
from crossent.report.registry import section
from crossent.results import Results
from crossent.statistics.stopping import Separation, Stopping
from crossent.wording import confidence, count, plain, signed, things


@section(order=25)
def stopping(results: Results) -> Section | None:
    """The pairs with their intervals, then what was read."""
    found = results.stopping
    if found is None:
        return None
    if not found.decided:
        lead = (
            "Reading was to stop as soon as the best model was decided; it never was, so all rows were read "
            "and nothing was saved."
        )
        return Section("Stopped when decided", "stopping", (Sentences((_how(found),), "quiet"),), lead)
    lead = (
        f"{found.leader} was decided to be the best after {count(found.rows)} of "
        f"{things(found.rows_of_all, 'row')} ({share_read(found)}); the others were not scored. The figures "
        "in this report are estimates from the rows that were."
    )
    blocks = (
        _chart(results, found),
        _table(results, found),
        Sentences((_how(found), _holds(found)), "quiet"),
    )
    return Section("Stopped when decided", "stopping", blocks, lead)


def _chart(results: Results, found: Stopping) -> IntervalChart:
    return IntervalChart(
        f"Loss minus that of {found.leader}, {confidence(found.level)} at every look",
        f"difference{results.in_unit}",
        tuple(
            IntervalPoint(p.worse, p.difference, (p.low, p.high), cells.place(results, p.worse))
            for p in found.against_leader
        ),
        reference=0.0,
        numbers_shown=True,
    )


def _table(results: Results, found: Stopping) -> Table:
    columns: list[tuple[Column, Callable[[Separation], Cell]]] = [
        cells.model_column(results, lambda p: p.worse),
        cells.model_column(results, lambda p: p.better, "minus"),
        (Column("Δ so far", "right"), lambda p: Cell(signed(p.difference), p.difference)),
        (Column("from", "right"), lambda p: Cell(signed(p.low), p.low)),
        (Column("to", "right"), lambda p: Cell(signed(p.high), p.high)),
        (Column("decided after rows", "right"), _after),
    ]
    return Table.of("Intervals that hold at every look, for all pairs together", found.pairs, columns)


def _after(pair: Separation) -> Cell:
    return cells.missing() if pair.decided_after is None else cells.count_cell(pair.decided_after)


def _how(found: Stopping) -> str:
    if not found.windows:
        return f"Windows of rows were drawn with seed {found.seed}; {things(found.looks, 'look')}."
    decoded = found.rows_decoded / found.rows_of_all
    return (
        f"{things(found.windows, 'window')} of {things(found.window_rows, 'row')}, of "
        f"{count(found.windows_of_all)}, were drawn by chance with seed {found.seed}, and looked at "
        f"{things(found.looks, 'time')}. To get at them "
        f"{plain(100 * decoded, 1)} % of the rows had to be decoded: a file is entered only at some places."
    )


def _holds(found: Stopping) -> str:
    return (
        f"With {confidence(found.level)} confidence no pair of all is put in the wrong order, whenever one "
        "looked: an asymptotic confidence sequence with windows as its units, drawn without replacement, and "
        "Bonferroni over pairs. It speaks of the rows of these files, however they are sorted."
    )
