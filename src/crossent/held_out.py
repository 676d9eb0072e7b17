"""Chosen on some rows, reported on others: what the choice was worth, once its luck does not count."""

from __future__ import annotations

import math
import statistics

from crossent.results import HeldOut, HeldOutLoss, Results
from crossent.statistics.paired import Difference


def held_out(selection: Results, report: Results, where: str, hindsight: str | None) -> HeldOut:
    """What became of a choice on rows that had no say in it.

    `selection` are the results on the rows that the choice was made on, `report` those on the others, and
    `hindsight` is what the same rule would have chosen there.
    """
    losses = tuple(
        HeldOutLoss(model.name, model.loss, report.model(model.name).loss) for model in selection.models
    )
    changes = {row.model: row.on_report.value - row.on_selection.value for row in losses}
    finite = {model: change for model, change in changes.items() if math.isfinite(change)}
    chosen = selection.chosen
    others = [change for model, change in finite.items() if model != chosen]
    return HeldOut(
        where=where,
        rows=selection.data.rows,
        clusters=selection.data.clusters,
        chosen=chosen,
        losses=losses,
        change=None if chosen is None else finite.get(chosen),
        change_of_others=statistics.median(others) if others else None,
        hindsight=hindsight,
        regret=_regret(report, chosen, hindsight),
    )


def _regret(report: Results, chosen: str | None, hindsight: str | None) -> Difference | None:
    """The chosen model minus the one of hindsight, on the rows that are reported on."""
    if report.comparison is None or chosen is None or hindsight in (None, chosen):
        return None
    pairs = {(d.model, d.reference): d for d in report.comparison.pairwise}
    # a rule may choose a model that is not the lowest: then hindsight is the one that stands first
    return pairs.get((chosen, hindsight or "")) or pairs.get((hindsight or "", chosen))
