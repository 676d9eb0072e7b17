"""How well calibrated each model is about each event, beside what chance alone would show."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from crossent import kernels
from crossent.deep.registry import Look, analysis
from crossent.deep.table import Floats, Ints, Predictions
from crossent.statistics.calibration_measures import EventCalibration, cox, measure

TOP_LABEL = "top label"
MOST_EVENTS = 10
"""Classes that are measured one by one; of more than these, the ones that are off most in the mean."""
MANY = 20_000
"""Rows from which half as many sets of outcomes are drawn."""


@analysis("calibration")
def calibration(look: Look) -> tuple[EventCalibration, ...]:
    """Top label and classes of every model that gives whole distributions."""
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
) -> Iterator[EventCalibration]:
    p = said.probabilities
    top, confidence, _ = kernels.top(p)
    if len(classes) != 2:
        yield _measured(look, name, TOP_LABEL, np.asarray(confidence, np.float64), top == labels)
    for k in _events(look, p, labels, classes):
        yield _measured(look, name, classes[k], p[:, k], labels == k)


def _events(look: Look, p: Floats, labels: Ints, classes: tuple[str, ...]) -> list[int]:
    if len(classes) == 2:
        return [classes.index(look.evaluation.setup.positive or classes[1])]
    weight = look.table.weights
    off = np.abs(np.bincount(labels[labels >= 0], weight[labels >= 0], len(classes)) - weight @ p)
    return sorted(np.argsort(-off, kind="stable")[:MOST_EVENTS].tolist())


def _measured(look: Look, name: str, event: str, p: Floats, happened: NDArray[np.bool_]) -> EventCalibration:
    weight, rows = look.table.weights, len(look.table)
    draws = 200 if rows < MANY else 100
    found = measure(p, happened, weight, draws, np.random.default_rng(look.seed))
    regression = cox(p, happened, weight)
    intercept, slope = regression or (None, None)
    total = weight.sum()
    return EventCalibration(
        name,
        event,
        rows,
        float((weight * happened).sum() / total),
        float((weight * p).sum() / total),
        found,
        intercept,
        slope,
    )
