"""How firm is it: what the verdict hangs on besides the data that were expected to decide it."""

from __future__ import annotations

from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, Section, Table
from crossent.report.registry import section
from crossent.results import ModelResult, Results
from crossent.statistics.generalised_pareto import TailIndex
from crossent.wording import plain


@section(order=85)
def firmness(results: Results) -> Section | None:
    """The tail index of the losses."""
    blocks: list[Block] = [*_tails(results)]
    if not blocks:
        return None
    lead = (
        "A verdict is firm when it does not hang on a floor, on how probabilities are made to sum to one, or "
        "on a handful of rows, and when losses are tame enough for a standard error to mean something."
    )
    return Section("How firm is it?", "firmness", tuple(blocks), lead)


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
        (Column("so"), lambda k: Cell(_meaning(k[1]), tone="plain" if k[1].has_variance else "bad")),
    ]
    return [Table.of("How heavy the tail of the losses is", known, columns)]


def _index(index: TailIndex) -> Cell:
    text = f"{plain(index.k, 2)} ± {plain(index.se, 2)}"
    return Cell(text, index.k, "plain" if index.has_variance else "bad")


def _meaning(index: TailIndex) -> str:
    if not index.has_mean:
        return "the mean may not exist"
    if not index.has_variance:
        return "the variance may not exist: standard errors mean little"
    return "standard errors hold"
