"""Chosen on some rows and reported on others: what the choice was worth there."""

from __future__ import annotations

from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import Cell, Column, Section, Sentences, Table
from crossent.report.registry import section
from crossent.results import HeldOut, HeldOutLoss, Results
from crossent.wording import signed, things


@section(order=35)
def held_out(results: Results) -> Section | None:
    """Every model on both sets of rows."""
    found = results.held_out
    if found is None:
        return None
    columns: list[tuple[Column, Callable[[HeldOutLoss], Cell]]] = [
        cells.model_column(results, lambda row: row.model),
        (
            Column(f"chosen on: {found.where}", "right", hint="The lowest of these is too low, by luck."),
            lambda row: cells.estimate_cell(row.on_selection),
        ),
        (Column("reported on", "right"), lambda row: cells.estimate_cell(row.on_report)),
        (Column("change", "right"), _change),
    ]
    table = Table.of("Lowest loss on the rows of the choice first", found.losses, columns)
    lead = (
        f"The choice was made on {things(found.rows, 'row')} ({found.where}), and everything else in this "
        "report is about rows that had no say in it: the loss shown is not flattered by the choice."
    )
    blocks = (Sentences((_outcome(found),)), table)
    return Section("Chosen on other rows", "held-out", blocks, lead)


def _change(row: HeldOutLoss) -> Cell:
    change = row.on_report.value - row.on_selection.value
    return Cell(signed(change), change)


def _outcome(found: HeldOut) -> str:
    if found.chosen is None:
        return "No model has a finite loss on the rows of the choice: none was chosen."
    if found.hindsight in (None, found.chosen):
        return f"{found.chosen} was chosen, and would have been chosen on the rows reported on, too."
    if found.regret is None:
        return f"{found.chosen} was chosen; on the rows reported on it would have been {found.hindsight}."
    can = "can" if found.regret.verdict in ("worse", "better") else "cannot"
    return (
        f"{found.chosen} was chosen; on the rows reported on it would have been {found.hindsight}, and the "
        f"two {can} be told apart there."
    )
