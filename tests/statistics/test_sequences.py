"""Confidence sequences and e-processes: published figures, and that they hold at all times."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from crossent import UsageError
from crossent.statistics.confidence_sequences import asymptotic, betting, empirical_bernstein, hoeffding
from crossent.statistics.e_processes import PredictableRange, brier_gains, log_score_gains

GAMES = Path(__file__).parents[1] / "data" / "mlb.csv.gz"
RUNS = 400


@pytest.fixture(scope="module")
def games():
    """Labels and (N, 2) probabilities of each forecaster."""
    table = np.genfromtxt(GAMES, delimiter=",", names=True, dtype=None, encoding="utf-8")
    names = ("fivethirtyeight", "vegas", "laplace", "constant", "k29")
    return table["y"].astype(int), {n: np.column_stack([1.0 - table[n], table[n]]) for n in names}


# --- published figures ------------------------------------------------------------------------------------


def test_e_process_of_the_baseball_forecasts(games) -> None:
    labels, p = games
    gains, risks, _ = log_score_gains(labels, np.log(p["fivethirtyeight"]), np.log(p["vegas"]))
    assert gains.mean() == pytest.approx(0.003379, abs=5e-7)
    test = PredictableRange()
    evidence = test.update(gains, risks)
    assert math.exp(evidence[-1]) == pytest.approx(1.27e4, rel=1e-3)
    assert int(np.argmax(evidence > math.log(20.0))) == 3682
    in_parts = PredictableRange()
    parts = [in_parts.update(gains[i : i + 999], risks[i : i + 999]) for i in range(0, gains.size, 999)]
    np.testing.assert_allclose(np.concatenate(parts), evidence, rtol=1e-12)
    assert in_parts.p_value == pytest.approx(math.exp(-evidence.max()))


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        # printed in nb_comparecast_baseball.ipynb of ComparingForecasters: Brier, α 0.05, v_opt 100
        ("fivethirtyeight", "vegas", -0.00265, -0.00061),
        ("fivethirtyeight", "constant", 0.00565, 0.00936),
        ("fivethirtyeight", "laplace", 0.00456, 0.00794),
        ("fivethirtyeight", "k29", 0.00761, 0.01209),
        ("vegas", "constant", 0.00713, 0.01115),
        ("vegas", "laplace", 0.00596, 0.00980),
        ("vegas", "k29", 0.00905, 0.01392),
        ("constant", "laplace", -0.00295, 0.00044),
        ("constant", "k29", 0.00005, 0.00464),
        ("laplace", "k29", 0.00197, 0.00524),
    ],
)
def test_empirical_bernstein_of_the_baseball_forecasts(games, first, second, low, high) -> None:
    labels, p = games
    gains, _, _ = brier_gains(labels, p[first], p[second])
    # theirs is the score of one class, higher the better: half of ours, and the other sign
    lows, highs = empirical_bernstein(-gains / 2.0, -1.0, 1.0, optimal_time=100)
    assert (lows[-1], highs[-1]) == pytest.approx((low, high), abs=6e-6)


# --- they hold at all times -------------------------------------------------------------------------------


def missed(sequence, mean: float) -> float:
    """Share of the runs whose interval ever misses the mean."""
    low, high = sequence
    return float(((low > mean) | (high < mean)).any(axis=-1).mean())


def terms(kind: str, runs: int, length: int):
    """Terms in [0, 1], and their mean."""
    rng = np.random.default_rng(5)
    if kind == "even":
        return rng.random((runs, length)), 0.5
    if kind == "rare":
        return (rng.random((runs, length)) < 0.02).astype(float), 0.02
    return rng.beta(2.0, 30.0, (runs, length)), 2.0 / 32.0


@pytest.mark.parametrize("kind", ["even", "rare", "skewed"])
@pytest.mark.parametrize("spread", [1.0, 36.8])
@pytest.mark.parametrize("sequence", [hoeffding, empirical_bernstein])
def test_bounded_sequences_ever_miss_in_at_most_a_twentieth(sequence, kind, spread) -> None:
    x, mean = terms(kind, RUNS, 1000)
    assert missed(sequence(spread * x, 0.0, spread), spread * mean) <= 0.05 + 0.022


@pytest.mark.parametrize("kind", ["even", "rare"])
def test_betting_ever_misses_in_at_most_a_twentieth_and_is_the_narrowest(kind) -> None:
    x, mean = terms(kind, 60, 500)
    low, high = betting(x, 0.0, 1.0, grid=200)
    assert missed((low, high), mean) <= 0.05 + 0.056
    assert (np.diff(low) >= 0).all() and (np.diff(high) <= 0).all()
    wide = [(b - a)[:, -1].mean() for a, b in (hoeffding(x, 0.0, 1.0), empirical_bernstein(x, 0.0, 1.0))]
    assert (high - low)[:, -1].mean() < min(wide)


def test_asymptotic_sequence_of_many_terms_and_what_an_ordinary_interval_would_do() -> None:
    rng = np.random.default_rng(8)
    x = rng.standard_exponential((RUNS, 3000)) * 7.0 + 100.0
    assert missed(asymptotic(x, start=100), 107.0) <= 0.05 + 0.022
    count = np.arange(1.0, 3001.0)
    mean = np.cumsum(x, axis=1) / count
    ordinary = 1.96 * 7.0 / np.sqrt(count)
    low, high = (mean - ordinary)[:, 99:], (mean + ordinary)[:, 99:]
    assert missed((low, high), 107.0) > 0.15
    low, high = asymptotic(x[0], start=100)
    assert np.isinf(low[:99]).all() and np.isfinite(low[99:]).all()


@pytest.mark.parametrize("classes", [2, 4])
def test_evidence_without_difference_ever_exceeds_twenty_in_at_most_a_twentieth(classes) -> None:
    rng = np.random.default_rng(3)
    p, q = rng.dirichlet(np.ones(classes), (2, RUNS * 1000))
    # labels from a mixture w p + (1 − w) q in which neither gains: the edge of the null
    weight = np.full((p.shape[0], 1), 0.5)
    for _ in range(30):
        truth = weight * p + (1.0 - weight) * q
        slope = ((p - q) * np.log(q / p)).sum(axis=1, keepdims=True)
        weight = weight - (truth * np.log(q / p)).sum(axis=1, keepdims=True) / slope
    labels = (truth.cumsum(axis=1) < rng.random((truth.shape[0], 1))).sum(axis=1)
    gains, risks, _ = log_score_gains(labels, np.log(p), np.log(q))
    evidence = PredictableRange().update(gains.reshape(RUNS, -1), risks.reshape(RUNS, -1))
    assert (evidence > math.log(20.0)).any(axis=1).mean() <= 0.05 + 0.022


# --- edges ------------------------------------------------------------------------------------------------


def test_what_cannot_be_bet_on_and_what_decides_at_once() -> None:
    half, sure = np.log([[0.5, 0.5]]), np.array([[0.0, -np.inf]])
    gains, risks, reverse = log_score_gains([0], half, sure)
    assert risks[0] == math.inf and reverse[0] == pytest.approx(math.log(2.0))
    assert PredictableRange().update(gains, risks)[0] == 0.0
    gains, risks, _ = log_score_gains([1], sure, half)
    assert gains[0] == math.inf and PredictableRange().update(gains, risks)[0] == math.inf
    same = log_score_gains([1], sure, sure)
    assert [v[0] for v in same] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("call", "slug"),
    [
        (lambda: hoeffding([0.5, 1.5], 0.0, 1.0), "outside-range"),
        (lambda: hoeffding([0.5], 1.0, 0.0), "empty-range"),
        (lambda: PredictableRange(bets=(1.0,)), "bad-bets"),
        (lambda: PredictableRange().update([-2.0], [1.0]), "gain-below-range"),
        (lambda: PredictableRange().update([math.nan], [1.0]), "nan-prediction"),
        (lambda: asymptotic([0.5], level=1.0), "probability-out-of-range"),
    ],
)
def test_what_makes_no_sense_is_refused(call, slug) -> None:
    with pytest.raises(UsageError, match=slug):
        call()
