"""Parts of the loss: published numbers, laws, and what a calibrated model shows."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossent import DataError, UsageError, reliability
from crossent.statistics.decomposition import Decomposition
from crossent.statistics.isotonic import increasing

NIAMEY = Path(__file__).parents[1] / "data" / "niamey_2016.csv"
INF = math.inf
BRIER, LOG = 0.244211, 0.681524


def in_sample(found: Decomposition) -> tuple[float, float, float, float]:
    parts = found.in_sample
    return parts.miscalibration, parts.discrimination, parts.uncertainty, parts.loss


def decompose(y, p, **options):
    return reliability.decompose(y, p, **{"draws": 19, "folds": 0, **options})


# --- published numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss, expected",
    [
        ("log_loss", (0.3237327, 0.3182571, 0.6931472, 0.6986228)),
        ("brier", (0.1016667, 0.125, 0.25, 0.2266667)),
    ],
)
def test_six_rows_of_reliabilitydiag(loss, expected) -> None:
    found = decompose([0, 0, 0, 1, 1, 1], [0.4, 0.3, 0.2, 0.1, 0.5, 0.9], loss=loss)
    assert in_sample(found) == pytest.approx(expected, abs=5e-8)


@pytest.fixture(scope="module")
def niamey() -> dict[str, np.ndarray]:
    with NIAMEY.open() as lines:
        rows = list(csv.DictReader(lines))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "date"}


@pytest.mark.parametrize(
    "forecast, loss, expected",
    [
        ("EMOS", "brier", (0.018283, 0.030469, BRIER, 0.232025)),
        ("Logistic", "brier", (0.017076, 0.055541, BRIER, 0.205746)),
        ("ENS", "brier", (0.066072, 0.044115, BRIER, 0.266168)),
        ("EPC", "brier", (0.022350, 0.032279, BRIER, 0.234282)),
        ("EMOS", "log_loss", (0.048736, 0.076578, LOG, 0.653682)),
        ("Logistic", "log_loss", (0.050874, 0.134100, LOG, 0.598297)),
        ("EPC", "log_loss", (0.057558, 0.077800, LOG, 0.661282)),
        ("ENS", "log_loss", (INF, 0.099827, LOG, INF)),
    ],
)
def test_rain_in_niamey(niamey, forecast, loss, expected) -> None:
    found = decompose(niamey["obs"], niamey[forecast], loss=loss, folds=5)
    assert in_sample(found) == pytest.approx(expected, abs=6e-7)
    assert found.test is not None and found.cross_fitted is not None
    assert (found.test.p <= 0.05) == (forecast == "ENS")
    assert math.isfinite(found.cross_fitted.discrimination)
    assert found.cross_fitted.miscalibration < found.in_sample.miscalibration or forecast == "ENS"


# --- laws -------------------------------------------------------------------------------------------------

cases = st.lists(
    st.tuples(st.integers(1, 19), st.booleans(), st.integers(1, 3)), min_size=2, max_size=30
).map(lambda rows: [np.array(column) for column in zip(*rows, strict=True)])


@given(case=cases, loss=st.sampled_from(["log_loss", "brier"]), seed=st.integers(0, 9))
def test_laws_of_the_parts(case, loss, seed) -> None:
    p, y, w = case[0] / 20, case[1].astype(int), case[2]
    mcb, dsc, unc, score = found = in_sample(decompose(y, p, weight=w, loss=loss))
    assert mcb >= -1e-12 and dsc >= -1e-12
    assert mcb - dsc + unc == pytest.approx(score, abs=1e-12)
    order = np.random.default_rng(seed).permutation(p.size)
    assert in_sample(decompose(y[order], p[order], weight=w[order], loss=loss)) == pytest.approx(
        found, abs=1e-12
    )
    repeated = in_sample(decompose(np.repeat(y, w), np.repeat(p, w), loss=loss))
    assert repeated == pytest.approx(found, abs=1e-12)
    sharper = in_sample(decompose(y, p**3 / (p**3 + (1 - p) ** 3), weight=w, loss=loss))
    assert sharper[1:3] == pytest.approx((dsc, unc), abs=1e-12)


@given(case=cases)
def test_squared_error_of_zero_and_one_is_the_brier_score(case) -> None:
    p, y, w = case[0] / 20, case[1].astype(int), case[2]
    by_event = in_sample(decompose(y, p, weight=w, loss="brier"))
    assert in_sample(decompose(y, p, weight=w, loss="squared_error")) == pytest.approx(by_event, abs=1e-12)


@given(case=cases)
def test_the_increasing_fit_is_the_least_squares_one(case) -> None:
    x, y = case[0].astype(float), case[1] * 1.0 + case[2]
    steps = increasing(x, y, np.ones(x.size))
    assert (np.diff(steps.level) > 0).all() and (steps.last[:-1] < steps.first[1:]).all()
    # min-max formula of isotonic regression: max over u ≤ x of min over v ≥ x of the mean over [u, v]
    for place in x:
        best = max(min(y[(u <= x) & (x <= v)].mean() for v in x[x >= place]) for u in x[x <= place])
        assert steps.at(np.array([place]))[0] == pytest.approx(best)


# --- what a calibrated model shows ------------------------------------------------------------------------


@pytest.mark.parametrize("n, bias", [(100, 0.077), (1000, 0.018), (10_000, 0.0043), (100_000, 0.0009)])
def test_expectation_if_calibrated_is_the_known_bias(n, bias) -> None:
    rng = np.random.default_rng(n)
    p = rng.random(n)
    found = reliability.consistency_test((rng.random(n) < p).astype(int), p, draws=60, seed=3)
    assert found.expected == pytest.approx(bias, rel=0.12)
    assert found.p > 0.02


def test_cross_fitting_takes_the_bias_away_and_finds_what_is_there() -> None:
    """2,000 rows, and log-odds 1.6 times too large."""
    rng = np.random.default_rng(5)
    seen, left_out, gains = [], [], []
    p = rng.random(80_000)
    sharp = p**1.6 / (p**1.6 + (1 - p) ** 1.6)
    truth = float((p * np.log(p / sharp) + (1 - p) * np.log((1 - p) / (1 - sharp))).mean())
    for k in range(40):
        part = slice(k * 2000, (k + 1) * 2000)
        y = (rng.random(2000) < p[part]).astype(int)
        calibrated = decompose(y, p[part], folds=5)
        assert calibrated.cross_fitted is not None
        seen.append(calibrated.in_sample.miscalibration)
        left_out.append(calibrated.cross_fitted.miscalibration)
        gains.append(decompose(y, sharp[part], folds=5).miscalibration)
    assert np.mean(seen) > 0.009
    assert -0.004 < np.mean(left_out) < 0.0
    gain = np.mean([found.value for found in gains])
    assert truth - 0.006 < gain < truth
    assert sum(low <= gain <= high for low, high in (found.interval() for found in gains)) >= 35


def test_p_values_of_calibrated_models_are_uniform_and_of_others_small() -> None:
    rng = np.random.default_rng(8)
    p = rng.random((100, 200))
    y = (rng.random(p.shape) < p).astype(int)
    found = np.array([reliability.consistency_test(a, b, draws=39).p for a, b in zip(y, p, strict=True)])
    assert (found <= 0.05).sum() <= 11 and 0.4 < found.mean() < 0.6
    assert reliability.consistency_test(y[0], p[0] ** 3, draws=99).p == 0.01


def test_errors_are_between_clusters() -> None:
    rng = np.random.default_rng(2)
    p = np.tile(rng.random(200), 5)
    y = (rng.random(200) < p[:200]).astype(int)
    day = np.tile(np.arange(200), 5)
    found = decompose(np.tile(y, 5), p, cluster=day, folds=5)
    alone = decompose(np.tile(y, 5), p, folds=5)
    assert found.miscalibration.units == 200
    assert found.miscalibration.se is not None and alone.discrimination.se is not None
    assert found.discrimination.se > 1.7 * alone.discrimination.se


# --- many classes -----------------------------------------------------------------------------------------


def many(n: int, k: int, temperature: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    z = 2.0 * rng.standard_normal((n, k))
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    y = (np.cumsum(p, axis=1)[:, :-1] < rng.random((n, 1))).sum(axis=1)
    return y, z / temperature


def test_of_many_classes_the_temperature_is_found() -> None:
    y, z = many(4000, 4, 0.5)
    found = decompose(y, z, kind="logits", folds=5, draws=99)
    parts, seen = found.cross_fitted, found.in_sample
    assert parts is not None and found.test is not None
    assert parts.miscalibration - parts.discrimination + parts.uncertainty == pytest.approx(parts.loss)
    truth = decompose(y, z / 2.0, kind="logits").in_sample.loss
    assert seen.loss - truth == pytest.approx(parts.miscalibration, abs=0.004)
    assert found.test.p == 0.01
    calm = reliability.consistency_test(y, z / 2.0, kind="logits", draws=99)
    assert calm.p > 0.05
    assert calm.expected == pytest.approx(4 / 8000, rel=0.25), "half the degrees of freedom a row"


def test_score_test_agrees_with_the_likelihood_ratio() -> None:
    y, z = many(3000, 3, 0.93, seed=4)
    gain = decompose(y, z, kind="logits", method="temperature").in_sample.miscalibration
    from crossent.calibration.given import normalised
    from crossent.statistics.score_test import score_test

    found = score_test(normalised(z), y, np.ones(3000), intercepts=False, draws=9)
    assert found.value == pytest.approx(gain, rel=0.15)


# --- what cannot be asked ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, error, slug",
    [
        ({"loss": "hinge"}, UsageError, "bad-option"),
        ({"method": "beta"}, UsageError, "bad-option"),
        ({"method": "temperature", "loss": "brier"}, UsageError, "bad-option"),
        ({"weight": [1.0]}, DataError, "shape-mismatch"),
        ({"weight": [0.0, 0.0, 0.0]}, DataError, "no-weight"),
    ],
)
def test_refusals(options, error, slug) -> None:
    with pytest.raises(error) as caught:
        decompose([0, 1, 1], [0.2, 0.4, 0.9], **options)
    assert caught.value.slug == slug


def test_of_many_classes_an_impossible_label_has_no_parts() -> None:
    with pytest.raises(DataError) as caught:
        decompose([0, 2], [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]])
    assert (caught.value.slug, caught.value.row) == ("label-impossible", 1)
