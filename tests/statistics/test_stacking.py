"""Weights of mixtures: published numbers, optimality, and what must not change them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from crossent import DataError
from crossent.statistics.greedy_selection import select_greedily
from crossent.statistics.log_scores import in_blocks, log_scores
from crossent.statistics.pseudo_bma import pseudo_bma, pseudo_bma_plus
from crossent.statistics.stacking import stack

LOO = np.loadtxt(Path(__file__).parents[1] / "data" / "loo_lpd_point.csv", delimiter=",", skiprows=1)


@pytest.mark.parametrize("shift", [0.0, 800.0, -800.0])
def test_published_weights(shift) -> None:
    blocks = in_blocks(log_scores(LOO + shift))
    found = stack(blocks, 3)
    np.testing.assert_allclose(found.weights, [0.203607602, 0.796392398, 0.0], atol=1e-9)
    assert (found.log_score - shift) * len(LOO) == pytest.approx(-76.914036231, abs=1e-9)
    assert found.gap < 1e-12
    np.testing.assert_allclose(LOO.sum(axis=0), [-87.74275, -77.90868, -90.72910], atol=5e-6)
    # R prints them for sums that differ in the third decimal; its own test allows 0.01
    np.testing.assert_allclose(pseudo_bma(blocks, 3), [5.365279e-05, 0.9999436, 2.707028e-06], atol=1e-7)


def models(seed, rows, count, impossible=0.0):
    rng = np.random.default_rng(seed)
    log_p = rng.normal(-1.0, 0.7, size=(rows, count)) + rng.normal(0.0, 0.1, count)
    log_p[:, 1:][rng.random((rows, count - 1)) < impossible] = -np.inf
    return log_p


@given(
    st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 8), st.sampled_from([0.0, 0.2]), st.booleans()
)
def test_the_optimum_holds_its_conditions(seed, rows, count, impossible, twins) -> None:
    """Every model's growth is at most 1, and 1 where it has weight (Karush, Kuhn and Tucker)."""
    log_p = models(seed, rows, count, impossible)
    if twins:
        log_p = np.column_stack([log_p, log_p[:, 0]])
    weight = np.random.default_rng(seed).integers(0, 4, rows) * 1.0
    weight[0] = 1.0
    found = stack([log_scores(log_p, weight)], log_p.shape[1])
    w, p = np.array(found.weights), np.exp(log_p)
    assert w.sum() == pytest.approx(1.0, abs=1e-14) and (w >= 0.0).all()
    assert found.log_score == pytest.approx(np.average(np.log(p @ w), weights=weight), abs=1e-13)
    growth = np.average(p / (p @ w)[:, None], axis=0, weights=weight)
    assert growth.max() <= 1.0 + 1e-11 and found.gap <= 1e-12
    np.testing.assert_allclose(growth[w > 1e-5], 1.0, atol=1e-6)


def test_a_general_optimiser_finds_nothing_better() -> None:
    log_p = models(3, 400, 5)
    p = np.exp(log_p)
    found = stack([log_scores(log_p)], 5)
    theirs = optimize.minimize(
        lambda w: -np.log(p @ w).mean(),
        np.full(5, 0.2),
        jac=lambda w: -(p / (p @ w)[:, None]).mean(axis=0),
        bounds=[(0, 1)] * 5,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0},
        options={"ftol": 1e-15, "maxiter": 500},
    )
    assert found.log_score >= -theirs.fun - 1e-14
    np.testing.assert_allclose(found.weights, theirs.x, atol=1e-5)


def test_a_model_that_alone_thinks_a_row_possible_has_weight() -> None:
    log_p = np.array([[-0.1, -5.0]] * 9 + [[-np.inf, -900.0]])
    found = stack([log_scores(log_p)], 2)
    assert found.weights[1] == pytest.approx(0.1 / (1 - np.exp(-4.9)), rel=1e-9)  # by hand
    with pytest.raises(DataError, match="impossible-for-all") as error:
        log_scores(np.array([[0.0, -1.0], [-np.inf, -np.inf]]), first=7)
    assert error.value.row == 8


def test_blocks_change_nothing() -> None:
    log_p = models(1, 1000, 4)
    rows = log_scores(log_p)
    parts = [log_scores(log_p[i : i + 37], first=i) for i in range(0, 1000, 37)]
    for solve in (
        lambda blocks: stack(blocks, 4).weights,
        lambda blocks: select_greedily(blocks, 4).weights,
        lambda blocks: pseudo_bma_plus(blocks, 4, draws=50),
    ):
        np.testing.assert_allclose(solve([rows]), solve(parts), atol=1e-12)
