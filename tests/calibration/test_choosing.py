"""Which map is chosen: by rows it was not fitted to, and nothing where nothing is gained."""

from __future__ import annotations

import numpy as np
import pytest

from crossent import calibration
from crossent.calibration.choosing import candidates, choose, cross_fitted, log_losses
from crossent.calibration.given import Rows
from crossent.errors import DataError, UsageError
from crossent.statistics.recalibration import mean_difference


def drawn(n: int, classes: int, temperature: float, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, classes)) * 1.5
    return Rows(z * temperature, (z + rng.gumbel(size=z.shape)).argmax(axis=1))


def test_a_calibrated_model_is_left_alone_and_a_wrong_one_is_not() -> None:
    folds = np.arange(600) % 5
    chosen = [
        choose(drawn(600, 3, 1.0, seed), folds, ("temperature", "vector")).figures for seed in range(30)
    ]
    # one standard error: a map that gains nothing is chosen in about a sixth of all cases
    assert sum(found.chosen == "identity" for found in chosen) >= 20
    wrong = choose(drawn(600, 3, 3.0, 1), folds)
    assert wrong.figures.chosen == "temperature"
    assert wrong.map is not None
    assert wrong.figures.temperature == pytest.approx(3.0, rel=0.2)
    assert "over-confident" in wrong.figures.sentence


def test_the_gain_is_that_of_rows_a_map_has_not_seen() -> None:
    rows, folds = drawn(400, 2, 2.0, 3), np.arange(400) % 4
    found = choose(rows, folds, ("temperature",)).figures.best
    by_hand = log_losses(rows).copy()
    logs = np.empty((400, 2))
    for fold in range(4):
        out = folds == fold
        fitted = calibration.fit("temperature", rows.labels[~out], rows.logits[~out], kind="logits")
        logs[out] = fitted.log_probabilities(rows.logits[out], kind="logits")
    np.testing.assert_array_equal(cross_fitted("temperature", rows, folds), logs)
    difference = by_hand + logs[np.arange(400), rows.labels]
    assert found.gain.value == pytest.approx(difference.mean(), rel=1e-12)
    assert found.gain.se == pytest.approx(difference.std(ddof=1) / 20, rel=1e-12)


def test_labels_of_probability_zero_leave_the_maps_that_take_them() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(size=300)
    p[:10] = 0.0
    y = (rng.uniform(size=300) < 0.2 + 0.6 * p).astype(np.int64)
    y[0] = 1
    with np.errstate(divide="ignore"):
        rows = Rows(np.column_stack([np.log1p(-p), np.log(p)]), y)
    assert candidates(rows) == ("isotonic",)
    figures = choose(rows, np.arange(300) % 5).figures
    assert figures.before == np.inf
    assert figures.best.gain.value == np.inf
    assert np.isfinite(figures.best.loss)
    assert figures.chosen == "isotonic"
    with pytest.raises(DataError, match="label-impossible"):
        choose(rows, np.arange(300) % 5, ("temperature",))


def test_one_fold_is_refused() -> None:
    with pytest.raises(UsageError, match="too-few-folds"):
        choose(drawn(20, 2, 1.0, 0), np.zeros(20, np.int64))


def test_clustered_error_is_that_of_repeated_rows() -> None:
    d = np.random.default_rng(1).normal(size=50)
    single = mean_difference(d, np.zeros(50))
    tripled = mean_difference(np.repeat(d, 3), np.zeros(150), cluster=np.repeat(np.arange(50), 3))
    assert tripled.value == pytest.approx(single.value)
    assert (tripled.se, tripled.units) == (pytest.approx(single.se), 50)
