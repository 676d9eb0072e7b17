"""The public functions: labels and predictions in, what is known of their calibration out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent._arrays import as_numpy
from crossent.calibration.given import logits, normalised, weights
from crossent.errors import DataError, UsageError
from crossent.imbalance.arguments import ByClass, floats, label_codes
from crossent.reliability import decomposing
from crossent.reliability.decomposing import Units
from crossent.statistics.calibration_measures import CalibrationErrors, measure
from crossent.statistics.decomposition import Decomposition, NullValue, event_losses
from crossent.statistics.forecast_cells import cells_of_forecasts
from crossent.statistics.isotonic import increasing, pooled
from crossent.statistics.log_scores import folds_of
from crossent.statistics.score_test import score_test
from crossent.statistics.summary import Floats

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
LOSSES = ("log_loss", "brier", "squared_error")
FEWEST = 20
"""Rows, or clusters, below which nothing is cross-fitted."""
TOP_LABEL = "top label"


@dataclass(frozen=True)
class ReliabilityCurve:
    """The isotonic reliability diagram: how often the event happened, by the probability it was given."""

    probability: Floats
    """(C,) increasing."""
    frequency: Floats
    """(C,) the increasing function that fits best."""
    low: Floats
    """(C,) 95 % of calibrated models have a frequency from `low` …"""
    high: Floats
    """(C,) … to `high`."""
    weight: Floats
    """(C,) Σ w."""


def decompose(
    labels: ArrayLike,
    predictions: ArrayLike,
    *,
    loss: str = "log_loss",
    kind: str = "probs",
    weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    method: str | None = None,
    folds: int = 5,
    draws: int = 999,
    seed: int = 0,
) -> Decomposition:
    """Miscalibration, discrimination and uncertainty: the parts of a mean loss, in nats or squares.

    Parameters
    ----------
    labels : (N,) 0 … K−1; numbers for the squared error.
    predictions : (N, K), or (N,) of the second of two classes; for squared errors (N,) means.
    loss : "log_loss", "brier" ((p − y)² of the second of two classes) or "squared_error" (of numbers).
    kind : "probs", "logits" or "log_probs".
    weight : (N,) from 0.
    cluster : (N,) values; rows of a cluster are kept together, and errors are between clusters.
    method : "isotonic" (two classes; the default), "temperature", "vector" or "matrix"; of many classes the
        default is the one with the least cross-fitted loss.
    folds : of cross-fitting; 0 for none.
    draws, seed : of the test of calibration.

    Recalibration of the same rows gives the `in_sample` parts, ≥ 0 and too large; a map fitted to other rows
    gives the `cross_fitted` ones. An infinite loss has infinite miscalibration and finite other
    parts. Errors: `DataError` (those of the checks; label-impossible for many classes), `UsageError`
    (bad-option). Sources: Bröcker, Q. J. R. Meteorol. Soc. 135 (2009), doi:10.1002/qj.456; Dimitriadis,
    Gneiting, Jordan, PNAS 118 (2021), doi:10.1073/pnas.2016191118; Berta et al. 2025, arXiv:2501.19195.

    >>> parts = decompose([0, 0, 0, 1, 1, 1], [0.4, 0.3, 0.2, 0.1, 0.5, 0.9]).in_sample
    >>> [round(x, 4) for x in (parts.miscalibration, parts.discrimination, parts.uncertainty, parts.loss)]
    [0.3237, 0.3183, 0.6931, 0.6986]
    """
    _one_of("loss", loss, LOSSES)
    if loss == "squared_error":
        x, y = floats(predictions, "predictions"), floats(labels, "labels")
        w, keep = _weights(weight, _same_length(x, y))
        return decomposing.of_numbers(
            x[keep], y[keep], _units(w, keep, cluster, folds, seed), draws=draws, seed=seed
        )
    log_p, y_codes = _classes(labels, predictions, kind)
    w, keep = _weights(weight, len(y_codes))
    log_p, y_codes = log_p[keep], y_codes[keep]
    units = _units(w, keep, cluster, folds, seed)
    k = log_p.shape[1]
    if loss == "brier" and k != 2:
        raise UsageError("bad-option", f"brier for {k} classes", cure="give the probability of one event")
    name = method or ("isotonic" if k == 2 else "")
    _one_of("method", name, ("isotonic", "temperature", "vector", "matrix", ""))
    if name == "isotonic":
        if k != 2:
            raise UsageError(
                "bad-option", f"isotonic for {k} classes", cure='take "temperature", "vector" or "matrix"'
            )
        event = y_codes == 1
        if loss == "log_loss":
            losses = -log_p[np.arange(event.size), y_codes]
        else:
            losses = event_losses(np.exp(log_p[:, 1]), event.astype(float), loss)
        return decomposing.of_event(log_p, event, losses, loss, units, draws=draws, seed=seed)
    if loss != "log_loss":
        raise UsageError(
            "bad-option", f"{name} lowers the log loss, not {loss}", cure='take method="isotonic"'
        )
    losses = -log_p[np.arange(y_codes.size), y_codes]
    if not np.isfinite(losses).all():
        raise DataError(
            "label-impossible",
            "a label was given probability 0: its log loss is infinite whatever the map",
            row=int(np.flatnonzero(keep)[np.flatnonzero(np.isinf(losses))[0]]),
            cure="raise small probabilities to a floor first",
        )
    families = (name,) if name else decomposing.families_for(k)
    found = decomposing.of_classes(log_p, y_codes, losses, families, units, draws=draws, seed=seed)
    return found[0]


def consistency_test(
    labels: ArrayLike,
    predictions: ArrayLike,
    *,
    loss: str = "log_loss",
    kind: str = "probs",
    weight: ArrayLike | None = None,
    draws: int = 999,
    seed: int = 0,
) -> NullValue:
    """The test of calibration alone: labels drawn again from the predictions, rows as independent.

    Of two classes the statistic is the isotonic miscalibration in sample; of many, the gain of a temperature
    and intercepts (Rao's test). `expected` is what a calibrated model of that n would show.

    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(1000)
    >>> found = consistency_test(rng.random(1000) < p, p, draws=199)
    >>> found.p > 0.05, 0.015 < found.expected < 0.021
    (True, True)
    """
    _one_of("loss", loss, LOSSES[:2])
    log_p, y = _classes(labels, predictions, kind)
    w, keep = _weights(weight, len(y))
    log_p, y = log_p[keep], y[keep]
    if log_p.shape[1] == 2:
        return decomposing.isotonic_test(np.exp(log_p[:, 1]), y == 1, w, loss, draws=draws, seed=seed)
    intercepts = log_p.shape[1] <= decomposing.MANY_CLASSES
    return score_test(log_p, y, w, intercepts=intercepts, draws=draws, seed=seed)


def calibration_errors(
    labels: ArrayLike,
    predictions: ArrayLike,
    *,
    event: int | str | None = None,
    kind: str = "probs",
    weight: ArrayLike | None = None,
    bins: int = 15,
    draws: int = 999,
    seed: int = 0,
) -> CalibrationErrors:
    """Binned, debiased, smooth and cumulative calibration errors, each beside its value if calibrated.

    `event` is a class, or "top label" (the predicted class is right; the default for more than two classes;
    of two it is class 1). Between 0 and 1; compare with `.expected` and `.high`, never with 0. Errors: as
    `decompose`. Sources: docs/calibration.md.

    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(500)
    >>> found = calibration_errors(rng.random(500) < p, p, draws=199)
    >>> found.ece.value > 0.02, found.ece.p > 0.05
    (True, True)
    """
    log_p, y = _classes(labels, predictions, kind)
    w, keep = _weights(weight, len(y))
    name = event if event is not None else 1 if log_p.shape[1] == 2 else TOP_LABEL
    p, happened = event_of(np.exp(log_p[keep]), y[keep], name)
    return measure(p, happened, w, event=str(name), bins=bins, draws=draws, seed=seed)


def reliability_curve(
    labels: ArrayLike,
    predictions: ArrayLike,
    *,
    event: int | str | None = None,
    kind: str = "probs",
    weight: ArrayLike | None = None,
    draws: int = 999,
    seed: int = 0,
) -> ReliabilityCurve:
    """The isotonic reliability diagram with its consistency band, without bins (CORP).

    Source: T. Dimitriadis, T. Gneiting, A. Jordan, PNAS 118 (2021), doi:10.1073/pnas.2016191118.

    >>> curve = reliability_curve([0, 1, 0, 1], [0.2, 0.4, 0.6, 0.8], draws=99)
    >>> curve.frequency
    array([0. , 0.5, 0.5, 1. ])
    """
    log_p, y = _classes(labels, predictions, kind)
    w, keep = _weights(weight, len(y))
    name = event if event is not None else 1 if log_p.shape[1] == 2 else TOP_LABEL
    p, happened = event_of(np.exp(log_p[keep]), y[keep], name)
    cells = cells_of_forecasts(p, happened, w)
    fits = [_fitted(cells.weight, drawn) for block in cells.redraws(draws, seed) for drawn in block]
    low, high = np.quantile(np.stack(fits), [0.025, 0.975], axis=0)
    steps = increasing(p, happened.astype(np.float64), w)
    return ReliabilityCurve(cells.p, steps.at(cells.p), low, high, cells.weight)


def event_of(p: Floats, labels: Ints, event: int | str) -> tuple[Floats, Bools]:
    """(N,) probability of a class or of the top label, and whether it happened; the first class of a tie."""
    if event == TOP_LABEL:
        top = p.argmax(axis=1)
        return p[np.arange(len(p)), top], labels == top
    if not isinstance(event, int) or not 0 <= event < p.shape[1]:
        raise UsageError(
            "bad-option", f"the event is {event!r}", cure=f'give a class 0 … {p.shape[1] - 1} or "top label"'
        )
    return p[:, event], labels == event


def _fitted(weight: Floats, events: Floats) -> Floats:
    starts, total, sums = pooled(weight, events)
    return np.repeat(sums / total, np.diff(np.append(starts, weight.size)))


def _classes(labels: ArrayLike, predictions: ArrayLike, kind: str) -> tuple[Floats, Ints]:
    z = logits(predictions, kind=kind)
    y: Any = np.asarray(as_numpy(labels))
    if y.dtype.kind == "f" and np.isin(y, (0.0, 1.0)).all():
        y = y.astype(np.int64)
    codes = label_codes(y, ByClass(np.ones(z.shape[1]), None))
    _same_length(z, codes)
    return normalised(z), codes


def _same_length(x: Any, y: Any) -> int:
    if len(x) != len(y):
        raise DataError("shape-mismatch", f"{len(y)} labels for {len(x)} predictions", cure="give one a row")
    if not len(x):
        raise DataError("no-rows", "there are no predictions", cure="give at least one row")
    return len(x)


def _weights(weight: ArrayLike | None, n: int) -> tuple[Floats, Bools]:
    """The weights above 0, and where they are."""
    w = weights(weight, n)
    if w is None:
        return np.ones(n), np.ones(n, bool)
    return w[w > 0.0], w > 0.0


def _units(w: Floats, keep: Bools, cluster: ArrayLike | None, folds: int, seed: int) -> Units:
    codes = None
    if cluster is not None:
        codes = np.unique(np.asarray(as_numpy(cluster))[keep], return_inverse=True)[1].astype(np.int64)
    many = (w.size if codes is None else int(codes.max()) + 1) >= FEWEST
    parts = (
        folds_of(np.flatnonzero(keep).astype(np.uint64), codes, folds, seed) if many and folds > 1 else None
    )
    return Units(w, codes, parts)


def _one_of(what: str, given: str, names: tuple[str, ...]) -> None:
    if given not in names:
        raise UsageError(
            "bad-option", f"{what} is {given!r}", cure=f"use one of {', '.join(n for n in names if n)}"
        )
