"""Row losses from logits with their gradients and options, in NumPy: the oracle of the compiled core."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent.errors import DataError
from crossent.kernels.narrow import put, widened
from crossent.kernels.reference import (
    Block,
    Codes,
    Floats,
    Reals,
    blocks,
    check_labels,
    log_loss_from_logits,
    row_sums,
    softmax,
    softmax_minus_label,
    top,
)
from crossent.kernels.row_options import RowOptions, check_temperature, room_for, row_factors, scaled

Gradient = NDArray[np.floating]


def log_sum_exp(z: Reals) -> Floats:
    """(N,) log Σ_k exp(z_k); nan where a row holds nan or +inf, or nothing but −inf."""
    first, largest, _ = top(z)
    with np.errstate(invalid="ignore"):
        return largest + log_loss_from_logits(first, z)


def loss_and_gradient_from_logits(
    labels: Codes,
    z: Reals,
    *,
    smoothing: float = 0.0,
    class_weights: ArrayLike | None = None,
    ignore_index: int | None = None,
    temperature: float = 1.0,
    scale: ArrayLike | None = None,
    scale_losses: bool = True,
    out: Gradient | None = None,
) -> tuple[Floats, Gradient]:
    """(N,) log losses of softmax(z/T), and (N, K) their gradients by z, of the type of z.

    With ε = `smoothing` and class weights w a row's loss is (1 − ε) w_y L_y + (ε/K) Σ_k w_k L_k, where
    L_k = −log softmax(z/T)_k; this is what PyTorch's `label_smoothing` and `weight` mean. `scale`, a number
    or one a row, is a factor of loss and gradient, without `scale_losses` of the gradient alone. A row whose
    label is `ignore_index` has loss and gradient 0, and so has one whose factor is 0. The gradient goes to
    `out`, if given; `out=z` overwrites the logits.

    Errors: `DataError` (label-out-of-range), `UsageError` (bad-option).
    """
    check_temperature(temperature)
    given = RowOptions.of(labels, z.shape[1], smoothing, class_weights, ignore_index, scale)
    check_labels(given.labels, z.shape[1])
    x: Floats = np.asarray(widened(z), np.float64) / temperature
    if given.share is None or given.extra is None:
        loss, slope = log_loss_from_logits(given.labels, x), softmax_minus_label(given.labels, x)
    else:
        loss, slope = _soft(_smoothed(given, x.shape), x)
    return _finished(loss, slope, given.factor, temperature, room_for(z, out), scale_losses)


def smoothed_log_loss_from_logits(labels: Codes, z: Reals, smoothing: float) -> Floats:
    """(N,) (1 − ε) L_label + (ε/K) Σ_k L_k, with L_k = −log softmax(z)_k and ε = `smoothing`.

    Errors: `DataError` (label-out-of-range), `UsageError` (bad-option).
    """
    if smoothing == 0.0:
        return log_loss_from_logits(labels, z)
    given = RowOptions.of(labels, z.shape[1], smoothing, None, None, None)
    check_labels(given.labels, z.shape[1])
    return _soft_loss(_smoothed(given, z.shape), z)


def soft_cross_entropy_from_logits(targets: Reals, z: Reals) -> Floats:
    """(N,) −Σ_k y_k log softmax(z)_k of targets y ≥ 0, of which a sum other than 1 is a factor.

    Errors: `DataError` (not-a-mass).
    """
    check_masses(targets)
    return _soft_loss(np.asarray(targets, np.float64), z)


def soft_loss_and_gradient_from_logits(
    targets: Reals,
    z: Reals,
    *,
    temperature: float = 1.0,
    scale: ArrayLike | None = None,
    scale_losses: bool = True,
    out: Gradient | None = None,
) -> tuple[Floats, Gradient]:
    """(N,) −Σ_k y_k log softmax(z/T)_k, and (N, K) their gradients by z; options as with labels.

    Errors: `DataError` (not-a-mass), `UsageError` (bad-option).
    """
    check_temperature(temperature)
    check_masses(targets)
    factor = None if scale is None else row_factors(scale, len(z))
    loss, slope = _soft(np.asarray(targets, np.float64), np.asarray(widened(z), np.float64) / temperature)
    return _finished(loss, slope, factor, temperature, room_for(z, out), scale_losses)


def sigmoid_log_loss_from_logits(indicators: Reals, z: Reals) -> Floats:
    """(N,) Σ_k y_k log1p(exp(−z_k)) + (1 − y_k) log1p(exp(z_k)) for y from 0 to 1.

    Errors: `DataError` (not-an-indicator).
    """
    check_shares(indicators)
    return _sigmoid_loss(np.asarray(indicators, np.float64), z)


def sigmoid_loss_and_gradient_from_logits(
    indicators: Reals,
    z: Reals,
    *,
    scale: ArrayLike | None = None,
    scale_losses: bool = True,
    out: Gradient | None = None,
) -> tuple[Floats, Gradient]:
    """(N,) sigmoid log losses, and (N, K) σ(z) − y, formed without a difference where y is 0 or 1.

    Errors: `DataError` (not-an-indicator), `UsageError` (bad-option).
    """
    check_shares(indicators)
    factor = None if scale is None else row_factors(scale, len(z))
    y, gradient = np.asarray(indicators, np.float64), room_for(z, out)
    x = np.asarray(widened(z), np.float64)
    loss = _sigmoid_loss(y, x)
    with np.errstate(under="ignore", invalid="ignore"):
        e = np.exp(-np.abs(x))
        likely, other = 1.0 / (1.0 + e), e / (1.0 + e)
        p, rest = np.where(x > 0, likely, other), np.where(x > 0, other, likely)
        slope = np.where(y == 1.0, -rest, np.where(y == 0.0, p, (1.0 - y) * p - y * rest))
    return _finished(loss, slope, factor, 1.0, gradient, scale_losses)


def check_masses(targets: Reals) -> None:
    """Raise `DataError` (not-a-mass) unless all entries are finite and ≥ 0."""
    usable = (targets >= 0.0) & (targets < np.inf)
    if not usable.all():
        row, column = (int(i) for i in np.argwhere(~usable)[0])
        raise DataError(
            "not-a-mass",
            "a target is negative, infinite or not a number",
            row=row,
            column=str(column),
            value=float(targets[row, column]),
            cure="give the share of each class, 0 or more",
        )


def check_shares(indicators: Reals) -> None:
    """Raise `DataError` (not-an-indicator) unless all are from 0 to 1."""
    fine = (indicators >= 0) & (indicators <= 1)
    if not fine.all():
        row, column = (int(i) for i in np.argwhere(~fine)[0])
        raise DataError(
            "not-an-indicator",
            "what is said of a label is neither 0 nor 1, nor between them",
            row=row,
            column=str(column),
            value=float(indicators[row, column]),
            cure="give 1 where the label is there and 0 where it is not",
        )


def _smoothed(given: RowOptions, shape: tuple[int, ...]) -> Floats:
    assert given.share is not None
    assert given.extra is not None
    target = np.full(shape, given.share)
    target[np.arange(len(target)), given.labels] += given.extra
    return target


def _finished(
    loss: Floats,
    slope: Floats,
    factor: Floats | None,
    temperature: float,
    out: Gradient,
    scale_losses: bool,
) -> tuple[Floats, Gradient]:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if factor is not None:
            slope *= factor[:, None]
        put(slope / temperature, out)
    return scaled(loss, out, factor, scale_losses), out


def _soft(target: Floats, z: Reals) -> tuple[Floats, Floats]:
    """Loss, and (Σ y)·softmax(z) − y; where the largest logit has most of the softmax, its entry is the
    difference of what both leave to the others."""
    first, rows = top(z)[0], np.arange(len(z))
    others = target.copy()
    others[rows, first] = 0.0
    others[rows, first] = -row_sums(others)
    total = row_sums(target)
    slope = total[:, None] * softmax_minus_label(first, z) - others
    share = softmax(z)[rows, first]
    flat = share <= 0.5
    slope[rows[flat], first[flat]] = (total * share - target[rows, first])[flat]
    return _soft_loss(target, z), slope


def _soft_loss(target: Floats, z: Reals) -> Floats:
    first, largest, _ = top(z)
    return shortfall(target, z, largest) + row_sums(target) * log_loss_from_logits(first, z)


def shortfall(target: Floats, z: Reals, largest: Floats) -> Floats:
    """(N,) Σ_k y_k (largest − z_k), where y_k = 0 counts as 0 whatever z_k."""
    out = np.empty(len(z))
    for y, block in zip(blocks(target), blocks(z), strict=True):
        terms = np.zeros_like(block.x)
        with np.errstate(invalid="ignore"):
            gap = block.spread(largest[block.rows]) - block.x
        np.multiply(y.x, gap, out=terms, where=y.x > 0.0)
        out[block.rows] = block.total(terms)
    return out


def _sigmoid_loss(y: Floats, z: Reals) -> Floats:
    out = np.zeros(len(z))
    if not z.shape[1]:
        return out
    for there, block in zip(blocks(y), blocks(z), strict=True):
        out[block.rows] = block.total(_sigmoid_terms(there, block))
    return out


def _sigmoid_terms(y: Block, z: Block) -> Floats:
    with np.errstate(under="ignore", invalid="ignore"):
        far = np.abs(z.x)
        likely = np.log1p(np.exp(-far))
        there = np.where(z.x > 0, likely, likely + far)
        absent = np.where(z.x > 0, likely + far, likely)
        mixed = y.x * there + (1.0 - y.x) * absent
        return np.where(y.x == 1.0, there, np.where(y.x == 0.0, absent, mixed))
