"""Measures of calibration, each beside what a perfectly calibrated model would show."""

from __future__ import annotations

from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, Section, Sentences, Table
from crossent.report.registry import section
from crossent.results import Results
from crossent.statistics.calibration_measures import EventCalibration, Measured
from crossent.statistics.multiplicity import holm
from crossent.wording import plain

_SHOWN = ("ece", "smooth", "ks", "debiased", "spiegelhalter")
"""Measures in the first table; all of them are in the second."""
_TEST = "smooth"
"""Whose p-values the verdict goes by: it depends on no bins."""
Row = tuple[EventCalibration, Measured]


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
    lead = (
        "No measure of calibration is 0 for a finite number of rows, however good the model: a figure says "
        "something only beside what a perfectly calibrated model would show on these very rows."
    )
    return Section("Measures of calibration", "calibration-measures", tuple(blocks), lead)


def _verdict(results: Results, found: tuple[EventCalibration, ...]) -> str:
    p = holm([_of(e, _TEST).p for e in found])
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
        f"of {worst.model} ({worst.event}): by {plain(error.value)}, where {plain(error.if_calibrated)} "
        f"would be chance{_direction(worst)}."
    )
    return sentence + (f" Of {', '.join(fine)} that cannot be said." if fine else "")


def _direction(e: EventCalibration) -> str:
    if e.slope is None or 0.9 < e.slope < 1.1:
        return ""
    return ", too sure of itself" if e.slope < 1.0 else ", too timid"


def _of(e: EventCalibration, name: str) -> Measured:
    return next(m for m in e.measures if m.name == name)


def _main(results: Results, found: tuple[EventCalibration, ...]) -> Table:
    columns: list[tuple[Column, Callable[[EventCalibration], Cell]]] = [
        cells.model_column(results, lambda e: e.model),
        (Column("event", key=True), lambda e: Cell(e.event)),
        (Column("predicted", "right"), lambda e: cells.probability_cell(e.predicted)),
        (Column("happened", "right"), lambda e: cells.probability_cell(e.frequency)),
    ]
    for name in _SHOWN:
        title = _of(found[0], name).title.partition(",")[0]
        columns.append((Column(title, "right", hint="value (if calibrated)"), _beside(name)))
    hint = "Cox: below 1 where predictions are too extreme."
    columns.append((Column("slope", "right", hint=hint), lambda e: cells.number_cell(e.slope)))
    return Table.of("Value, and in brackets what chance would show", found, columns)


def _beside(name: str) -> Callable[[EventCalibration], Cell]:
    def cell(e: EventCalibration) -> Cell:
        m = _of(e, name)
        text = f"{plain(m.value, 4)} ({plain(m.if_calibrated, 4)})"
        return Cell(text, m.value, tone="bad" if m.value > m.quantile else "plain")

    return cell


def _all(results: Results, found: tuple[EventCalibration, ...]) -> Table:
    rows: list[Row] = [(e, m) for e in found for m in e.measures]
    columns: list[tuple[Column, Callable[[Row], Cell]]] = [
        cells.model_column(results, lambda row: row[0].model),
        (Column("event", key=True), lambda row: Cell(row[0].event)),
        (Column("measure", key=True), lambda row: Cell(row[1].title)),
        (Column("value", "right"), lambda row: cells.number_cell(row[1].value)),
        (Column("if calibrated", "right"), lambda row: cells.number_cell(row[1].if_calibrated)),
        (Column("95 % of those below", "right"), lambda row: cells.number_cell(row[1].quantile)),
        (Column("p", "right"), lambda row: cells.p_cell(row[1].p)),
    ]
    return Table.of("All measures", rows, columns, folded=True)
