"""Predictions at the edge of their domain: certain, impossible, huge, subnormal, a single class, no rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crossent.losses.contract import CLASS_KINDS, FLAT_KINDS, Floats, Loss, Target
from crossent.testing.samples import prepared

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


def extreme_predictions(loss: Loss, kind: str) -> Iterator[tuple[Target, Floats]]:
    """Targets with such predictions. Losses of numbers get no rows only: each has edges of its own."""
    if loss.target == "indicators":
        grid = np.array(PROBABILITIES if kind == "probs" else LOGITS)
        for label in (0.0, 1.0):
            yield np.full(grid.shape, label), grid
    elif kind in CLASS_KINDS or kind == "cumulative_logits":
        yield from _about_classes(loss, kind)
    _, labels, prediction = prepared(loss, kind, rows=1)
    yield labels[:0], prediction[:0]


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
