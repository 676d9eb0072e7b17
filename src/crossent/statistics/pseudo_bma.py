"""Pseudo-BMA weights: each model by the likelihood it gave to rows it had not seen (Yao et al. 2018).

    w_k ∝ exp(z_k),   z_k = Σ_i v_i log p_ik

One model gets nearly all the weight as soon as the sums differ by a few nats, however uncertain the
difference is. Pseudo-BMA+ takes the mean of the weights over a Bayesian bootstrap (Rubin 1981) of z: units
(rows, or clusters) get exponential weights e_u, and  z_k = V · Σ_u e_u S_uk / Σ_u e_u V_u  with the sums S of
log p and V of v over each unit. It does not look for the best mixture: two equally good models that make
different mistakes get half each, and so do two that are the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossent.errors import DataError
from crossent.statistics.log_scores import Blocks, grouped, units_in
from crossent.statistics.summary import Floats

DRAWS = 1000
MOST_UNITS = 20_000
"""More are thrown together by chance into so many groups, which scatter as much but for half a per cent."""
_AT_ONCE = 1 << 21
"""Numbers of a block of draws: 16 MB."""


def pseudo_bma(blocks: Blocks, models: int) -> Floats:
    """(K,) weights by the sums of log scores alone; a model that gave one row probability 0 gets 0."""
    sums, _ = _unit_sums(blocks, models)
    _check(sums)
    weights: Floats = _softmax(sums.sum(axis=0, keepdims=True))[0]
    return weights


def pseudo_bma_plus(blocks: Blocks, models: int, *, draws: int = DRAWS, seed: int = 0) -> Floats:
    """(K,) mean weights over `draws` Bayesian bootstraps of the units; their Monte Carlo error is below
    0.5/√draws.
    """
    sums, sizes = _unit_sums(blocks, models)
    possible = _check(sums)
    finite = np.where(possible, sums, 0.0)
    rng = np.random.default_rng(seed)
    total = np.zeros(models)
    at_once = max(1, _AT_ONCE // len(sizes))
    for begin in range(0, draws, at_once):
        weight = rng.standard_exponential((min(at_once, draws - begin), len(sizes)))
        z = (weight @ finite) * (sizes.sum() / (weight @ sizes))[:, None]
        total += _softmax(np.where(possible, z, -np.inf)).sum(axis=0)
    mean: Floats = total / draws
    return mean


def _unit_sums(blocks: Blocks, models: int) -> tuple[Floats, Floats]:
    """(U, K) sums of log p, less each row's greatest, and (U,) of weights: over units, or groups of them."""
    units = units_in(blocks)
    sums, sizes = np.zeros((min(units, MOST_UNITS), models)), np.zeros(min(units, MOST_UNITS))
    for block in blocks:
        unit = grouped(block.unit, units, MOST_UNITS)
        used = block.weight > 0.0
        sizes += np.bincount(unit, block.weight, sizes.size)
        for k in range(models):
            sums[:, k] += np.bincount(unit[used], (block.weight * block.behind[:, k])[used], sizes.size)
    return sums, sizes


def _check(sums: Floats) -> NDArray[np.bool_]:
    """(K,) which models have a finite sum; DataError where none has."""
    possible = np.asarray(np.isfinite(sums).all(axis=0))
    if not possible.any():
        raise DataError(
            "no-finite-model",
            "every model gave some row probability 0, so that weights by likelihood are undefined",
            cure="stack the models instead: a mixture may give every row a probability",
        )
    return possible


def _softmax(z: Floats) -> Floats:
    """(B, K) weights of each row of z."""
    p = np.exp(z - z.max(axis=1, keepdims=True))
    weights: Floats = p / p.sum(axis=1, keepdims=True)
    return weights
