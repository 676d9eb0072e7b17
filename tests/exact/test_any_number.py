"""Exact sums as NumPy arrays come: layouts, sizes around blocks, long codes, and the room limbs have."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.exact import (
    PRODUCT_UNIT,
    SUM_UNIT,
    LimbSums,
    counts_of,
    cut,
    cut_for_sums,
    exact_gram,
    exact_sum,
    sums,
    to_float,
    to_fraction,
)

FEW = settings(max_examples=50, deadline=None)
numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, 5e-324, 1e308, -1e308, 2.0**-1022, 0.1, -0.1]),
)


def total(values) -> Fraction:
    return sum(map(Fraction, np.asarray(values).tolist()), Fraction(0))


def fractions(sums: LimbSums) -> list[Fraction]:
    return [to_fraction(sums.integer(c)) for c in range(sums.cells)]


LAYOUTS = {
    "strided": lambda x: np.repeat(x, 3)[::3],
    "reversed": lambda x: x[::-1].copy()[::-1],
    "a column": lambda x: np.column_stack([x, x])[:, 1],
    "other byte order": lambda x: x.astype(">f8"),
    "unaligned": lambda x: np.frombuffer(b"x" + x.tobytes(), "u1")[1:].view(np.float64),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_the_same_sums(layout):
    rng = np.random.default_rng(0)
    x, codes = rng.normal(size=500) * 10.0 ** rng.integers(-200, 200, 500), rng.integers(0, 5, 500)
    other = LAYOUTS[layout](x)
    other.flags.writeable = False
    assert exact_sum(other) == exact_sum(x)
    assert exact_gram([other, other], [(0, 1)]) == exact_gram([x], [(0, 0)])
    one, two = LimbSums(), LimbSums()
    one.add(codes, other)
    two.add(codes, x)
    assert one == two


@pytest.mark.parametrize("off", [-1, 0, 1])
@pytest.mark.parametrize("block", [sums._GRAM_BLOCK, 2 * sums._GRAM_BLOCK, sums._SUM_BLOCK])
def test_sizes_around_a_block(block, off):
    """Whole numbers, so that NumPy's own sums are exact too."""
    x = np.random.default_rng(block).integers(-1000, 1000, block + off).astype(np.float64)
    assert to_float(exact_sum(x)) == x.sum()
    found = exact_gram([None, x], [(0, 0), (0, 1), (1, 1)])
    assert [to_float(k, PRODUCT_UNIT) for k in found] == [x.size, x.sum(), (x * x).sum()]


@FEW
@given(st.lists(numbers, max_size=30), st.integers(1, 51), st.sampled_from([None, 1, 7, 32]))
def test_slices_of_any_width_and_grid_add_up(values, bits, grid):
    x = np.array(values, np.float64)
    grid = grid if grid is None or grid <= bits else None
    back = [Fraction(0)] * x.size
    for g, h in cut(x, bits, grid):
        assert g % (grid or bits) == 0
        assert (np.abs(h) <= 2.0**bits).all() and np.array_equal(h, np.rint(h))
        back = [b + Fraction(int(v)) * Fraction(2) ** g for b, v in zip(back, h.tolist(), strict=True)]
    assert back == list(map(Fraction, values))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 9, 1024, 1025])
@pytest.mark.parametrize("value", [1 - 2.0**-53, 2.0**53 - 1, -(2.0**-1022 - 5e-324), 1e308])
def test_a_slice_leaves_room_for_the_sum_of_all_its_rows(size, value):
    x = np.full(size, value)
    for _, h in cut_for_sums(x):
        assert abs(int(h[0])) * size <= 2**53
    assert to_fraction(exact_sum(x)) == size * Fraction(value)


