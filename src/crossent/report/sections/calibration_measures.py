"""Measures of calibration, each beside what a perfectly calibrated model would show."""

from __future__ import annotations

from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, ReliabilityChart, Section, Sentences, Table
from crossent.report.registry import section
from crossent.results import Results
from crossent.statistics.calibration_measures import MEASURES, CalibrationErrors
from crossent.statistics.decomposition import NullValue
from crossent.statistics.multiplicity import benjamini_hochberg
from crossent.wording import plain

_SHOWN = ("debiased", "smooth", "kolmogorov_smirnov")
"""Measures in the first table; all of them are in the second."""
_TEST = "smooth"
"""Whose p-values the verdict goes by: it depends on no bins."""
_DRAWN = 3
"""Diagrams of classes, the worst first."""
Row = tuple[CalibrationErrors, str, NullValue]


@section(order=54)
def calibration_measures(results: Results) -> Section | None:
    """A verdict by the smooth error, the main measures, and all of them folded."""
    found = results.findings.calibration if results.findings else ()
    if not found:
        return None
    blocks: list[Block] = [
        Sentences((_verdict(results, found),)),
        _main(results, found),
        _all(results, found),
    ]
    blocks += _diagrams(results, found)
    lead = (
        "No measure of calibration is 0 for a finite number of rows, however good the model: a figure says "
        "something only beside what a perfectly calibrated model would show on these very rows."
    )
    return Section("Measures of calibration", "calibration-measures", tuple(blocks), lead)


def _verdict(results: Results, found: tuple[CalibrationErrors, ...]) -> str:
    # false discoveries: with 199 draws the smallest p is 0.005, which Holm's rule loses among ten events
    p = benjamini_hochberg([_of(e, _TEST).p for e in found])
    alpha = 1.0 - cells.level(results)
    off = [e for e, adjusted in zip(found, p, strict=True) if adjusted is not None and adjusted < alpha]
    names = list(dict.fromkeys(e.model for e in off))
    fine = [m for m in dict.fromkeys(e.model for e in found) if m not in names]
    if not off:
        return "No model's probabilities differ from what happens by more than chance would explain."
    worst = max(off, key=lambda e: _of(e, _TEST).value)
    error = _of(worst, _TEST)
    sentence = (
        f"By more than chance the probabilities of {', '.join(names)} differ from what happens; most those "
        f"of {worst.model} ({worst.event}): by {plain(error.value)}, where {plain(error.expected)} "
        f"would be chance{_direction(worst)}."
    )
    return sentence + (f" Of {', '.join(fine)} that cannot be said." if fine else "")


def _direction(e: CalibrationErrors) -> str:
    if e.slope is None or 0.9 < e.slope.value < 1.1:
        return ""
    return ", too sure of itself" if e.slope.value < 1.0 else ", too timid"


def _of(e: CalibrationErrors, name: str) -> NullValue:
    found: NullValue = getattr(e, name)
    return found


def _main(results: Results, found: tuple[CalibrationErrors, ...]) -> Table:
    columns: list[tuple[Column, Callable[[CalibrationErrors], Cell]]] = [
        cells.model_column(results, lambda e: e.model),
        (Column("event", key=True), lambda e: Cell(e.event)),
        (Column("predicted", "right"), lambda e: cells.probability_cell(e.predicted)),
        (Column("happened", "right"), lambda e: cells.probability_cell(e.frequency)),
    ]
    for name in _SHOWN:
        hint = "In brackets the mean of calibrated models of that n."
        columns.append((Column(dict(MEASURES)[name], "right", hint=hint), _beside(name)))
    hint = "Cox: below 1 where predictions are too extreme."
    columns.append((Column("slope", "right", hint=hint), lambda e: cells.estimate_cell(e.slope)))
    hint = "Spiegelhalter: standard normal if calibrated, above 0 where losses are larger than predicted."
    columns.append(
        (Column("Z", "right", hint=hint), lambda e: Cell(plain(e.spiegelhalter_z, 1), e.spiegelhalter_z))
    )
    return Table.of("Value, and in brackets what chance would show", found, columns)


def _beside(name: str) -> Callable[[CalibrationErrors], Cell]:
    def cell(e: CalibrationErrors) -> Cell:
        m = _of(e, name)
        text = f"{plain(m.value, 4)} ({plain(m.expected, 4)})"
        return Cell(text, m.value, tone="bad" if m.value > m.high else "plain")

    return cell


def _diagrams(results: Results, found: tuple[CalibrationErrors, ...]) -> list[ReliabilityChart]:
    """Of the classes with a diagram, those that are off most beyond chance."""
    drawn = [(e, e.diagram) for e in found if e.diagram is not None]
    drawn.sort(key=lambda pair: _of(pair[0], _TEST).expected - _of(pair[0], _TEST).value)
    return [
        ReliabilityChart(
            f"{e.model}: {e.event}",
            f"probability of {e.event}",
            diagram.bins,
            cells.place(results, e.model),
            f"smECE {plain(e.smooth.value, 4)}, expected {plain(e.smooth.expected, 4)}",
        )
        for e, diagram in drawn[:_DRAWN]
    ]


def _all(results: Results, found: tuple[CalibrationErrors, ...]) -> Table:
    rows: list[Row] = [(e, title, _of(e, name)) for e in found for name, title in MEASURES]
    columns: list[tuple[Column, Callable[[Row], Cell]]] = [
        cells.model_column(results, lambda row: row[0].model),
        (Column("event", key=True), lambda row: Cell(row[0].event)),
        (Column("measure", key=True), lambda row: Cell(row[1])),
        (Column("value", "right"), lambda row: cells.number_cell(row[2].value)),
        (Column("if calibrated", "right"), lambda row: cells.number_cell(row[2].expected)),
        (Column("95 % of those below", "right"), lambda row: cells.number_cell(row[2].high)),
        (Column("p", "right"), lambda row: cells.p_cell(row[2].p)),
    ]
    return Table.of("All measures", rows, columns, folded=True)
