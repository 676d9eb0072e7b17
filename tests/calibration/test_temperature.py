"""The temperature against published figures, scikit-learn and mpmath."""

from __future__ import annotations

import math
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossent import calibration
from crossent.calibration.given import Rows
from crossent.calibration.temperature import HIGH, LOW, Passes, inverse_temperature
from crossent.errors import DataError

CIFAR = Path(__file__).parents[1] / "data" / "cifar10"


def log_loss(p: np.ndarray, y: np.ndarray) -> float:
    return -float(np.log(p[np.arange(len(y)), y]).mean())


@pytest.mark.parametrize(
    ("network", "temperature", "before", "after"),
    [
        ("wideresnet-16-4", 2.05922422, 0.37370874, 0.27042202),
        ("lenet-5", 1.37358382, 1.39048026, 1.32599771),
    ],
)
def test_networks_on_cifar_10(network: str, temperature: float, before: float, after: float) -> None:
    data = np.load(CIFAR / f"{network}.npz")
    p, y = data["predictions"].astype(np.float64), data["ground_truth"].astype(int)
    p /= p.sum(axis=1, keepdims=True)
    found = calibration.fit("temperature", y[:5000], p[:5000])
    assert found.temperature == pytest.approx(temperature, abs=5e-9)
    assert log_loss(p[5000:], y[5000:]) == pytest.approx(before, abs=5e-9)
    assert log_loss(found.transform(p[5000:]), y[5000:]) == pytest.approx(after, abs=5e-9)


@pytest.mark.parametrize("classes", [2, 5, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("true", [0.05, 0.7, 30.0])
def test_optimum_is_that_of_scikit_learn(classes: int, dtype: type, true: float) -> None:
    from sklearn.calibration import _TemperatureScaling

    rng = np.random.default_rng(classes)
    clean = rng.normal(size=(900, classes))
    y = (clean + rng.gumbel(size=clean.shape)).argmax(axis=1)
    z = (clean * true).astype(dtype)
    weight = rng.exponential(size=len(y))
    ours = calibration.fit("temperature", y, z, kind="logits", weight=weight)
    peer = _TemperatureScaling().fit(z.astype(np.float64), y, weight)
    # it minimises the loss, which is flat to the square root of rounding at its optimum
    assert ours.temperature == pytest.approx(1.0 / peer.beta_, rel=3e-8)


def test_derivatives_against_mpmath() -> None:
    rng = np.random.default_rng(5)
    z, y = rng.normal(size=(4, 3)) * 3, np.array([0, 2, 1, 1])

    def loss(beta: mpmath.mpf) -> mpmath.mpf:
        rows = [
            mpmath.log(sum(mpmath.exp(beta * v) for v in row)) - beta * row[k]
            for row, k in zip(z, y, strict=True)
        ]
        return sum(rows) / len(rows)

    for classes_apart in (1, 64):
        wide = np.concatenate([z, np.full((4, classes_apart), -np.inf)], axis=1)
        found = Passes(Rows(wide, y))(0.6)
        assert found == pytest.approx([float(mpmath.diff(loss, 0.6, n)) for n in (1, 2, 3)], rel=1e-9)


@given(
    st.lists(st.tuples(st.lists(st.floats(-50, 50), min_size=3, max_size=3), st.integers(0, 2)), min_size=1),
)
def test_no_other_temperature_is_better(cases: list[tuple[list[float], int]]) -> None:
    rows = Rows(np.array([z for z, _ in cases]), np.array([y for _, y in cases]))
    beta = inverse_temperature(rows)
    first = Passes(rows)
    slopes = [first(b)[0] for b in (beta * (1 - 1e-6), beta * (1 + 1e-6))]
    scale = float(np.ptp(rows.logits, axis=1).max()) + 1e-300
    assert slopes[0] <= 1e-9 * scale or beta == LOW
    assert slopes[1] >= -1e-9 * scale or beta == HIGH


def test_bounds_are_said() -> None:
    sure = calibration.fit("temperature", [0, 1], [[0.9, 0.1], [0.4, 0.6]])
    wrong = calibration.fit("temperature", [1, 0], [[0.9, 0.1], [0.4, 0.6]])
    silent = calibration.fit("temperature", [1, 0], [[0.5, 0.5], [0.5, 0.5]])
    assert (sure.bound, wrong.bound, silent.bound) == ("lower", "upper", "")
    assert (sure.temperature, wrong.temperature) == pytest.approx((math.exp(-10), math.exp(10)))
    assert silent.temperature == 1.0
    assert "likeliest" in sure.sentence()


def test_zero_probabilities_stay_and_a_label_on_one_is_refused() -> None:
    p = np.array([[0.7, 0.3, 0.0], [0.2, 0.8, 0.0], [0.6, 0.4, 0.0]])
    found = calibration.fit("temperature", [0, 1, 1], p)
    two = calibration.fit("temperature", [0, 1, 1], p[:, 1])
    assert found.temperature == pytest.approx(two.temperature, rel=1e-10)
    assert (found.transform(p)[:, 2] == 0).all()
    with pytest.raises(DataError, match=r"row 1: .*label-impossible"):
        calibration.fit("temperature", [0, 2, 1], p)
    floored = calibration.fit("temperature", [0, 2, 1], p, floor=1e-3)
    assert floored.temperature > 1.0
