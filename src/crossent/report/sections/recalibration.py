"""Recalibration: how much lower the loss could be without another model."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from crossent.recalibration_sentences import confidence, recommended, summary
from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, Section, Sentences, Table
from crossent.report.registry import section
from crossent.results import Results
from crossent.statistics.recalibration import IDENTITY, Recalibration
from crossent.wording import plain, things


@section(order=56)
def recalibration(results: Results) -> Section | None:
    """Log loss before and after the best of a few maps, on rows that they were not fitted to."""
    found = results.findings.recalibration if results.findings else ()
    if not found:
        return None
    blocks: list[Block] = [Sentences(summary(found)), _table(results, found)]
    commands = _commands(results, found)
    if commands:
        blocks.append(Sentences((_HOW, *commands), "quiet"))
    blocks.append(Sentences((_measured(found),), "quiet"))
    lead = (
        "A model can rank well and still be too sure or not sure enough of itself. A map that is fitted once "
        "to labelled rows corrects that: the model is not trained again."
    )
    return Section("Recalibration", "recalibration", tuple(blocks), lead)


_HOW = "To do so (with the options of this command that say what columns mean, and for others likewise):"


def _table(results: Results, found: tuple[Recalibration, ...]) -> Table:
    hint = "Above 1 the model is too sure of itself, below 1 not sure enough."
    columns: list[tuple[Column, Callable[[Recalibration], Cell]]] = [
        cells.model_column(results, lambda r: r.model),
        (Column("log loss", "right", hint="In nats, of the rows looked at."), _before),
        (Column("recalibrated", "right", hint="By the best map, cross-fitted."), _after),
        (
            Column("gain", "right", hint="Before minus after ± its standard error, paired row by row."),
            lambda r: cells.estimate_cell(r.best.gain, sign=True),
        ),
        (Column("temperature", "right", hint=hint), _temperature),
        (Column("best map"), lambda r: Cell(r.best.title)),
        (Column("recommended"), lambda r: Cell(recommended(r))),
    ]
    return Table.of("Log loss before and after recalibration", found, columns)


def _before(r: Recalibration) -> Cell:
    return Cell(plain(r.before), r.before, tone="bad" if r.impossible else "plain")


def _after(r: Recalibration) -> Cell:
    return Cell(plain(r.best.loss), r.best.loss)


def _temperature(r: Recalibration) -> Cell:
    return cells.missing() if r.temperature is None else Cell(confidence(r.temperature), r.temperature)


def _commands(results: Results, found: tuple[Recalibration, ...]) -> tuple[str, ...]:
    """The command for the chosen model or, where that needs none, for the one that gains most."""
    useful = [r for r in found if r.chosen != IDENTITY]
    useful.sort(key=lambda r: (r.model != results.chosen, -r.best.gain.value))
    files = {s.model: s.files for s in results.data.sources}
    return tuple(
        f"crossent calibrate fit {' '.join(shlex.quote(f.path) for f in files[r.model])} --map {r.chosen} "
        f"--out {shlex.quote(r.model)}.json"
        for r in useful[:1]
        if 1 <= len(files.get(r.model, ())) <= 3
    )


def _measured(found: tuple[Recalibration, ...]) -> str:
    first = found[0]
    unit = "" if first.unit == "row" else f"; standard errors by {first.unit}"
    return (
        f"Measured on {things(first.rows, 'row')}, each with a map fitted to the other "
        f"{first.folds - 1} of {first.folds} parts of them{unit}. A map is recommended when its gain is "
        "larger than its standard error, the simpler one where two are as good."
    )
