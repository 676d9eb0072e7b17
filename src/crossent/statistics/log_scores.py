"""Log-probabilities that K models gave to what happened, row by row, as mixtures of the models need them.

Of row i are kept its greatest log-probability  t_i = max_k log p_ik  and how far the others are behind,
b_ik = log p_ik − t_i: rows of any magnitude lose nothing, since a mixture has
log Σ_k w_k p_ik = t_i + log Σ_k w_k exp(b_ik).  Rows come in blocks, so that there may be more of them than
memory holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from crossent.errors import DataError
from crossent.statistics.hashing import Hashes, mixed
from crossent.statistics.summary import Floats

Ints = NDArray[np.int64]
Blocks = Iterable["LogScores"]
"""Blocks of rows; can be gone through again and again."""

BLOCK = 1 << 15
"""Rows of a block in memory: with six models 1.5 MB, which stays in the cache between two steps."""


@dataclass(frozen=True)
class LogScores:
    """Rows of K models. `unit` numbers what is independent of everything else: the row, or its cluster."""

    behind: Floats
    """(n, K) log-probabilities less the greatest of the row: −∞ to 0."""
    relative: Floats
    """(n, K) their exponentials."""
    top: Floats
    """(n,) the greatest log-probability."""
    weight: Floats
    """(n,)"""
    unit: Ints
    """(n,) from 0."""
    fold: Ints
    """(n,) which part of a cross-validation the row belongs to."""

    def keep(self, rows: NDArray[np.bool_] | slice) -> LogScores:
        """The rows where a mask is true, or a stretch of them."""
        return LogScores(*(getattr(self, column.name)[rows] for column in fields(self)))

    def __len__(self) -> int:
        return len(self.top)

    def mixture(self, weights: Floats) -> Floats:
        """(n,) log-probability of what happened by the mixture, less `top`; −inf for probability 0."""
        with np.errstate(divide="ignore"):
            logs: Floats = np.log(self.relative @ weights)
        return logs


@dataclass(frozen=True)
class Without:
    """All rows, those of one fold with the weight 0: nothing is copied."""

    blocks: Blocks
    fold: int

    def __iter__(self) -> Iterator[LogScores]:
        for block in self.blocks:
            yield replace(block, weight=np.where(block.fold == self.fold, 0.0, block.weight))


def log_scores(
    log_p: Floats,
    weight: Floats | None = None,
    unit: Ints | None = None,
    fold: Ints | None = None,
    first: int = 0,
) -> LogScores:
    """One block of rows from their (n, K) log-probabilities, the first of which has the number `first`.

    Raises DataError (impossible-for-all) for a row that every model gave probability 0: every mixture of the
    models has infinite loss then.
    """
    top = log_p.max(axis=1, initial=-np.inf)
    none = np.flatnonzero(np.isneginf(top))
    if none.size:
        raise impossible(first + int(none[0]))
    n = len(log_p)
    return LogScores(
        behind := log_p - top[:, None],
        np.exp(behind),
        top,
        np.ones(n) if weight is None else weight,
        first + np.arange(n) if unit is None else unit,
        np.zeros(n, np.int64) if fold is None else fold,
    )


def impossible(row: int, file: str | None = None) -> DataError:
    """The error for a row that every model gave probability 0."""
    return DataError(
        "impossible-for-all",
        "every model gave what happened probability 0, so that the loss of every mixture is infinite",
        file=file,
        row=row,
        cure="add a model that thinks it possible, such as one of the class frequencies",
    )


def in_blocks(rows: LogScores) -> list[LogScores]:
    """The same rows in blocks that fit the processor's cache."""
    return [rows.keep(slice(i, i + BLOCK)) for i in range(0, len(rows), BLOCK)]


def folds_of(keys: Hashes, units: Ints | None, folds: int, seed: int) -> Ints:
    """(N,) fold of each row: by a hash of its key or, where rows form `units`, of its unit as a whole.

    Units are dealt out one after another in the order of their hashes (of the first row's key), so that no
    fold is empty where there are as many units.
    """
    hashes = mixed(keys, seed)
    if units is None:
        return (hashes % np.uint64(folds)).astype(np.int64)
    _, first = np.unique(units, return_index=True)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(hashes[first], kind="stable")] = np.arange(first.size) % folds
    return rank[units]


def units_in(blocks: Blocks) -> int:
    """How many units there are."""
    return 1 + max((int(block.unit.max()) for block in blocks if len(block)), default=-1)


def grouped(unit: Ints, units: int, most: int) -> Ints:
    """(n,) the units or, where there are more than `most`, the group of so many that each is in by chance.

    Sums over such groups scatter as those over units do, and fit into memory.
    """
    if units <= most:
        return unit
    return (mixed(unit.view(np.uint64), 0) % np.uint64(most)).astype(np.int64)
