"""Shares of the worst rows and the chart's histogram, against the sorted rows."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.statistics.tails import LossHistogram, coarse_histogram, tail_shares


def _histogram(losses, w=None):
    """128 equal steps an octave, and a cell from 0 to 0 for losses of 0."""
    w = np.ones(len(losses)) if w is None else w
    mantissa, exponent = np.frexp(losses)
    low, index = np.unique(np.ldexp(np.floor(mantissa * 256) / 256, exponent), return_inverse=True)
    high = low + np.where(low > 0, np.ldexp(1 / 256, np.frexp(low)[1]), 0.0)
    return LossHistogram(low, high, np.bincount(index), np.bincount(index, w * losses))


def _top(losses, w, count=100):
    order = np.argsort(-losses, kind="stable")[:count]
    return list(zip(losses[order].tolist(), (w * losses)[order].tolist(), strict=True))


def _direct(losses, w, count):
    order = np.argsort(-losses, kind="stable")
    return (w * losses)[order][:count].sum() / (w * losses).sum()


@pytest.mark.parametrize("n", [1, 9, 10, 99, 100, 700, 20_000])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("keep", [100, 10, 0])
def test_shares_are_those_of_the_sorted_rows(n, weighted, keep):
    rng = np.random.default_rng(n)
    losses = rng.lognormal(-2, 2, n)
    w = rng.uniform(0.5, 2, n) if weighted else np.ones(n)
    shares = tail_shares(_top(losses, w, keep), _histogram(losses, w), n)
    fixed = [c for c in (1, 10, 100) if c <= n]
    assert [count for _, count, _ in shares] == [*fixed, *(math.ceil(n / k) for k in (100, 20, 10))]
    for _, count, share in shares:
        exact = count <= keep
        # inside a cell rows count with their mean: 0.8 % of the loss, and the weights of those few rows
        rel = 1e-12 if exact else 0.008 + 0.5 * weighted * (keep < 100)
        assert share == pytest.approx(_direct(losses, w, count), rel=rel)


def test_names_and_whole_percentages():
    losses = np.arange(1.0, 701.0)
    shares = tail_shares(_top(losses, np.ones(700)), _histogram(losses), 700)
    names = ["worst row", "worst 10 rows", "worst 100 rows", "worst 1 %", "worst 5 %", "worst 10 %"]
    assert [what for what, _, _ in shares] == names
    # 700 · 0.01 is 7.000000000000001 in float64
    assert [count for _, count, _ in shares] == [1, 10, 100, 7, 35, 70]


@given(st.lists(st.floats(1e-6, 50), min_size=120, max_size=300), st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_shares_grow_with_the_number_of_rows(losses, keep):
    losses = np.array(losses)
    shares = tail_shares(_top(losses, np.ones(len(losses)), keep), _histogram(losses), len(losses))
    by_count = [share for _, share in sorted((count, share) for _, count, share in shares)]
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(by_count))
    assert by_count[-1] <= 1 + 1e-12


def test_equal_losses_share_equally():
    """Ten known rows inside a single cell: the rest of that cell continues where they end."""
    losses = np.full(400, 0.7)
    shares = tail_shares(_top(losses, np.ones(400), 10), _histogram(losses), 400)
    rows = [1, 10, 100, 4, 20, 40]
    assert [share for *_, share in shares] == pytest.approx([n / 400 for n in rows])


@pytest.mark.parametrize("losses", [[0.0, 0.0], [math.inf, 1.0]])
def test_no_share_of_nothing_or_of_infinity(losses):
    losses = np.array(losses)
    finite = losses[np.isfinite(losses)]
    assert tail_shares([(x, x) for x in losses], _histogram(finite), len(losses)) == ()


POSITIVE = st.floats(1e-300, 1e100)


@given(
    st.lists(st.one_of(st.just(0.0), POSITIVE, st.floats(0.01, 10)), min_size=1, max_size=60),
    st.integers(2, 60),
)
@settings(max_examples=60, deadline=None)
def test_coarse_histogram_keeps_every_row(losses, bars):
    losses = np.array(losses)
    drawn = coarse_histogram(_histogram(losses), bars=bars)
    positive = [bar for bar in drawn if bar[1] > 0]
    assert sum(rows for *_, rows in drawn) == len(losses)
    assert len(positive) <= bars
    for low, high, rows in positive:
        inside, near = (
            ((losses >= low * (1 + e)) & (losses < high * (1 - e))).sum() for e in (1 / 128, -1 / 128)
        )
        assert inside <= rows <= near
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(drawn))
    assert [rows for _, high, rows in drawn if high <= 0] == [n for n in [int((losses == 0).sum())] if n]


def test_coarse_histogram_uses_the_room_it_has():
    losses = np.random.default_rng(1).lognormal(-3, 2, 5000)
    drawn = coarse_histogram(_histogram(losses))
    assert 18 <= len(drawn) <= 40
    widths = {round(math.log2(high / low), 9) for low, high, _ in drawn}
    assert len(widths) == 1
