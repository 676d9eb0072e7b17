"""The model confidence set: which models may be the best."""

from __future__ import annotations

from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import Cell, Column, Section, Sentences, Table
from crossent.report.registry import section
from crossent.results import Results
from crossent.statistics.optimism import Optimism
from crossent.wording import confidence, count, plain, things

_STATISTICS = {"range": "range statistic T_R", "max": "maximum statistic T_max"}


@section(order=40)
def confidence_set(results: Results) -> Section | None:
    """The members, then every model's p-value in the order of elimination."""
    found = results.comparison.confidence_set if results.comparison else None
    if found is None:
        return None
    sure = confidence(1 - found.alpha)
    names = ", ".join(found.members)
    sentence = f"With {sure} confidence the best is among {things(len(found.members), 'model')}: {names}."
    left_out = [m.name for m in results.models if m.name not in dict(found.p_values)]
    remarks = [
        f"Hansen, Lunde and Nason (2011), {_STATISTICS.get(found.statistic, found.statistic)}, "
        f"{count(found.draws)} draws, seed {found.seed}."
    ]
    if left_out:
        remarks.append(f"Not in the procedure, as their loss is infinite: {', '.join(left_out)}.")
    if results.comparison and results.comparison.optimism:
        remarks.append(_picked(results.comparison.optimism))
    hint = "The model stays at every confidence above 1 − p."
    columns: list[tuple[Column, Callable[[tuple[str, float]], Cell]]] = [
        cells.model_column(results, lambda model: model[0]),
        (Column("p", "right", hint=hint), lambda model: cells.p_cell(model[1])),
        (Column(f"at {sure}"), lambda model: _stays(model[0] in found.members)),
    ]
    table = Table.of("Order of elimination, the first to go first", found.p_values, columns)
    blocks = (Sentences((sentence,)), table, Sentences(tuple(remarks), "quiet"))
    return Section("Confidence set", "confidence-set", blocks)


def _picked(found: Optimism) -> str:
    return (
        f"The lowest of {found.candidates} losses is too low for having been picked: by "
        f"{plain(found.expected)} on average if the true losses are those observed, by "
        f"{plain(found.if_equal)} if all models are equally good."
    )


def _stays(stays: bool) -> Cell:
    return Cell("stays") if stays else Cell("ruled out", tone="bad")
