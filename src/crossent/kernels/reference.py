"""The array work of the losses in NumPy: always there, and the oracle of any faster implementation.

Predictions are (N, K) arrays of float32 or float64, one row a case; results are float64, and float32 is
widened first, so it gives the bits its widened copy gives. Rows are taken in blocks whose temporaries stay
in cache. The result of a row depends on that row alone, bit for bit, wherever the row stands:

* K ≤ 16: a block is turned class-major and classes are added one after another (an order NumPy's own
  reduction along a short axis neither keeps nor does fast: 37 times slower at K = 2);
* K > 16: `add.reduce` along the contiguous axis, pairwise within each row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossent.errors import DataError
from crossent.kernels.narrow import widened

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Reals = NDArray[np.float32] | NDArray[np.float64]

BLOCK = 16_384
"""Entries in a block: 128 KiB of float64."""
FEW_CLASSES = 16


@dataclass(frozen=True)
class Block:
    """Some rows of a prediction, widened, laid out with the classes along `axis`."""

    rows: slice
    x: Floats
    axis: int

    def spread(self, per_row: Floats) -> Floats:
        """A value a row, made to broadcast against `x`."""
        return per_row if self.axis == 0 else per_row[:, None]

    def total(self, x: Floats) -> Floats:
        """Sum over the classes, in an order that depends on K only."""
        if self.axis == 1:
            return np.asarray(np.add.reduce(x, axis=1))
        total: Floats = x[0].copy()
        for column in x[1:]:
            total += column
        return total

    def largest(self) -> Floats:
        """Maximum over the classes; nan where any is nan."""
        return np.asarray(np.maximum.reduce(self.x, axis=self.axis))

    def at(self, labels: Codes) -> NDArray[np.int64]:
        """Flat positions in `x` of each row's label, for labels of any integer type."""
        n = len(labels)
        if self.axis == 0:
            # times n in their own type, uint8 labels would wrap
            return np.asarray(np.multiply(labels, n, dtype=np.int64) + np.arange(n))
        return np.asarray(np.add(labels, np.arange(n) * self.x.shape[1], dtype=np.int64))

    def row_major(self, x: Floats) -> Floats:
        """`x` with rows first again."""
        return x if self.axis == 1 else x.T


