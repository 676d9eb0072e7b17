"""What the losses would be with probabilities treated in another way: clipped, divided by their sum.

The one pass keeps the exact changes of the sums (`accumulators.floors`, `accumulators.renormalised`); here
they are put together, so that the report can say what the choice of a model owes to the treatment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

from crossent.accumulators.floors import FLOORS, Change, Floors
from crossent.accumulators.quality import Quality
from crossent.accumulators.renormalised import Renormalised
from crossent.evaluation import Evaluation
from crossent.statistics.estimates import Estimate, mean_estimates
from crossent.statistics.paired import Difference, against
from crossent.statistics.treatment import Treatment
from crossent.summaries import Treated, treated, treated_clusters


def at_floors(evaluation: Evaluation, name: str) -> dict[str, Treated]:
    """The mean log loss of a model at each of the usual floors; empty where a floor is the headline."""
    return {
        floor: treated(evaluation, name, _changes(evaluation, name, floor, False))
        for floor in _floors(evaluation)
    }


def divided(evaluation: Evaluation, name: str) -> Treated | None:
    """The mean log loss of a model with rows divided by their sum; None where it is the same or unknown."""
    if not _off(evaluation, name) or not _known(evaluation, name):
        return None
    return treated(
        evaluation, name, _changes(evaluation, name, None, True), infinite=_infinite(evaluation, name)
    )


def treatments(
    evaluation: Evaluation, by: str, scale: float, level: float, adjust: str
) -> tuple[Treatment, ...]:
    """The ranking under each treatment that changes a loss, the one that was asked for first.

    Empty where none does. `by` and `scale` are those of the headline (`describing.Describer`).
    """
    asked = [(None, False), *_others(evaluation)]
    if len(asked) == 1:
        return ()
    return tuple(_treatment(evaluation, f, r, by, scale, level, adjust) for f, r in asked)


def _others(evaluation: Evaluation) -> Iterator[tuple[str | None, bool]]:
    names = evaluation.names
    floors = [
        floor
        for floor in _floors(evaluation)
        if any(change.rows for name in names for change in _changes(evaluation, name, floor, False))
    ]
    yield from ((floor, False) for floor in floors)
    if any(_off(evaluation, name) for name in names) and all(_known(evaluation, name) for name in names):
        yield None, True
        yield from ((floor, True) for floor in floors)


def _treatment(
    evaluation: Evaluation,
    floor: str | None,
    renormalised: bool,
    by: str,
    scale: float,
    level: float,
    adjust: str,
) -> Treatment:
    names = evaluation.names
    infinite = {name: floor is None and _infinite(evaluation, name) for name in names}
    changes = {name: _changes(evaluation, name, floor, renormalised) for name in names}
    if evaluation.setup.cluster_column is None:
        losses = {n: treated(evaluation, n, changes[n], infinite=infinite[n]).loss for n in names}
        return Treatment(floor, renormalised, _ranked(evaluation, losses), ())
    summary = treated_clusters(evaluation, changes, by, infinite)
    found = zip(names, mean_estimates(summary), strict=True)
    ranked = _ranked(evaluation, {name: loss.scaled(scale) for name, loss in found})
    order = [name for name, loss in ranked if math.isfinite(loss.value)]
    differences: tuple[Difference, ...] = ()
    if len(order) > 1:
        differences = against(summary, order[0], level=level, order=order, adjust=adjust)
    scaled = (replace(d, difference=d.difference.scaled(scale)) for d in differences)
    return Treatment(floor, renormalised, ranked, tuple(replace(d, detectable=None) for d in scaled))


def _ranked(evaluation: Evaluation, losses: dict[str, Estimate]) -> tuple[tuple[str, Estimate], ...]:
    """Lowest loss first; of infinite ones that with the fewest infinite rows."""

    def key(item: tuple[str, Estimate]) -> tuple[float, int, str]:
        name, loss = item
        return loss.value, _infinite_rows(evaluation, name), name

    return tuple(sorted(losses.items(), key=key))


def _floors(evaluation: Evaluation) -> tuple[str, ...]:
    known = "floors" in evaluation.state.models[evaluation.names[0]]
    return tuple(FLOORS) if known and evaluation.setup.floor is None else ()


def _changes(evaluation: Evaluation, name: str, floor: str | None, renormalised: bool) -> list[Change]:
    found = []
    if floor is not None:
        found.append(cast(Floors, evaluation.accumulated(name, "floors")).changes[floor])
    if renormalised:
        sums = cast(Renormalised, evaluation.accumulated(name, "renormalised"))
        found.append(sums.change)
        if floor is not None:
            found.append(sums.floors[floor])
    return found


def _off(evaluation: Evaluation, name: str) -> int:
    """Rows of a model that do not sum to one, where they were left so and their loss depends on it."""
    if "renormalised" not in evaluation.state.models[name] or evaluation.setup.renormalised:
        return 0
    return cast(Quality, evaluation.accumulated(name, "quality")).counts.get("rows_off_1e6", 0)


def _known(evaluation: Evaluation, name: str) -> bool:
    """Whether the changes of all such rows are there: files of older versions did not keep them."""
    off = _off(evaluation, name)
    return not off or cast(Renormalised, evaluation.accumulated(name, "renormalised")).off == off


def _infinite_rows(evaluation: Evaluation, name: str) -> int:
    moments = evaluation.moments[name]
    index = moments.names.index(name)
    return int(moments.infinite[index, index])


def _infinite(evaluation: Evaluation, name: str) -> bool:
    return _infinite_rows(evaluation, name) > 0
