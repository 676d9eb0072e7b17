"""Made-up targets and predictions of every kind, for checks that know no loss by name."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from crossent.losses.contract import PARAMETERS, Codes, Floats, Loss, Target

POSITIVE_COLUMNS = {"std", "scale", "degrees of freedom", "standard deviation of the logarithm"}


def prepared(
    loss: Loss, kind: str, classes: int = 3, rows: int = 40, seed: int = 0, spread: float = 2.0
) -> tuple[Loss, Target, Floats]:
    """The loss with what parameters it needs, and a target and a prediction for it.

    `classes` is the number of columns the kind leaves open; a larger spread makes predictions about classes
    more confident.
    """
    rng = np.random.default_rng([seed, classes])
    z = rng.normal(scale=spread, size=(rows, classes))
    labels = target_of(loss.target, rows, classes, rng)
    if loss.target == "indicators":
        return loss.example(classes), labels, z if kind == "logits" else 1.0 / (1.0 + np.exp(-z))
    if kind in ("probs", "logits", "log_probs", "label_logprob", "cumulative_logits"):
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        codes = labels if labels.ndim == 1 else np.zeros(rows, np.int64)
        return loss.example(classes), labels, z if kind == "logits" else as_kind(kind, log_p, codes)
    return loss.example(classes), labels, numbers_of(kind, rows, classes, rng)


def target_of(target: str, rows: int, classes: int, rng: Generator) -> Target:
    """What happened in each row."""
    if target in ("class", "ordinal"):
        return rng.integers(0, classes, rows)
    if target == "distribution":
        return rng.dirichlet(np.ones(classes), rows)
    if target == "indicators":
        return rng.integers(0, 2, (rows, classes)).astype(np.float64)
    if target == "count":
        return rng.poisson(3.0, rows).astype(np.float64)
    value = rng.normal(size=rows)
    return np.exp(value) if target == "positive" else value


def numbers_of(kind: str, rows: int, columns: int, rng: Generator) -> Floats:
    """A prediction about a number."""
    if kind in ("point", "log_rate"):
        return rng.normal(size=rows)
    if kind == "rate":
        return np.exp(rng.normal(size=rows))
    if kind == "samples":
        return rng.normal(size=(rows, columns))
    if kind == "quantiles":
        return np.sort(rng.normal(size=(rows, columns)), axis=1)
    if kind == "mixture":
        # away from 0, so that differences of derivatives stay in the domain
        weights = (rng.dirichlet(np.ones(columns), rows) + 0.1) / (1.0 + 0.1 * columns)
        return np.hstack(
            [weights, rng.normal(size=(rows, columns)), np.exp(rng.normal(scale=0.3, size=(rows, columns)))]
        )
    names = PARAMETERS[kind]
    free = rng.normal(scale=0.5, size=(rows, len(names)))
    positive = [n in POSITIVE_COLUMNS or kind == "mean_dispersion" for n in names]
    return np.asarray(np.where(positive, np.exp(free) + 0.5, free))


def as_kind(kind: str, log_p: Floats, labels: Codes) -> Floats:
    """Log-probabilities as another kind; logits get a constant a row, which must not matter."""
    if kind == "probs":
        return np.exp(log_p)
    if kind == "logits":
        return log_p + np.arange(len(log_p))[:, None] / 8
    if kind == "cumulative_logits":
        p = np.exp(log_p)
        below = np.cumsum(p, axis=1)[:, :-1]
        above = np.cumsum(p[:, ::-1], axis=1)[:, ::-1][:, 1:]
        return np.asarray(np.log(above) - np.log(below))
    return log_p if kind == "log_probs" else log_p[np.arange(len(labels)), labels]


def converted(prediction: Floats, kind: str, other: str) -> Floats | None:
    """A prediction about a number as another kind that says the same; None where there is none."""
    if (kind, other) == ("mean_std", "mean_log_std"):
        return np.column_stack([prediction[:, 0], np.log(prediction[:, 1])])
    return np.log(prediction) if (kind, other) == ("rate", "log_rate") else None
