"""Limits, defaults and refusals of the statistics: what is said at the edge of what is defined."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from crossent.errors import UsageError
from crossent.statistics.calibration_error import reliability_from_cells
from crossent.statistics.confidence_set import model_confidence_set
from crossent.statistics.estimates import Estimate, estimate, mean_estimates, t_quantile
from crossent.statistics.paired import against, compare, pairwise
from crossent.statistics.power import minimum_detectable_difference, required_units
from crossent.statistics.skill import skill
from crossent.statistics.slices import SliceSums, linearised_variance, macro_mean, slice_estimate
from crossent.statistics.tails import LossHistogram, coarse_histogram, tail_shares


@pytest.fixture(scope="module")
def summary(summarise):
    rng = np.random.default_rng(5)
    return summarise(rng.gamma(1.0, 1.0, (30, 1)) + rng.normal(0, 0.3, (30, 3)) + [0.0, 0.2, 0.4])


# --- estimates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.999])
@pytest.mark.parametrize("units", [2, 3, 1000])
def test_interval_is_symmetric_and_widens_with_its_level(level, units):
    low, high = Estimate(2.0, 0.5, units).interval(level)
    assert high - 2.0 == pytest.approx(2.0 - low)
    assert high - 2.0 == pytest.approx(0.5 * t_quantile(0.5 + level / 2, units - 1))
    wider = Estimate(2.0, 0.5, units).interval(level + 0.0005)
    assert wider[0] < low < high < wider[1]


@pytest.mark.parametrize(
    ("value", "variance", "units", "se"),
    [
        (1.0, 4.0, 2, 2.0),
        (1.0, 0.0, 2, 0.0),
        (1.0, math.inf, 9, None),
        (-math.inf, 1.0, 9, None),
        (1.0, 1.0, 0, None),
    ],
)
def test_standard_error_only_where_it_is_defined(value, variance, units, se):
    assert estimate(value, variance, units) == Estimate(value, se, units)


def test_means_of_a_single_unit_and_of_infinite_models(summarise):
    alone = mean_estimates(summarise([[1.0, 2.0]]))
    assert alone == (Estimate(1.0, None, 1), Estimate(2.0, None, 1))
    spoiled = summarise([[1.0, math.inf], [3.0, 2.0]])
    assert mean_estimates(spoiled) == (Estimate(2.0, pytest.approx(1.0), 2), Estimate(math.inf, None, 2))
    assert spoiled.finite.tolist() == [True, False]
    assert spoiled.unit_name == "row"
    assert np.isnan(summarise([[1.0, 2.0]]).difference_variance()).all()


# --- comparisons ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.5, 0.8, 0.99])
def test_level_reaches_what_is_detectable_and_the_verdict(summary, level):
    for d in pairwise(summary, level=level):
        truth = minimum_detectable_difference(d.difference.se, level=level, df=29)
        assert d.detectable == pytest.approx(truth, rel=1e-12)
        told = "worse" if d.difference.value > 0 else "better"
        assert d.verdict == (told if d.p_holm < 1 - level else "not told apart")
        assert d.p_holm >= d.p


def test_finite_models_are_never_asked_for_infinite_rows(summary):
    def refuse(model, reference):
        raise AssertionError(f"{model} and {reference} are finite")

    assert [d.n_infinite for d in pairwise(summary, infinite=refuse)] == [0, 0, 0]


def test_infinite_rows_are_asked_for_model_and_reference_in_that_order(summarise):
    asked = []

    def count(model, reference):
        asked.append((model, reference))
        return 1, None

    table = pairwise(
        summarise([[1.0, math.inf, 2.0], [1.5, 1.0, 2.5]]), order=["m2", "m1", "m0"], infinite=count
    )
    assert asked == [("m1", "m2"), ("m0", "m1")]
    assert [(d.model, d.reference, d.verdict) for d in table] == [
        ("m1", "m2", "infinite"),
        ("m0", "m2", "better"),
        ("m0", "m1", "infinite"),
    ]


def test_tables_of_some_models_and_of_one(summary, summarise):
    assert [d.model for d in against(summary, "m2", order=["m1", "m2"])] == ["m1"]
    assert pairwise(summary, order=["m2"]) == ()
    alone = summarise([[1.0], [2.0]])
    assert against(alone, "m0") == pairwise(alone) == ()


def test_a_constant_difference_of_any_size_is_detectable(summarise):
    found = compare(summarise([[1.0, 1.25], [2.0, 2.25]]), "m1", "m0")
    assert (found.detectable, found.p, found.p_holm, found.verdict) == (0.0, 0.0, 0.0, "worse")


@pytest.mark.parametrize(
    ("call", "slug", "says"),
    [
        (lambda s: compare(s, "best", "m0"), "unknown-model", ["'best'", "m0, m1, m2"]),
        (lambda s: against(s, "old"), "unknown-model", ["'old'", "m0, m1, m2"]),
        (lambda s: pairwise(s, order=["m0", "x"]), "unknown-model", ["'x'"]),
        (lambda s: pairwise(s, level=95), "probability-out-of-range", ["level is 95", "0.95"]),
        (lambda s: pairwise(s, order=["m0"], level=95), "probability-out-of-range", ["level is 95"]),
        (lambda s: against(s, "m0", level=0.0), "probability-out-of-range", ["level is 0.0"]),
        (lambda s: model_confidence_set(s, alpha=1.0), "probability-out-of-range", ["alpha is 1.0"]),
        (lambda s: model_confidence_set(s, statistic="R"), "unknown-statistic", ["'R'", "'range' or 'max'"]),
        (lambda s: model_confidence_set(s, draws=-3), "draws-not-positive", ["-3 draws"]),
        (lambda s: required_units(1.0, 0.1, power=1.0), "probability-out-of-range", ["power is 1.0"]),
        (lambda s: required_units(1.0, -2.0), "difference-not-positive", ["-2.0"]),
        (
            lambda s: reliability_from_cells("e", *np.ones((4, 601)), bins=16),
            "bins-do-not-divide",
            ["16 bins", "15"],
        ),
    ],
)
def test_refusals_say_what_was_given_and_what_would_do(summary, call, slug, says):
    with pytest.raises(UsageError) as raised:
        call(summary)
    assert raised.value.slug == slug
    for text in says:
        assert text in str(raised.value)


# --- planning ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variance", "difference", "units"), [(0.0, 1.0, 2), (1.0, 100.0, 2), (1.0, 50.0, 2)]
)
def test_two_units_are_the_least(variance, difference, units):
    assert required_units(variance, difference) == units


def test_more_power_a_higher_level_and_fewer_degrees_of_freedom_need_a_larger_difference():
    plain = minimum_detectable_difference(1.0, df=20)
    assert plain < minimum_detectable_difference(1.0, df=20, power=0.9)
    assert plain < minimum_detectable_difference(1.0, df=20, level=0.99)
    assert plain < minimum_detectable_difference(1.0, df=5)
    assert plain > minimum_detectable_difference(1.0)
    assert minimum_detectable_difference(0.0, df=3) == 0.0


# --- slices and skill -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 7, 1000])
@pytest.mark.parametrize("loss", [0.1, 1 / 3, 1e-8, 7.7e5])
def test_equal_losses_whose_squares_were_rounded_do_not_vary(n, loss):
    rounded = SliceSums(
        n, n, n * Fraction(loss), n, n * Fraction(loss), n * Fraction(loss * loss), rounding=2.0**-52
    )
    assert slice_estimate(rounded) == Estimate(loss, 0.0, n)


def test_losses_that_vary_by_more_than_rounding_do():
    losses = [0.5, 0.5 + 1e-6]
    total, squares = sum(map(Fraction, losses)), sum(Fraction(x * x) for x in losses)
    found = slice_estimate(SliceSums(2, 2, total, 2, total, squares, rounding=2.0**-52))
    assert found.se == pytest.approx(5e-7, rel=1e-3)


@pytest.mark.parametrize(
    ("squares", "units", "exposure", "variance"),
    [(Fraction(6), 3, 2, 2.25), (Fraction(-1), 3, 2, 0.0), (Fraction(6), 2, Fraction(1, 2), 48.0)],
)
def test_linearised_variance(squares, units, exposure, variance):
    assert linearised_variance(squares, units, exposure) == variance
    assert math.isnan(linearised_variance(squares, 1, exposure))


@pytest.mark.parametrize("units", [(2, 2), (2, 1000), (50, 3)])
def test_degrees_of_freedom_of_a_macro_mean_lie_between_the_smallest_and_the_sum(units):
    found = macro_mean([Estimate(1.0, 0.5, units[0]), Estimate(2.0, 0.25, units[1])])
    assert min(units) - 1 <= found.units - 1 <= sum(units) - 2
    assert found == macro_mean([Estimate(2.0, 0.25, units[1]), Estimate(1.0, 0.5, units[0])])


def test_skill_counts_all_rows_and_takes_a_prior_within_its_tolerance(slice_sums):
    classes = {"late": slice_sums([0.1, 0.4]), "never": slice_sums([]), "ontime": slice_sums([0.9])}
    assert skill(classes).skill.units == 3
    for off in (0.0, 9e-7, -9e-7):
        assert skill(classes, [0.6, 0.1, 0.3 + off]).base == pytest.approx(
            -math.log(0.6**2 * 0.3) / 3, abs=1e-5
        )
    for off in (1.1e-6, -1.1e-6):
        with pytest.raises(UsageError, match="prior-not-a-distribution"):
            skill(classes, [0.6, 0.1, 0.3 + off])


def test_a_wrong_prior_is_told_the_classes(slice_sums):
    classes = {"late": slice_sums([0.1]), "ontime": slice_sums([0.9])}
    with pytest.raises(UsageError, match=r"2 probabilities for late, early, the 2 classes are late, ontime"):
        skill(classes, {"late": 0.5, "early": 0.5})
    with pytest.raises(UsageError, match=r"smallest probability is -0\.5 and its sum 1\.0"):
        skill(classes, [1.5, -0.5])


def test_one_row_has_skill_but_no_standard_error(slice_sums):
    found = skill({"a": slice_sums([0.5]), "b": slice_sums([])}, {"a": 0.25, "b": 0.75})
    assert (found.base, found.skill.value) == (
        pytest.approx(math.log(4)),
        pytest.approx(1 - 0.5 / math.log(4)),
    )
    assert (found.skill.se, found.skill.units) == (None, 1)


# --- tails ------------------------------------------------------------------------------------------------


def cells(low, high, rows, loss=None):
    rows = np.array(rows)
    return LossHistogram(np.array(low), np.array(high), rows, rows * 1.0 if loss is None else np.array(loss))


def test_negative_losses_share_a_bar_of_their_own():
    drawn = coarse_histogram(cells([-1e-4, 0.0, 1.0], [0.0, 1e-300, 2.0], [2, 3, 4]))
    assert drawn[0] == (-1e-4, 1e-300, 5)
    assert [rows for *_, rows in drawn] == [5, 4]
    assert coarse_histogram(cells([0.0], [0.0], [7])) == ((0.0, 0.0, 7),)


def test_the_largest_losses_have_a_finite_bar():
    largest = float(np.finfo(np.float64).max)
    drawn = coarse_histogram(cells([1.0, 2.0**1023], [2.0, math.inf], [1, 1]), bars=3)
    assert sum(rows for *_, rows in drawn) == 2
    assert all(math.isfinite(low) and math.isfinite(high) and high <= largest for low, high, _ in drawn)


@pytest.mark.parametrize("bars", [-1, 0, 1, 2])
def test_there_are_at_least_two_bars_to_draw(bars):
    drawn = coarse_histogram(cells([1.0, 8.0, 64.0], [2.0, 16.0, 128.0], [1, 1, 1]), bars=bars)
    assert drawn == coarse_histogram(cells([1.0, 8.0, 64.0], [2.0, 16.0, 128.0], [1, 1, 1]), bars=2)
    assert 1 <= len(drawn) <= 2


@pytest.mark.parametrize("rows", [1, 9, 10, 11, 99, 100, 101])
def test_a_fixed_number_is_shown_where_there_are_as_many_rows(rows):
    names = [name for name, *_ in tail_shares([], cells([1.0], [2.0], [rows]), rows)]
    assert ("worst 10 rows" in names, "worst 100 rows" in names) == (rows >= 10, rows >= 100)
    assert names[0] == "worst row"
    assert names[-3:] == ["worst 1 %", "worst 5 %", "worst 10 %"]


def test_a_negative_total_has_no_shares():
    assert tail_shares([], cells([-1.0], [0.0], [3], [-0.25]), 3) == ()
