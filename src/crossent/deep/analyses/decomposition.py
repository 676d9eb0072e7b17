"""How much of each model's loss could be mended by recalibration, and how much it knows of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crossent.data.labels import fingerprints
from crossent.deep.registry import Look, analysis
from crossent.deep.table import Floats, Ints, Predictions, RowTable
from crossent.reliability.decomposing import Units, of_classes, of_event, of_numbers
from crossent.statistics.decomposition import Decomposition, event_losses
from crossent.statistics.log_scores import folds_of

Bools = NDArray[np.bool_]

FOLDS = 5
FEWEST = 20
"""Rows, or clusters, below which nothing is cross-fitted."""
MANY_CLASSES = 100
"""More than that have one temperature, and no scale or intercept of their own."""
ENTRIES = 1_000_000
"""Rows times classes times draws that a test may cost."""


@analysis("decomposition")
def decomposition(look: Look) -> tuple[Decomposition, ...]:
    """Isotonic for one event and for means of numbers; by a map that scales logits for many classes."""
    table = look.table
    counted = table.weights > 0.0
    if int(counted.sum()) < 2:
        return ()
    units = _units(table, counted, look.seed)
    names = [model.name for model in look.results.models]
    return tuple(
        replace(found, model=name)
        for name in names
        for found in _of_model(look, table.predictions[table.index(name)], counted, units)
    )


def _of_model(look: Look, said: Predictions, counted: Bools, units: Units) -> Iterator[Decomposition]:
    table = look.table
    if table.y is not None and said.kind in ("point", "mean_std"):
        mean = np.asarray(said.values if said.values.ndim == 1 else said.values[:, 0], np.float64)
        yield of_numbers(mean[counted], table.y[counted], units, draws=_draws(len(table)), seed=look.seed)
    elif said.distribution and table.labels is not None and table.classes is not None:
        labels = table.labels[counted]
        if (labels < 0).any() or len(table.classes) < 2:
            return
        log_p = said.log_probabilities[counted]
        if len(table.classes) == 2:
            yield _of_event(look, log_p, labels, units)
            return
        draws = _draws(log_p.size)
        losses = -log_p[np.arange(labels.size), labels]
        family = "vector" if log_p.shape[1] <= MANY_CLASSES else "temperature"
        yield from of_classes(log_p, labels, losses, (family,), units, draws=draws, seed=look.seed)


def _of_event(look: Look, log_p: Floats, labels: Ints, units: Units) -> Decomposition:
    assert look.table.classes is not None
    classes = look.table.classes
    event = classes.index(look.evaluation.setup.positive or classes[1])
    loss = "brier" if look.results.loss == "brier" else "log_loss"
    two, happened = log_p[:, [1 - event, event]], labels == event
    if loss == "log_loss":
        losses = -log_p[np.arange(labels.size), labels]
    else:
        losses = event_losses(np.exp(two[:, 1]), happened.astype(np.float64), loss)
    found = of_event(two, happened, losses, loss, units, draws=_draws(labels.size), seed=look.seed)
    return replace(found, of=classes[event])


def _draws(entries: int) -> int:
    """From 199 down to 99, where draws are dear."""
    return int(np.clip(ENTRIES // max(entries, 1), 99, 199))


def _units(table: RowTable, counted: Bools, seed: int) -> Units:
    cluster = table.cluster
    if cluster is None:
        codes, keys = None, table.position.astype(np.uint64)[counted]
        many = int(counted.sum()) >= FEWEST
    else:
        codes, keys = cluster.codes[counted], fingerprints(cluster)[counted]
        many = np.unique(codes).size >= FEWEST
    folds = folds_of(keys, codes, FOLDS, seed) if many else None
    return Units(table.weights[counted], codes, folds)
