"""A fraction of benchmarks/coverage.py: intervals, tests, sets and sequences keep their word."""

from __future__ import annotations

import math

import pytest

from simulated_sequences import LOOKING, MISSES, false_evidence, powers, race_errors
from simulations import INTERVALS, SIZES, best_kept


def error(runs: int, rate: float = 0.05) -> float:
    """Three standard errors of a rate."""
    return 3 * math.sqrt(rate * (1 - rate) / runs)


def named(case) -> str:
    return f"{case.name} {getattr(case, 'units', '')}".strip()


@pytest.mark.parametrize("case", [c for c in INTERVALS if any(c.holds) and c.units <= 300], ids=named)
def test_intervals_hold_the_truth(case):
    for rate, holds in zip(case.covered(1000), case.holds, strict=True):
        if holds:
            assert 0.935 - error(1000) <= rate <= 0.965 + error(1000)


@pytest.mark.parametrize("case", [c for c in INTERVALS if not any(c.holds) and c.units == 100], ids=named)
def test_where_the_page_says_that_they_do_not_they_do_not(case):
    assert min(case.covered(1000)) < 0.95 - error(1000)


@pytest.mark.parametrize("case", SIZES, ids=named)
def test_tests_of_equal_models_keep_their_size(case):
    runs = 150 if case.adjust == "max-t" else 600
    assert case.rate(runs) <= 0.05 + error(runs)


@pytest.mark.parametrize("statistic", ["range", "max"])
@pytest.mark.parametrize("copies", [False, True])
def test_the_confidence_set_holds_the_best(statistic, copies):
    assert best_kept(statistic, 150, copies=copies, draws=400) >= 0.95 - error(150)


@pytest.mark.parametrize("case", MISSES, ids=named)
def test_sequences_are_rarely_ever_wrong(case):
    runs = 150
    rate = case.rate(runs, steps=3000 if case.share == 1.0 else 600)
    if case.holds:
        assert rate <= 0.05 + error(int(runs * case.share))
    else:
        assert rate > 0.3


def test_evidence_for_forecasts_as_good_as_each_other_stays_small():
    assert false_evidence(150) <= 0.05 + error(150)


def test_a_race_of_equal_models_is_rarely_decided():
    assert race_errors(60, steps=1000) <= 0.05 + error(60)


def test_twice_the_rows_find_what_a_test_finds():
    (asymptotic,) = powers(300, names=tuple(LOOKING)[:1])
    assert asymptotic.sequential >= 0.9 * asymptotic.fixed
    assert asymptotic.rows < 1500
