"""What a map is fitted to and applied to: predictions of any kind as logits, labels as codes, weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent._arrays import as_numpy
from crossent.errors import DataError, UsageError
from crossent.imbalance.arguments import ByClass, label_codes

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Logits = NDArray[np.float32] | NDArray[np.float64]

KINDS = ("probs", "logits", "log_probs")
TOLERANCE = 1e-3
"""How far a row of probabilities may miss the sum 1."""
MOST = np.finfo(np.float64).max


@dataclass(frozen=True)
class Rows:
    """Labelled predictions: what maps are fitted to."""

    logits: Logits
    """(N, K) up to a number a row; −∞ where a probability is 0."""
    labels: Codes
    """(N,) 0 … K−1."""
    weight: Floats | None = None
    """(N,) how often each row counts; 1 by default."""

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def classes(self) -> int:
        return int(self.logits.shape[1])

    @property
    def weights(self) -> Floats:
        return np.ones(len(self)) if self.weight is None else self.weight

    @cached_property
    def total(self) -> float:
        """Sum of the weights."""
        return float(len(self) if self.weight is None else self.weight.sum())

    @cached_property
    def log_probabilities(self) -> Floats:
        """(N, K) float64."""
        return normalised(self.logits)

    @cached_property
    def impossible(self) -> NDArray[np.bool_]:
        """(N,) rows that count and whose label was given probability 0."""
        zero = np.isneginf(self.logits[np.arange(len(self)), self.labels])
        return zero if self.weight is None else zero & (self.weight > 0.0)

    def keep(self, chosen: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Rows:
        """Some of the rows."""
        weight = None if self.weight is None else self.weight[chosen]
        return Rows(self.logits[chosen], self.labels[chosen], weight)


def rows(
    labels: ArrayLike,
    predictions: ArrayLike,
    *,
    kind: str = "probs",
    weight: ArrayLike | None = None,
    classes: Sequence[Any] | None = None,
    floor: float = 0.0,
) -> Rows:
    """Labels and predictions, checked.

    Raises `DataError` (shape-mismatch, no-rows, nan-prediction, infinite-logit,
    impossible-row, not-a-probability, positive-log-probability, label-out-of-range, unknown-label,
    label-type, bad-weight, no-weight) and `UsageError` (bad-option).
    """
    z = logits(predictions, kind=kind, floor=floor)
    n, k = z.shape
    names = None if classes is None else tuple(classes)
    if names is not None and len(names) != k:
        raise DataError(
            "shape-mismatch", f"{len(names)} classes for {k} columns", cure="name every column once, in order"
        )
    codes = label_codes(labels, ByClass(np.ones(k), names))
    if len(codes) != n:
        raise DataError("shape-mismatch", f"{len(codes)} labels for {n} predictions", cure="give one a row")
    if n == 0:
        raise DataError("no-rows", "there are no predictions", cure="give at least one row")
    return Rows(z, codes, weights(weight, n))


def logits(predictions: ArrayLike, *, kind: str = "probs", floor: float = 0.0) -> Logits:
    """(N, K) logits, known up to a number a row, in the precision they came in.

    Predictions (N,) are of two classes: the probability of the second, its logarithm, or the log-odds. With a
    floor, smaller probabilities are raised to it and rows made to sum to one again.
    """
    if kind not in KINDS:
        raise UsageError("bad-option", f"kind is {kind!r}", cure=f"use one of {', '.join(KINDS)}")
    if not 0.0 <= floor < 0.5:
        raise UsageError("bad-option", f"the floor is {floor}", cure="give a probability from 0 to below 0.5")
    p = np.asarray(as_numpy(predictions))
    if p.dtype.kind not in "fiub" or p.ndim not in (1, 2) or p.shape[-1:] == (1,) * (p.ndim - 1):
        raise DataError(
            "shape-mismatch",
            f"predictions have the shape {p.shape} and the type {p.dtype}",
            cure="give numbers (N, K), or for two classes (N,): that of the second",
        )
    if p.dtype != np.float32:
        p = p.astype(np.float64, copy=False)
    z = _both(p, kind) if p.ndim == 1 else _columns(p, kind)
    return z if floor == 0.0 else floored(z, floor)


def normalised(z: Logits) -> Floats:
    """log softmax of the rows, float64; exact also for huge logits.

    >>> normalised(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[-6.93147181e-01, -6.93147181e-01],
           [ 0.00000000e+00, -1.00000000e+03]])
    """
    d: Floats = np.subtract(z, z.max(axis=1, keepdims=True), dtype=np.float64)
    d -= np.log(np.exp(d).sum(axis=1, keepdims=True))
    return d


def floored(z: Logits, floor: float) -> Floats:
    """Logits whose probabilities are raised to the floor, and divided by their sum again."""
    raised: Floats = np.maximum(np.exp(normalised(z)), floor)
    logs: Floats = np.log(raised / raised.sum(axis=1, keepdims=True))
    return logs


def _both(p: Logits, kind: str) -> Floats:
    """(N, 2) from what is known of the second class."""
    _check(p, kind, sums=False)
    p = p.astype(np.float64, copy=False)
    if kind == "logits":
        return np.column_stack([np.zeros(p.size), p])
    with np.errstate(divide="ignore"):
        if kind == "probs":
            return np.column_stack([np.log1p(-p), np.log(p)])
        return np.column_stack([np.log(-np.expm1(np.minimum(p, 0.0))), p])


def _columns(p: Logits, kind: str) -> Logits:
    _check(p, kind, sums=True)
    if kind != "probs":
        impossible = np.isneginf(p.max(axis=1)) if p.size and np.isneginf(p.min()) else np.zeros(0, np.bool_)
        if impossible.any():
            raise DataError(
                "impossible-row",
                "every logit is −inf, so no class has a probability",
                row=int(np.flatnonzero(impossible)[0]),
                cure="give finite logits, 0 for every class where nothing is known",
            )
        return p
    with np.errstate(divide="ignore"):
        return np.log(p.astype(np.float64, copy=False))


def _check(p: Logits, kind: str, sums: bool) -> None:
    if (
        kind != "probs"
        and p.size
        and np.isfinite(p.min())
        and p.max() <= (0.0 if kind == "log_probs" else MOST)
    ):
        return  # two visits decide almost always
    _refuse(np.isnan(p), p, "nan-prediction", "the prediction is not a number", "nothing is filled in")
    if kind == "logits":
        problem = "a logit of +inf is not a distribution"
        _refuse(p == np.inf, p, "infinite-logit", problem, "give the largest finite number")
    elif kind == "log_probs":
        problem = "the logarithm of a probability cannot be above 0"
        _refuse(p > TOLERANCE, p, "positive-log-probability", problem, 'of logits say kind="logits"')
    else:
        wrong = (p < 0.0) | (p > (1.0 + TOLERANCE if sums else 1.0))
        _refuse(wrong, p, "not-a-probability", "not between 0 and 1", 'of logits say kind="logits"')
        if sums and p.size:
            far = np.abs(p.sum(axis=1, dtype=np.float64) - 1.0) > TOLERANCE
            problem = f"the row's probabilities miss the sum 1 by more than {TOLERANCE}"
            _refuse(far, p, "not-a-probability", problem, "maps are for probabilities of all classes")


def _refuse(bad: NDArray[np.bool_], values: Logits, slug: str, problem: str, cure: str) -> None:
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DataError(slug, problem, row=place[0], value=values[place], cure=cure)


def weights(weight: ArrayLike | None, n: int) -> Floats | None:
    if weight is None:
        return None
    w = np.asarray(as_numpy(weight), np.float64)
    if w.shape != (n,):
        raise DataError("shape-mismatch", f"weights {w.shape} for {n} rows", cure="give one a row")
    bad = ~((w >= 0.0) & (w < np.inf))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            "bad-weight",
            "a weight is a finite number from 0",
            row=row,
            value=w[row],
            cure="correct the weight",
        )
    if not w.any():
        raise DataError("no-weight", "all weights are 0", cure="give at least one row a weight")
    return w
