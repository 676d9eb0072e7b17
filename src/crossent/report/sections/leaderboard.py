"""The leaderboard: every model's loss with its uncertainty, best first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, IntervalChart, Section, Table
from crossent.report.registry import section
from crossent.results import Comparison, ModelResult, Results
from crossent.statistics.paired import Difference
from crossent.wording import adjusted_p, interval, percent, probability

Shown = tuple[Column, Callable[[ModelResult], Cell]]

_TITLES = {
    "log_loss": "Log loss",
    "brier": "Brier",
    "zero_one": "Accuracy",
    "crps": "CRPS",
    "crps_fair": "CRPS, fair",
    "absolute_error": "MAE",
}
_IN_ANOTHER_FORM = ("squared_error",)
"""Companions that are shown by their root."""
_HINTS = {
    "crps": "Continuous ranked probability score, in the label's unit: the absolute error of a distribution.",
    "crps_fair": "What the CRPS would be on average with infinitely many such samples.",
    "absolute_error": "Mean absolute error, in the label's unit.",
    "brier": "Squared error of the probabilities, summed over the classes; lower is better.",
    "zero_one": "Share of rows whose most probable class is the label.",
}


@section(order=20, brief=True)
def leaderboard(results: Results) -> Section:
    """Losses, companions and the distance to the best; then the same losses on other scales."""
    single = len(results.models) == 1
    chart = IntervalChart(
        f"{results.loss_title} with {cells.percent(results)} interval",
        results.axis,
        tuple(cells.headline_point(results, m) for m in results.models),
        numbers_shown=True,
    )
    blocks: list[Block] = [_losses(results)]
    if not single:
        blocks.append(chart)
    scales = _scales(results)
    if scales is not None:
        blocks.append(scales)
    return Section("Loss" if single else "Leaderboard", "leaderboard", tuple(blocks))


def _losses(results: Results) -> Table:
    def name(m: ModelResult) -> Cell:
        return replace(cells.model_cell(results, m.name), badge="chosen" if m.name == results.chosen else "")

    hint = f"Mean over the rows{results.in_unit}."
    columns: list[Shown] = [
        (Column("#", "right", key=True), lambda m: Cell(str(m.rank), m.rank)),
        (Column("Model", key=True), name),
        (
            Column(f"{results.loss_title} ± SE", "right", hint=hint),
            lambda m: cells.loss_cell(m.loss, m.n_infinite),
        ),
        (
            Column(f"{cells.percent(results)} interval", "right"),
            lambda m: Cell(interval(m.loss, cells.level(results))),
        ),
    ]
    columns += map(_companion, _shown_companions(results))
    columns += _of_numbers(results)
    if any(m.calibration for m in results.models):
        hint = "Calibration error, and in brackets what it would be on average if calibrated."
        columns.append((Column("ECE (expected)", "right", hint=hint), _calibration))
    if results.comparison:
        columns += _to_best(results.comparison)
    single = len(results.models) == 1
    return Table.of("Loss of the model" if single else "Models, lowest loss first", results.models, columns)


def _shown_companions(results: Results) -> list[str]:
    """Those that every model has: the others cannot be compared."""
    names = dict.fromkeys(name for m in results.models for name, _ in m.companions)
    shared = [name for name in names if all(name in dict(m.companions) for m in results.models)]
    return [name for name in shared if name not in _IN_ANOTHER_FORM]


def _of_numbers(results: Results) -> list[Shown]:
    """The root mean squared error and the coverage of the widest interval, where predictions have them."""
    found = [m.numbers for m in results.models if m.numbers is not None]
    columns: list[Shown] = []
    if any(n.rmse is not None for n in found):
        hint = "Root of the mean squared error of the mean, in the label's unit."
        columns.append((Column("RMSE", "right", hint=hint), _rmse))
    shares = [share for n in found for share, _ in n.coverage]
    if shares:
        columns.append(_coverage(max(shares)))
    return columns


def _rmse(m: ModelResult) -> Cell:
    rmse = m.numbers.rmse if m.numbers else None
    return cells.number_cell(None if rmse is None else rmse.value)


def _coverage(share: float) -> Shown:
    def show(m: ModelResult) -> Cell:
        found = dict(m.numbers.coverage).get(share) if m.numbers else None
        return cells.missing() if found is None else Cell(percent(found.value), found.value)

    title = f"In {percent(share, 0)} interval"
    return Column(title, "right", hint=f"Labels in the central {percent(share, 0)} interval."), show


def _companion(name: str) -> Shown:
    def show(m: ModelResult) -> Cell:
        estimate = dict(m.companions).get(name)
        if estimate is None:
            return cells.missing()
        if name == "zero_one":
            return Cell(percent(1 - estimate.value, 2), 1 - estimate.value)
        return cells.number_cell(estimate.value)

    return Column(_TITLES.get(name, name), "right", hint=_HINTS.get(name, "")), show


def _calibration(m: ModelResult) -> Cell:
    if not m.calibration:
        return cells.missing()
    first = m.calibration[0]
    return Cell(f"{probability(first.error)} ({probability(first.error_if_calibrated)})", first.error)


def _to_best(comparison: Comparison) -> list[Shown]:
    differences = {d.model: d for d in comparison.differences}

    def shown(cell: Callable[[Difference], Cell], of_the_best: Cell) -> Callable[[ModelResult], Cell]:
        return lambda m: cell(differences[m.name]) if m.name in differences else of_the_best

    return [
        (
            Column("Δ to best ± SE", "right", hint="Paired difference on the same rows."),
            shown(cells.difference_cell, cells.missing()),
        ),
        (
            Column(adjusted_p(comparison.adjustment), "right", hint="Over all comparisons with the best."),
            shown(lambda d: cells.adjusted_cell(d), cells.missing()),
        ),
        (Column("Against the best"), shown(cells.verdict_cell, Cell("best", tone="good"))),
    ]


def _scales(results: Results) -> Table | None:
    columns: list[Shown] = [cells.model_column(results, lambda m: m.name)]
    if not results.about_numbers or any(m.bits is not None for m in results.models):
        hint = "The loss with logarithms to base 2."
        columns.append((Column("bits", "right", hint=hint), lambda m: cells.number_cell(m.bits)))
    if not results.about_numbers:
        hint = "exp of the loss in nats."
        columns.append((Column("perplexity", "right", hint=hint), lambda m: cells.number_cell(m.perplexity)))
    if any(m.bits_per_byte for m in results.models):
        columns.append(
            (Column("bits per byte ± SE", "right"), lambda m: cells.estimate_cell(m.bits_per_byte))
        )
    columns += map(_skill, dict.fromkeys(s.reference for m in results.models for s in m.skill))
    if len(columns) == 1 and results.data.cluster_column is None:
        return None
    hint = "The standard error were no two rows dependent."
    columns.append(
        (Column("SE, rows independent", "right", hint=hint), lambda m: cells.number_cell(m.loss_iid.se))
    )
    folded = len(results.models) > 1
    return Table.of("The same on other scales", results.models, columns, folded=folded)


def _skill(reference: str) -> Shown:
    def show(m: ModelResult) -> Cell:
        return cells.estimate_cell({s.reference: s.skill for s in m.skill}.get(reference))

    return Column(f"skill to {reference}", "right", hint="1 − loss / loss of that reference."), show
