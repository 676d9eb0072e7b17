"""Sums by cell take other ways for one cell, two cells and long runs: all equal rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from crossent.exact import LimbSums, counts_of, cut_for_sums, to_fraction

SIZE = 1000
RNG = np.random.default_rng(8)
CODES = {
    "one cell": np.zeros(SIZE, np.int64),
    "two cells": RNG.integers(0, 2, SIZE),
    "only the second cell": np.ones(SIZE, np.int64),
    "long runs": np.sort(RNG.integers(0, 4, SIZE)),
    "long runs, one cell twice and one never": np.repeat([3, 0, 3, 1, 4], SIZE // 5),
    "two values that do not start at 0": np.repeat([5, 7], SIZE // 2),
    "short runs": RNG.integers(0, 4, SIZE),
    "as many cells as rows": RNG.permutation(SIZE),
}
VALUES = {
    "losses": RNG.exponential(size=SIZE) ** 3,
    "both signs": RNG.normal(size=SIZE) * 10.0 ** RNG.integers(-300, 300, SIZE),
    "subnormal": RNG.integers(0, 9, SIZE) * 5e-324,
}


def truth(codes, values):
    totals = [Fraction(0)] * (int(codes.max()) + 1)
    for code, value in zip(codes.tolist(), values.tolist(), strict=True):
        totals[code] += Fraction(value)
    return totals


@pytest.mark.parametrize("codes", CODES.values(), ids=CODES.keys())
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_every_way_is_exact(codes, values):
    sums, sliced = LimbSums(), LimbSums()
    sums.add(codes, values)
    sliced.add(codes, cut_for_sums(values))
    assert [to_fraction(sums.integer(k)) for k in range(sums.cells)] == truth(codes, values)
    assert sums == sliced


@pytest.mark.parametrize("codes", CODES.values(), ids=CODES.keys())
def test_counts(codes):
    assert counts_of(codes).tolist() == np.bincount(codes).tolist()


@pytest.mark.parametrize("codes", CODES.values(), ids=CODES.keys())
@pytest.mark.parametrize("sign", [1, -1])
def test_cells_go_where_the_index_says(codes, sign):
    index = np.random.default_rng(1).permutation(SIZE + 5)
    sums = LimbSums()
    sums.add(codes, VALUES["losses"], sign=sign, index=index)
    sums.add_counts(counts_of(codes), index=index)
    expected = [Fraction(0)] * (int(index[: codes.max() + 1].max()) + 1)
    counts = np.bincount(codes).tolist()
    for code, total in enumerate(truth(codes, VALUES["losses"])):
        expected[index[code]] = sign * total + counts[code]
    assert [to_fraction(sums.integer(k)) for k in range(sums.cells)] == expected
