"""What recalibration would gain, model by model."""

from __future__ import annotations

import numpy as np

from crossent.calibration.choosing import FOLDS, choose
from crossent.calibration.given import Rows
from crossent.data.labels import fingerprints
from crossent.deep.registry import Look, analysis
from crossent.deep.table import UNKNOWN, RowTable
from crossent.statistics.hashing import mixed
from crossent.statistics.log_scores import folds_of
from crossent.statistics.recalibration import Recalibration

FEWEST = 100
"""Rows below which nothing is said."""
FEWEST_CLUSTERS = 10
NUMBERS = 400_000
"""Probabilities looked at of a model: two maps in five folds take half a second then."""
MOST_CLASSES = 50


@analysis("recalibration")
def recalibration(look: Look) -> tuple[Recalibration, ...]:
    """Temperature scaling, and isotonic of two classes or vector scaling of more, cross-fitted."""
    ranked = (model.name for model in look.results.models)
    return tuple(found for name in ranked if (found := _of(look, name)) is not None)


def _of(look: Look, name: str) -> Recalibration | None:
    table = look.table
    predictions = table.predictions[table.index(name)]
    if table.labels is None or table.classes is None or not predictions.distribution:
        return None
    classes = len(table.classes)
    taken = _taken(table, classes, look.seed)
    if not 2 <= classes <= MOST_CLASSES or taken.size < FEWEST:
        return None
    rows = Rows(
        predictions.log_probabilities[taken],
        table.labels[taken],
        None if table.weight is None else table.weight[taken],
    )
    keys, cluster = table.position[taken].astype(np.uint64), None
    if table.cluster is not None:
        keys = fingerprints(table.cluster)[taken]
        cluster = np.unique(table.cluster.codes[taken], return_inverse=True)[1].astype(np.int64)
        if int(cluster.max()) + 1 < FEWEST_CLUSTERS:
            return None
    if not rows.total > 0.0:
        return None
    return choose(
        rows,
        folds_of(keys, cluster, FOLDS, look.seed),
        _maps(rows),
        model=name,
        cluster=cluster,
        unit=look.results.data.cluster_column or "row",
        classes=table.classes,
    ).figures


def _taken(table: RowTable, classes: int, seed: int) -> np.ndarray:
    """Places of the rows that are looked at: those of known labels, by chance where there are very many."""
    assert table.labels is not None
    known = np.flatnonzero(table.labels != UNKNOWN)
    most = max(FEWEST, NUMBERS // classes)
    if known.size <= most:
        return known
    order = np.argsort(mixed(table.position[known].astype(np.uint64), seed), kind="stable")
    return np.sort(known[order[:most]])


def _maps(rows: Rows) -> tuple[str, ...]:
    if rows.impossible.any():
        return ("isotonic",)
    return ("temperature", "isotonic" if rows.classes == 2 else "vector")
