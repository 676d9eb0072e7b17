"""Tails: how much of the loss a few rows hold, and which rows those are."""

from __future__ import annotations

import math
from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import BarChart, Block, Cell, Column, HistogramChart, Section, Table
from crossent.report.registry import section
from crossent.results import ModelResult, Results, WorstRow
from crossent.wording import percent, plain, things


@section(order=90)
def tails(results: Results) -> Section | None:
    """Shares of the worst rows, the distribution of the loss, the worst rows themselves."""
    blocks: list[Block] = []
    if any(m.tails.shares for m in results.models):
        blocks += [_shares(results), *_bars(results)]
    blocks += [_histogram(results, m) for m in results.models if m.tails.histogram]
    blocks += [_worst(m) for m in results.models if m.worst]
    if not blocks:
        return None
    lead = "When few rows hold much of the loss, the ranking hangs on them: look at them one by one."
    return Section("Tails and worst rows", "tails", tuple(blocks), lead)


def _labels(results: Results) -> list[str]:
    return list(dict.fromkeys(what for m in results.models for what, _, _ in m.tails.shares))


def _shares(results: Results) -> Table:
    columns = [cells.model_column(results, _name), *map(_share, _labels(results))]
    return Table.of("Share of the total loss", results.models, columns)


def _name(m: ModelResult) -> str:
    return m.name


def _share(label: str) -> tuple[Column, Callable[[ModelResult], Cell]]:
    def show(m: ModelResult) -> Cell:
        for what, rows, share in m.tails.shares:
            if what == label and not math.isnan(share):
                return Cell(percent(share, 2), share, full=things(rows, "row"))
        return cells.missing()

    return Column(label, "right", hint="Share of the total loss."), show


def _bars(results: Results) -> list[BarChart]:
    label = next((w for w in _labels(results) if w == "worst 1 %"), _labels(results)[-1])
    bars = tuple(
        (m.name, share, cells.place(results, m.name))
        for m in results.models
        for what, _, share in m.tails.shares
        if what == label and math.isfinite(share)
    )
    title = f"Share of the loss held by the {label}" + (" of the rows" if label.endswith("%") else "")
    return [BarChart(title, "share of the total loss", bars, numbers_shown=True)] if bars else []


def _histogram(results: Results, m: ModelResult) -> HistogramChart:
    place = cells.place(results, m.name)
    return HistogramChart(m.name, f"loss of a row{results.in_unit}", m.tails.histogram, m.n_infinite, place)


def _worst(m: ModelResult) -> Table:
    columns: list[tuple[Column, Callable[[WorstRow], Cell]]] = [
        (Column("row", key=True), lambda w: Cell(w.row)),
        (Column("label"), lambda w: Cell(w.label)),
    ]
    if any(w.probability is not None for w in m.worst):
        columns.append((Column("probability of the label", "right"), _probability))
    columns += [
        (
            Column("loss", "right"),
            lambda w: Cell(plain(w.loss), w.loss, tone="bad" if math.isinf(w.loss) else "plain"),
        ),
        (
            Column("predicted", hint="" if m.numbers else "The class with the highest probability."),
            lambda w: cells.missing() if w.predicted is None else Cell(w.predicted),
        ),
    ]
    return Table.of(f"Worst rows of {m.name}", m.worst, columns, folded=True)


def _probability(w: WorstRow) -> Cell:
    return cells.missing() if w.probability is None else cells.probability_cell(w.probability)
