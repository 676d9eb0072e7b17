"""Sums and sums of products equal rational arithmetic, in any order and any parts."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crossent.exact import (
    PRODUCT_UNIT,
    SUM_UNIT,
    cut,
    exact_gram,
    exact_mean,
    exact_sum,
    sums,
    to_float,
    to_fraction,
)

FEW = settings(max_examples=60, deadline=None)
LARGEST = float(np.finfo(np.float64).max)
EXTREMES = [0.0, -0.0, 5e-324, -5e-324, 2.0**-1022, 1e-300, -1e300, 1e300, LARGEST, -LARGEST]
EXTREMES += [1.0, -1.0, 1e16, -1e16, 0.1, 2.0**700, -(2.0**700), 2.0**987, 2.0**-1022 - 5e-324, 1 + 2.0**-52]
numbers = st.one_of(
    st.sampled_from(EXTREMES),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-100.0, 100.0),
)
columns = st.lists(numbers, max_size=40).map(lambda v: np.array(v, np.float64))


def total(x) -> Fraction:
    return sum((Fraction(v) for v in x.tolist()), Fraction(0))


def products(x, y) -> Fraction:
    return sum((Fraction(a) * Fraction(b) for a, b in zip(x.tolist(), y.tolist(), strict=True)), Fraction(0))


@FEW
@given(columns, st.sampled_from([20, 32, 36]))
@example(np.array(EXTREMES), 36)
def test_slices_are_few_bit_integers_that_add_up_to_the_array(x, bits):
    slices = cut(x, bits)
    for g, h in slices:
        assert g % bits == 0
        assert np.array_equal(h, np.rint(h))
        assert (np.abs(h) <= 2.0**bits).all()
    for i, value in enumerate(x.tolist()):
        parts = (Fraction(int(h[i])) * Fraction(2) ** g for g, h in slices)
        assert sum(parts, Fraction(0)) == Fraction(value)


@FEW
@given(columns)
@example(np.array(EXTREMES))
@example(np.array([5e-324] * 3))
def test_sum_is_rational_arithmetic(x):
    assert to_fraction(exact_sum(x)) == total(x)


@FEW
@given(st.lists(st.floats(-1e300, 1e300), max_size=60).map(np.array))
def test_sum_as_float_is_fsum(x):
    assert to_float(exact_sum(x)) == math.fsum(x.tolist())


@FEW
@given(columns, st.randoms(use_true_random=False), st.integers(0, 40))
def test_sum_does_not_depend_on_order_or_parts(x, random, at):
    order = list(range(x.size))
    random.shuffle(order)
    assert exact_sum(x[order]) == exact_sum(x)
    assert exact_sum(x[:at]) + exact_sum(x[at:]) == exact_sum(x)


@FEW
@given(st.lists(st.tuples(numbers, numbers), max_size=30))
@example([(a, b) for a in EXTREMES for b in EXTREMES])
def test_gram_is_rational_arithmetic(pairs):
    x, y = (np.array([p[k] for p in pairs], np.float64) for k in (0, 1))
    xx, xy, yy = exact_gram([x, y], [(0, 0), (0, 1), (1, 1)])
    assert to_fraction(xx, PRODUCT_UNIT) == products(x, x)
    assert to_fraction(xy, PRODUCT_UNIT) == products(x, y)
    assert to_fraction(yy, PRODUCT_UNIT) == products(y, y)


@pytest.mark.parametrize("fill", [1.0, -1.0, 2.0**36 - 1, -(2.0**20), 1 - 2.0**-53, 0.1])
def test_full_blocks_do_not_round(fill):
    """More rows than a block holds, slices as large as they get and of one sign: 53 bits suffice."""
    n = sums._SUM_BLOCK + 3
    x = np.full(n, fill)
    assert to_fraction(exact_sum(x)) == n * Fraction(fill)
    (square,) = exact_gram([x], [(0, 0)])
    assert to_fraction(square, PRODUCT_UNIT) == n * Fraction(fill) ** 2


def test_strided_and_read_only_columns():
    x = np.arange(20.0)[::3]
    x.flags.writeable = False
    assert to_float(exact_sum(x)) == 63.0
    assert [to_float(k, PRODUCT_UNIT) for k in exact_gram([x, x], [(0, 1)])] == [819.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("others", [[], [1.0], [LARGEST]])
def test_what_is_not_finite_has_no_exact_sum(bad, others):
    x = np.array([*others, bad])
    with pytest.raises(ValueError, match="finite"):
        exact_sum(x)
    with pytest.raises(ValueError, match="finite"):
        exact_gram([np.ones(x.size), x], [(0, 1)])


def test_nothing_sums_to_nothing():
    assert exact_sum(np.empty(0)) == 0
    assert exact_gram([], []) == []
    assert exact_gram([np.empty(0)], [(0, 0)]) == [0]


def test_totals_beyond_the_range_of_floats():
    assert to_float(exact_sum(np.array([LARGEST, LARGEST]))) == math.inf
    assert to_float(exact_sum(np.array([-LARGEST, -LARGEST]))) == -math.inf
    assert to_float(exact_sum(np.array([LARGEST, LARGEST, -LARGEST]))) == LARGEST
    assert to_float(1) == 5e-324
    assert to_fraction(1, SUM_UNIT) == Fraction(5e-324)


@FEW
@given(st.lists(st.tuples(st.floats(-1e100, 1e100), st.floats(0.0, 1e100)), min_size=1, max_size=30))
def test_mean_is_the_rounded_rational_mean(pairs):
    x, w = (np.array([p[k] for p in pairs]) for k in (0, 1))
    assert exact_mean(x) == float(total(x) / x.size)
    if w.sum() > 0:
        assert exact_mean(x, w) == float(products(x, w) / total(w))
    else:
        with pytest.raises(ValueError, match="no weight"):
            exact_mean(x, w)


@pytest.mark.parametrize("scale", [5e-324, 1e-310, 1e-200, 1.0, 1e200, LARGEST / 8])
def test_weights_of_any_size_weigh_alike(scale):
    """Products with such weights are beyond the range of float64; the mean is not."""
    x = np.array([20.0, 30.0, -1e-5])
    assert exact_mean(x, scale * np.array([1.0, 2.0, 5.0])) == (20.0 + 60.0 - 5e-5) / 8
    assert exact_mean(np.array([LARGEST, LARGEST]), np.full(2, scale)) == LARGEST
    assert exact_mean(np.array([np.inf, 1.0]), np.array([5e-324, scale])) == np.inf


def test_mean_of_infinite_entries():
    x = np.array([1.0, np.inf, 3.0])
    assert exact_mean(x) == math.inf
    assert exact_mean(x, np.array([1.0, 0.0, 1.0])) == 2.0
    assert exact_mean(np.array([np.nan, 1.0]), np.array([0.0, 2.0])) == 1.0
    assert math.isnan(exact_mean(np.array([np.nan, 1.0])))
    assert exact_mean(np.array([-np.inf, 1.0]), np.array([2.0, 1.0])) == -math.inf
    assert exact_mean(np.array([-np.inf, LARGEST]), np.array([-2.0, 9.0])) == math.inf
    with pytest.raises(ValueError, match="no weight"):
        exact_mean(np.empty(0))
