"""Stacking: the weights of a mixture of models that has the highest log score (Yao et al. 2018).

    maximise  f(w) = Σ_i v_i log Σ_k w_k p_ik / Σ_i v_i   over  w_k ≥ 0, Σ_k w_k = 1

It is concave. With the growth  g_k = mean_i p_ik / Σ_j w_j p_ij  no weights can gain more than  max_k g_k − 1
nats a row over w (g·w = 1, and log x ≤ x − 1): the optimality gap, 0 at the optimum only. Newton's method on
f(w) − Σw + 1 over w ≥ 0, whose maximum lies on the simplex by itself (Kim et al. 2020): each step is a
non-negative least squares problem of K unknowns, and a step along the line that must improve f.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

from crossent.statistics.log_scores import Blocks
from crossent.statistics.summary import Floats

RIDGE = 1e-10
"""Of the curvature, relative to its largest entry: two equal models leave a direction without any."""
ROUNDING = 1e-14
SHORTEST = 1e-4
"""Of Newton's step: below it a step of expectation maximisation is safer."""


@dataclass(frozen=True)
class Stacking:
    """The best mixture, and how far from the best one it can be at most."""

    weights: tuple[float, ...]
    """One a model, in the order of the columns; they sum to 1."""
    log_score: float
    """Mean log-probability of what happened by the mixture, in nats a row."""
    gap: float
    """No weights have a mean log score that is higher by more than this, in nats a row."""
    iterations: int


@dataclass(frozen=True)
class _Moments:
    """f at some weights, less the mean of the rows' greatest log-probabilities, and its derivatives."""

    weights: Floats
    value: float
    growth: Floats
    """(K,) derivative of f."""
    curvature: Floats
    """(K, K) minus its second derivative."""
    top: float

    @property
    def gap(self) -> float:
        return float(max(self.growth.max() - 1.0, 0.0))


def stack(blocks: Blocks, models: int, *, tolerance: float = 1e-12, max_iterations: int = 200) -> Stacking:
    """The stacking weights of `models` models: the mixture within `tolerance` nats a row of the optimum.

    Where rounding stops it earlier, or the iterations end, `gap` says how far it may still be.
    """
    here = _moments(blocks, np.full(models, 1.0 / models))
    iteration = 0
    while here.gap > tolerance and iteration < max_iterations:
        there = _step(lambda w: _moments(blocks, w), here)
        if there is None:
            break
        here, iteration = there, iteration + 1
    return Stacking(tuple(here.weights.tolist()), here.top + here.value, here.gap, iteration)


def _moments(blocks: Blocks, weights: Floats) -> _Moments:
    models = weights.size
    total = value = top = 0.0
    growth, curvature = np.zeros(models), np.zeros((models, models))
    for block in blocks:
        mixture = block.relative @ weights
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(mixture)
            share = block.relative / mixture[:, None]
        share[mixture == 0.0] = 0.0  # f is −inf then, and its derivatives are not used
        weighted = share * block.weight[:, None]
        used = block.weight > 0.0
        total += float(block.weight.sum())
        value += float(block.weight[used] @ logs[used])
        top += float(block.weight @ block.top)
        growth += weighted.sum(axis=0)
        curvature += weighted.T @ share
    return _Moments(weights, value / total, growth / total, curvature / total, top / total)


def _step(evaluate: Callable[[Floats], _Moments], here: _Moments) -> _Moments | None:
    """The next weights; None where rounding allows no better ones."""
    target = _newton(here)
    length = 1.0 if target is not None else 0.0
    while target is not None and length > SHORTEST:
        there = evaluate(_normalised(here.weights + length * (target - here.weights)))
        if _better(there, here):
            return there
        length /= 4.0
    there = evaluate(_normalised(here.weights * here.growth))
    return there if _better(there, here) else None


def _better(there: _Moments, here: _Moments) -> bool:
    """Whether f is higher; where it is the same to rounding, whether the gap is smaller."""
    rounding = ROUNDING * max(1.0, abs(here.value))
    return there.value > here.value + rounding or (
        there.value >= here.value - 10.0 * rounding and there.gap < 0.9 * here.gap
    )


def _normalised(weights: Floats) -> Floats:
    clipped = np.maximum(weights, 0.0)
    shares: Floats = clipped / clipped.sum()
    return shares


def _newton(here: _Moments) -> Floats | None:
    """The maximum over y ≥ 0 of the second-order model of f − Σ: (2g − 1)·y − ½ yᵀHy, as Hw = g."""
    ridge = RIDGE * float(here.curvature.diagonal().max())
    try:
        factor = linalg.cholesky(here.curvature + ridge * np.eye(here.weights.size), lower=True)
        right = linalg.solve_triangular(factor, 2.0 * here.growth - 1.0 + ridge * here.weights, lower=True)
        found: Floats = optimize.nnls(factor.T, right)[0]
    except (linalg.LinAlgError, RuntimeError):
        return None
    return found if np.isfinite(found).all() and found.sum() > 0.0 else None
