"""Moments of models side by side against rational arithmetic, infinite rows and weights of 0 included."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.accumulators.moments import EXPOSURE, ONE, WEIGHT, Moments
from crossent.exact import PRODUCT_UNIT, to_fraction

FEW = settings(max_examples=60, deadline=None)
losses = st.one_of(
    st.sampled_from([0.0, np.inf, np.inf, 5e-324, 1e-300, 744.44, 0.5, 1e100]),
    st.floats(0.0, 800.0),
)
weights = st.one_of(st.sampled_from([0.0, 1.0, 1e-100, 1e100]), st.floats(0.0, 10.0))
row = st.tuples(losses, losses, losses, weights, st.integers(0, 9).map(float))
table = st.lists(row, min_size=1, max_size=25).map(lambda rows: np.array(rows, np.float64).T)
kinds = st.sampled_from([(False, False), (True, False), (True, True), (False, True)])
NAMES = ("a", "b", "c")


def moments(data, kind, parts=()) -> Moments:
    weighted, exposed = kind
    found = Moments(NAMES, weighted=weighted, exposed=exposed)
    for start, end in pairwise([0, *parts, data.shape[1]]):
        part = data[:, start:end]
        found.update(list(part[:3]), part[3] if weighted else None, part[4] if exposed else None)
    return found


def counted(data, kind):
    """Rows that count, with their weights as they enter; products w·ℓ are float64 products."""
    kept = data[:, data[3] > 0.0] if kind[0] else data
    weight = kept[3] if kind[0] else np.ones(kept.shape[1])
    return kept, weight


def dot(x, y) -> Fraction:
    return sum((Fraction(a) * Fraction(b) for a, b in zip(x.tolist(), y.tolist(), strict=True)), Fraction(0))


@FEW
@given(table, kinds)
def test_products_are_rational_arithmetic(data, kind):
    kept, weight = counted(data, kind)
    columns = {ONE: np.ones(weight.size), WEIGHT: weight}
    columns |= {n: np.where(np.isinf(x), 0.0, x) * weight for n, x in zip(NAMES, kept[:3], strict=True)}
    if kind[1]:
        columns[EXPOSURE] = kept[4] * weight
    found = moments(data, kind)
    assert found.rows == weight.size
    for a in columns:
        for b in columns:
            assert found.product(a, b) == dot(columns[a], columns[b])
    assert found.total(NAMES[0]) == to_fraction(found.gram[0, len(found.columns) - 3], PRODUCT_UNIT)


@FEW
@given(table, kinds)
def test_means_over_finite_rows(data, kind):
    kept, weight = counted(data, kind)
    found = moments(data, kind)
    for a in range(3):
        finite = np.isfinite(kept[a])
        divisor = sum(map(Fraction, weight[finite].tolist()), Fraction(0))
        mean = found.finite_mean(a)
        if not divisor:
            assert mean is None
        else:
            assert mean == float(dot(kept[a][finite] * weight[finite], np.ones(finite.sum())) / divisor)
        for b in range(3):
            both = finite & np.isfinite(kept[b])
            rows, difference = found.finite_difference(a, b)
            assert rows == (~both).sum()
            divisor = sum(map(Fraction, weight[both].tolist()), Fraction(0))
            if not divisor:
                assert difference is None
                continue
            ones = np.ones(both.sum())
            gap = dot(kept[a][both] * weight[both], ones) - dot(kept[b][both] * weight[both], ones)
            assert difference == float(gap / divisor)
            assert found.infinite[a, b] == (np.isinf(kept[a]) & np.isinf(kept[b])).sum()


@FEW
@given(table, kinds, st.randoms(use_true_random=False), st.integers(0, 25))
def test_state_does_not_depend_on_order_parts_or_merges(data, kind, random, at):
    expected = moments(data, kind).state()
    order = list(range(data.shape[1]))
    random.shuffle(order)
    at = min(at, len(order))
    assert moments(data[:, order], kind).state() == expected
    assert moments(data, kind, [at, at]).state() == expected
    left, right = moments(data[:, order[:at]], kind), moments(data[:, order[at:]], kind)
    right.merge(left)
    left.merge(Moments(NAMES, weighted=kind[0], exposed=kind[1]))
    assert right.state() == expected
    loaded = Moments.load(json.loads(json.dumps(expected, allow_nan=False)))
    assert loaded.state() == expected
    loaded.merge(moments(data, kind))
    assert loaded.total(WEIGHT) == 2 * right.total(WEIGHT)


def test_no_rows_and_rows_without_weight():
    empty = Moments(NAMES, weighted=True)
    assert empty.finite_mean(0) is None
    assert empty.finite_difference(0, 1) == (0, None)
    zero = Moments(NAMES, weighted=True)
    zero.update([np.array([np.inf, 1.0])] * 3, np.zeros(2), None)
    assert zero.state() == empty.state()


def test_the_columns_given_are_not_written_to():
    columns = [np.array([1.0, np.inf]), np.array([0.0, 2.0]), np.array([1.0, 1.0])]
    weight = np.array([0.0, 2.0])
    for array in (*columns, weight):
        array.flags.writeable = False
    found = Moments(NAMES, weighted=True)
    found.update(columns, weight, None)
    assert found.finite_difference(1, 2) == (0, 1.0)


@pytest.mark.parametrize("k", [1, 8])
def test_any_number_of_models(k):
    rng = np.random.default_rng(k)
    data = rng.exponential(size=(k, 50))
    names = [f"m{i}" for i in range(k)]
    found = Moments(names)
    found.update(list(data), None, None)
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            assert found.product(a, b) == dot(data[i], data[j])
