"""Entropy, cross-entropy and divergence of rows against 50-digit arithmetic and SciPy."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from scipy.special import rel_entr
from scipy.stats import entropy as scipy_entropy

from crossent import kernels

INF, NAN = np.inf, np.nan


@pytest.mark.parametrize("classes", [2, 7, 16, 17, 200])
@pytest.mark.parametrize("concentration", [0.05, 1.0, 100.0])
def test_against_scipy(classes, concentration):
    rng = np.random.default_rng(classes)
    p, q = rng.dirichlet(np.full(classes, concentration), (2, 300))
    q = 0.9 * q + 0.1 / classes
    assert np.allclose(kernels.entropy(p), scipy_entropy(p, axis=1), rtol=1e-12, atol=1e-15)
    assert np.allclose(
        kernels.generalised_kl_divergence(p, q), rel_entr(p, q).sum(axis=1), rtol=1e-12, atol=1e-15
    )
    both = kernels.entropy(p) + kernels.generalised_kl_divergence(p, q)
    assert np.allclose(kernels.cross_entropy(p, q), both, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("distance", [1e-3, 1e-6, 1e-9])
def test_close_distributions_keep_their_digits(distance):
    """The divergence is of the order distance²; log(p/q) by division would lose it in the rounding of p/q."""
    p = np.array([[0.3, 0.45, 0.25]])
    q = p * (1 + distance * np.array([[1.0, -2.0, 0.5]]))
    q[0, 2] = 1.0 - q[0, 0] - q[0, 1]
    with mp.workdps(50):
        exact = float(
            mp.fsum(
                mp.mpf(a) * mp.log(mp.mpf(a) / mp.mpf(b)) - mp.mpf(a) + mp.mpf(b)
                for a, b in zip(p[0], q[0], strict=True)
            )
        )
    mine = kernels.generalised_kl_divergence(p, q)[0]
    naive = rel_entr(p, q).sum()
    assert abs(mine - exact) <= 1e-14 * exact
    assert abs(mine - exact) <= abs(naive - exact)


@pytest.mark.parametrize(
    ("p", "q", "entropy", "cross", "divergence"),
    [
        ([1.0, 0.0], [1.0, 0.0], 0.0, 0.0, 0.0),
        ([1.0, 0.0], [0.0, 1.0], 0.0, INF, INF),
        ([0.0, 1.0], [-1e-6, 1.0], 0.0, 0.0, 0.0),
        ([-1e-6, 1.0], [0.0, 1.0], 0.0, 0.0, 0.0),
        ([0.5, 0.5], [5e-324, 1.0], np.log(2), 0.5 * 744.4400719213812, 0.5 * 744.4400719213812 - np.log(2)),
        ([0.5, NAN], [0.5, 0.5], NAN, NAN, NAN),
    ],
)
@pytest.mark.parametrize("padding", [0, 18])
def test_zeros_extremes_and_nan(p, q, entropy, cross, divergence, padding):
    p, q = (np.array([row + [0.0] * padding]) for row in (p, q))
    got = [kernels.entropy(p)[0], kernels.cross_entropy(p, q)[0], kernels.generalised_kl_divergence(p, q)[0]]
    assert got == pytest.approx([entropy, cross, divergence], rel=1e-14, abs=1e-16, nan_ok=True)
    assert not np.signbit(np.array(got)[:2]).any(), "no −0.0"
