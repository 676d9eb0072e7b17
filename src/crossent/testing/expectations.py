"""Expected losses of forecasts under a truth, from which properness is read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crossent.losses.contract import Floats, Loss
from crossent.testing.samples import as_kind


def forecasts(loss: Loss, kind: str) -> Iterator[tuple[Floats, list[Floats]]]:
    """Some truths, (K,) probabilities, each with other forecasts near and far.

    None for losses of numbers, whose truths are no finite lists, and for `label_logprob`, where a forecast
    is not a distribution.
    """
    if loss.target not in ("class", "ordinal", "distribution", "indicators") or kind == "label_logprob":
        return
    rng = np.random.default_rng(5)
    classes = 2 if loss.target == "indicators" else 3
    for _ in range(5):
        truth = rng.dirichlet(np.ones(classes))
        others = []
        for distance in (0.01, 0.3, 1.0):
            other = (1 - distance) * truth + distance * rng.dirichlet(np.ones(classes))
            others.append(other / other.sum())
        for power in (0.5, 0.9, 1.1, 2.0):
            others.append(truth**power / np.sum(truth**power))
        yield truth, others


def expected(loss: Loss, kind: str, truth: Floats, forecast: Floats) -> float:
    """Σ_k truth_k · loss(k, forecast); of soft targets the loss of the truth itself."""
    classes = truth.size
    if loss.target == "indicators":
        # one label: not there with truth[0], there with truth[1]
        p = forecast[1]
        prediction = np.full((2, 1), np.log(p) - np.log1p(-p) if kind == "logits" else p)
        return float(truth @ loss.value(np.array([[0.0], [1.0]]), prediction, kind))
    log_p = np.log(np.tile(forecast, (classes, 1)))
    labels = np.arange(classes)
    prediction = loss.logits_of(log_p) if kind == "logits" else as_kind(kind, log_p, labels)
    if loss.target == "distribution":
        return float(loss.value(truth[None], prediction[:1], kind)[0])
    return float(truth @ loss.value(labels, prediction, kind))
