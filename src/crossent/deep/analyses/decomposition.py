"""How much of each model's loss could be mended by recalibration, and how much it knows of the rows."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import stats

from crossent import calibration
from crossent.data.labels import fingerprints
from crossent.deep.registry import Look, analysis
from crossent.deep.table import Floats, Ints, Predictions, RowTable
from crossent.statistics.decomposition import (
    Decomposition,
    Parts,
    decompose,
    if_calibrated,
    resampled,
    reversed_interval,
)
from crossent.statistics.estimates import Estimate, mean_of_rows
from crossent.statistics.log_scores import folds_of

FOLDS = 5
FEWEST = 20
"""Rows, or clusters, below which nothing is fitted."""
MOST_CLASSES = 50
"""With a parameter a class; of more there is one temperature."""
MANY = 20_000
"""Rows from which half as many samples are drawn: chance is smaller there."""


@analysis("decomposition")
def decomposition(look: Look) -> tuple[Decomposition, ...]:
    """Isotonic for one event and for means of numbers; by a map that scales logits for many classes."""
    if len(look.table) < FEWEST or not look.table.weights.any():
        return ()
    return tuple(_decompositions(look))


def _decompositions(look: Look) -> Iterator[Decomposition]:
    table = look.table
    for model in look.results.models:
        said = table.predictions[table.index(model.name)]
        if table.y is not None and said.kind in ("point", "mean_std"):
            mean = said.values if said.values.ndim == 1 else said.values[:, 0]
            yield _of_means(look, model.name, np.asarray(mean, np.float64), table.y)
        elif said.distribution and table.labels is not None and (table.labels >= 0).all():
            assert table.classes is not None
            if len(table.classes) == 2:
                yield _of_event(look, model.name, said, table.labels)
            elif len(table.classes) > 2:
                found = _of_classes(look, model.name, said, table.labels)
                yield from [] if found is None else [found]


def _draws(table: RowTable) -> int:
    return 200 if len(table) < MANY else 100


def _of_means(look: Look, name: str, mean: Floats, y: Floats) -> Decomposition:
    """Of numbers there is no law to draw outcomes from: residuals are given random signs instead."""
    table, rng = look.table, np.random.default_rng(look.seed)
    parts = decompose(mean, y, table.weights, "squared_error")
    residual = y - mean
    signs = rng.choice([-1.0, 1.0], (_draws(table), len(table)))
    chance = np.array(
        [decompose(mean, mean + s * residual, table.weights, "squared_error").miscalibration for s in signs]
    )
    return _described(look, name, "the mean", "squared_error", parts, mean, y, chance, None)


def _of_event(look: Look, name: str, said: Predictions, labels: Ints) -> Decomposition:
    table, rng = look.table, np.random.default_rng(look.seed)
    assert table.classes is not None
    event = table.classes.index(look.evaluation.setup.positive or table.classes[1])
    loss = "brier" if look.results.loss == "brier" else "log_loss"
    p, y = said.probabilities[:, event], (labels == event).astype(np.float64)
    parts = decompose(p, y, table.weights, loss)
    chance = if_calibrated(p, table.weights, loss, _draws(table), rng)
    crossed = None if loss == "brier" else _cross_fitted(look, said, labels, "isotonic")
    return _described(look, name, table.classes[event], loss, parts, p, y, chance, crossed)


def _described(
    look: Look,
    name: str,
    of: str,
    loss: str,
    parts: Parts,
    x: Floats,
    y: Floats,
    chance: Floats,
    crossed: Estimate | None,
) -> Decomposition:
    table = look.table
    units = np.arange(len(table)) if table.cluster is None else table.cluster.codes
    interval = None
    if math.isfinite(parts.score):
        rng = np.random.default_rng(look.seed)
        samples = resampled(x, y, table.weights, units, loss, _draws(table), rng)
        interval = reversed_interval(parts.miscalibration, samples[:, 0], look.level)
    extreme = int((chance >= parts.miscalibration * (1.0 - 1e-12)).sum())
    p = (1 + extreme) / (1 + chance.size)
    return Decomposition(name, of, loss, "isotonic", parts, interval, float(chance.mean()), p, crossed)


def _of_classes(look: Look, name: str, said: Predictions, labels: Ints) -> Decomposition | None:
    """By scaling logits; None where a label was given probability 0, which no scaling mends."""
    table = look.table
    rows, classes = said.log_probabilities.shape
    logs, weight = said.log_probabilities, table.weights
    if np.isneginf(logs[np.arange(rows), labels][weight > 0.0]).any():
        return None
    method = "vector" if classes <= MOST_CLASSES and rows >= 20 * classes else "temperature"
    fitted = calibration.fit(method, labels, logs, kind="log_probs", weight=weight)
    total = weight.sum()
    score = float(-(weight * logs[np.arange(rows), labels]).sum() / total)
    after = fitted.log_probabilities(logs, kind="log_probs")[np.arange(rows), labels]
    calibrated = float(-(weight * after).sum() / total)
    share = np.bincount(labels, weight, classes) / total
    base = float(-(share[share > 0.0] * np.log(share[share > 0.0])).sum())
    parts = Parts(score, max(score - calibrated, 0.0), base - calibrated, base)
    # twice the log-likelihood ratio of d parameters is χ² with d degrees of freedom, and d on average
    freedom = 1 if method == "temperature" else 2 * classes - 1
    size = total**2 / float((weight**2).sum())
    p = float(stats.chi2.sf(2.0 * size * parts.miscalibration, freedom))
    crossed = _cross_fitted(look, said, labels, method)
    return Decomposition(
        name, "all classes", "log_loss", method, parts, None, freedom / (2.0 * size), p, crossed
    )


def _cross_fitted(look: Look, said: Predictions, labels: Ints, method: str) -> Estimate | None:
    """The mean of what a map saves that was fitted to the other folds; clusters stay whole."""
    table = look.table
    logs, weight, rows = said.log_probabilities, table.weights, np.arange(len(table))
    of_label = logs[rows, labels]
    if np.isneginf(of_label[weight > 0.0]).any():
        return None
    units = None if table.cluster is None else table.cluster.codes
    if units is not None and int(units.max()) + 1 < FEWEST:
        return None
    keys = table.position.astype(np.uint64) if table.cluster is None else fingerprints(table.cluster)
    fold = folds_of(keys, units, FOLDS, look.seed)
    saved = np.zeros(len(table))
    for k in range(FOLDS):
        rest, mine = fold != k, fold == k
        if not weight[rest].any() or not mine.any():
            return None
        fitted = calibration.fit(method, labels[rest], logs[rest], kind="log_probs", weight=weight[rest])
        mapped = fitted.log_probabilities(logs[mine], kind="log_probs")
        saved[mine] = mapped[np.arange(int(mine.sum())), labels[mine]] - of_label[mine]
    saved[weight == 0.0] = 0.0
    return mean_of_rows(saved, weight, units)
