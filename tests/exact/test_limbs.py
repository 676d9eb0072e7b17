"""Exact sums by cell: rational truth, one form for equal sums, order-free merging, room for carries."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.exact import LimbSums, to_fraction

FEW = settings(max_examples=60, deadline=None)
LARGEST = float(np.finfo(np.float64).max)
numbers = st.one_of(
    st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1e-300, 1e300, LARGEST, -LARGEST, 2.0**31, -(2.0**31)]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-100.0, 100.0),
)
CELLS = 5
entries = st.lists(st.tuples(st.integers(0, CELLS - 1), numbers), max_size=40)


def arrays(rows):
    return np.array([c for c, _ in rows], np.int64), np.array([v for _, v in rows], np.float64)


def filled(rows, cells=CELLS) -> LimbSums:
    sums = LimbSums(cells)
    sums.add(*arrays(rows))
    return sums


def truth(rows, cells=CELLS) -> list[Fraction]:
    totals = [Fraction(0)] * cells
    for cell, value in rows:
        totals[cell] += Fraction(value)
    return totals


def fractions(sums: LimbSums) -> list[Fraction]:
    return [to_fraction(sums.integer(c)) for c in range(sums.cells)]


@FEW
@given(entries)
def test_every_cell_is_rational_arithmetic(rows):
    sums = filled(rows)
    assert fractions(sums) == truth(rows)
    sums.canonical()
    assert fractions(sums) == truth(rows), "carrying changes no sum"
    assert to_fraction(sums.total()) == sum(truth(rows), Fraction(0))


@FEW
@given(entries, st.randoms(use_true_random=False), st.integers(0, 40))
def test_equal_sums_have_equal_limbs_however_they_came_about(rows, random, at):
    whole = filled(rows)
    shuffled = list(rows)
    random.shuffle(shuffled)
    parts = filled(shuffled[:at])
    parts.merge(filled(shuffled[at:]))
    detour = filled(rows)
    detour.add(*arrays(rows))
    detour.add(*arrays(rows), sign=-1)
    for other in (parts, detour):
        assert other == whole
        assert other.limbs.keys() == whole.limbs.keys()
        assert all(a.any() and (a >= -(2**31)).all() and (a < 2**31).all() for a in other.limbs.values())


@FEW
@given(entries)
def test_floats_are_the_nearest_within_two_ulp(rows):
    """Where all cells are of like size; a sum far below the largest one counts as 0."""
    sums = filled([(c, v) for c, v in rows if abs(v) < 1e200])
    exact = [float(f) for f in fractions(sums)]
    scale = max(map(abs, exact), default=0.0)
    for mine, right in zip(sums.floats().tolist(), exact, strict=True):
        assert abs(mine - right) <= max(2 * np.spacing(abs(right)), scale * 2.0**-1000)


def test_floats_of_one_large_and_one_subnormal_cell():
    sums = filled([(0, 1e300), (1, 5e-324), (2, -1.0)], 3)
    assert sums.floats().tolist() == [1e300, 0.0, -1.0]
    assert filled([(0, 5e-324)], 1).floats().tolist() == [5e-324]


def test_one_more_addition_than_a_limb_has_room_for():
    """2⁹ additions of a full block fill 62 bits; without carrying in time the 64th would overflow."""
    codes = np.zeros(1 << 11, np.int64)
    values = np.full(codes.size, 2.0**32 - 1)
    sums = LimbSums(1)
    for _ in range(3 * LimbSums._ADDITIONS_BEFORE_CARRY):
        sums.add(codes, values)
    for limb in sums.limbs.values():
        assert np.abs(limb).max() < 2**62
    assert to_fraction(sums.integer(0)) == 3 * LimbSums._ADDITIONS_BEFORE_CARRY * codes.size * (2**32 - 1)


@pytest.mark.parametrize("sign", [1, -1])
def test_merging_many_full_states_carries(sign):
    """States whose limbs are as large as they get, added up like a balanced tree and one by one."""
    full = LimbSums(2)
    full.add(np.array([0, 1]), np.array([2.0**31 - 1, 2.0**63]), sign=sign)
    one_by_one = LimbSums(2)
    for _ in range(2000):
        one_by_one.merge(full.take(np.arange(2)))
    assert fractions(one_by_one) == [sign * 2000 * Fraction(2**31 - 1), sign * 2000 * Fraction(2**63)]
    doubled = full
    for _ in range(70):
        again = doubled.take(np.arange(2))
        doubled = doubled.take(np.arange(2))
        doubled.merge(again)
    assert fractions(doubled) == [sign * 2**70 * Fraction(2**31 - 1), sign * 2**70 * Fraction(2**63)]


@FEW
@given(entries, entries, st.permutations(range(CELLS)))
def test_merge_sends_cells_where_codes_say(rows, others, codes):
    sums = filled(rows)
    sums.merge(filled(others), np.array(codes) + 2)
    expected = truth(rows) + [Fraction(0)] * 2
    for cell, value in zip(codes, truth(others), strict=True):
        expected[cell + 2] += value
    assert fractions(sums) == expected[: sums.cells]
    assert sums.cells == CELLS + 2


@FEW
@given(entries, st.permutations(range(CELLS)))
def test_take_reorders_cells_and_leaves_the_original(rows, order):
    sums = filled(rows)
    taken = sums.take(np.array(order))
    assert fractions(taken) == [truth(rows)[c] for c in order]
    taken.add(np.zeros(1, np.int64), np.ones(1))
    assert fractions(sums) == truth(rows)


def test_counts_and_offsets():
    sums = LimbSums()
    sums.add_counts(np.array([3, 0, 2]), offset=1)
    sums.add(np.array([0, 1]), np.array([0.5, 0.25]), offset=2)
    assert sums.cells == 4
    assert sums.floats().tolist() == [0.0, 3.0, 0.5, 2.25]


def test_cells_count_in_equality():
    assert LimbSums(2) != LimbSums(3)
    assert filled([(0, 1.0), (0, -1.0)]) == LimbSums(CELLS)
    assert filled([(0, 1.0)]) != filled([(1, 1.0)])
    assert LimbSums(0) != "nothing"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        LimbSums(1).add(np.zeros(2, np.int64), np.array([1.0, bad]))
