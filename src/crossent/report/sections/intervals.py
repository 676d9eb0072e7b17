"""Calibration of predictions about a number: do intervals and quantiles hold as much as they should?"""

from __future__ import annotations

import math
from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import (
    Block,
    Cell,
    Column,
    HistogramChart,
    ReliabilityChart,
    Section,
    Table,
)
from crossent.report.registry import section
from crossent.results import Level, ModelResult, Numbers, Results
from crossent.statistics.calibration_error import ReliabilityBin
from crossent.statistics.estimates import Estimate
from crossent.wording import percent, with_error

Described = tuple[ModelResult, Numbers]
_TWO_SIDED = 1.959963984540054
"""95 % of a normal distribution lie within so many standard deviations."""


@section(order=50)
def intervals(results: Results) -> Section | None:
    """Coverage of intervals, histograms of the probability integral transform, quantiles one by one."""
    described = [(m, m.numbers) for m in results.models if m.numbers is not None]
    blocks: list[Block] = []
    if any(n.coverage or n.bias for _, n in described):
        blocks.append(_table(results, described))
    blocks += [_histogram(results, m, n) for m, n in described if n.pit_histogram]
    blocks += [_diagram(results, m, n) for m, n in described if n.levels]
    blocks += [_levels(m, n) for m, n in described if n.levels]
    lead = (
        "Calibrated intervals hold the share of the labels that they say. The histograms show where labels "
        "fall within what was predicted: flat where calibrated, humped where the spread is too wide, "
        "U-shaped where it is too narrow, sloped where the mean is off. The band holds 95 % of the bars of a "
        "calibrated model."
    )
    if not blocks:
        return None
    if not any(n.pit_histogram for _, n in described):
        lead = "Calibrated intervals and quantiles hold the share of the labels that they say."
    if not any(n.coverage or n.levels for _, n in described):
        lead = "Predictions are too high about as much as they are too low where the mean error is near 0."
    return Section("Calibration", "calibration", tuple(blocks), lead)


def _table(results: Results, described: list[Described]) -> Table:
    columns: list[tuple[Column, Callable[[Described], Cell]]] = [
        cells.model_column(results, lambda d: d[0].name)
    ]
    shares = dict.fromkeys(share for _, n in described for share, _ in n.coverage)
    columns += map(_coverage, shares)
    if any(n.pit_mean for _, n in described):
        hint = "Mean probability given to labels no larger than the one that came: 0.5 where calibrated."
        column = Column("mean PIT ± SE", "right", hint=hint)
        columns.append((column, lambda d: cells.estimate_cell(d[1].pit_mean)))
    if any(n.bias for _, n in described):
        hint = "Mean of prediction minus label."
        column = Column("bias ± SE", "right", hint=hint)
        columns.append((column, lambda d: cells.estimate_cell(d[1].bias, sign=True)))
    return Table.of("What the predictions hold" if shares else "Mean error", described, columns)


def _coverage(share: float) -> tuple[Column, Callable[[Described], Cell]]:
    def show(d: Described) -> Cell:
        found = dict(d[1].coverage).get(share)
        return cells.missing() if found is None else _share(found)

    hint = f"Labels in the central {percent(share, 0)} interval, its ends included."
    return Column(f"in {percent(share, 0)} interval ± SE", "right", hint=hint), show


def _share(found: Estimate) -> Cell:
    return Cell(f"{with_error(found.scaled(100.0))} %", found.value)


def _histogram(results: Results, m: ModelResult, n: Numbers) -> HistogramChart:
    total = math.fsum(weight for _, _, weight in n.pit_histogram)
    share = 1.0 / len(n.pit_histogram)
    half = _TWO_SIDED * math.sqrt(total * share * (1.0 - share))
    # how much weights scatter, the histogram does not know
    half = 0.0 if results.data.weight_column else half
    middle = total * share
    return HistogramChart(
        m.name,
        "probability integral transform",
        n.pit_histogram,
        model=cells.place(results, m.name),
        logarithmic=False,
        expected=(max(middle - half, 0.0), middle, middle + half),
    )


def _diagram(results: Results, m: ModelResult, n: Numbers) -> ReliabilityChart:
    bins = tuple(_bin(level, results.data.sum_of_weights) for level in n.levels)
    return ReliabilityChart(
        m.name, "level of the quantile", bins, cells.place(results, m.name), numbers_shown=True
    )


def _bin(level: Level, rows: float) -> ReliabilityBin:
    half = _TWO_SIDED * math.sqrt(level.level * (1.0 - level.level) / max(rows, 1.0))
    band = (max(level.level - half, 0.0), min(level.level + half, 1.0))
    return ReliabilityBin(level.level, level.level, rows, level.level, level.below.value, band)


def _levels(m: ModelResult, n: Numbers) -> Table:
    below = "Share of the labels that are at most the quantile: the level itself where calibrated."
    columns: list[tuple[Column, Callable[[Level], Cell]]] = [
        (Column("level", "right", key=True), lambda q: Cell(f"{q.level:g}", q.level)),
        (Column("labels at or below ± SE", "right", hint=below), lambda q: _share(q.below)),
        (Column("pinball loss ± SE", "right"), lambda q: cells.estimate_cell(q.pinball)),
    ]
    return Table.of(f"Quantiles of {m.name}", n.levels, columns, folded=len(n.levels) > cells.ROWS_UNFOLDED)
