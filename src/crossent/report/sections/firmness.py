"""How firm is it: what the verdict hangs on besides the data that were expected to decide it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from crossent import sensitivity
from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, Section, Sentences, Table, Tone
from crossent.report.registry import section
from crossent.results import ModelResult, Results
from crossent.statistics.generalised_pareto import NO_VARIANCE, TailIndex
from crossent.statistics.influence import Influence, InfluentialCluster, InfluentialRow
from crossent.statistics.treatment import Treatment
from crossent.wording import count, percent, plain, signed

TO_TURN = "The fewest without which the other model would have the lower loss."
TO_UNDECIDE = "Left out from the most influential on, as many as leave no significant difference."
TOP = "Their part of the sum of all differences; above 100 % where other rows take some of it back."
FEW, FEW_OF = 3, 0.001
"""A lead that hangs on so few rows, or on so small a share of them, is marked."""
SHOWN = 4
"""Models named of a ranking."""


@section(order=85)
def firmness(results: Results) -> Section | None:
    """Other treatments of the probabilities, the rows that carry the difference, the tail of the losses."""
    blocks: list[Block] = [*_treatments(results), *_influence(results), *_tails(results)]
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


def _influence(results: Results) -> list[Block]:
    found = results.findings.influence if results.findings else ()
    if not found:
        return []
    columns: list[tuple[Column, Callable[[Influence], Cell]]] = [
        cells.model_column(results, lambda f: f.model),
        (Column("Δ to best", "right"), lambda f: Cell(signed(f.difference), f.difference)),
        (Column("rows to turn it", "right", hint=TO_TURN), lambda f: _of(f.rows_to_reverse, f.rows)),
        (Column("its top 10 rows hold", "right", hint=TOP), lambda f: _share(f.top_share)),
    ]
    if any(f.clusters for f in found):
        columns.append(
            (
                Column("clusters to turn it", "right", hint=TO_TURN),
                lambda f: _of(f.clusters_to_reverse, f.clusters or 0),
            )
        )
    if any(f.units_to_undecide is not None for f in found):
        unit = "clusters" if any(f.clusters for f in found) else "rows"
        column = Column(f"{unit} to undecide it", "right", hint=TO_UNDECIDE)
        columns.append((column, lambda f: _of(f.units_to_undecide, f.clusters or f.rows)))
    if any(f.tail for f in found):
        column = Column(
            "tail index of Δ", "right", hint="Of the differences of rows; from 0.5 on no variance."
        )
        columns.append((column, lambda f: cells.missing() if f.tail is None else _index(f.tail)))
    said = tuple(sensitivity.hangs_on(f) for f in found)
    table = Table.of(f"What the lead of {found[0].reference} hangs on", found, columns)
    return [
        Sentences(said),
        table,
        *(_rows(f) for f in found),
        *(_clusters(f) for f in found if f.top_clusters),
    ]


def _of(n: int | None, total: int) -> Cell:
    if n is None:
        return cells.missing()
    tone: Tone = "bad" if n <= FEW or n < FEW_OF * total else "plain"
    return Cell(f"{count(n)} of {count(total)}", n, tone)


def _share(share: float | None) -> Cell:
    return cells.missing() if share is None else Cell(percent(share), share)


def _rows(found: Influence) -> Table:
    columns: list[tuple[Column, Callable[[InfluentialRow], Cell]]] = [
        (Column("row", key=True), lambda r: Cell(r.row)),
        (Column(found.model, "right"), lambda r: cells.number_cell(r.model_loss)),
        (Column(found.reference, "right"), lambda r: cells.number_cell(r.reference_loss)),
        (Column("share of Δ", "right", hint="Of the sum of all differences."), lambda r: _share(r.share)),
    ]
    caption = f"Rows that carry the lead over {found.model}: losses"
    return Table.of(caption, found.top_rows, columns, folded=True)


def _clusters(found: Influence) -> Table:
    columns: list[tuple[Column, Callable[[InfluentialCluster], Cell]]] = [
        (Column("cluster", key=True), lambda c: Cell(c.cluster)),
        (Column("rows", "right"), lambda c: cells.count_cell(c.rows)),
        (Column("share of Δ", "right", hint="Of the sum of all differences."), lambda c: _share(c.share)),
        (Column("Δ without it", "right"), lambda c: Cell(signed(c.without), c.without)),
    ]
    caption = f"Clusters that carry the lead over {found.model}"
    return Table.of(caption, found.top_clusters, columns, folded=True)


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
