"""Isotonic regression, histograms and beta calibration against others' code and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from crossent import calibration
from crossent.errors import UsageError


def binary(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = np.round(rng.beta(0.7, 0.9, n), 2).clip(0.01, 0.99)
    return (rng.uniform(size=n) < p**2).astype(int), p


def test_plain_isotonic_is_that_of_scikit_learn() -> None:
    from sklearn.isotonic import IsotonicRegression

    y, p = binary()
    weight = np.random.default_rng(1).exponential(size=len(y))
    found = calibration.fit("isotonic", y, p, weight=weight, centred=False, ends=0.0)
    peer = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(p, y, weight)
    x = np.linspace(0, 1, 301)
    np.testing.assert_allclose(found.transform(x), peer.predict(x), atol=1e-12)


def test_centred_isotonic_by_hand() -> None:
    # Oron & Flournoy: each level becomes one point at the weighted mean of its predictions
    p = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    y = [0, 1, 0, 1, 0, 1]
    found = calibration.fit("isotonic", y, p, ends=0.0)
    np.testing.assert_allclose(found.points, [[0.1, 0.35, 0.6]])
    np.testing.assert_allclose(found.values, [[0.0, 0.5, 1.0]])
    assert found.transform([0.475])[0] == pytest.approx(0.75)
    with_ends = calibration.fit("isotonic", y, p)
    assert min(with_ends.values[0]) > 0.0 and max(with_ends.values[0]) < 1.0


@pytest.mark.parametrize("classes", [2, 4])
def test_every_row_keeps_a_finite_loss(classes: int) -> None:
    rng = np.random.default_rng(classes)
    p = rng.dirichlet(np.ones(classes) / 4, 200)
    y = p.argmax(axis=1)  # separable: plain isotonic regression says 0 and 1
    found = calibration.fit("isotonic", y, p)
    extreme = np.eye(classes)
    assert np.isfinite(found.log_probabilities(extreme)).all()


def test_histogram_by_hand() -> None:
    p = np.array([0.1, 0.1, 0.2, 0.6, 0.7, 0.9])
    y = np.array([0, 1, 0, 1, 1, 1])
    found = calibration.fit("histogram", y, p, bins=2)
    np.testing.assert_allclose(found.edges, [[0.4]])
    np.testing.assert_allclose(found.values, [[1.5 / 4, 3.5 / 4]])
    np.testing.assert_allclose(found.transform([0.0, 0.5]), [0.375, 0.875])


def test_beta_is_the_constrained_maximum() -> None:
    y, p = binary(2000)
    found = calibration.fit("beta", y, p, ridge=1e-9)

    def loss(theta: np.ndarray) -> float:
        odds = theta[0] * np.log(p) - theta[1] * np.log1p(-p) + theta[2]
        return float(np.logaddexp(0, np.where(y == 1, -odds, odds)).mean())

    best = optimize.minimize(loss, [1.0, 1.0, 0.0], bounds=[(0, None), (0, None), (None, None)], tol=1e-12)
    assert [found.a, found.b, found.c] == pytest.approx(best.x, abs=2e-3)
    assert loss(np.array([found.a, found.b, found.c])) <= best.fun + 1e-9
    assert min(found.a, found.b) >= 0.0


def test_beta_is_for_two_classes() -> None:
    with pytest.raises(UsageError, match="binary-map"):
        calibration.fit("beta", [0, 1, 2], np.full((3, 3), 1 / 3))


def test_the_ridge_keeps_a_matrix_from_learning_noise() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(1500, 20)) * 2
    y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)

    def loss(**options: float) -> float:
        found = calibration.fit("matrix", y[:500], z[:500], kind="logits", **options)
        return -float(found.log_probabilities(z[500:], kind="logits")[np.arange(1000), y[500:]].mean())

    true = -float((z - np.logaddexp.reduce(z, axis=1)[:, None])[np.arange(1500), y][500:].mean())
    assert loss() - true < 0.06  # 420 numbers from 500 rows
    assert loss(ridge=1e-3) - true > 0.3


@pytest.mark.parametrize("name", ["vector", "matrix"])
def test_affine_maps_are_the_penalised_minimum(name: str) -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(size=(300, 3)) * 2
    y = (z @ np.array([[1, 0.3, 0], [0, 0.5, 0], [0.2, 0, 1]]) + rng.gumbel(size=z.shape)).argmax(axis=1)
    found = calibration.fit(name, y, z, kind="logits", ridge=1.0)
    x = (z - z.mean(axis=1, keepdims=True)) / found.temperature
    spread = (x**2).mean()
    size = 3 if name == "vector" else 9

    def objective(theta: np.ndarray) -> float:
        a = np.diag(theta[:3]) if size == 3 else theta[:9].reshape(3, 3)
        out = x + x @ a.T + theta[size:]
        loss = np.logaddexp.reduce(out, axis=1) - out[np.arange(300), y]
        diagonal, rest = np.diag(a) @ np.diag(a), (a**2).sum() - np.diag(a) @ np.diag(a)
        penalty = spread * diagonal + 2 * spread * rest + theta[size:] @ theta[size:]
        return float(loss.mean() + 0.5 / 300 * penalty)

    best = optimize.minimize(objective, np.zeros(size + 3), tol=1e-12)
    mine = np.concatenate([np.ravel(found.matrix), found.intercept])
    assert objective(mine) <= best.fun + 1e-10
    np.testing.assert_allclose(mine, best.x, atol=2e-4)