@FEW
@given(st.lists(st.lists(numbers, min_size=4, max_size=4), max_size=12))
def test_all_products_of_several_columns(rows):
    columns = [np.array([r[k] for r in rows], np.float64) for k in range(4)]
    pairs = [(a, b) for a in range(4) for b in range(4)]
    found = dict(zip(pairs, exact_gram(columns, pairs), strict=True))
    for a, b in pairs:
        truth = sum(
            (Fraction(x) * Fraction(y) for x, y in zip(columns[a], columns[b], strict=True)), Fraction(0)
        )
        assert to_fraction(found[a, b], PRODUCT_UNIT) == truth
        assert found[a, b] == found[b, a]


@FEW
@given(st.integers(-(1 << 2200), 1 << 2200), st.sampled_from([SUM_UNIT, PRODUCT_UNIT]))
def test_a_total_as_a_float_is_the_nearest(value, unit):
    exactly = to_fraction(value, unit)
    try:
        nearest = float(exactly)
    except OverflowError:
        nearest = math.inf if value > 0 else -math.inf
    assert to_float(value, unit) == nearest


@pytest.mark.parametrize(
    "codes", [[], [0], [1], [0, 1], [2], [5, 5], [0] * 9, [1, 0, 1], [300, 0], list(range(200))], ids=len
)
def test_counts_of_codes(codes):
    codes = np.array(codes, np.int64)
    expected = [int((codes == k).sum()) for k in range(int(codes.max(initial=0)) + 1)]
    assert counts_of(codes).tolist() == expected


# --- tables of sums ---------------------------------------------------------------------------------------


def test_a_sum_in_one_of_many_cells():
    sums = LimbSums()
    sums.add(np.array([0]), np.array([0.1]), offset=99_999)
    assert sums.cells == 100_000
    assert sums.floats().nonzero()[0].tolist() == [99_999]
    assert to_fraction(sums.total()) == Fraction(0.1)


def test_resizing_only_grows():
    sums = LimbSums(3)
    sums.add(np.array([2]), np.array([7.0]))
    sums.resize(1)
    assert (sums.cells, sums.floats().tolist()) == (3, [0.0, 0.0, 7.0])
    sums.resize(5)
    assert sums.floats().tolist() == [0.0, 0.0, 7.0, 0.0, 0.0]


@pytest.mark.parametrize("cells", [0, 3])
def test_nothing_added_is_nothing(cells):
    sums = LimbSums(cells)
    sums.add_counts(np.zeros(0, np.int64))
    sums.merge(LimbSums(0))
    assert sums == LimbSums(cells)
    assert sums.floats().tolist() == [0.0] * cells
    assert sums.total() == 0


@FEW
@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=8), st.integers(1, 600))
def test_large_counts_carry_in_time(counts, times):
    """Whole numbers up to what a limb holds, as products of counts reach them."""
    small = np.array(counts) >> 10
    sums = LimbSums()
    for _ in range(times):
        sums.add_counts(small)
    assert fractions(sums) == [Fraction(times * int(c)) for c in small]


@FEW
@given(st.lists(st.tuples(st.integers(0, 3), numbers), max_size=20))
def test_taking_and_adding_back_cancels(rows):
    codes = np.array([c for c, _ in rows], np.int64)
    values = np.array([v for _, v in rows], np.float64)
    sums = LimbSums(4)
    sums.add(codes, values)
    sums.add(codes, values[::-1][::-1], sign=-1)
    assert sums == LimbSums(4)
    sums.canonical()
    assert sums.limbs == {}


@pytest.mark.parametrize("order", [[], [1], [2, 2, 0], [0, 1, 2]])
def test_cells_may_be_taken_in_part_and_twice(order):
    sums = LimbSums()
    sums.add(np.arange(3), np.array([0.1, -5e-324, 1e300]))
    taken = sums.take(np.array(order, np.int64))
    assert fractions(taken) == [fractions(sums)[k] for k in order]


def test_merging_into_itself_doubles():
    sums = LimbSums()
    sums.add(np.arange(3), np.array([0.1, -2.0, 1e300]))
    once = fractions(sums)
    sums.merge(sums)
    assert fractions(sums) == [2 * f for f in once]
    with pytest.raises(TypeError):
        hash(sums)
