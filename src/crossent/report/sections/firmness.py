"""How firm is it: what the verdict hangs on besides the data that were expected to decide it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from crossent import sensitivity
from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, Section, Sentences, Table
from crossent.report.registry import section
from crossent.results import ModelResult, Results
from crossent.statistics.generalised_pareto import NO_VARIANCE, TailIndex
from crossent.statistics.treatment import Treatment
from crossent.wording import plain

SHOWN = 4
"""Models named of a ranking."""


@section(order=85)
def firmness(results: Results) -> Section | None:
    """The choice under other treatments of the probabilities, and the tail index of the losses."""
    blocks: list[Block] = [*_treatments(results), *_tails(results)]
    if not blocks:
        return None
    lead = (
        "A verdict is firm when it does not hang on a floor, on how probabilities are made to sum to one, or "
        "on a handful of rows, and when losses are tame enough for a standard error to mean something."
    )
    return Section("How firm is it?", "firmness", tuple(blocks), lead)


def _treatments(results: Results) -> list[Block]:
    found = sensitivity.treatments_of(results)
    if not found:
        return []
    said = sensitivity.sentences(results)
    tested = any(t.differences for t in found)
    hint = "Not told apart from the best at the level of the report, clustered, paired, adjusted."
    columns: list[tuple[Column, Callable[[Treatment], Cell]]] = [
        (Column("floor", key=True), lambda t: Cell(t.floor or "as asked")),
        (Column("rows", key=True), lambda t: Cell("divided by their sum" if t.renormalised else "as given")),
        (Column("lowest loss"), lambda t: _best(results, t)),
        (Column("loss ± SE", "right"), lambda t: cells.estimate_cell(t.losses[0][1])),
        (Column("then"), lambda t: Cell(", ".join(t.finite[1:SHOWN]) or "no other is finite")),
    ]
    if tested:
        columns.append((Column("stays beside it", hint=hint), lambda t: Cell(", ".join(t.tied) or "none")))
    calm = "The same model has the lowest loss at every floor" + (
        ", and with rows divided by their sum." if any(t.renormalised for t in found) else "."
    )
    same = len({t.best for t in found}) == 1
    remarks = said or ((calm,) if same else ())
    table = Table.of("The choice under other treatments of the probabilities", found, columns)
    return [*([Sentences(remarks)] if remarks else []), table]


def _best(results: Results, treatment: Treatment) -> Cell:
    if treatment.best is None:
        return Cell("none is finite", tone="bad")
    asked = sensitivity.treatments_of(results)[0].best
    cell = cells.model_cell(results, treatment.best)
    return cell if treatment.best == asked else replace(cell, tone="bad")


def _tails(results: Results) -> list[Table]:
    known = [(m, m.tails.index) for m in results.models if m.tails.index is not None]
    if not known:
        return []
    hint = "Shape of the generalised Pareto distribution of the largest losses: 0 where they fall off as e⁻ˣ."
    columns: list[tuple[Column, Callable[[tuple[ModelResult, TailIndex]], Cell]]] = [
        cells.model_column(results, lambda k: k[0].name),
        (Column("tail index ± SE", "right", hint=hint), lambda k: _index(k[1])),
        (Column("rows in the tail", "right"), lambda k: cells.count_cell(k[1].rows)),
        (Column("losses above", "right"), lambda k: cells.number_cell(k[1].threshold)),
        (Column("so"), lambda k: _meaning(*k)),
    ]
    return [Table.of("How heavy the tail of the losses is", known, columns)]


def _index(index: TailIndex) -> Cell:
    text = f"{plain(index.k, 2)} ± {plain(index.se, 2)}"
    return Cell(text, index.k, "plain" if index.has_variance else "bad")


def _meaning(model: ModelResult, index: TailIndex) -> Cell:
    if not index.has_mean:
        return Cell("the mean may not exist", tone="bad")
    if not index.has_variance:
        return Cell("the variance may not exist: standard errors mean little", tone="bad")
    if model.n_infinite:
        return Cell("but for the infinite ones, which are not in it", tone="quiet")
    if index.k + 2 * index.se >= NO_VARIANCE:
        return Cell("a variance is likely, but not sure")
    return Cell("standard errors hold")
