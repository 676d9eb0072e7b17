"""Greedy ensemble selection: models are added to an average one by one (Caruana et al. 2004).

Each round adds, with replacement, the model whose addition gives the average of all that were added the
highest mean log score; of equal ones the first. Rounds go on past a decline, and the best average of all is
taken. The weights are multiples of 1/(its size), and few models have any: cheaper to run than the optimum,
and a little worse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossent.statistics.log_scores import Blocks
from crossent.statistics.summary import Floats

ROUNDS = 50


@dataclass(frozen=True)
class GreedySelection:
    """The average that scored best on the way."""

    weights: tuple[float, ...]
    """One a model, in the order of the columns: how often it was added, as a share."""
    log_score: float
    """Mean log-probability of what happened by the average, in nats a row."""
    order: tuple[int, ...]
    """The models that were added, in order, up to the best average."""


def select_greedily(blocks: Blocks, models: int, *, rounds: int = ROUNDS) -> GreedySelection:
    """The best of the averages of 1 to `rounds` models, each grown from the one before."""
    counts, order, scores = np.zeros(models), [], []
    for _ in range(rounds):
        candidates = _scores(blocks, counts)
        chosen = int(np.argmax(candidates))
        counts[chosen] += 1.0
        order.append(chosen)
        scores.append(float(candidates[chosen]))
    best = int(np.argmax(scores))
    weights = np.bincount(order[: best + 1], minlength=models) / (best + 1)
    return GreedySelection(tuple(weights.tolist()), scores[best], tuple(order[: best + 1]))


def _scores(blocks: Blocks, counts: Floats) -> Floats:
    """(K,) mean log score of the average of the models counted and one more of each."""
    sums, total = np.zeros(counts.size), 0.0
    for block in blocks:
        total += float(block.weight.sum())
        summed = block.relative @ counts
        with np.errstate(divide="ignore"):
            logs = np.log(summed[:, None] + block.relative) + block.top[:, None]
        logs[block.weight == 0.0] = 0.0  # not −∞, times which 0 is no number
        sums += block.weight @ logs
    scores: Floats = sums / total - np.log(counts.sum() + 1.0)
    return scores