def blocks(prediction: Reals, entries: int = BLOCK) -> Iterator[Block]:
    """The prediction in blocks of at most `entries` numbers (at least a row), each safe to overwrite."""
    rows, classes = prediction.shape
    step = max(1, entries // max(classes, 1))
    axis = 0 if classes <= FEW_CLASSES else 1
    for start in range(0, rows, step):
        part = widened(prediction[start : start + step])
        x = np.array(part.T if axis == 0 else part, dtype=np.float64, order="C", copy=True)
        yield Block(slice(start, start + len(part)), x, axis)


def check_labels(labels: Codes, classes: int) -> None:
    """Raise unless every label is in 0..classes−1."""
    if labels.size and (int(labels.min()) < 0 or int(labels.max()) >= classes):
        row = int(np.flatnonzero((labels < 0) | (labels >= classes))[0])
        raise DataError(
            "label-out-of-range",
            f"the label is not one of the {classes} classes 0..{classes - 1}",
            row=row,
            value=int(labels[row]),
            cure="number the classes from 0 in the order of the prediction's columns",
        )


def take_label(labels: Codes, prediction: Reals) -> Floats:
    """(N,) entry of each row at its label, widened to float64."""
    rows, classes = prediction.shape
    check_labels(labels, classes)
    flat = np.ascontiguousarray(prediction).reshape(-1)
    taken = flat.take(np.add(labels, np.arange(rows) * classes, dtype=np.int64))
    return np.asarray(widened(taken), dtype=np.float64)


def label_probability_loss(p_label: Reals) -> Floats:
    """−log p of the label's probability; +inf where p ≤ 0, nan where p is nan, below 0 where p > 1."""
    p: Floats = np.maximum(widened(p_label), 0.0, dtype=np.float64)
    with np.errstate(divide="ignore"):
        np.log(p, out=p)
    return np.subtract(0.0, p, out=p)


def log_loss_from_probs(labels: Codes, p: Reals) -> Floats:
    """(N,) −log p[label]."""
    return label_probability_loss(take_label(labels, p))


def binary_log_loss(is_positive: NDArray[np.bool_], p: Reals) -> Floats:
    """(N,) −log p for positives, −log1p(−p) for the others, where a tiny p keeps its full precision.

    +inf for positives with p ≤ 0 and for the others with p ≥ 1.
    """
    with np.errstate(divide="ignore"):
        negative = 0.0 - np.log1p(-np.minimum(widened(p), 1.0, dtype=np.float64))
    return chosen(is_positive, label_probability_loss(p), negative)


def chosen(mask: NDArray[np.bool_], yes: Floats, no: Floats) -> Floats:
    """`yes` where the mask is true, else `no`, bit for bit.

    By bit masks: np.where guesses each row's branch, 3.3 ns a row where labels cannot be guessed, this 0.7.
    """
    bits = yes.view(np.int64) ^ no.view(np.int64)
    bits &= -mask.astype(np.int64)
    bits ^= no.view(np.int64)
    return bits.view(np.float64)


def log_loss_from_logits(labels: Codes, z: Reals) -> Floats:
    """(N,) −log softmax(z)[label] to a few ulp, also where it is far below the machine epsilon.

    With m = max z:  loss = log1p(Σ_{j≠label} exp(z_j − m)) where the label is at the maximum, else
    (m − z_label) + log Σ_j exp(z_j − m). A logit −inf is probability 0: +inf at the label. Rows that hold
    nan or +inf, or nothing but −inf, give nan.
    """
    check_labels(labels, z.shape[1])
    out = np.empty(len(z))
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        for block in blocks(z):
            out[block.rows] = _log_loss_of_block(block, labels[block.rows])
    return out


def _log_loss_of_block(block: Block, labels: Codes) -> Floats:
    m = block.largest()
    at = block.at(labels)
    lead = m - block.x.take(at)
    e = np.exp(block.x - block.spread(m))
    elsewhere = lead != 0
    e.put(at, np.where(elsewhere, e.take(at), 0.0))
    s = block.total(e)
    confident = np.flatnonzero(s < 1.0)
    if confident.size:
        s[confident] += _rounding(block, e, m, confident)
    return np.asarray(lead + np.log1p(s - elsewhere))


def _rounding(block: Block, e: Floats, m: Floats, rows: NDArray[np.intp]) -> Floats:
    """What Σ e lost in the rows because z − m was rounded: Σ e · ((z − m) − fl(z − m)).

    For z − m ≈ −40 that rounding moves exp by up to 32 ulp, and where S < 1 nothing else hides it. The
    error of a difference is itself a float64 (Knuth's two-sum).
    """
    z = block.x.take(rows, axis=1 - block.axis)
    e = e.take(rows, axis=1 - block.axis)
    b = block.spread(-m[rows])
    d = z + b
    again = d - z
    error = (z - (d - again)) + (b - again)
    lost = np.zeros_like(e)
    np.multiply(e, error, out=lost, where=e > 0)
    return block.total(lost)


def softmax(z: Reals) -> Floats:
    """(N, K) exp(z_k) / Σ_j exp(z_j); a row with nan or +inf, or of −inf alone, is nan."""
    out = np.empty(z.shape)
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        for block in blocks(z):
            e = np.exp(block.x - block.spread(block.largest()))
            out[block.rows] = block.row_major(e / block.spread(block.total(e)))
    return out


def softmax_minus_label(labels: Codes, z: Reals) -> Floats:
    """(N, K) softmax(z) − onehot(label); the label's entry is −Σ_{j≠label} p_j, never p − 1."""
    check_labels(labels, z.shape[1])
    out = np.empty(z.shape)
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        for block in blocks(z):
            at = block.at(labels[block.rows])
            m = block.largest()
            e = np.exp(block.x - block.spread(m))
            label = e.take(at)
            e.put(at, 0.0)
            rest = block.total(e)
            confident = np.flatnonzero(rest < 1.0)
            if confident.size:
                rest[confident] += _rounding(block, e, m, confident)
            e.put(at, -rest)
            out[block.rows] = block.row_major(e / block.spread(rest + label))
    return out


def brier(labels: Codes, p: Reals) -> Floats:
    """(N,) Σ_k (p_k − y_k)², summed over all classes: 0 to 2 for distributions."""
    check_labels(labels, p.shape[1])
    out = np.empty(len(p))
    for block in blocks(p):
        x, at = block.x, block.at(labels[block.rows])
        x.put(at, 1.0 - x.take(at))
        out[block.rows] = block.total(np.square(x, out=x))
    return out


def brier_from_log_probs(labels: Codes, log_p: Reals) -> Floats:
    """(N,) Brier score of exp(log_p); 1 − p of the label is −expm1(log p)."""
    check_labels(labels, log_p.shape[1])
    out = np.empty(len(log_p))
    with np.errstate(under="ignore"):
        for block in blocks(log_p):
            at = block.at(labels[block.rows])
            x = np.exp(block.x)
            x.put(at, np.expm1(block.x.take(at)))
            out[block.rows] = block.total(np.square(x, out=x))
    return out


def brier_from_logits(labels: Codes, z: Reals) -> Floats:
    """(N,) Brier score of softmax(z), precise for confident rows too."""
    check_labels(labels, z.shape[1])
    out = np.empty(len(z))
    step = max(1, BLOCK // max(z.shape[1], 1))
    with np.errstate(under="ignore"):
        for start in range(0, len(z), step):
            error = softmax_minus_label(labels[start : start + step], z[start : start + step])
            for block in blocks(error):
                out[start + block.rows.start : start + block.rows.stop] = block.total(block.x * block.x)
    return out


def row_sums(x: Reals) -> Floats:
    """(N,) sum of each row, in an order that depends on K only."""
    out = np.zeros(len(x))
    if x.shape[1]:
        for block in blocks(x):
            out[block.rows] = block.total(block.x)
    return out


def row_sum_and_extremes(p: Reals) -> tuple[Floats, float, float]:
    """(N,) sum of each row, and the smallest and largest entry of all (nan if any is nan; needs a row)."""
    every = widened(p)
    return row_sums(p), float(every.min()), float(every.max())


def _first(found: NDArray[np.bool_]) -> Codes:
    """(N,) first class of (K, N) where `found`; 0 where there is none. argmax takes 10 times as long."""
    searching = ~found[0]
    index: Codes = searching.astype(np.int64)
    for row in found[1:]:
        searching &= ~row
        index += searching
    if searching.any():
        index[searching] = 0
    return index


def top(p: Reals) -> tuple[Codes, Floats, NDArray[np.bool_]]:
    """Of each row the first class with the largest entry, that entry, and whether another class ties.

    A row that holds nan has the value nan.
    """
    counter = np.uint8 if p.shape[1] < 256 else np.int64
    index = np.empty(len(p), np.int64)
    value = np.empty(len(p))
    tie = np.empty(len(p), bool)
    for block in blocks(p):
        value[block.rows] = m = block.largest()
        is_top = block.x == block.spread(m)
        index[block.rows] = _first(is_top) if block.axis == 0 else is_top.argmax(axis=1)
        tie[block.rows] = np.add.reduce(is_top, axis=block.axis, dtype=counter) > 1
    return index, value, tie
