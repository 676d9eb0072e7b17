"""E-processes: evidence against "q is no better than p" that may be looked at any time.

An e-process starts at 1 and, where the null is true, is at most 1 on average whenever one stops: it ever
exceeds 1/α with probability α at most (Ville's inequality). It needs no number of rows named in advance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from crossent.errors import UsageError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BETS = (0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
"""Shares of the most that may be bet; their mean is the evidence."""


@dataclass
class PredictableRange:
    """Evidence that gains are positive on average, from gains whose worst case is known beforehand.

    Null: E[δ_t | past] ≤ 0 for all t, δ_t being what q gains over p in row t (p's loss minus q's). Before row
    t is seen it is known that δ_t ≥ −B_t, since both predictions are. Each bet λ of a grid in [0, 1) wins

        E_t(λ) = Π_{i ≤ t} (1 + λ δ_i / B_i) ,

    every factor of which is at least 1 − λ and at most 1 on average; E_t is their mean over the grid. Nothing
    is clipped. A row with B_t = ∞ (q gives probability 0 to what p thinks possible) cannot be bet on and is
    passed over; one with δ_t = ∞ and finite B_t (what p thought impossible came) is infinite evidence.

    >>> test = PredictableRange()
    >>> evidence = test.update([0.1, -0.05, 0.2], [0.1, 0.1, 0.2])
    >>> [round(e, 4) for e in evidence.tolist()]
    [0.0939, 0.0353, 0.1337]

    Sources: Henzi & Ziegel 2022, Biometrika 109:647-663, doi:10.1093/biomet/asab047, for two outcomes; Choe &
    Ramdas 2023, Operations Research, doi:10.1287/opre.2021.0792.
    """

    bets: Sequence[float] = BETS
    rows: int = 0
    """Seen so far."""
    log_evidence: float = 0.0
    """log E_t now."""
    most: float = 0.0
    """The greatest log E_t so far: e^−most is a p-value that is valid whenever one stops."""
    _capital: Floats | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.bets or not all(0.0 <= bet < 1.0 for bet in self.bets):
            raise UsageError("bad-bets", f"bets {tuple(self.bets)}", cure="name shares from 0 to below 1")

    @property
    def p_value(self) -> float:
        """Valid at any time, however it was chosen: 1 / max E."""
        return math.exp(-max(self.most, 0.0))

    def update(self, gains: ArrayLike, risks: ArrayLike) -> Floats:
        """log E_t after each of the next rows, from δ (…, N) and B (…, N); the leading axes are runs apart.

        Raises UsageError where a gain is below its −B, or either is not a number.
        """
        delta, risk = np.asarray(gains, np.float64), np.asarray(risks, np.float64)
        share = _share(delta, risk)
        grid = np.asarray(self.bets, np.float64)
        won = np.log1p(grid * share[..., None])
        if self._capital is not None:
            won[..., 0, :] += self._capital
        path = np.cumsum(won, axis=-2)
        if path.shape[-2]:
            self._capital = path[..., -1, :]
        evidence: Floats = special.logsumexp(path, axis=-1) - math.log(grid.size)
        self._remember(evidence)
        return evidence

    def _remember(self, evidence: Floats) -> None:
        if evidence.size == 0:
            return
        self.rows += evidence.shape[-1]
        if evidence.ndim == 1:
            self.log_evidence = float(evidence[-1])
            self.most = max(self.most, float(evidence.max()))


def _share(delta: Floats, risk: Floats) -> Floats:
    """δ/B, 0 where there is nothing to bet on."""
    if np.isnan(delta).any() or np.isnan(risk).any():
        raise UsageError("nan-prediction", "a gain or its range is nan", cure="check the predictions")
    playable = np.isfinite(risk) & (risk > 0.0)
    share = np.where(playable, delta, 0.0) / np.where(playable, risk, 1.0)
    if (share < -1.0 - 1e-9).any():
        raise UsageError(
            "gain-below-range",
            "a gain is less than the least that its range allows",
            cure="compute the range from the same predictions as the gain",
        )
    clear: Floats = np.maximum(share, -1.0)
    return clear


def log_score_gains(labels: ArrayLike, log_p: ArrayLike, log_q: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """What q gains over p in each row by the log score, and the most that each can lose to the other.

    labels : (N,) class codes. log_p, log_q : (N, K) log-probabilities, −∞ for 0.
    Returns δ = log q(y) − log p(y), max_k log(p_k/q_k), the range for "q is no better than p", and
    max_k log(q_k/p_k), that for the reverse with gains −δ. A label to which both give 0 has δ = 0.
    """
    y = np.asarray(labels)
    p, q = np.asarray(log_p, np.float64), np.asarray(log_q, np.float64)
    with np.errstate(invalid="ignore"):
        ratio = q - p
    ratio[np.isneginf(q) & np.isneginf(p)] = 0.0
    delta = np.take_along_axis(ratio, y[:, None], axis=1)[:, 0]
    return delta, -ratio.min(axis=1), ratio.max(axis=1)


def brier_gains(labels: ArrayLike, p: ArrayLike, q: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """The same by the Brier score Σ_k (p_k − 1{k = y})², of probabilities (N, K)."""
    y, first, second = np.asarray(labels), np.asarray(p, np.float64), np.asarray(q, np.float64)
    # Σ (p_k − 1{k=y})² = Σ p² − 2 p_y + 1
    table = ((first**2).sum(axis=1) - (second**2).sum(axis=1))[:, None] - 2.0 * (first - second)
    delta = np.take_along_axis(table, y[:, None], axis=1)[:, 0]
    return delta, -table.min(axis=1), table.max(axis=1)
