"""The leaderboard: every model's loss with its uncertainty, best first."""

from __future__ import annotations

from dataclasses import replace

from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, IntervalChart, Section, Table
from crossent.report.registry import section
from crossent.results import ModelResult, Results
from crossent.statistics.estimates import Estimate
from crossent.statistics.paired import Difference
from crossent.wording import interval, p_value, percent, plain, probability

_TITLES = {"brier": "Brier", "zero_one": "Accuracy"}
_HINTS = {
    "brier": "Squared error of the probabilities, summed over the classes; lower is better.",
    "zero_one": "Share of rows whose most probable class is the label.",
}


@section(order=20, brief=True)
def leaderboard(results: Results) -> Section:
    """Losses, companions and the distance to the best; then the same losses on other scales."""
    single = len(results.models) == 1
    chart = IntervalChart(
        f"{results.loss_title} with {plain(100 * cells.level(results), 0)} % interval",
        results.unit,
        tuple(cells.headline_point(results, m) for m in results.models),
        numbers_shown=True,
    )
    blocks: list[Block] = [_losses(results)]
    if not single:
        blocks.append(chart)
    blocks.append(_scales(results))
    return Section("Loss" if single else "Leaderboard", "leaderboard", tuple(blocks))


def _losses(results: Results) -> Table:
    companions = _companion_names(results)
    columns = [
        Column("#", "right", key=True),
        cells.MODEL,
        Column(f"{results.loss_title} ± SE", "right", hint=f"Mean over the rows, in {results.unit}."),
        Column(f"{plain(100 * cells.level(results), 0)} % interval", "right"),
        *(Column(_TITLES.get(n, n), "right", hint=_HINTS.get(n, "")) for n in companions),
    ]
    calibrated = any(m.calibration for m in results.models)
    if calibrated:
        hint = "Calibration error, and in brackets what it would be on average if calibrated."
        columns.append(Column("ECE (expected)", "right", hint=hint))
    if results.comparison:
        columns += [
            Column("Δ to best ± SE", "right", hint="Paired difference on the same rows."),
            Column("p (Holm)", "right", hint="Adjusted for all comparisons with the best."),
            Column("Against the best"),
        ]
    rows = tuple(_row(results, m, companions, calibrated) for m in results.models)
    return Table("Models, lowest loss first" if len(rows) > 1 else "Loss of the model", tuple(columns), rows)


def _row(results: Results, m: ModelResult, companions: list[str], calibrated: bool) -> tuple[Cell, ...]:
    row = [
        Cell(str(m.rank), m.rank),
        replace(cells.model_cell(results, m.name), badge="chosen" if m.name == results.chosen else ""),
        cells.loss_cell(m.loss, m.n_infinite),
        Cell(interval(m.loss, cells.level(results))),
        *(_companion(dict(m.companions).get(name), name) for name in companions),
    ]
    if calibrated:
        row.append(_calibration(m))
    if results.comparison:
        row += _to_best(results, m.name)
    return tuple(row)


def _companion_names(results: Results) -> list[str]:
    return list(dict.fromkeys(name for m in results.models for name, _ in m.companions))


def _companion(estimate: Estimate | None, name: str) -> Cell:
    if estimate is None:
        return cells.missing()
    if name == "zero_one":
        return Cell(percent(1 - estimate.value, 2), 1 - estimate.value)
    return cells.number_cell(estimate.value)


def _calibration(m: ModelResult) -> Cell:
    if not m.calibration:
        return cells.missing()
    first = m.calibration[0]
    return Cell(f"{probability(first.error)} ({probability(first.error_if_calibrated)})", first.error)


def _to_best(results: Results, name: str) -> list[Cell]:
    assert results.comparison is not None
    found: Difference | None = next((d for d in results.comparison.differences if d.model == name), None)
    if found is None:
        return [cells.missing(), cells.missing(), Cell("best", tone="good")]
    return [
        cells.difference_cell(found),
        Cell(p_value(found.p_holm), found.p_holm),
        cells.verdict_cell(found),
    ]


def _scales(results: Results) -> Table:
    skills = list(dict.fromkeys(s.reference for m in results.models for s in m.skill))
    with_bytes = any(m.bits_per_byte for m in results.models)
    columns = [
        cells.MODEL,
        Column("bits", "right", hint="The loss with logarithms to base 2."),
        Column("perplexity", "right", hint="exp of the loss in nats."),
        *([Column("bits per byte ± SE", "right")] if with_bytes else []),
        *(Column(f"skill to {s}", "right", hint="1 − loss / loss of that reference.") for s in skills),
        Column("SE, rows independent", "right", hint="The standard error were no two rows dependent."),
    ]
    rows = tuple(
        (
            cells.model_cell(results, m.name),
            cells.number_cell(m.bits),
            cells.number_cell(m.perplexity),
            *([cells.estimate_cell(m.bits_per_byte)] if with_bytes else []),
            *(_skill(m, s) for s in skills),
            cells.number_cell(m.loss_iid.se),
        )
        for m in results.models
    )
    return Table("The same on other scales", tuple(columns), rows, folded=len(results.models) > 1)


def _skill(m: ModelResult, reference: str) -> Cell:
    found = next((s for s in m.skill if s.reference == reference), None)
    return cells.missing() if found is None else cells.estimate_cell(found.skill)
