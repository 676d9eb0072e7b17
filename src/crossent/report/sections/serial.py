"""Whether neighbours are alike, in time or in the order of the data, and what that does to standard
errors."""

from __future__ import annotations

from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import Cell, Column, Section, Sentences, Table
from crossent.report.registry import section
from crossent.results import Results
from crossent.statistics.serial import SerialDependence
from crossent.wording import plain, things


@section(order=47)
def serial(results: Results) -> Section | None:
    """Each model's difference to the best: alike from one to the next or not."""
    times = results.comparison.serial if results.comparison else ()
    rows = results.findings.serial if results.findings else ()
    found = times or rows
    ordered = results.data.neighbours is not None
    if not found or not (ordered or rows or any(d.alike for d in found)):
        return None
    what = f"value of {results.data.cluster_column}" if times else "row"
    hint = "Correlation of the loss difference from one to the next."
    columns: list[tuple[Column, Callable[[SerialDependence], Cell]]] = [
        cells.model_column(results, lambda d: d.model),
        cells.model_column(results, lambda d: d.reference, "minus"),
        (Column("correlation", "right", hint=hint), lambda d: cells.number_cell(d.autocorrelation)),
        (Column("p", "right", hint="Ljung and Box, ten neighbours."), lambda d: cells.p_cell(d.p)),
        (Column("SE, independent", "right"), lambda d: cells.number_cell(d.se_independent)),
        (Column("SE, neighbours", "right"), lambda d: cells.number_cell(d.se_serial)),
        (Column("SE, blocks", "right"), lambda d: cells.number_cell(d.se_blocks)),
        (Column("factor", "right", hint="How much the neighbours do."), _factor),
    ]
    table = Table.of(f"From one {what} to the next", found, columns)
    blocks = (
        Sentences((_answer(results, found, what, ordered),)),
        table,
        Sentences((_method(found[0]),), "quiet"),
    )
    lead = "Where neighbours are alike there is less to be learnt from a row than it seems."
    return Section("Neighbours", "neighbours", blocks, lead)


def _factor(d: SerialDependence) -> Cell:
    return Cell(plain(d.factor, 2), d.factor, tone="bad" if d.alike else "plain")


def _answer(results: Results, found: tuple[SerialDependence, ...], what: str, ordered: bool) -> str:
    alike = [d for d in found if d.alike]
    if ordered:
        shown = f"in {things(len(alike), 'comparison')} they are" if alike else "none are seen to be"
        return f"Standard errors in this report allow for neighbours that are alike; {shown}."
    if not alike:
        return f"No {what} is seen to be like the next."
    worst = max(alike, key=lambda d: d.factor)
    column = results.data.cluster_column
    cure = "name what they share with --cluster, or their times with --order"
    if column:
        cure = f"use --order {column}"
    least = "at least " if worst.se_blocks is None else ""
    return (
        f"From one {what} to the next the losses are alike: the standard error of {worst.model} minus "
        f"{worst.reference} is too small by a factor of {least}{plain(worst.factor, 1)}; {cure}."
    )


def _method(d: SerialDependence) -> str:
    said = f"Newey and West with {things(d.lags, 'neighbour')} on either side"
    if d.se_blocks is None:
        return f"{said}, from the rows of the sample that are neighbours."
    return (
        f"{said}, corrected for few as by Harvey, Leybourne and Newbold: the test of Diebold and Mariano. "
        f"Blocks are of {d.lags + 1} in a row."
    )
