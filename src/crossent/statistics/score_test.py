"""Rao's test of calibration for many classes: would a temperature or intercepts lower the loss?

In the family softmax(β log p + b) the predictions stand at β = 1, b = 0. With the gradient g of the
log-likelihood there and its information H, which under the hypothesis y ~ p is known, ½ gᵀ H⁻ g / Σ w is to
second order what the best of the family gains in nats a row. It needs no fit, so
labels are drawn from the predictions many times; for many rows 2 Σ w times the statistic is χ² with K degrees
of freedom.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossent.statistics.decomposition import NullValue, beside_null
from crossent.statistics.summary import Floats


def score_test(
    log_p: Floats,
    labels: NDArray[np.int64],
    weight: Floats,
    *,
    intercepts: bool = True,
    draws: int = 999,
    seed: int = 0,
) -> NullValue:
    """The gain beside its value for calibrated predictions, for log-probabilities (N, K) and weights (N,).

    Source: C. R. Rao, Math. Proc. Camb. Phil. Soc. 44 (1948) 50–57, doi:10.1017/S0305004100023987; redraws as
    in J. Bröcker, L. Smith, Weather Forecast. 22 (2007), doi:10.1175/WAF993.1.
    """
    p = np.exp(log_p)
    p /= p.sum(axis=1, keepdims=True)
    z = np.where(p > 0.0, log_p, 0.0)
    mean = np.einsum("nk,nk->n", p, z)
    inverse = _inverse_information(p, z - mean[:, None], weight, intercepts)
    expected = weight @ p
    here = np.arange(len(p))

    def gain(y: NDArray[np.int64]) -> float:
        g = np.array([weight @ (z[here, y] - mean)])
        if intercepts:
            g = np.append(g, np.bincount(y, weight, p.shape[1]) - expected)
        return float(0.5 * g @ inverse @ g / weight.sum())

    generator = np.random.Generator(np.random.PCG64(seed))
    upper = np.cumsum(p, axis=1)[:, :-1]

    def redraw() -> NDArray[np.int64]:
        return np.asarray((upper < generator.random((len(p), 1))).sum(axis=1))

    drawn = np.fromiter((gain(redraw()) for _ in range(draws)), np.float64, draws)
    return beside_null(gain(labels), drawn)


def _inverse_information(p: Floats, centred: Floats, weight: Floats, intercepts: bool) -> Floats:
    k = p.shape[1] if intercepts else 0
    h = np.zeros((k + 1, k + 1))
    h[0, 0] = weight @ np.einsum("nk,nk->n", p, centred**2)
    if intercepts:
        h[0, 1:] = h[1:, 0] = weight @ (p * centred)
        h[1:, 1:] = np.diag(weight @ p) - (p * weight[:, None]).T @ p
    return np.asarray(np.linalg.pinv(h, rcond=1e-10, hermitian=True))
