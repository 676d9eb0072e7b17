"""Tails: how much of the loss a few rows hold, and which rows those are."""

from __future__ import annotations

import math

from crossent.report import cells
from crossent.report.blocks import BarChart, Block, Cell, Column, HistogramChart, Section, Table
from crossent.report.registry import section
from crossent.results import ModelResult, Results
from crossent.wording import percent, plain, probability, things


@section(order=90)
def tails(results: Results) -> Section | None:
    """Shares of the worst rows, the distribution of the loss, the worst rows themselves."""
    blocks: list[Block] = []
    if any(m.tails.shares for m in results.models):
        blocks += [_shares(results), *_bars(results)]
    blocks += [_histogram(results, m) for m in results.models if m.tails.histogram]
    blocks += [_worst(results, m) for m in results.models if m.worst]
    if not blocks:
        return None
    lead = "When few rows hold much of the loss, the ranking hangs on them: look at them one by one."
    return Section("Tails and worst rows", "tails", tuple(blocks), lead)


def _labels(results: Results) -> list[str]:
    return list(dict.fromkeys(what for m in results.models for what, _, _ in m.tails.shares))


def _shares(results: Results) -> Table:
    labels = _labels(results)
    columns = (cells.MODEL, *(Column(label, "right", hint="Share of the total loss.") for label in labels))
    rows = []
    for m in results.models:
        shares = {what: (n, share) for what, n, share in m.tails.shares}
        rows.append((cells.model_cell(results, m.name), *(_share(shares.get(label)) for label in labels)))
    return Table("Share of the total loss", columns, tuple(rows))


def _share(found: tuple[int, float] | None) -> Cell:
    if found is None or math.isnan(found[1]):
        return cells.missing()
    return Cell(percent(found[1], 2), found[1], full=things(found[0], "row"))


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
    return HistogramChart(m.name, f"loss of a row, {results.unit}", m.tails.histogram, m.n_infinite, place)


def _worst(results: Results, m: ModelResult) -> Table:
    columns = (
        Column("row", key=True),
        Column("label"),
        Column("probability of the label", "right"),
        Column("loss", "right"),
        Column("predicted", hint="The class with the highest probability."),
    )
    rows = tuple(
        (
            Cell(w.row),
            Cell(w.label),
            Cell(probability(w.probability), w.probability),
            Cell(plain(w.loss), w.loss, tone="bad" if math.isinf(w.loss) else "plain"),
            cells.missing() if w.predicted is None else Cell(w.predicted),
        )
        for w in m.worst
    )
    return Table(f"Worst rows of {m.name}", columns, rows, folded=True)
