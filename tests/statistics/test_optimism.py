"""How much too good the winner looks: closed forms, and simulations in which the truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from crossent.errors import UsageError
from crossent.statistics.optimism import selection_optimism


def _far(models, gap, seed=0, units=400):
    """Losses whose means are exactly 0, gap, 2·gap … standard errors of a loss apart, errors independent."""
    rng = np.random.default_rng(seed)
    drawn = np.linalg.qr(rng.normal(size=(units, models + 1)) * [1, *[1] * models])[0]
    drawn -= drawn.mean(axis=0)
    drawn = np.linalg.qr(drawn)[0][:, :models] * math.sqrt(units - 1)
    return drawn + gap * np.arange(models) / math.sqrt(units)


@pytest.mark.parametrize("models", [2, 5, 20])
def test_of_equal_models_it_is_the_mean_of_the_lowest_error(summarise, models):
    """E[max of k standard normals] / √n: 0.564, 1.163, 1.867 for k = 2, 5, 20."""
    density = lambda x: x * models * stats.norm.pdf(x) * stats.norm.cdf(x) ** (models - 1)  # noqa: E731
    truth = integrate.quad(density, -8, 8)[0]
    found = selection_optimism(summarise(_far(models, 0.0)))
    assert 20 * found.if_equal == pytest.approx(truth, abs=0.02)
    assert 20 * found.expected == pytest.approx(truth, abs=0.02)
    assert found.candidates == models


@pytest.mark.parametrize("gap", [0.0, 0.7, 2.0])
def test_of_two_models_it_has_a_closed_form(summarise, gap):
    """sd(d)·φ(gap/sd(d)): Stein's identity for the error of the lower one."""
    found = selection_optimism(summarise(_far(2, gap)))
    sd = math.sqrt(2)
    assert 20 * found.expected == pytest.approx(sd * stats.norm.pdf(gap / sd), abs=0.02)
    assert found.corrected == pytest.approx(found.expected, abs=1e-12)


def test_an_error_that_all_share_is_none_of_choosing(summarise):
    alone = selection_optimism(summarise(_far(4, 0.5)))
    shared = np.random.default_rng(9).normal(0, 50, (400, 1))
    moved = selection_optimism(summarise(_far(4, 0.5) + shared))
    assert (moved.expected, moved.if_equal) == pytest.approx((alone.expected, alone.if_equal), rel=0.02)


def test_copies_add_nothing_and_order_does_not_matter(summarise):
    drawn = _far(3, 0.4)
    names = ["b", "a", "c"]
    one = selection_optimism(summarise(drawn, names=names))
    turned = selection_optimism(summarise(drawn[:, [2, 0, 1]], names=["c", "b", "a"]))
    assert one.expected == pytest.approx(turned.expected, rel=1e-9)
    doubled = selection_optimism(summarise(np.column_stack([drawn, drawn[:, 0]])))
    assert doubled.expected == pytest.approx(one.expected, abs=0.001)
    same = selection_optimism(summarise(np.tile(drawn[:, :1], (1, 3))))
    assert (same.expected, same.if_equal) == (0.0, 0.0)


def test_candidates_and_what_is_none(summarise):
    drawn = np.column_stack([_far(3, 1.0), np.full(400, np.inf)])
    assert selection_optimism(summarise(drawn), ["m1", "m2"]).model == "m1"
    assert selection_optimism(summarise(drawn)).candidates == 3
    assert selection_optimism(summarise(drawn), ["m1", "m3"]) is None
    assert selection_optimism(summarise(drawn[:1])) is None
    with pytest.raises(UsageError, match="draws-not-positive"):
        selection_optimism(summarise(drawn), draws=0)


@pytest.mark.parametrize(("models", "gap", "share"), [(8, 0.0, (0.6, 0.8)), (8, 1.0, (0.8, 1.25))])
def test_against_the_truth_of_fresh_rows(summarise, models, gap, share):
    """True optimism in 1500 runs, drawn as means, against the estimate in 150: where all models are equal the
    observed values make it 29 % too small, where they are spread it is right.
    """
    units, rng = 100, np.random.default_rng(models)
    true = gap * np.arange(models) / math.sqrt(units)
    errors = rng.normal(0, 1 / math.sqrt(units), (40_000, models))
    winners = (true + errors).argmin(axis=1)
    truth = -errors[np.arange(len(errors)), winners].mean()
    found = []
    for run in range(150):
        drawn = np.random.default_rng(run).normal(0, 1, (units, models)) + true
        found.append(selection_optimism(summarise(drawn), draws=200, seed=run))
    assert share[0] < np.mean([f.expected for f in found]) / truth < share[1]
    assert np.mean([f.if_equal for f in found]) >= 0.97 * truth
