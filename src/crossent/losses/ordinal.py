"""Losses of classes that have an order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossent import kernels
from crossent.errors import DataError
from crossent.losses.contract import Codes, Floats, Loss, check_arguments
from crossent.losses.registry import register
from crossent.losses.sides import Sides


@dataclass(frozen=True)
class CumulativeLink(Loss):
    """Log loss of the proportional-odds model:  −log(σ(g_{label−1}) − σ(g_label)), in nats; range [0, ∞).

    Column k of the K − 1 cumulative logits g is the logit of P(label > k), a score less the k-th threshold;
    below the first and above the last stand +∞ and −∞. The difference is never formed: the loss is

        log1p(exp(−g_{label−1})) + log1p(exp(g_label)) − log(1 − exp(g_label − g_{label−1})).

    It is log loss, and so calibrated, of whichever model the logits come from; equal neighbours say
    probability 0, and give infinite loss where the class between them happens.

    Kinds: cumulative_logits. Errors: `DataError` (crossing-cumulative), which names the row, where they
    increase from one column to the next.

    >>> import numpy as np
    >>> CumulativeLink().value(np.array([0, 1, 2]), np.tile([1.0, -1.0], (3, 1)), "cumulative_logits")
    array([1.31326169, 0.77193683, 1.31326169])

    Source: P. McCullagh, Regression models for ordinal data, JRSS B 42 (1980) 109–142,
    doi:10.1111/j.2517-6161.1980.tb01109.x.
    """

    name: ClassVar[str] = "cumulative_link"
    title: ClassVar[str] = "cumulative link loss"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("cumulative_logits",)
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    target: ClassVar[str] = "ordinal"
    calibration: ClassVar[str] = "Its minimum is the true probabilities: calibrated where the model can be."
    use: ClassVar[str] = (
        "To train one score with thresholds for ordered classes: grades, severities, ratings."
    )

    def value(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        upper, lower, gap = self._around(labels, prediction, kind)
        with np.errstate(divide="ignore", under="ignore"):
            near, far = np.log(-np.expm1(-gap)), np.log1p(-np.exp(-gap))
        return softplus(-upper) + softplus(lower) - np.where(gap < np.log(2.0), near, far)

    def gradient(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """By g_{label−1} −σ(−g) − w, by g_label σ(g) + w, with w = 1 / (exp(g_{label−1} − g_label) − 1)."""
        upper, lower, gap = self._around(labels, prediction, kind)
        w = odds(gap)
        return _beside(
            labels,
            prediction,
            -Sides.of_logits(upper).absent.p - w,
            Sides.of_logits(lower).there.p + w,
        )

    def hessian_diagonal(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """By either neighbour σ(g)σ(−g) + w(1 + w)."""
        upper, lower, gap = self._around(labels, prediction, kind)
        with np.errstate(over="ignore"):
            bend = odds(gap) * (1.0 + odds(gap))
        above, below = Sides.of_logits(upper).there, Sides.of_logits(lower).there
        return _beside(labels, prediction, above.p * above.rest + bend, below.p * below.rest + bend)

    def _around(self, labels: Codes, prediction: Floats, kind: str) -> tuple[Floats, Floats, Floats]:
        """(N,) g_{label−1}, g_label and the first less the second, 0 also where both are infinite."""
        check_arguments(self, labels, prediction, kind)
        g = checked_cumulative(labels, prediction)
        ends = np.full((len(g), 1), np.inf)
        all_g = np.hstack([ends, g, -ends])
        row = np.arange(len(g))
        upper, lower = all_g[row, labels], all_g[row, labels + 1]
        gap = np.subtract(upper, lower, out=np.zeros(len(g)), where=upper != lower)
        return upper, lower, gap


@dataclass(frozen=True)
class RankedProbabilityScore(Loss):
    """Ranked probability score:  Σ_{k<K−1} (F_k − [label ≤ k])²,  F_k = P(label ≤ k); range [0, K − 1].

    The Brier score of every split of the order in two, so that a miss by one class costs less than by many.
    It is the sum, not divided by K − 1. For two classes it is (1 − p_label)².

    Where label ≤ k, 1 − F_k is formed by adding the classes above k: confident rows keep their precision, and
    the label's own probability is never looked at. (Of a row that does not sum to one it is not 1 − F_k.)

    Kinds: probs, logits, log_probs, cumulative_logits (column k the logit of P(label > k)). Errors:
    `DataError` (crossing-cumulative), which names the row, where cumulative logits increase.

    >>> import numpy as np
    >>> RankedProbabilityScore().value(np.array([0, 2]), np.tile([0.5, 0.25, 0.25], (2, 1)), "probs")
    array([0.3125, 0.8125])

    Source: E. S. Epstein, A scoring system for probability forecasts of ranked categories, J. Appl. Meteorol.
    8 (1969) 985–987, doi:10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2.
    """

    name: ClassVar[str] = "ranked_probability_score"
    title: ClassVar[str] = "ranked probability score"
    unit: ClassVar[str] = "1"
    kinds: ClassVar[tuple[str, ...]] = ("probs", "logits", "log_probs", "cumulative_logits")
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    target: ClassVar[str] = "ordinal"
    calibration: ClassVar[str] = "Its minimum is the true probabilities; small ones hardly weigh."
    use: ClassVar[str] = (
        "To judge probabilities of ordered classes where a near miss is better than a far one."
    )

    def value(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        if kind == "cumulative_logits":
            missed, _ = self._missed_of_logits(labels, prediction, kind)
            return kernels.row_sums(missed * missed)
        _, below, above = self._shares(labels, prediction, kind)
        missed = np.where(_is_below(labels, below), below, above)
        return kernels.row_sums(missed * missed)

    def gradient(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """With t the share on the wrong side of split k: by cumulative logit ±2t²(1 − t).

        By probability j  G_j = 2 Σ t of the splits between j and the label; by log-probability p_j G_j, by
        logit p_j (G_j − Σ p G), with G less that of the likeliest class, or confident rows would cancel.
        """
        if kind == "cumulative_logits":
            missed, held = self._missed_of_logits(labels, prediction, kind)
            slope = 2.0 * missed * missed * held
            return np.where(_is_below(labels, slope), -slope, slope)
        p, below, above = self._shares(labels, prediction, kind)
        if kind == "logits":
            return p * _less_mean(p, _slopes(labels, kernels.top(prediction)[0], below, above))
        slope = _slopes(labels, labels, below, above)
        return slope if kind == "probs" else p * slope

    def hessian_diagonal(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """By cumulative logit 2t²(1 − t)(2 − 3t), by probability 2|j − label|.

        By log-probability 2|j − label| p_j² + p_j G_j, by logit 2p_j² S_j + p_j(1 − 2p_j)(G_j − Σ p G), with
        S_j the score that the row would have if j were the label.
        """
        if kind == "cumulative_logits":
            missed, held = self._missed_of_logits(labels, prediction, kind)
            return np.asarray(2.0 * missed * missed * held * (2.0 * held - missed))
        p, below, above = self._shares(labels, prediction, kind)
        distance: Floats = 2.0 * np.abs(np.arange(p.shape[1]) - labels[:, None])
        if kind == "probs":
            return distance
        if kind == "log_probs":
            return p * (distance * p + _slopes(labels, labels, below, above))
        slope = _less_mean(p, _slopes(labels, kernels.top(prediction)[0], below, above))
        return 2.0 * p * p * _scores(below, above) + p * (1.0 - 2.0 * p) * slope

    def _shares(self, labels: Codes, prediction: Floats, kind: str) -> tuple[Floats, Floats, Floats]:
        """(N, K) probabilities, and at each k those up to it and those above it, added up from either end."""
        check_arguments(self, labels, prediction, kind)
        kernels.check_labels(labels, prediction.shape[1])
        p = np.asarray(prediction, np.float64)
        if kind == "logits":
            p = kernels.softmax(prediction)
        elif kind == "log_probs":
            with np.errstate(under="ignore"):
                p = np.exp(p)
        above = np.zeros(p.shape)
        above[:, :-1] = np.cumsum(p[:, :0:-1], axis=1)[:, ::-1]
        return p, np.cumsum(p, axis=1), above

    def _missed_of_logits(self, labels: Codes, prediction: Floats, kind: str) -> tuple[Floats, Floats]:
        """(N, K − 1) probability of the side of each split where the label is not, and of the other."""
        check_arguments(self, labels, prediction, kind)
        sides = Sides.of_logits(checked_cumulative(labels, prediction))
        up, down = sides.there.p, sides.absent.p
        label_is_above = _is_below(labels, up)
        return np.where(label_is_above, down, up), np.where(label_is_above, up, down)


def checked_cumulative(labels: Codes, prediction: Floats) -> Floats:
    """Cumulative logits as float64, or `DataError` (crossing-cumulative, label-out-of-range)."""
    kernels.check_labels(labels, prediction.shape[1] + 1)
    crossing = prediction[:, 1:] > prediction[:, :-1]
    if crossing.any():
        row, k = (int(i) for i in np.argwhere(crossing)[0])
        raise DataError(
            "crossing-cumulative",
            f"the cumulative logit is above the one before it, {float(prediction[row, k])}: class {k + 1} "
            "has a negative probability",
            row=row,
            column=str(k + 1),
            value=float(prediction[row, k + 1]),
            cure="column k is the logit of P(label > k): order the thresholds",
        )
    return np.ascontiguousarray(prediction, np.float64)


def softplus(x: Floats) -> Floats:
    """log(1 + exp(x)), to full relative precision."""
    with np.errstate(under="ignore"):
        return np.asarray(np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))))


def odds(gap: Floats) -> Floats:
    """1 / (exp(gap) − 1)."""
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(1.0 / np.expm1(gap))


def _beside(labels: Codes, prediction: Floats, before: Floats, after: Floats) -> Floats:
    """(N, K − 1) zeros, but for the columns that bound the label's class."""
    out = np.zeros(prediction.shape)
    has_before, has_after = np.flatnonzero(labels > 0), np.flatnonzero(labels < prediction.shape[1])
    out[has_before, labels[has_before] - 1] = before[has_before]
    out[has_after, labels[has_after]] = after[has_after]
    return out


