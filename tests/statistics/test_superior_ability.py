"""Hansen's test: against arch's bootstrap, closed forms, and its size when the best of many is picked."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossent.errors import UsageError
from crossent.statistics.superior_ability import superior_ability


def losses(shift, seed, units=600, candidates=6):
    """A baseline, candidates about as good and one bad one."""
    rng = np.random.default_rng(seed)
    found = rng.gamma(1, 1, (units, 1)) + rng.normal(0, 0.6, (units, candidates + 1))
    found[:, 1:] -= rng.normal(0, 0.04, candidates) + shift
    found[:, -1] += 0.4
    return found


@pytest.mark.parametrize(("shift", "seed"), [(0.0, 3), (0.03, 4), (-0.02, 5)])
def test_agrees_with_arch(summarise, shift, seed):
    bootstrap = pytest.importorskip("arch.bootstrap")
    drawn = losses(shift, seed)
    found = superior_ability(summarise(drawn), "m0")
    options = {"block_size": 1, "bootstrap": "circular", "seed": 1}
    theirs = bootstrap.SPA(drawn[:, 0], drawn[:, 1:], reps=2000, studentize=True, **options)
    theirs.compute()
    mine = {"lower": found.p_lower, "consistent": found.p, "upper": found.p_upper}
    assert mine == pytest.approx(dict(theirs.pvalues), abs=0.03)


def test_which_are_better_agrees_with_the_steps_of_arch(summarise):
    bootstrap = pytest.importorskip("arch.bootstrap")
    drawn = losses(0.02, 1)
    drawn[:, 2] -= 0.15
    drawn[:, 4] -= 0.15
    frame = pd.DataFrame(drawn[:, 1:], columns=[f"m{k}" for k in range(1, 7)])
    theirs = bootstrap.StepM(
        drawn[:, 0], frame, size=0.05, block_size=1, bootstrap="circular", seed=1, reps=1000
    )
    theirs.compute()
    assert set(superior_ability(summarise(drawn), "m0").better) == set(theirs.superior_models)


def test_one_candidate_is_a_one_sided_t_test(summarise):
    gap = np.random.default_rng(1).normal(-0.4, 1.0, 20)
    found = superior_ability(summarise(np.stack([np.zeros(20), gap], axis=1)), "m0")
    p = stats.ttest_1samp(gap, 0.0, alternative="less").pvalue
    assert (found.p_lower, found.p, found.p_upper) == pytest.approx((p, p, p), abs=0.01)
    assert found.p_values == (("m1", pytest.approx(p, abs=0.01)),)


def test_copies_ties_and_infinite_models_are_ordinary(summarise):
    rng = np.random.default_rng(0)
    base = rng.gamma(1, 1, 80)
    columns = [base, base, base - 0.25, base + 0.25, np.where(np.arange(80) == 3, np.inf, base)]
    names = ["old", "copy", "surely better", "surely worse", "infinite"]
    found = superior_ability(summarise(np.stack(columns, axis=1), names=names), "old")
    assert found.better == ("surely better",)
    assert dict(found.p_values)["copy"] == dict(found.p_values)["surely worse"] == 1.0
    assert found.candidates == ("surely better", "copy", "surely worse")
    only_worse = superior_ability(summarise(np.stack([base, base, base + 0.25], axis=1)), "m0")
    assert (only_worse.statistic, only_worse.p, only_worse.better) == (0.0, 1.0, ())


@pytest.mark.parametrize(
    "drawn", [[[np.inf, 1.0], [1, 2], [3, 4]], [[1.0, np.inf], [1, 2], [3, 4]], [[1.0, 2.0], [3, 5]]]
)
def test_nothing_to_test_is_none(summarise, drawn):
    assert superior_ability(summarise(drawn), "m0") is None


def test_order_and_copies_of_candidates_do_not_matter(summarise):
    drawn = losses(0.02, 2)
    names = [f"m{k}" for k in range(7)]
    turned = [3, 1, 0, 2, 6, 5, 4]
    one = superior_ability(summarise(drawn, names=names), "m0", draws=500)
    other = superior_ability(summarise(drawn[:, turned], names=[names[i] for i in turned]), "m0", draws=500)
    assert one == other
    doubled = superior_ability(summarise(np.column_stack([drawn, drawn[:, 3]])), "m0")
    assert doubled.p == pytest.approx(superior_ability(summarise(drawn), "m0").p, abs=0.015)


def test_wrong_use(summarise):
    for options in ({"draws": 0}, {"level": 1.5}):
        with pytest.raises(UsageError):
            superior_ability(summarise(losses(0, 0)), "m0", **options)


def test_size_and_power_when_the_best_of_ten_is_picked(summarise):
    """Ten candidates as good as the baseline, related; and the same with three of them bad and one better."""
    runs, found, picked, power = 400, 0, 0, 0
    for run in range(runs):
        rng = np.random.default_rng(run)
        drawn = rng.gamma(1, 1, (60, 1)) + rng.normal(0, 0.5, (60, 11)) + rng.normal(0, 0.5, (60, 1))
        drawn[:, 10] = drawn[:, 9]
        found += superior_ability(summarise(drawn), "m0", draws=200, seed=run).p < 0.05
        gaps = drawn[:, :1] - drawn[:, 1:]
        picked += (gaps.mean(axis=0) / gaps.std(axis=0, ddof=1) * math.sqrt(60) > 1.671).any()
        drawn[:, 1:4] += 0.5
        drawn[:, 4] -= 0.3
        power += "m4" in superior_ability(summarise(drawn), "m0", draws=200, seed=run).better
    assert found / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert picked / runs > 0.2, "each candidate by itself at 5 %: what the test is for"
    assert power / runs > 0.7
