"""How well calibrated each model is about each event, beside what chance alone would show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crossent import kernels
from crossent.accumulators.reliability import CELLS, cells_of
from crossent.deep.registry import Look, analysis
from crossent.deep.table import Floats, Ints, Predictions
from crossent.statistics.calibration_error import Reliability, reliability_from_cells
from crossent.statistics.calibration_measures import CalibrationErrors, measure

TOP_LABEL = "top label"
MOST_EVENTS = 10
"""Classes of the best model that are measured one by one; of more, the ones that are off most in the mean."""
DRAWS = 199


@analysis("calibration")
def calibration(look: Look) -> tuple[CalibrationErrors, ...]:
    """Of two classes the event; of more the top label, and of the best model its classes."""
    table = look.table
    if table.labels is None or table.classes is None or not table.weights.any():
        return ()
    return tuple(
        found
        for model in look.results.models
        if (said := table.predictions[table.index(model.name)]).distribution
        for found in _of_model(look, model.name, said, table.labels, table.classes)
    )


def _of_model(
    look: Look, name: str, said: Predictions, labels: Ints, classes: tuple[str, ...]
) -> Iterator[CalibrationErrors]:
    p = said.probabilities
    if len(classes) == 2:
        event = classes.index(look.evaluation.setup.positive or classes[1])
        yield _measured(look, name, classes[event], p[:, event], labels == event)
        return
    top, confidence, _ = kernels.top(p)
    yield _measured(look, name, TOP_LABEL, np.asarray(confidence, np.float64), top == labels)
    most = MOST_EVENTS if name == look.results.models[0].name else 0
    for k in _events(look, p, labels, classes, most):
        found = _measured(look, name, classes[k], p[:, k], labels == k)
        yield replace(found, diagram=_diagram(classes[k], p[:, k], labels == k, look.table.weights))


def _diagram(event: str, p: Floats, happened: NDArray[np.bool_], weight: Floats) -> Reliability:
    cells = cells_of(p)
    spread = np.maximum(p * (1.0 - p), 0.0)
    columns = (weight, weight * p, weight * happened, weight**2 * spread)
    return reliability_from_cells(event, *(np.bincount(cells, x, CELLS).astype(np.float64) for x in columns))


def _events(look: Look, p: Floats, labels: Ints, classes: tuple[str, ...], most: int) -> list[int]:
    weight = look.table.weights
    off = np.abs(np.bincount(labels[labels >= 0], weight[labels >= 0], len(classes)) - weight @ p)
    return sorted(np.argsort(-off, kind="stable")[:most].tolist())


def _measured(look: Look, name: str, event: str, p: Floats, happened: NDArray[np.bool_]) -> CalibrationErrors:
    weight = look.table.weights
    counted = weight > 0.0
    return measure(
        p[counted],
        happened[counted],
        weight[counted],
        model=name,
        event=event,
        draws=DRAWS,
        seed=look.seed,
    )
