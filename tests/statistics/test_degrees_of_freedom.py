"""Satterthwaite's degrees of freedom: against the matrices they come from, and where units are alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossent.statistics.summary import degrees_of_freedom


@given(st.lists(st.integers(1, 40), min_size=2, max_size=9))
def test_they_are_those_of_the_adjusted_residuals(sizes: list[int]) -> None:
    """Bell and McCaffrey's matrices of the rows themselves: (Σ λ)² / Σ λ² of what the variance sums up."""
    rows = sum(sizes)
    residual_maker = np.eye(rows) - 1.0 / rows
    vectors = []
    start = 0
    for size in sizes:
        # (I − H)_u (I − H_uu)^(−1/2) 1: the ones are an eigenvector of H_uu with eigenvalue size / rows
        vectors.append(residual_maker[:, start : start + size].sum(axis=1) / np.sqrt(1.0 - size / rows))
        start += size
    gram = np.array(vectors) @ np.array(vectors).T
    expected = np.trace(gram) ** 2 / (gram**2).sum()
    assert degrees_of_freedom(np.array(sizes, float)) == pytest.approx(expected, rel=1e-9)


@given(st.integers(2, 500), st.floats(1e-300, 1e300))
def test_units_alike_have_one_less(units: int, size: float) -> None:
    assert degrees_of_freedom(np.full(units, size)) == pytest.approx(units - 1, rel=1e-9)


def test_empty_units_do_not_count_and_one_unit_is_one() -> None:
    assert degrees_of_freedom(np.array([2.0, 2.0, 2.0, 0.0])) == pytest.approx(2.0)
    assert degrees_of_freedom(np.array([5.0, 0.0])) == 1.0
