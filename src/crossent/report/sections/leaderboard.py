"""The leaderboard: every model's loss with its uncertainty, best first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, IntervalChart, Section, Table
from crossent.report.registry import section
from crossent.results import Comparison, ModelResult, Results
from crossent.statistics.paired import Difference
from crossent.wording import interval, percent, probability

Shown = tuple[Column, Callable[[ModelResult], Cell]]

_TITLES = {"log_loss": "Log loss", "brier": "Brier", "zero_one": "Accuracy"}
_HINTS = {
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
    blocks.append(_scales(results))
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
    columns += map(_companion, dict.fromkeys(name for m in results.models for name, _ in m.companions))
    if any(m.calibration for m in results.models):
        hint = "Calibration error, and in brackets what it would be on average if calibrated."
        columns.append((Column("ECE (expected)", "right", hint=hint), _calibration))
    if results.comparison:
        columns += _to_best(results.comparison)
    single = len(results.models) == 1
    return Table.of("Loss of the model" if single else "Models, lowest loss first", results.models, columns)


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
            Column("p (Holm)", "right", hint="Adjusted for all comparisons with the best."),
            shown(lambda d: cells.p_cell(d.p_holm), cells.missing()),
        ),
        (Column("Against the best"), shown(cells.verdict_cell, Cell("best", tone="good"))),
    ]


def _scales(results: Results) -> Table:
    columns: list[Shown] = [
        cells.model_column(results, lambda m: m.name),
        (
            Column("bits", "right", hint="The loss with logarithms to base 2."),
            lambda m: cells.number_cell(m.bits),
        ),
        (
            Column("perplexity", "right", hint="exp of the loss in nats."),
            lambda m: cells.number_cell(m.perplexity),
        ),
    ]
    if any(m.bits_per_byte for m in results.models):
        columns.append(
            (Column("bits per byte ± SE", "right"), lambda m: cells.estimate_cell(m.bits_per_byte))
        )
    columns += map(_skill, dict.fromkeys(s.reference for m in results.models for s in m.skill))
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
