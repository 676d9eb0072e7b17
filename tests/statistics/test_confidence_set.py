"""The model confidence set: against arch's bootstrap, closed forms, and simulation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossent.errors import UsageError
from crossent.statistics import multiplier
from crossent.statistics.confidence_set import model_confidence_set

STATISTICS = pytest.mark.parametrize("statistic", ["range", "max"])


@pytest.fixture(scope="module")
def games():
    """Losses of six forecasters of 600 games like baseball's: p near 1/2, forecasts strongly related."""
    rng = np.random.default_rng(600)
    logit = rng.normal(0.15, 0.35, 600)
    won = rng.random(600) < 1 / (1 + np.exp(-logit))
    noise = rng.normal(0, 1, (600, 6)) * [0.10, 0.12, 0.2, 0.35, 0.5, 0.0]
    forecasts = logit[:, None] * [1, 1, 1, 0.9, 0.8, 0] + noise
    return np.log1p(np.exp(np.where(won[:, None], -forecasts, forecasts)))


@STATISTICS
def test_agrees_with_the_bootstrap_of_arch(summarise, games, statistic):
    bootstrap = pytest.importorskip("arch.bootstrap")
    method = {"range": "R", "max": "max"}[statistic]
    mcs = bootstrap.MCS(games, size=0.1, reps=5000, block_size=1, bootstrap="circular", method=method, seed=1)
    mcs.compute()
    truth = mcs.pvalues["Pvalue"]
    found = dict(model_confidence_set(summarise(games), statistic=statistic).p_values)
    assert found == pytest.approx({f"m{i}": truth[i] for i in range(6)}, abs=0.02)
    assert len({round(p, 1) for p in found.values()}) >= 3


def _z_scores(*wanted, scale=1.0, n=100):
    """Gaps to a model of loss 0, with exactly these z statistics."""
    rng = np.random.default_rng(1)
    gap = rng.normal(0, 1, (n, len(wanted)))
    gap = (gap - gap.mean(axis=0)) / gap.std(axis=0, ddof=1)
    return scale * (gap + np.array(wanted) / math.sqrt(n))


@STATISTICS
@pytest.mark.parametrize("z", [0.3, 1.5, 2.5])
@pytest.mark.parametrize("scale", [1.0, 1e-9])
def test_two_models_are_a_two_sided_z_test(summarise, statistic, z, scale):
    losses = np.column_stack([_z_scores(z, scale=scale), np.zeros(100)])
    found = model_confidence_set(summarise(losses), statistic=statistic)
    p = 2 * stats.norm.sf(z)
    assert found.p_values[0] == ("m0", pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 20_000)))
    assert found.p_values[1] == ("m1", 1.0)


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e-9])
def test_nearly_identical_models_are_tested_by_their_own_difference(summarise, scale):
    """Two versions of a model that differ in the ninth digit, beside a bad one: p is that of their z."""
    close, far = _z_scores(1.2, scale=scale), _z_scores(0.0, 9.0)[:, 1:]
    zero = np.zeros((100, 1))
    found = dict(model_confidence_set(summarise(np.hstack([zero, close, far]))).p_values)
    assert found["m2"] == 0.0
    assert found["m1"] == pytest.approx(2 * stats.norm.sf(1.2), abs=0.012)
    draws = next(
        multiplier.gaussian_means(summarise(np.hstack([zero, close, far])).difference_variance(), 9999, 3)
    )
    assert np.std(draws[:, 1] - draws[:, 0]) == pytest.approx(scale / 10, rel=0.03)


def _permuted(summary, order):
    return replace(
        summary,
        names=tuple(summary.names[i] for i in order),
        mean=summary.mean[order],
        scatter=summary.scatter[np.ix_(order, order)],
        difference_scatter=summary.difference_scatter[np.ix_(order, order)],
    )


@STATISTICS
@given(order=st.permutations(range(6)))
@settings(max_examples=15, deadline=None)
def test_order_of_the_models_does_not_matter(summarise, games, statistic, order):
    losses = np.column_stack([games[:, :4], games[:, 0], np.where(np.arange(600) == 7, np.inf, 1.0)])
    summary = summarise(losses)
    one = model_confidence_set(summary, statistic=statistic, draws=300)
    assert model_confidence_set(_permuted(summary, order), statistic=statistic, draws=300) == one


@STATISTICS
def test_blocks_and_seeds(summarise, games, statistic, monkeypatch):
    summary = summarise(games)
    whole = model_confidence_set(summary, statistic=statistic, draws=2000, seed=5)
    other = model_confidence_set(summary, statistic=statistic, draws=2000, seed=6)
    monkeypatch.setattr(multiplier, "BLOCK", 6 * 77)
    assert model_confidence_set(summary, statistic=statistic, draws=2000, seed=5) == whole
    assert other.p_values != whole.p_values
    assert dict(other.p_values) == pytest.approx(dict(whole.p_values), abs=0.06)


@STATISTICS
def test_a_copy_shares_its_p_value_and_changes_no_other(summarise, games, statistic):
    alone = model_confidence_set(summarise(games), statistic=statistic)
    doubled = model_confidence_set(summarise(np.hstack([games, games[:, [2, 4]]])), statistic=statistic)
    p = dict(doubled.p_values)
    assert (p["m6"], p["m7"]) == (p["m2"], p["m4"])
    assert {name: p[name] for name, _ in alone.p_values} == dict(alone.p_values)


