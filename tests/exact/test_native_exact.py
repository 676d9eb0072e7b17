"""The compiled core's sums, products, tables and grids: the integers of the NumPy functions, bit for bit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crossent.accumulators.contract import Event, Rows, Spec
from crossent.accumulators.registry import accumulators, new_states
from crossent.accumulators.reliability import CELLS, GRID, cells_of
from crossent.accumulators.tables import pack_limbs
from crossent.data.labels import Keyed
from crossent.exact import PRODUCT_UNIT, LimbSums, counts_of, exact_gram, exact_sum, slices, to_fraction
from crossent.kernels import compiled_exact
from crossent.kernels.choice import Choice

native = pytest.importorskip("crossent.kernels._native", reason="this installation has no compiled core")
RNG = np.random.default_rng(4)
LARGEST = float(np.finfo(np.float64).max)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

COLUMNS = {
    "losses": RNG.exponential(size=10_007) ** 3,
    "both signs, all sizes": RNG.normal(size=5_003) * 10.0 ** RNG.integers(-300, 300, 5_003),
    "powers of two": np.ldexp(1.0, RNG.integers(-1074, 1023, 4_099)),
    "cancelling": np.concatenate([x := RNG.normal(size=3_000) * 1e200, [1.0], -x]),
    "subnormal": RNG.integers(-9, 9, 2_049) * 5e-324,
    "products below the smallest number": RNG.normal(size=1_025) * 10.0 ** RNG.integers(-320, -150, 1_025),
    "largest": np.full(2_050, LARGEST),
    "zeros": np.array([0.0, -0.0] * 1_030),
    "zeros and ones": RNG.integers(0, 2, 3_001).astype(np.float64),
    "one huge among small": np.append(RNG.normal(size=2_500) * 1e-200, 1e301),
    "one number": np.array([0.1]),
    "seven": np.arange(7.0) / 3,
    "nothing": np.array([], np.float64),
}
each_column = pytest.mark.parametrize("x", COLUMNS.values(), ids=COLUMNS.keys())
numbers = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture(params=native.available())
def core(request, monkeypatch):
    """Run with one instruction set."""
    return use(monkeypatch, native.find(request.param))


def use(monkeypatch, kernels):
    monkeypatch.setattr(slices, "choice", lambda: Choice(kernels, ""))
    return kernels


def total(x):
    return sum((Fraction(v) for v in x.tolist()), Fraction(0))


def by_numpy(monkeypatch, function, *arguments):
    """What NumPy computes, then the core again."""
    kernels = slices.choice().native
    use(monkeypatch, None)
    found = function(*arguments)
    use(monkeypatch, kernels)
    return found


# --- sums and products ------------------------------------------------------------------------------------


@each_column
def test_sum_is_rational_arithmetic(core, x):
    assert to_fraction(exact_sum(x)) == total(x)


@each_column
def test_sum_of_columns_that_are_not_contiguous(core, x):
    both = np.stack([x, x[::-1]], axis=1)
    assert exact_sum(both[:, 0]) == exact_sum(x) == exact_sum(x[::-1])
    x.setflags(write=False)
    assert exact_sum(x) == exact_sum(both[:, 1])


@each_column
def test_products_are_those_of_numpy(core, monkeypatch, x):
    columns = [None, x, np.roll(x, 3) * 0.7, np.ones(x.size)]
    pairs = [(i, j) for i in range(4) for j in range(i, 4)]
    assert exact_gram(columns, pairs) == by_numpy(monkeypatch, exact_gram, columns, pairs)


@FEW
@given(st.lists(st.tuples(numbers, numbers), max_size=40))
@example([(LARGEST, LARGEST)] * 9)
@example([(5e-324, 5e-324)] * 9 + [(1.0, -1.0)])
def test_any_products_are_rational_arithmetic(core, pairs):
    x, y = np.array(pairs, np.float64).reshape(-1, 2).T
    expected = sum((Fraction(a) * Fraction(b) for a, b in pairs), Fraction(0))
    assert to_fraction(exact_gram([x, y], [(0, 1)])[0], PRODUCT_UNIT) == expected
    assert to_fraction(exact_sum(x)) == total(x)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("at", [0, 7, 1024, 2999, 3000])
def test_numbers_without_a_sum(core, bad, at):
    x, zeros = np.ones(3_001), np.zeros(3_001, np.int64)
    x[at] = bad
    for call in (
        lambda: exact_sum(x),
        lambda: exact_gram([x], [(0, 0)]),
        lambda: exact_gram([None, x], [(0, 1)]),
        lambda: LimbSums(1).add(zeros, x),
    ):
        with pytest.raises(ValueError, match="finite"):
            call()


def test_columns_must_be_of_one_length_and_named(core):
    with pytest.raises(ValueError, match="lengths"):
        core.exact_gram([np.ones(3), np.ones(4)], [(0, 1)], 3)
    for pair in ((0, 2), (-1, 0)):
        with pytest.raises(IndexError):
            core.exact_gram([np.ones(3), np.ones(3)], [pair], 3)


def many_numbers(size, exponents):
    """Numbers enough for sums by exponent, none of them in order of size."""
    rng = np.random.default_rng(size)
    return np.ldexp(rng.standard_normal(size), rng.integers(*exponents, size))


LONG = {
    "alike": many_numbers(40_007, (-3, 3)),
    "two rounds": many_numbers(40_007, (-60, 60)),
    "all sizes": many_numbers(40_007, (-1074, 1020)),
    "subnormal": RNG.integers(-(2**40), 2**40, 40_007) * 5e-324,
    "one block of all sizes": np.concatenate(
        [np.ones(20_480), many_numbers(2_048, (-900, 900)), np.full(30_000, 1 / 3)]
    ),
    "largest": np.full(40_007, -LARGEST),
    "cancelling": np.concatenate([x := many_numbers(30_000, (-1074, 1020)), -x[::-1], [0.1]]),
}


@pytest.mark.parametrize("x", LONG.values(), ids=LONG.keys())
def test_long_sums_are_rational_arithmetic_in_any_order(core, x):
    assert to_fraction(exact_sum(x)) == total(x)
    assert exact_sum(x) == exact_sum(np.sort(x)) == exact_sum(np.ascontiguousarray(x[::-1]))


def test_a_sum_of_more_numbers_than_a_cell_holds(core):
    x = np.tile(many_numbers(1 << 12, (-1000, 1000)), 600)
    assert to_fraction(exact_sum(x)) == 600 * total(x[: 1 << 12])


@pytest.mark.parametrize("bad", [np.inf, np.nan])
@pytest.mark.parametrize("at", [0, 5_000, 39_000, 40_006])
@pytest.mark.parametrize("exponents", [(-3, 3), (-1000, 1000)])
def test_a_long_sum_with_a_number_that_is_not_finite(core, bad, at, exponents):
    x = many_numbers(40_007, exponents)
    x[at] = bad
    with pytest.raises(ValueError, match="finite"):
        exact_sum(x)


# --- tables -----------------------------------------------------------------------------------------------


def table(codes, values, cells, **where):
    sums = LimbSums(cells)
    sums.add(codes, values, **where)
    sums.add(codes[::2], values[::2], **where)
    return pack_limbs(sums)


@each_column
@pytest.mark.parametrize("cells", [1, 2, 9, 1_500])
@pytest.mark.parametrize("where", ["offset", "index", "minus", "ordered"])
def test_tables_are_those_of_numpy(core, monkeypatch, x, cells, where):
    codes = np.random.default_rng(cells).integers(0, cells, x.size)
    codes = np.sort(codes) if where == "ordered" else codes
    options = {
        "offset": {"offset": 5},
        "index": {"index": np.random.default_rng(1).permutation(cells + 5)},
        "minus": {"sign": -1},
        "ordered": {},
    }[where]
    arguments = (codes, x, cells + 5)
    assert table(*arguments, **options) == by_numpy(monkeypatch, lambda: table(*arguments, **options))


def test_tables_grow_as_cells_are_named(core):
    sums = LimbSums(2)
    for code in (1, 7, 3):
        sums.add(np.array([code]), np.array([0.1]))
    assert sums.cells == 8
    assert [to_fraction(sums.integer(k)) for k in (1, 3, 7)] == [Fraction(0.1)] * 3


@pytest.mark.parametrize("code", [-1, 3, 2**62, -(2**63)])
def test_codes_without_a_cell_are_never_followed(core, code):
    codes, limbs = np.array([0, 1, 2, code]), {}
    assert not compiled_exact.add_to_cells(core, codes, np.ones(4), limbs, 3, 0, None, 1)
    outside = np.array([0, code])
    assert not compiled_exact.add_to_cells(core, codes[:2], np.ones(2), limbs, 3, 0, outside, 1)
    assert limbs == {}
    with pytest.raises(IndexError):
        compiled_exact.cell_counts(core, codes, 3)


@pytest.mark.parametrize("cells", [1, 2, 3, 1_024, 1_025, 70_000])
def test_counts(core, cells):
    codes = np.random.default_rng(cells).integers(0, cells, 5_000)
    assert counts_of(codes).tolist() == np.bincount(codes).tolist()
    assert counts_of(codes, cells).tolist() == np.bincount(codes, minlength=cells).tolist()


# --- the grid of reliability ------------------------------------------------------------------------------

EDGES = np.arange(GRID + 1) / GRID
CONFIDENCES = np.concatenate(
    [EDGES, np.nextafter(EDGES, 2.0), np.nextafter(EDGES, -1.0), RNG.random(1_000), [-1e-4, 1.0001, 5e-324]]
)


def test_grid_is_that_of_numpy(core):
    happened = RNG.random(CONFIDENCES.size) < CONFIDENCES
    cells, rows, hits, variance = compiled_exact.grid(core, CONFIDENCES, happened, GRID)
    expected = cells_of(CONFIDENCES)
    assert cells.tolist() == expected.tolist()
    assert rows.tolist() == np.bincount(expected, minlength=CELLS).tolist()
    assert hits.tolist() == np.bincount(expected[happened], minlength=CELLS).tolist()
    units = np.rint(np.maximum(CONFIDENCES * (1.0 - CONFIDENCES), 0.0) * 2.0**40)
    assert variance.tolist() == np.bincount(expected, weights=units, minlength=CELLS).tolist()


def test_grid_stays_in_its_cells(core):
    wild = np.array([np.nan, np.inf, -np.inf, 1e308, -1e308])
    cells, rows, *_ = compiled_exact.grid(core, wild, np.ones(5, bool), GRID)
    assert cells.tolist() == [0, 2 * GRID, 0, 2 * GRID, 0]
    assert rows.sum() == 5


# --- whole states -----------------------------------------------------------------------------------------


class Names:
    def sort_keys(self, index):
        return index

    def names(self, index):
        return [str(i) for i in index.tolist()]


def rows_of(seed, size, weighted, infinite):
    rng = np.random.default_rng(seed)
    loss = rng.exponential(size=size) ** 4
    loss[rng.random(size) < infinite] = np.inf
    keys = [
        Keyed(tuple("abc"), rng.integers(0, 3, size)),
        Keyed(("x", "y"), np.sort(rng.integers(0, 2, size))),
    ]
    confidence = rng.random(size)
    return Rows(
        loss=loss,
        names=Names(),
        weight=rng.integers(0, 4, size) / 3 if weighted else None,
        companions={"brier": rng.random(size), "zero_one": rng.integers(0, 2, size) * 1.0},
        label=keys[0],
        cluster=keys[1],
        groups=(keys[0],),
        bytes=rng.integers(0, 9, size) * 1.0,
        events=(Event("top label", confidence, rng.random(size) < confidence),),
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("infinite", [0.0, 0.1])
def test_states_are_the_same_with_the_core_on_and_off(core, monkeypatch, weighted, infinite):
    spec = Spec(
        "log_loss", ("brier", "zero_one"), weighted=weighted, clustered=True, groups=("g",), bytes=True
    )

    def states():
        found = new_states(spec)
        for seed in range(3):
            rows = rows_of(seed, 700 * seed + 1, weighted, infinite)
            for state in found.values():
                state.update(rows)
        return {name: state.state() for name, state in found.items()}

    mine = states()
    assert {"slices", "clusters", "reliability", "histogram", "companions", "floors"} <= mine.keys()
    assert mine.keys() <= accumulators().keys()
    assert mine == by_numpy(monkeypatch, states)
