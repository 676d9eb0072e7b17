"""Draws of mean losses under the hypothesis that all models are equally good: the Gaussian multiplier.

For many units the vector of mean losses is Gaussian, and only differences matter; so a draw needs nothing but
the variances D_ij of the differences. It stands in for the bootstrap of the literature, and needs no rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from crossent.errors import UsageError
from crossent.statistics.summary import Floats

BLOCK = 1 << 20
"""Numbers in a block of draws: 8 MB an array."""
DRAWS = 20_000
"""The Monte Carlo error of a p-value of 0.05 is then 0.0015."""


def check_draws(draws: int) -> None:
    """Refuse a number of draws that gives no p-value."""
    if draws < 1:
        raise UsageError("draws-not-positive", f"{draws} draws give no p-value", cure="use some 20000")


def gaussian_means(variance: Floats, draws: int, seed: int) -> Iterator[Floats]:
    """Blocks (n, k) of Gaussian vectors whose differences have the variances D, up to a common shift.

    The vectors are built along a minimum spanning tree of D: each model is its parent plus their difference.
    A covariance matrix of the models themselves would carry an error of 1e-16 of its largest entry, that is
    1e-8 of a standard deviation, as large as the difference of a model's float32 and float64 versions.
    """
    parents = _spanning_tree(variance)
    child = np.array([c for c, _ in parents])
    parent = np.array([p for _, p in parents])
    sd = np.sqrt(variance[child, parent])
    root = _correlation_root(variance, child, parent, sd)
    generator = np.random.Generator(np.random.PCG64(seed))
    block = max(1, BLOCK // len(variance))
    for start in range(0, draws, block):
        steps = generator.standard_normal((min(block, draws - start), len(parents))) @ root.T
        steps *= sd
        z = np.zeros((len(steps), len(variance)))
        for e, (c, p) in enumerate(parents):
            z[:, c] = z[:, p] + steps[:, e]
        yield z


def _spanning_tree(variance: Floats) -> list[tuple[int, int]]:
    """(child, parent) of a minimum spanning tree from model 0, parents first (Prim)."""
    distance, nearest = variance[0].copy(), np.zeros(len(variance), dtype=np.int64)
    outside = np.arange(len(variance)) > 0
    edges = []
    while outside.any():
        child = int(np.where(outside, distance, np.inf).argmin())
        edges.append((child, int(nearest[child])))
        outside[child] = False
        closer = variance[child] < distance
        distance[closer], nearest[closer] = variance[child][closer], child
    return edges


def _correlation_root(
    variance: Floats, child: NDArray[np.int64], parent: NDArray[np.int64], sd: Floats
) -> Floats:
    """A with A Aᵀ the correlation of the tree's differences; every row has length 1.

    Cov(a−b, c−d) = (D_ad + D_bc − D_ac − D_bd) / 2. A "correlation" beyond ±1 is rounding error between two
    tiny differences far apart, and counts as 0.
    """
    across = variance[np.ix_(child, parent)] + variance[np.ix_(parent, child)]
    along = variance[np.ix_(child, child)] + variance[np.ix_(parent, parent)]
    scale = np.where(sd > 0, sd, 1.0)
    correlation = (across - along) / 2 / scale[:, None] / scale
    correlation[np.abs(correlation) > 1 + 1e-6] = 0.0
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh((correlation + correlation.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    unit: Floats = root / np.linalg.norm(root, axis=1, keepdims=True)
    return unit
