"""With --deep: the parts and the measures of every model, in agreement with the functions on arrays."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from crossent import reliability, select

ROWS = 400


@pytest.fixture(scope="module")
def two_classes():
    rng = np.random.default_rng(3)
    p = rng.random(ROWS)
    happened = rng.random(ROWS) < p
    sharp = p**2 / (p**2 + (1 - p) ** 2)
    said = {"right": p, "sure": sharp, "never": np.where(np.arange(ROWS) % 9 == 0, 0.0, p)}
    labels = np.where(happened, "yes", "no")
    models = {
        name: pa.table({"label": labels, "day": np.arange(ROWS) % 40, "p_no": 1 - q, "p_yes": q})
        for name, q in said.items()
    }
    options = {"positive": "yes", "cluster": "day", "label": "label", "deep": True}
    return happened.astype(int), said, select(models, **options).results


@pytest.mark.parametrize("name", ["right", "sure", "never"])
def test_of_two_classes(two_classes, name) -> None:
    y, said, results = two_classes
    found = next(d for d in results.findings.decomposition if d.model == name)
    alone = reliability.decompose(y, said[name], draws=19, cluster=np.arange(ROWS) % 40)
    assert (found.of, found.map) == ("yes", "isotonic")
    assert found.in_sample.loss == pytest.approx(results.model(name).loss.value)
    for part in ("miscalibration", "discrimination", "uncertainty"):
        assert getattr(found.in_sample, part) == pytest.approx(getattr(alone.in_sample, part))
    assert found.miscalibration.units == 40 or math.isinf(found.in_sample.loss)
    assert (found.test.p < 0.05) == (name != "right")
    errors = next(e for e in results.findings.calibration if e.model == name)
    assert errors.smooth.value == pytest.approx(
        reliability.calibration_errors(y, said[name], draws=19).smooth.value
    )


def test_of_many_classes_and_of_numbers() -> None:
    rng = np.random.default_rng(4)
    z = rng.standard_normal((ROWS, 3))
    y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
    columns = {f"z_{k}": 3 * z[:, k] for k in range(3)}
    found = select({"a": pa.table({"label": y, **columns})}, deep=True).results.findings
    (parts,) = found.decomposition
    assert parts.of == "all classes" and parts.miscalibration.value > 0.2 and parts.test.p < 0.02
    assert [e.event for e in found.calibration] == ["top label", "0", "1", "2"]
    assert [e.diagram is not None for e in found.calibration] == [False, True, True, True]
    drawn = found.calibration[1].diagram
    assert drawn is not None and drawn.error == pytest.approx(found.calibration[1].ece.value)
    assert found.calibration[0].slope is not None and found.calibration[0].slope.value < 0.6