@STATISTICS
def test_all_models_identical(summarise, statistic):
    found = model_confidence_set(summarise(np.tile(np.arange(9.0)[:, None] / 7, (1, 4))), statistic=statistic)
    assert found.p_values == tuple((f"m{i}", 1.0) for i in range(4))
    assert found.members == ("m0", "m1", "m2", "m3")


@STATISTICS
def test_a_constant_difference_is_certain(summarise, statistic):
    base = np.arange(16.0)
    found = model_confidence_set(summarise(np.stack([base, base + 0.25, base], axis=1)), statistic=statistic)
    assert found.p_values == (("m1", 0.0), ("m0", 1.0), ("m2", 1.0))


def test_a_model_exactly_at_the_average_is_ordinary(summarise):
    """Its centred difference has variance 0 up to rounding, and may not decide anything."""
    a, b = np.random.default_rng(0).gamma(1, 1, (2, 300))
    found = model_confidence_set(summarise(np.stack([a, b, (a + b) / 2], axis=1)), statistic="max")
    z = abs(np.mean(a - b)) / np.std(a - b, ddof=1) * math.sqrt(300)
    assert dict(found.p_values)["m0" if a.mean() > b.mean() else "m1"] == pytest.approx(
        2 * stats.norm.sf(z), abs=0.015
    )


@STATISTICS
def test_infinite_models_leave_first(summarise, games, statistic):
    spoiled = np.column_stack([np.full(600, np.inf), games[:, 0], np.full(600, np.inf), games[:, 1:]])
    names = ["z", "m0", "y", "m1", "m2", "m3", "m4", "m5"]
    found = model_confidence_set(summarise(spoiled, names=names), statistic=statistic)
    finite = model_confidence_set(summarise(games), statistic=statistic)
    assert found.p_values == (("y", 0.0), ("z", 0.0), *finite.p_values)
    assert found.members == finite.members


@pytest.mark.parametrize(
    "losses", [[[1.0], [2.0]], [[np.inf, 1.0], [1.0, 2.0]], [[np.inf, np.inf], [1.0, 2.0]], [[1.0, 2.0]]]
)
def test_nothing_to_test_is_none(summarise, losses):
    assert model_confidence_set(summarise(losses)) is None


def test_members_and_p_values_are_consistent(summarise, games):
    found = model_confidence_set(summarise(games), alpha=0.2)
    p = [value for _, value in found.p_values]
    assert p == sorted(p)
    assert p[-1] == 1.0
    assert set(found.members) == {name for name, value in found.p_values if value >= 0.2}
    means = dict(zip(summarise(games).names, games.mean(axis=0), strict=True))
    assert list(found.members) == sorted(found.members, key=means.__getitem__)


@pytest.mark.parametrize(
    ("slug", "options"),
    [
        ("probability-out-of-range", {"alpha": 5}),
        ("unknown-statistic", {"statistic": "min"}),
        ("draws-not-positive", {"draws": 0}),
    ],
)
def test_wrong_use(summarise, games, slug, options):
    with pytest.raises(UsageError) as raised:
        model_confidence_set(summarise(games), **options)
    assert raised.value.slug == slug


@STATISTICS
def test_keeps_the_best_model_and_drops_bad_ones(summarise, statistic):
    """Three equally good models, two worse: the first stays in at least 90 % of 400 runs at alpha 0.1."""
    rng = np.random.default_rng(12)
    kept = bad = 0
    for _ in range(400):
        losses = rng.gamma(1, 1, (150, 1)) + rng.normal(0, 1, (150, 5)) + [0, 0, 0, 0.1, 0.8]
        found = model_confidence_set(summarise(losses), alpha=0.1, statistic=statistic, draws=300)
        kept += "m0" in found.members
        bad += "m4" in found.members
    assert kept / 400 >= 0.9 - 3 * math.sqrt(0.09 / 400)
    assert bad / 400 < 0.1


@STATISTICS
def test_holds_the_best_in_95_percent_with_copies_and_versions(summarise, statistic):
    """Three equally good models, a copy of the first, a version of it that differs in the ninth digit, and
    two worse ones: at alpha 0.05 each of the best stays in at least 95 % of 400 runs, and the copy with it.
    """
    rng, runs = np.random.default_rng(5), 400
    kept = np.zeros(5)
    for _ in range(runs):
        losses = rng.gamma(1, 1, (80, 1)) + rng.normal(0, 1, (80, 3))
        version = losses[:, :1] + 1e-9 * rng.normal(0, 1, (80, 1))
        worse = losses[:, 1:] + rng.normal([0.4, 2.0], 1, (80, 2))
        names = ["m0", "m1", "m2", "copy", "version", "worse", "bad"]
        everything = summarise(np.hstack([losses, losses[:, :1], version, worse]), names=names)
        members = model_confidence_set(everything, statistic=statistic, draws=300).members
        assert ("m0" in members) == ("copy" in members)
        kept += [name in members for name in names[:5]]
    # the version and its twin are told apart by luck only: both are as good
    assert (kept / runs).min() >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / runs)