def _is_below(labels: Codes, columns: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which columns stand for classes below the label."""
    return np.asarray(np.arange(columns.shape[1]) < labels[:, None])


def _slopes(labels: Codes, anchor: Codes, below: Floats, above: Floats) -> Floats:
    """(N, K) derivative by each class's probability less that by the anchor's, which by the label's is 0.

    From one class to the next it changes by twice the share on the wrong side of the split between them.
    """
    steps = 2.0 * np.where(_is_below(labels, below), -below, above)
    before = _is_below(anchor, steps)
    down = np.cumsum(np.where(before, -steps, 0.0)[:, ::-1], axis=1)[:, ::-1]
    up = np.zeros(steps.shape)
    np.cumsum(np.where(before, 0.0, steps)[:, :-1], axis=1, out=up[:, 1:])
    return np.asarray(down + up)


def _less_mean(p: Floats, slope: Floats) -> Floats:
    """The slopes less their mean, precise where their anchor is the class with almost all of p."""
    return slope - kernels.row_sums(p * slope)[:, None]


def _scores(below: Floats, above: Floats) -> Floats:
    """(N, K) the score of the row for every label that it could have."""
    out = np.zeros(below.shape)
    np.cumsum((below * below)[:, :-1], axis=1, out=out[:, 1:])
    return out + np.cumsum((above * above)[:, ::-1], axis=1)[:, ::-1]


for _loss in (CumulativeLink(), RankedProbabilityScore()):
    register(_loss)
