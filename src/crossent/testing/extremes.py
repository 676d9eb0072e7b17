"""Predictions at the edge of their domain: certain, impossible, huge, subnormal, a single class, no rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from crossent.losses.contract import CLASS_KINDS, FLAT_KINDS, PARAMETERS, Floats, Loss, Target
from crossent.testing.samples import POSITIVE_COLUMNS, prepared

TINY = 5e-324
"""The smallest positive float64."""
PROBABILITIES = ([1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [TINY, 1.0, 0.0], [1e-17, 0.0, 1.0], [0.2, 0.3, 0.5])
LOGITS = (
    [1e4, -1e4, 0.0],
    [-1e4, -1e4, -1e4],
    [-np.inf, 0.0, 0.0],
    [-np.inf, 800.0, -np.inf],
    [1e4, 1e4, 1e4],
    [0.0, 0.0, 0.0],
)
CUMULATIVE = ([1e4, -1e4], [np.inf, -np.inf], [1e4, 1e4], [-1e4, -1e4], [0.0, 0.0], [np.inf, np.inf])
REAL = (0.0, 1.0, -3.0, TINY, 1e300, -1e300)
POSITIVE = (1.0, 0.0, TINY, 4e-16, 1e-170, 1e300)
LOGARITHM = (0.0, -np.inf, -1e4, 1e4, -720.0)
SEVERAL = (
    [0.0, 0.0, 0.0],
    [1e300, -1e300, 0.0],
    [TINY, TINY, -TINY],
    [1.0, 1.0, -3.0],
    [1e300, 1e300, 1e300],
)
WEIGHTS = ([1.0, 0.0, 0.0], [TINY, 0.5, 0.5], [0.2, 0.3, 0.5])


def extreme_predictions(loss: Loss, kind: str) -> Iterator[tuple[Target, Floats]]:
    """Targets with such predictions; those about numbers row by row, since some may be refused."""
    if loss.target == "indicators":
        grid = np.array(PROBABILITIES if kind == "probs" else LOGITS)
        for label in (0.0, 1.0):
            yield np.full(grid.shape, label), grid
    elif kind in CLASS_KINDS or kind == "cumulative_logits":
        yield from _about_classes(loss, kind)
    else:
        happened = (0.0, 1.0, 17.0, 1e15) if loss.target == "count" else REAL
        for row, y in product(_numbers(kind), happened):
            yield np.array([y]), np.array([row[0] if kind in FLAT_KINDS else row])
    _, labels, prediction = prepared(loss, kind, rows=1)
    yield labels[:0], prediction[:0]


def _numbers(kind: str) -> Iterator[tuple[float, ...]]:
    """Rows of a prediction about a number."""
    if kind in ("samples", "quantiles"):
        yield from (tuple(row) for row in SEVERAL)
    elif kind == "mixture":
        spreads = product(POSITIVE, (0.0, 1e300), (1.0,))
        yield from ((*w, *m, *s) for w, m, s in product(WEIGHTS, SEVERAL, spreads))
    else:
        yield from product(*map(_edges, PARAMETERS.get(kind, (kind,))))


def _edges(column: str) -> tuple[float, ...]:
    if column in ("log_rate", "log std"):
        return LOGARITHM
    positive = column in {*POSITIVE_COLUMNS, "rate", "dispersion"}
    return POSITIVE if positive else REAL


def _about_classes(loss: Loss, kind: str) -> Iterator[tuple[Target, Floats]]:
    with np.errstate(divide="ignore"):
        log_p = np.log(PROBABILITIES)
    grid = {
        "probs": np.array(PROBABILITIES),
        "logits": np.array(LOGITS),
        "log_probs": log_p,
        "label_logprob": log_p.reshape(-1),
        "cumulative_logits": np.array(CUMULATIVE),
    }[kind]
    for label in range(3):
        yield _target(loss, label, len(grid), 3), grid
    if kind not in FLAT_KINDS and kind != "cumulative_logits":
        alone = np.ones((2, 1)) if kind == "probs" else np.zeros((2, 1))
        yield _target(loss, 0, 2, 1), alone


def _target(loss: Loss, label: int, rows: int, classes: int) -> Target:
    if loss.target == "distribution":
        return np.tile(np.eye(classes)[label], (rows, 1))
    return np.full(rows, label, np.int64)
