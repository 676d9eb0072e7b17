"""Recalibrated losses of every row, in sample and cross-fitted, and what follows: the parts of the loss.

Everything here takes arrays that were checked; weights are above 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossent import calibration
from crossent.calibration.given import Rows
from crossent.statistics.decomposition import (
    Decomposition,
    NullValue,
    Parts,
    beside_null,
    event_losses,
    miscalibration_in_cells,
    miscalibration_of_numbers,
    parts,
)
from crossent.statistics.estimates import mean_of_rows
from crossent.statistics.forecast_cells import cells_of_forecasts
from crossent.statistics.isotonic import increasing
from crossent.statistics.score_test import score_test
from crossent.statistics.summary import Floats

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Fit = Callable[[Bools], Callable[[Bools], Floats]]
"""From the rows to fit to, to a function that gives the losses of other rows after recalibration."""

ISOTONIC_CELLS = 20_000
"""Probabilities that redraws tell apart. With 1,000 the expectation for 100,000 rows is a sixth too low, for
want of steps at the ends; with 20,000 it is right to 2 %."""
MANY_CLASSES = 100
"""More classes than that have a temperature, but no scale or intercept of their own."""
MATRIX_CLASSES = 12
"""More classes than that have no matrix: K² parameters, and minutes."""


@dataclass(frozen=True)
class Units:
    """What the rows count, what is independent, and how they are parted."""

    weight: Floats
    cluster: Ints | None
    folds: Ints | None
    """(N,) fold of each row, clusters whole; None where there are too few."""

    def recalibrated(self, fit: Fit) -> Floats | None:
        """(N,) losses, each by a map that was fitted to the other folds."""
        if self.folds is None:
            return None
        made: Floats = np.empty(self.weight.size)
        for fold in np.unique(self.folds):
            left = self.folds == fold
            made[left] = fit(~left)(left)
        return made


def of_event(
    log_p: Floats,
    event: Bools,
    losses: Floats,
    loss: str,
    units: Units,
    *,
    draws: int,
    seed: int,
) -> Decomposition:
    """By isotonic regression, for logarithms (N, 2) of the probabilities of no event and of the event."""
    y, w = event.astype(np.float64), units.weight
    with np.errstate(invalid="ignore"):
        steps = increasing(log_p[:, 1] - log_p[:, 0], y, w)
    best = event_losses(np.clip(steps.at(log_p[:, 1] - log_p[:, 0]), 0.0, 1.0), y, loss)

    def fit(rows: Bools) -> Callable[[Bools], Floats]:
        isotonic = calibration.get("isotonic").of(Rows(log_p[rows], event[rows].astype(np.int64), w[rows]))
        return lambda left: event_losses(np.exp(isotonic.mapped(log_p[left]))[:, 1], y[left], loss)

    base = event_losses(np.full(y.size, float(w @ y / w.sum())), y, loss)
    test = isotonic_test(np.exp(log_p[:, 1]), event, w, loss, draws=draws, seed=seed)
    seen = parts(losses, best, base, w)
    return _decomposition(("1", loss, "isotonic"), losses, base, seen, units, fit, test)


def isotonic_test(p: Floats, event: Bools, weight: Floats, loss: str, *, draws: int, seed: int) -> NullValue:
    """In-sample miscalibration by isotonic regression beside its values for events drawn from p (N,)."""
    cells = cells_of_forecasts(p, event, weight, most=ISOTONIC_CELLS)
    drawn = [miscalibration_in_cells(cells, block, loss) for block in cells.redraws(draws, seed)]
    impossible = loss == "log_loss" and bool((np.where(event, p, 1.0 - p) <= 0.0).any())
    seen = np.inf if impossible else float(miscalibration_in_cells(cells, cells.events[None], loss)[0])
    return beside_null(seen, np.concatenate(drawn))


def of_classes(
    log_p: Floats,
    labels: Ints,
    losses: Floats,
    families: Sequence[str],
    units: Units,
    *,
    draws: int,
    seed: int,
) -> tuple[Decomposition, ...]:
    """By each family of recalibrations, the best cross-fitted one first; empty where a loss is infinite."""
    if not np.isfinite(losses).all():
        return ()
    w = units.weight
    share = np.bincount(labels, w, log_p.shape[1]) / w.sum()
    base = event_losses(share[labels], np.ones(labels.size), "log_loss")
    test = score_test(log_p, labels, w, intercepts=log_p.shape[1] <= MANY_CLASSES, draws=draws, seed=seed)
    found = []
    for name in families:
        fit = _family(name, log_p, labels, w)
        everything = np.ones(labels.size, bool)
        seen = parts(losses, fit(everything)(everything), base, w)
        of = ("all classes", "log_loss", name)
        found.append(_decomposition(of, losses, base, seen, units, fit, test))
    found.sort(key=lambda d: -d.discrimination.value)
    return tuple(found)


def families_for(classes: int) -> tuple[str, ...]:
    """The recalibrations that can be fitted to so many classes."""
    if classes > MANY_CLASSES:
        return ("temperature",)
    return ("temperature", "vector", "matrix") if classes <= MATRIX_CLASSES else ("temperature", "vector")


def _family(name: str, log_p: Floats, labels: Ints, weight: Floats) -> Fit:
    def fit(rows: Bools) -> Callable[[Bools], Floats]:
        fitted = calibration.get(name).of(Rows(log_p[rows], labels[rows], weight[rows]))

        def left_losses(left: Bools) -> Floats:
            y = labels[left]
            return -fitted.mapped(log_p[left])[np.arange(y.size), y]

        return left_losses

    return fit


def of_numbers(prediction: Floats, y: Floats, units: Units, *, draws: int, seed: int) -> Decomposition:
    """Squared error of predicted means (N,), by isotonic regression.

    Of numbers there is no law to draw outcomes from: the residuals of rows, or of whole clusters, are given
    random signs instead.
    """
    w, rng = units.weight, np.random.Generator(np.random.PCG64(seed))
    losses, residual = (y - prediction) ** 2, y - prediction

    def fit(rows: Bools) -> Callable[[Bools], Floats]:
        steps = increasing(prediction[rows], y[rows], w[rows])
        return lambda left: np.asarray((y[left] - steps.between(prediction[left])) ** 2)

    codes = np.arange(y.size) if units.cluster is None else units.cluster
    signs = (rng.choice([-1.0, 1.0], int(codes.max()) + 1)[codes] for _ in range(draws))
    drawn = [miscalibration_of_numbers(prediction, prediction + s * residual, w) for s in signs]
    test = beside_null(miscalibration_of_numbers(prediction, y, w), np.array(drawn))
    best = (y - increasing(prediction, y, w).at(prediction)) ** 2
    base = (y - float(w @ y / w.sum())) ** 2
    seen = parts(losses, best, base, w)
    of = ("the mean", "squared_error", "isotonic")
    return _decomposition(of, losses, base, seen, units, fit, test)


def _decomposition(
    of: tuple[str, str, str],
    losses: Floats,
    base: Floats,
    seen: Parts,
    units: Units,
    fit: Fit,
    test: NullValue,
) -> Decomposition:
    event, loss, name = of
    w, left_out = units.weight, units.recalibrated(fit)
    cross = None if left_out is None else parts(losses, left_out, base, w)
    if left_out is None:
        everything = np.ones(w.size, bool)
        left_out = fit(everything)(everything)
    with np.errstate(invalid="ignore"):
        saved = losses - left_out
    return Decomposition(
        model="model",
        of=event,
        loss=loss,
        map=name,
        in_sample=seen,
        cross_fitted=cross,
        miscalibration=mean_of_rows(saved, w, units.cluster),
        discrimination=mean_of_rows(base - left_out, w, units.cluster),
        test=test,
    )
