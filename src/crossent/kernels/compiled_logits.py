"""The kernels of the compiled core behind the signatures of `reference` and `row_losses`.

Arrays are laid out as the core takes them; what it refuses is said in full by the checks of the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent.kernels.choice import choice, precise
from crossent.kernels.layout import COPIED, fits, laid_out, parts, read, threads_for, to_widen
from crossent.kernels.narrow import BFLOAT16, bits, put
from crossent.kernels.reference import Codes, Floats, Reals, check_labels
from crossent.kernels.row_losses import Gradient, check_masses, check_shares
from crossent.kernels.row_options import RowOptions, check_temperature, room_for, row_factors, scaled, whole

ROWS_AT_ONCE = 1 << 15
"""Of which what is not asked for is written out: 256 KiB."""


def log_loss_from_logits(labels: Codes, z: Reals) -> Floats:
    """(N,) −log softmax(z)[label]; within 4 ulp of the exact value, from float32 within a float32 ulp.

    Within `using(precise=True)` 4 float64 ulp also from narrower types.
    """
    y, loss = whole(labels), np.empty(len(z))
    for rows, part in parts(z):
        _labelled(y[rows], part, loss[rows], None, None, 1.0, y, z.shape[1])
    return loss


def softmax_minus_label(labels: Codes, z: Reals) -> Floats:
    """(N, K) softmax(z) − onehot(label); the label's entry is −Σ_{j≠label} p_j, never p − 1."""
    y, gradient, losses = whole(labels), np.empty(z.shape), np.empty(min(len(z), ROWS_AT_ONCE))
    for start in range(0, len(z), ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        for rows, part in parts(z[some]):
            _labelled(
                y[some][rows], part, losses[: len(part)], gradient[some][rows], None, 1.0, y, z.shape[1]
            )
    return gradient


def log_sum_exp(z: Reals) -> Floats:
    """(N,) log Σ_k exp(z_k); nan where a row holds nan or +inf, or nothing but −inf."""
    out = np.empty(len(z))
    for rows, part in read(z):
        choice().native.log_sum_exp(part, out[rows], threads_for(part))
    return out


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
    """Log losses and their gradients by z in one visit; see `row_losses`."""
    check_temperature(temperature)
    given = RowOptions.of(labels, z.shape[1], smoothing, class_weights, ignore_index, scale)
    y, factor, gradient, loss = given.labels, given.factor, room_for(z, out), np.empty(len(z))
    if given.share is None or given.extra is None:
        for rows, part, slope in _written(z, gradient):
            own = None if factor is None else factor[rows]
            _labelled(y[rows], part, loss[rows], slope, own, temperature, y, z.shape[1])
        return scaled(loss, gradient, factor, scale_losses), gradient
    check_labels(y, z.shape[1])
    for rows, part, slope in _written(z, gradient, temperature):
        _smoothed(given, rows, part, loss, slope, factor)
    return scaled(loss, gradient, factor, scale_losses), gradient


def smoothed_log_loss_from_logits(labels: Codes, z: Reals, smoothing: float) -> Floats:
    """(N,) (1 − ε) L_label + (ε/K) Σ_k L_k; see `row_losses`."""
    if smoothing == 0.0:
        return log_loss_from_logits(labels, z)
    given, loss = RowOptions.of(labels, z.shape[1], smoothing, None, None, None), np.empty(len(z))
    check_labels(given.labels, z.shape[1])
    for rows, part in read(z):
        _smoothed(given, rows, part, loss, None, None)
    return loss


def soft_cross_entropy_from_logits(targets: Reals, z: Reals) -> Floats:
    """(N,) −Σ_k y_k log softmax(z)_k of targets y ≥ 0; see `row_losses`."""
    loss = np.empty(len(z))
    for rows, part in read(z):
        _soft(targets, rows, part, loss, None, None)
    return loss


def soft_loss_and_gradient_from_logits(
    targets: Reals,
    z: Reals,
    *,
    temperature: float = 1.0,
    scale: ArrayLike | None = None,
    scale_losses: bool = True,
    out: Gradient | None = None,
) -> tuple[Floats, Gradient]:
    """Cross-entropies of a distribution and their gradients by z; see `row_losses`."""
    check_temperature(temperature)
    factor = None if scale is None else row_factors(scale, len(z))
    gradient, loss = room_for(z, out), np.empty(len(z))
    if out is not None and np.may_share_memory(out, z):  # a row refused leaves the logits as they are
        check_masses(targets)
    for rows, part, slope in _written(z, gradient, temperature):
        _soft(targets, rows, part, loss, slope, factor)
    return scaled(loss, gradient, factor, scale_losses), gradient


def sigmoid_log_loss_from_logits(indicators: Reals, z: Reals) -> Floats:
    """(N,) Σ_k y_k log1p(exp(−z_k)) + (1 − y_k) log1p(exp(z_k)); see `row_losses`."""
    loss = np.empty(len(z))
    for rows, part in read(z):
        _sigmoid(indicators, rows, part, loss, None, None)
    return loss


def sigmoid_loss_and_gradient_from_logits(
    indicators: Reals,
    z: Reals,
    *,
    scale: ArrayLike | None = None,
    scale_losses: bool = True,
    out: Gradient | None = None,
) -> tuple[Floats, Gradient]:
    """Sigmoid log losses and σ(z) − y; see `row_losses`."""
    factor = None if scale is None else row_factors(scale, len(z))
    gradient, loss = room_for(z, out), np.empty(len(z))
    if out is not None and np.may_share_memory(out, z):
        check_shares(indicators)
    for rows, part, slope in _written(z, gradient):
        _sigmoid(indicators, rows, part, loss, slope, factor)
    return scaled(loss, gradient, factor, scale_losses), gradient


def _native() -> Any:
    return choice().native


def _labelled(
    y: Codes,
    z: NDArray[Any],
    loss: Floats,
    gradient: Gradient | None,
    factor: Floats | None,
    temperature: float,
    labels: Codes,
    classes: int,
) -> None:
    if (
        _native().losses_from_logits(z, y, loss, gradient, factor, temperature, threads_for(z), precise())
        >= 0
    ):
        check_labels(labels, classes)


def _written(
    z: NDArray[Any], gradient: Gradient, temperature: float = 1.0
) -> Iterator[tuple[slice, NDArray[Any], NDArray[Any]]]:
    """Rows, their logits over T, and where the core writes their gradient; what it wrote is put in place."""
    direct = fits(z) and fits(gradient) and temperature == 1.0 and not to_widen(z)
    step = max(1, len(z) if direct else COPIED // max(z.shape[1], 1))
    for start in range(0, len(z), step):
        rows = slice(start, start + step)
        if direct:
            room: Any = gradient[rows]
            yield rows, laid_out(z[rows]), bits(room) if z.dtype == BFLOAT16 else room
            continue
        part = laid_out(z[rows], np.float64 if to_widen(z) or temperature != 1.0 else None)
        if temperature != 1.0:
            part = part / temperature
        slope: Gradient = np.empty(part.shape, part.dtype)
        yield rows, part, slope
        with np.errstate(over="ignore", under="ignore"):
            put(slope if temperature == 1.0 else slope / temperature, gradient[rows])


def _floats(x: NDArray[Any]) -> NDArray[Any]:
    return laid_out(x, None if x.dtype in (np.float32, np.float64) else np.float64)


def _smoothed(
    given: RowOptions,
    rows: slice,
    z: NDArray[Any],
    loss: Floats,
    gradient: Gradient | None,
    factor: Floats | None,
) -> None:
    assert given.share is not None and given.extra is not None
    same, extra = given.share.ndim == 0, given.extra
    _native().soft_losses(
        z,
        None if same else given.share[None],
        float(given.share) if same else 0.0,
        given.labels[rows],
        extra if len(extra) == 1 else np.ascontiguousarray(extra[rows]),
        loss[rows],
        gradient,
        None if factor is None else factor[rows],
        threads_for(z),
    )


def _soft(
    targets: Reals,
    rows: slice,
    z: NDArray[Any],
    loss: Floats,
    gradient: Gradient | None,
    factor: Floats | None,
) -> None:
    own = None if factor is None else factor[rows]
    y = _floats(targets[rows])
    if _native().soft_losses(z, y, 0.0, None, None, loss[rows], gradient, own, threads_for(z)) >= 0:
        check_masses(targets)


def _sigmoid(
    indicators: Reals,
    rows: slice,
    z: NDArray[Any],
    loss: Floats,
    gradient: Gradient | None,
    factor: Floats | None,
) -> None:
    own = None if factor is None else factor[rows]
    if _native().sigmoid_losses(z, _floats(indicators[rows]), loss[rows], gradient, own, threads_for(z)) >= 0:
        check_shares(indicators)
