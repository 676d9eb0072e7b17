"""Sums by class or group: against the rows they come from, and simulation."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.errors import UsageError
from crossent.statistics.estimates import Estimate
from crossent.statistics.skill import skill
from crossent.statistics.slices import SliceSums, macro_mean, slice_estimate

CLASSES = ("a", "b", "c")
ROW = st.tuples(st.sampled_from(CLASSES), st.floats(0.001, 20), st.floats(0.01, 9))


def _direct_ratio(numerator, denominator):
    """Σx/Σy and the linearised standard error of it, from the rows."""
    ratio = numerator.sum() / denominator.sum()
    residual = numerator - ratio * denominator
    n = len(numerator)
    return ratio, math.sqrt(n / (n - 1) * (residual**2).sum()) / denominator.sum()


def _by_class(slice_sums, y, losses, w):
    return {k: slice_sums(losses[y == k], w[y == k]) for k in CLASSES if (y == k).any()}


@given(st.lists(ROW, min_size=2, max_size=30))
@settings(max_examples=50, deadline=None)
def test_skill_is_the_ratio_estimator_over_rows(slice_sums, rows):
    y, losses, w = (np.array(column) for column in zip(*rows, strict=True))
    classes = _by_class(slice_sums, y, losses, w)
    for prior in (None, [0.5, 0.2, 0.3]):
        share = (
            {k: w[y == k].sum() / w.sum() for k in classes}
            if prior is None
            else dict(zip(CLASSES, prior, strict=True))
        )
        base = np.array([-math.log(share[k]) for k in y])
        given_prior = None if prior is None else [share[k] / sum(share[j] for j in classes) for k in classes]
        if given_prior is not None:
            base += math.log(sum(share[j] for j in classes))
        if len(classes) == 1:
            assert math.isnan(skill(classes).skill.value)
            continue
        ratio, se = _direct_ratio(w * losses, w * base)
        found = skill(classes, given_prior)
        assert found.base == pytest.approx((w * base).sum() / w.sum(), rel=1e-9)
        assert found.skill.value == pytest.approx(1 - ratio, rel=1e-9, abs=1e-9)
        assert found.skill.se == pytest.approx(se, rel=1e-5, abs=1e-7)
        assert found.skill.units == len(rows)


def test_prior_is_matched_by_name(slice_sums):
    classes = {"a": slice_sums([0.1, 0.4]), "b": slice_sums([0.9])}
    by_name = skill(classes, {"b": 0.25, "a": 0.75})
    assert by_name == skill(classes, [0.75, 0.25])
    assert by_name.base == pytest.approx(-(2 * math.log(0.75) + math.log(0.25)) / 3)
    assert by_name != skill(classes, {"b": 0.75, "a": 0.25})


@pytest.mark.parametrize(
    ("losses", "prior", "base", "value"),
    [
        ({"a": [0.1, 0.2]}, None, 0.0, math.nan),
        ({"a": [0.1], "b": []}, None, 0.0, math.nan),
        ({"a": [0.1], "b": [0.2]}, {"a": 1.0, "b": 0.0}, math.inf, math.nan),
        ({"a": [0.1], "b": []}, {"a": 1.0, "b": 0.0}, 0.0, math.nan),
        ({"a": [math.inf], "b": [0.2]}, None, math.log(2), -math.inf),
        ({"a": [], "b": []}, None, math.nan, math.nan),
    ],
)
def test_undefined_skill(slice_sums, losses, prior, base, value):
    found = skill({k: slice_sums(v) for k, v in losses.items()}, prior)
    np.testing.assert_equal((found.base, found.skill.value, found.skill.se), (base, value, None))


@pytest.mark.parametrize(
    ("slug", "prior"),
    [
        ("prior-classes", {"a": 1.0}),
        ("prior-classes", {"a": 0.5, "b": 0.3, "c": 0.2}),
        ("prior-classes", {"a": 0.5, "B": 0.5}),
        ("prior-classes", [0.2, 0.3, 0.5]),
        ("prior-not-a-distribution", {"a": 0.5, "b": 0.6}),
        ("prior-not-a-distribution", {"a": 1.5, "b": -0.5}),
        ("prior-not-a-distribution", {"a": math.nan, "b": 1.0}),
        ("prior-not-a-distribution", {"a": 1.0, "b": math.nan}),
    ],
)
def test_wrong_prior(slice_sums, slug, prior):
    with pytest.raises(UsageError) as raised:
        skill({"a": slice_sums([0.1]), "b": slice_sums([0.2])}, prior)
    assert raised.value.slug == slug


@pytest.mark.parametrize("prior", [None, {"a": 0.5, "b": 0.3, "c": 0.2}])
def test_interval_of_the_skill_covers_the_truth(slice_sums, prior):
    rng = np.random.default_rng(8)
    true_share = np.array([0.6, 0.3, 0.1])
    constant = true_share if prior is None else np.array(list(prior.values()))
    mean_loss = np.array([0.4, 0.8, 1.6])
    truth = 1 - true_share @ mean_loss / (true_share @ -np.log(constant))
    covered = 0
    for _ in range(600):
        y = rng.choice(CLASSES, 300, p=true_share)
        losses = rng.gamma(2.0, 0.5, 300) * mean_loss[np.searchsorted(CLASSES, y)]
        low, high = skill(_by_class(slice_sums, y, losses, np.ones(300)), prior).skill.interval()
        covered += low <= truth <= high
    assert 0.925 <= covered / 600 <= 0.98


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0.01, 9)), min_size=2, max_size=30))
@settings(max_examples=50, deadline=None)
def test_slice_estimate_is_the_weighted_mean_of_its_rows(slice_sums, rows):
    losses, w = np.array(rows).T
    value, se = _direct_ratio(w * losses, w)
    found = slice_estimate(slice_sums(losses, w))
    assert found.value == pytest.approx(value, rel=1e-12)
    assert found.se == pytest.approx(se, rel=1e-6, abs=1e-6)
    assert found.units == len(rows)


def test_exact_sums_keep_a_small_scatter_on_a_large_mean():
    """In float64 Σℓ² − nL̄² would leave nothing of a scatter 1e-9 around 1e4."""
    losses = [10_000 + i * 1e-9 for i in range(50)]
    exact = [Fraction(x) for x in losses]
    linear = sum(exact)
    sums = SliceSums(50, Fraction(50), linear, Fraction(50), linear, sum(x * x for x in exact))
    truth = np.std([float(x - exact[0]) for x in exact], ddof=1) / math.sqrt(50)
    assert slice_estimate(sums).se == pytest.approx(truth, rel=1e-12)


@pytest.mark.parametrize(
    ("losses", "weights", "expected"),
    [
        ([0.3], None, Estimate(0.3, None, 1)),
        ([0.5, 0.5], None, Estimate(0.5, 0.0, 2)),
        ([math.inf, 0.3], None, Estimate(math.inf, None, 2)),
        ([math.inf, 0.5, 0.5], [0.0, 1.0, 1.0], Estimate(0.5, 0.0, 3)),
    ],
)
def test_edges_of_a_slice(slice_sums, losses, weights, expected):
    assert slice_estimate(slice_sums(losses, weights)) == expected


def test_rounded_sums_cannot_make_a_variance_negative():
    assert slice_estimate(SliceSums(3, 3.0, 0.9, 3.0, 0.9, 0.27 - 1e-16)).se == 0.0


def test_a_slice_without_weight_has_no_mean(slice_sums):
    found = slice_estimate(slice_sums([1.0, 2.0], [0.0, 0.0]))
    assert math.isnan(found.value)
    assert found.se is None


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([Estimate(1.0, 0.3, 10), Estimate(3.0, 0.4, 10)], Estimate(2.0, 0.25, 17)),
        ([Estimate(1.0, 0.3, 10)], Estimate(1.0, 0.3, 10)),
        ([Estimate(1.0, 0.0, 10), Estimate(2.0, 0.0, 5)], Estimate(1.5, 0.0, 15)),
        ([Estimate(1.0, 0.3, 10), Estimate(3.0, None, 1)], Estimate(2.0, None, 11)),
        ([Estimate(1.0, 0.3, 10), Estimate(math.inf, None, 9)], Estimate(math.inf, None, 19)),
    ],
)
def test_macro_mean(parts, expected):
    found = macro_mean(parts)
    assert (found.value, found.se) == (
        expected.value,
        pytest.approx(expected.se) if expected.se else expected.se,
    )
    assert found.units == expected.units


def test_macro_mean_of_nothing():
    assert math.isnan(macro_mean([]).value)
