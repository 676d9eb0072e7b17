"""The truth of a loss: its definition in many digits, and derivatives that are differences of it."""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp
import numpy as np
import pytest

DIGITS = 200
STEP = mp.mpf(10) ** -30
"""Relative; a difference over ±h is wrong by h², 1e-60."""
NOISE = 1e-100
"""Of a second difference, relative to the loss."""
Definition = Callable[[list, object], object]


def differences(definition: Definition, row: list, target: object) -> tuple[float, list[float], list[float]]:
    """Value, and first and second derivative by each entry; 0 by an entry that is −inf."""
    middle = definition(row, target)
    slopes, bends = [0.0] * len(row), [0.0] * len(row)
    for k, x in enumerate(row):
        if not mp.isfinite(x):
            continue
        h = STEP * (abs(x) or 1)
        below, above = (definition([*row[:k], x + d, *row[k + 1 :]], target) for d in (-h, h))
        slopes[k] = float((above - below) / (2 * h))
        bends[k] = float((above - 2 * middle + below) / h**2)
    return float(middle), slopes, bends


@pytest.fixture
def exact():
    """`exact(loss, definition, targets, prediction, kind)` compares value and both derivatives.

    `definition(row, target)` is the loss of a row of mpf numbers. A number may be wrong by `rtol` of itself,
    an entry of a derivative besides by `atol` of the largest in its row.
    """

    def compare(loss, definition, targets, prediction, kind, rtol=1e-12, atol=0.0):
        prediction = np.asarray(prediction, float)
        with mp.workdps(DIGITS):
            truth = [
                differences(definition, [mp.mpf(float(x)) for x in row], target)
                for row, target in zip(prediction, targets, strict=True)
            ]
        for method, true in zip(
            (loss.value, loss.gradient, loss.hessian_diagonal), zip(*truth, strict=True), strict=True
        ):
            got = method(targets, prediction, kind)
            true = np.array(true)
            scale = atol * np.abs(true).max(axis=1, keepdims=True) + NOISE if true.ndim == 2 else 0.0
            wrong = ~(np.abs(got - true) <= rtol * np.abs(true) + scale)
            assert not wrong.any(), f"{got[wrong][:3]} for {true[wrong][:3]}"

    return compare


def mp_softmax(row: list) -> list:
    """softmax in the digits of the caller."""
    m = max(row)
    e = [mp.exp(x - m) for x in row]
    return [x / mp.fsum(e) for x in e]


@pytest.fixture
def softmax():
    return mp_softmax
