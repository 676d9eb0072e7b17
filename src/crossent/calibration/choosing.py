"""Which map to take: by cross-fitted log loss, with the standard error of the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossent.calibration.contract import CalibrationMap
from crossent.calibration.given import Codes, Floats, Rows
from crossent.calibration.registry import all_maps, fitted, get
from crossent.calibration.temperature import inverse_temperature
from crossent.errors import UsageError
from crossent.statistics.recalibration import IDENTITY, MapScore, Recalibration, mean_difference

FOLDS = 5
NOT_TRIED = ("histogram",)
"""Maps that are fitted when asked for and never chosen: isotonic regression does the same, and better."""


def candidates(rows: Rows) -> tuple[str, ...]:
    """The maps that are tried for such rows, the simplest first."""
    zero = bool(rows.impossible.any())
    maps = sorted(all_maps().values(), key=lambda kind: kind.complexity)
    return tuple(
        kind.name
        for kind in maps
        if kind.name not in NOT_TRIED
        and kind.fewest_classes <= rows.classes <= (2 if kind.binary_only else kind.most_classes)
        and (kind.takes_zero or not zero)
    )


def log_losses(rows: Rows, log_probabilities: Floats | None = None) -> Floats:
    """(N,) −log p of the label."""
    logs = rows.log_probabilities if log_probabilities is None else log_probabilities
    return -logs[np.arange(len(rows)), rows.labels]


def cross_fitted(name: str, rows: Rows, folds: Codes) -> Floats:
    """(N, K) log-probabilities of each fold's rows by a map fitted to the rows of the others."""
    logs = np.empty((len(rows), rows.classes))
    for fold in np.unique(folds):
        mine = folds == fold
        logs[mine] = fitted(name, rows.keep(~mine)).mapped(rows.logits[mine])
    return logs


@dataclass(frozen=True)
class Choice:
    """The figures, and the chosen map fitted to all rows (None for the identity)."""

    figures: Recalibration
    map: CalibrationMap | None


def choose(
    rows: Rows,
    folds: Codes,
    names: Sequence[str] = (),
    *,
    model: str = "model",
    cluster: NDArray[np.int64] | None = None,
    unit: str = "row",
    floor: float = 0.0,
    classes: Sequence[str] = (),
) -> Choice:
    """Try maps, by default all `candidates`, and choose by the one-standard-error rule.

    Each map is fitted without a fold and judged on it. Of all maps, doing nothing among them, whose loss is
    within one standard error of the lowest (that of the paired difference), the simplest is chosen.

    folds : (N,) codes; rows of one cluster must be in one fold.
    cluster : (N,) codes, where rows are not independent.

    classes : their names, for the sentence.

    Errors: `UsageError` (too-few-folds) where all rows are in one fold.
    """
    found = np.unique(folds)
    if found.size < 2:
        raise UsageError("too-few-folds", "all rows are in one fold", cure="give more rows or clusters")
    before = log_losses(rows)
    losses = {IDENTITY: before}
    for name in names or candidates(rows):
        losses[name] = log_losses(rows, cross_fitted(name, rows, folds))
    means = {name: float(rows.weights @ loss) / rows.total for name, loss in losses.items()}
    best = min(means, key=means.__getitem__)
    chosen = _simplest(losses, best, rows.weight, cluster)
    scores = [
        MapScore(name, get(name).title, means[name], mean_difference(before, loss, rows.weight, cluster))
        for name, loss in losses.items()
        if name != IDENTITY
    ]
    found_map = None if chosen == IDENTITY else fitted(chosen, rows)
    figures = Recalibration(
        model=model,
        before=means[IDENTITY],
        scores=tuple(sorted(scores, key=lambda score: score.loss)),
        chosen=chosen,
        sentence="" if found_map is None else found_map.sentence(*classes[1:2]),
        temperature=_temperature(rows) if "temperature" in losses else None,
        rows=len(rows),
        folds=int(found.size),
        unit=unit,
        floor=floor,
        impossible=int(rows.impossible.sum()),
    )
    return Choice(figures, found_map)


def _temperature(rows: Rows) -> float:
    return 1.0 / inverse_temperature(rows)


def _simplest(
    losses: dict[str, Floats], best: str, weight: Floats | None, cluster: NDArray[np.int64] | None
) -> str:
    by_simplicity = sorted(losses, key=lambda name: -1 if name == IDENTITY else get(name).complexity)
    for name in by_simplicity:
        behind = mean_difference(losses[name], losses[best], weight, cluster)
        if name == best or (behind.se is not None and behind.value <= behind.se):
            return name
    return best
