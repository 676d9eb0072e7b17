"""What every registered map keeps: a new one is tested by being there."""

from __future__ import annotations

import json

import numpy as np
import pytest

from crossent import calibration
from crossent.calibration.contract import CalibrationMap
from crossent.errors import UsageError

MAPS = calibration.all_maps()


def sample(classes: int, n: int = 240, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and over-confident probabilities."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, classes)) * 1.5
    y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
    p = np.exp(2.0 * z + np.linspace(0, 1, classes))
    return y, p / p.sum(axis=1, keepdims=True)


def log_losses(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    return -np.log(p[np.arange(len(y)), y])


def cases() -> list[tuple[str, int]]:
    return [(name, k) for name, kind in MAPS.items() for k in (2, 4) if k == 2 or not kind.binary_only]


every_map = pytest.mark.parametrize(("name", "classes"), cases())


@every_map
def test_rows_sum_to_one_and_survive_json(name: str, classes: int) -> None:
    y, p = sample(classes)
    found = calibration.fit(name, y, p)
    _, new = sample(classes, seed=1)
    q = found.transform(new)
    np.testing.assert_allclose(q.sum(axis=1), 1.0, rtol=1e-12)
    assert (q >= 0).all()
    again = type(found).load(json.loads(json.dumps(found.parameters())))
    assert again == found
    np.testing.assert_array_equal(again.transform(new), q)
    assert found.sentence()


@every_map
def test_kinds_agree(name: str, classes: int) -> None:
    y, p = sample(classes)
    found = calibration.fit(name, y, p)
    by_logits = calibration.fit(name, y, np.log(p) + np.arange(len(p))[:, None], kind="logits")
    np.testing.assert_allclose(
        by_logits.transform(np.log(p), kind="log_probs"), found.transform(p), rtol=1e-6
    )
    if classes == 2:
        flat = calibration.fit(name, y, p[:, 1])
        np.testing.assert_allclose(flat.transform(p[:, 1]), found.transform(p)[:, 1], rtol=1e-6)
        odds = np.log(p[:, 1]) - np.log(p[:, 0])
        np.testing.assert_allclose(
            calibration.fit(name, y, odds, kind="logits").transform(odds, kind="logits"),
            found.transform(p)[:, 1],
            rtol=1e-6,
        )


@every_map
def test_a_weight_is_so_many_rows(name: str, classes: int) -> None:
    y, p = sample(classes)
    times = np.random.default_rng(2).integers(0, 4, len(y))
    weighted = calibration.fit(name, y, p, weight=times)
    repeated = calibration.fit(name, np.repeat(y, times), np.repeat(p, times, axis=0))
    np.testing.assert_allclose(weighted.transform(p), repeated.transform(p), rtol=1e-6, atol=1e-9)


@every_map
def test_never_worse_than_nothing_on_its_own_rows(name: str, classes: int) -> None:
    if not MAPS[name].parametric:
        pytest.skip("not promised")
    for seed in range(5):
        y, p = sample(classes, n=30, seed=seed)
        found = calibration.fit(name, y, p)
        assert log_losses(found.transform(p), y).mean() <= log_losses(p, y).mean() + 1e-12


@every_map
def test_it_mends_what_is_wrong(name: str, classes: int) -> None:
    y, p = sample(classes, n=4000)
    found = calibration.fit(name, y[:2000], p[:2000])
    gain = log_losses(p[2000:], y[2000:]) - log_losses(found.transform(p[2000:]), y[2000:])
    assert gain.mean() > 3 * gain.std() / np.sqrt(gain.size)


@pytest.mark.parametrize("name", [name for name, kind in MAPS.items() if kind.monotone])
def test_monotone_where_promised(name: str) -> None:
    y, p = sample(2)
    q = calibration.fit(name, y, p).transform(np.linspace(0, 1, 501))
    assert (np.diff(q) >= -1e-15).all()
    assert q[-1] > q[0]


@every_map
def test_maps_are_frozen(name: str, classes: int) -> None:
    found = calibration.fit(name, *sample(classes))
    assert isinstance(found, CalibrationMap)
    assert hash(found) == hash(type(found).load(found.parameters()))


def test_unknown_map_lists_the_known() -> None:
    with pytest.raises(UsageError, match="isotonic, matrix"):
        calibration.get("platt")
