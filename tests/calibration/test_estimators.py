"""The estimators, in scikit-learn's hands and without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import crossent
from crossent import calibration
from crossent.errors import DataError, UsageError

ESTIMATORS = (
    calibration.BetaCalibration,
    calibration.HistogramBinning,
    calibration.IsotonicCalibration,
    calibration.MatrixScaling,
    calibration.TemperatureScaling,
    calibration.VectorScaling,
)
every = pytest.mark.parametrize("estimator", ESTIMATORS)


def data(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.01, 0.99, n)
    return p, np.where(rng.uniform(size=n) < 0.2 + 0.5 * p, "yes", "no")


def test_every_map_has_one() -> None:
    assert {e._map for e in ESTIMATORS} == set(calibration.all_maps())


@every
def test_it_says_what_the_map_says(estimator: type) -> None:
    p, y = data()
    fitted = estimator().fit(p, y)
    assert fitted.classes_.tolist() == ["no", "yes"]
    same = calibration.fit(estimator._map, (y == "yes").astype(int), p)
    assert fitted.map_ == same
    np.testing.assert_array_equal(fitted.transform(p), same.transform(p))
    q = fitted.predict_proba(np.column_stack([1 - p, p]))
    np.testing.assert_allclose(q[:, 1], same.transform(p), rtol=1e-9)
    assert set(fitted.predict(p)) <= {"no", "yes"}


@every
def test_scikit_learn_takes_it(estimator: type) -> None:
    from sklearn.base import clone, is_classifier
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline

    p, y = data()
    z = np.log(p / (1 - p))
    both = np.column_stack([-z / 2, z / 2])
    made = clone(estimator(kind="logits"))
    assert made.get_params()["kind"] == "logits"
    assert is_classifier(made)
    piped = make_pipeline(made).fit(both, y)
    np.testing.assert_allclose(piped.predict_proba(both).sum(axis=1), 1.0)
    scores = cross_val_score(made, both, y, scoring="neg_log_loss", error_score="raise")
    assert (scores > -1.0).all()


def test_labels_need_not_all_occur_where_they_are_numbers() -> None:
    X = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]])
    assert calibration.TemperatureScaling().fit(X, [0, 1, 1]).classes_.tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="2 different labels for 3 columns"):
        calibration.TemperatureScaling().fit(X, ["a", "b", "b"])


def test_misuse_is_said() -> None:
    with pytest.raises(UsageError, match="not-fitted"):
        calibration.TemperatureScaling().transform([0.5])
    with pytest.raises(UsageError, match="unknown-option"):
        calibration.TemperatureScaling().set_params(ridge=1.0)


def test_scikit_learn_is_not_imported() -> None:
    code = "import sys, crossent.calibration as c; c.all_maps(); assert 'sklearn' not in sys.modules"
    home = str(Path(crossent.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": home})
