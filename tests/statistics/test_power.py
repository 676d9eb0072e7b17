"""Minimum detectable differences and sample sizes: the power they promise is there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossent.errors import UsageError
from crossent.statistics.paired import compare
from crossent.statistics.power import minimum_detectable_difference, required_units


@pytest.mark.parametrize(("df", "lost"), [(1, 0.08), (2, 0.04), (5, 0.008), (30, 0.002), (1000, 0.0001)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_power_of_the_t_test(df, lost, level):
    effect = minimum_detectable_difference(1.0, level=level, df=df)
    power = stats.nct.sf(stats.t.ppf(0.5 + level / 2, df), df, effect)
    assert power == pytest.approx(0.8, abs=lost)


def test_known_variance_is_the_limit():
    exact = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert minimum_detectable_difference(0.5) == pytest.approx(0.5 * exact, rel=1e-12)
    assert minimum_detectable_difference(0.5, df=10**9) == pytest.approx(0.5 * exact, rel=1e-6)


def test_detectable_difference_is_found_in_80_percent_of_samples(summarise):
    rng = np.random.default_rng(9)
    effect = minimum_detectable_difference(1 / np.sqrt(40), df=39)
    found = 0
    for _ in range(1000):
        gap = rng.normal(effect, 1, 40)
        result = compare(summarise(np.stack([np.zeros(40), gap], axis=1)), "m1", "m0")
        found += result.verdict == "worse"
    assert found / 1000 == pytest.approx(0.8, abs=0.04)
    assert result.detectable == pytest.approx(minimum_detectable_difference(result.difference.se, df=39))


@given(st.floats(0, 50), st.floats(0.1, 5), st.sampled_from([0.8, 0.95]), st.sampled_from([0.5, 0.9]))
@settings(max_examples=50, deadline=None)
def test_required_units_is_the_smallest_number_that_suffices(variance, difference, level, power):
    def detectable(units):
        return minimum_detectable_difference(
            (variance / units) ** 0.5, level=level, power=power, df=units - 1
        )

    units = required_units(variance, difference, level=level, power=power)
    assert detectable(units) <= difference
    assert units == 2 or detectable(units - 1) > difference


@pytest.mark.parametrize("bad", [{"level": 0}, {"level": 1.0}, {"power": 80}, {"power": float("nan")}])
def test_level_and_power_are_probabilities(bad):
    with pytest.raises(UsageError) as raised:
        minimum_detectable_difference(1.0, **bad)
    assert raised.value.slug == "probability-out-of-range"


@pytest.mark.parametrize("difference", [0.0, -0.1, float("inf"), float("nan")])
def test_a_sample_size_needs_a_difference(difference):
    with pytest.raises(UsageError) as raised:
        required_units(1.0, difference)
    assert raised.value.slug == "difference-not-positive"
