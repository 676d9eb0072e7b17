"""The compiled kernels of probabilities behind the signatures of `reference` and `scores`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.kernels.choice import choice
from crossent.kernels.layout import fits, threads_for
from crossent.kernels.narrow import BFLOAT16, bits, widened
from crossent.kernels.reference import Codes, Floats, Reals, check_labels
from crossent.kernels.row_options import whole
from crossent.kernels.scores import Quality, Scores

SUMS, TOP, BRIER, CHECKED, TOTAL, SCORE = range(6)
"""What a visit is for, in the order of `Visit` in probs_table.h."""


def take_label(labels: Codes, prediction: Reals) -> Floats:
    """(N,) entry of each row at its label, widened to float64."""
    return _per_row("take_label", labels, prediction)


def log_loss_from_probs(labels: Codes, p: Reals) -> Floats:
    """(N,) −log p[label]."""
    return _per_row("log_loss_from_probs", labels, p)


def brier_from_logits(labels: Codes, z: Reals) -> Floats:
    """(N,) Brier score of softmax(z), precise for confident rows too."""
    return _per_row("brier_from_logits", labels, z)


def brier_from_log_probs(labels: Codes, log_p: Reals) -> Floats:
    """(N,) Brier score of exp(log_p); 1 − p of the label is −expm1(log p)."""
    return _per_row("brier_from_log_probs", labels, log_p)


def _per_row(kernel: str, labels: Codes, x: Reals) -> Floats:
    x, y = _grid(x), whole(labels)
    out = np.empty(len(x))
    if getattr(choice().native, kernel)(x, y, out, threads_for(x)) >= 0:
        check_labels(y, x.shape[1])
    return out


def softmax(z: Reals) -> Floats:
    """(N, K) exp(z_k) / Σ_j exp(z_j); a row with nan or +inf, or of −inf alone, is nan."""
    z = _grid(z)
    out = np.empty(z.shape)
    choice().native.softmax(z, None, out, threads_for(z))
    return out


def label_probability_loss(p_label: Reals) -> Floats:
    """−log p of the label's probability; +inf where p ≤ 0, nan where p is nan, below 0 where p > 1."""
    p = _column(p_label)
    out = np.empty(p.shape)
    choice().native.minus_log(p.reshape(-1), out.reshape(-1), threads_for(p))
    return out


def binary_log_loss(is_positive: NDArray[np.bool_], p: Reals) -> Floats:
    """(N,) −log p for positives, −log(1 − p) for the others, where a tiny p keeps its full precision.

    +inf for positives with p ≤ 0 and for the others with p ≥ 1.
    """
    p = _column(p)
    flags = np.ascontiguousarray(is_positive, np.bool_).view(np.uint8)
    out = np.empty(p.shape)
    choice().native.binary_loss(flags.reshape(-1), p.reshape(-1), out.reshape(-1), threads_for(p))
    return out


def brier(labels: Codes, p: Reals) -> Floats:
    """(N,) Σ_k (p_k − y_k)², summed over all classes: 0 to 2 for distributions."""
    out = np.empty(len(p))
    _visit(BRIER, p, labels, brier=out)
    return out


def row_sum_and_extremes(p: Reals) -> tuple[Floats, float, float]:
    """(N,) sum of each row, and the smallest and largest entry of all (nan if any is nan; needs a row)."""
    out = np.empty(len(p))
    found, _, _ = _visit(SUMS, p, None, sum=out)
    return out, found.least, found.most


def quality(p: Reals) -> Quality:
    """Range and row sums of probabilities (needs a row)."""
    return _visit(SUMS, p, None)[0]


def top(p: Reals) -> tuple[Codes, Floats, NDArray[np.bool_]]:
    """Of each row the first class with the largest entry, that entry, and whether another class ties.

    A row that holds nan has the value nan.
    """
    index, value, tie = np.empty(len(p), np.int64), np.empty(len(p)), np.empty(len(p), np.bool_)
    _visit(TOP, p, None, top=index, confidence=value, tie=tie.view(np.uint8))
    return index, value, tie


def checked_log_losses(labels: Codes, p: Reals) -> tuple[Floats, Quality]:
    """(N,) −log p[label], and how well p keeps to the rules, in one visit."""
    out = np.empty(len(p))
    found, _, _ = _visit(CHECKED, p, labels, loss=out)
    return out, found


def checked_log_loss_sum(labels: Codes, p: Reals) -> tuple[float, Quality]:
    """Σ −log p[label] to the last digits, and how well p keeps to the rules, in one visit.

    Of (N,) probabilities p is that of class 1, and class 0 has 1 − p. The sum is the logarithm of a product
    kept to 100 bits, so that no row takes a logarithm of its own; the order of the rows changes its last bit
    at most.
    """
    found, _, total = _visit(TOTAL, p, labels, 1 if p.ndim == 1 else None)
    return total, found


def score(labels: Codes, p: Reals) -> Scores:
    """Everything about (N, K) probabilities and their labels in 0..K−1 in one visit (needs a row)."""
    return _scores(labels, p, None)


def score_single(labels: Codes, p: Reals, positive: int) -> Scores:
    """The same of (N,) probabilities of class `positive` of two, as if the other's 1 − p stood beside it.

    The log loss of the other class keeps the digits of a tiny p.
    """
    return _scores(labels, p, positive)


def _scores(labels: Codes, p: NDArray[Any], positive: int | None) -> Scores:
    loss, square, wrong, confidence = (np.empty(len(p)) for _ in range(4))
    index, hit = np.empty(len(p), np.int64), np.empty(len(p), np.bool_)
    out = {"loss": loss, "brier": square, "top": index, "confidence": confidence, "wrong": wrong}
    found, ties, _ = _visit(SCORE, p, labels, positive, hit=hit.view(np.uint8), **out)
    return Scores(loss, square, wrong, index, confidence, hit, ties, found)


def _visit(
    what: int, p: NDArray[Any], labels: Codes | None, positive: int | None = None, **out: NDArray[Any]
) -> tuple[Quality, int, float]:
    """What is known of all rows, the number of ties, and the sum of the losses; raises for a bad label."""
    y = None if labels is None else whole(labels)
    native = choice().native
    x = _grid(p) if positive is None else _column(p)
    if positive is None:
        bad, *found, ties, total = native.visit(what, x, y, threads=threads_for(x), **out)
    else:
        bad, *found, ties, total = native.visit_single(what, x, y, positive, threads=threads_for(x), **out)
    if bad >= 0 and y is not None:
        check_labels(y, x.shape[1] if positive is None else 2)
    return Quality(*found), ties, total


def _numbers(x: Reals, half: bool) -> NDArray[Any]:
    """The numbers in a type that the kernels read, where they may be read."""
    array: NDArray[Any] = np.asarray(x)
    known = ("f4", "f8", "f2") if half else ("f4", "f8")
    if array.dtype == BFLOAT16:
        # NumPy would take its bits for whole numbers
        array = bits(array) if half else widened(array)
    elif array.dtype.str[1:] not in known or not array.dtype.isnative:
        return array.astype(np.float64)
    return array if array.flags.aligned else array.copy()


def _column(x: Reals) -> NDArray[Any]:
    return np.ascontiguousarray(_numbers(x, half=False))


def _grid(x: Reals) -> NDArray[Any]:
    """A matrix whose entries of a row are neighbours, copied where it is not one."""
    array = _numbers(x, half=True)
    return array if fits(array) else np.ascontiguousarray(array)
