"""Would a mixture of the models be better than the best of them?"""

from __future__ import annotations

import numpy as np

from crossent.data.labels import fingerprints
from crossent.deep.registry import Look, analysis
from crossent.deep.table import RowTable
from crossent.statistics.combination import FOLDS, Combination, Recipe, combine
from crossent.statistics.log_scores import LogScores, folds_of, in_blocks, log_scores

FEWEST = 20
"""Rows, or clusters, below which no gain is estimated."""


@analysis("combination")
def combination(look: Look) -> Combination | None:
    """Stacking weights with the cross-validated gain, where losses are −log of a probability or a density."""
    table = look.table
    if len(table.names) < 2 or not _log_loss(look):
        return None
    units = table.cluster.codes if table.cluster is not None else np.arange(len(table))
    enough = int(units.max()) + 1 >= FEWEST
    if np.isposinf(table.losses).all(axis=1).any() or not table.weights.any():
        return None  # every mixture has infinite loss, which the losses say already
    return combine(
        in_blocks(rows_of(table, FOLDS, look.seed)),
        table.names,
        Recipe(seed=look.seed),
        folds=FOLDS if enough else 0,
        unit_name=look.results.data.cluster_column or "row",
        others=("pseudo-bma+", "equal"),
    )


def _log_loss(look: Look) -> bool:
    setup = look.evaluation.setup
    density = look.evaluation.spec.density
    return (setup.loss == "log_loss" or density) and setup.floor is None


def rows_of(table: RowTable, folds: int, seed: int) -> LogScores:
    """The rows as a mixture needs them, dealt into folds; whole clusters where there are clusters."""
    cluster = table.cluster
    if cluster is None:
        fold = folds_of(table.position.astype(np.uint64), None, folds, seed)
        return log_scores(-table.losses, table.weights, None, fold)
    fold = folds_of(fingerprints(cluster), cluster.codes, folds, seed)
    return log_scores(-table.losses, table.weights, cluster.codes, fold)
