"""The contract of a loss as checks: each takes the loss and one of its kinds and raises AssertionError."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import is_dataclass

import numpy as np
from numpy.typing import NDArray

from crossent import kernels
from crossent.errors import DataError, UsageError
from crossent.losses.contract import KINDS, TARGETS, Floats, Loss
from crossent.testing.expectations import expected, forecasts
from crossent.testing.extremes import extreme_predictions
from crossent.testing.samples import as_kind, converted, prepared

CLASS_COUNTS = (2, 3, 17)
"""Two classes, a few, and more than the kernels add one after another."""


def check_loss(loss: Loss) -> None:
    """Raise AssertionError, naming check and kind, unless the loss keeps the contract of `Loss`.

    Checked for each declared kind of prediction: declarations, immutability, pickling, shape and type of the
    values, no memory of earlier calls, rows that do not depend on their neighbours (bit for bit), inputs left
    untouched, float32 as its widened copy, bounds, agreement of the kinds with one another, properness (that
    it is what is claimed, no more and no less), refusal of other kinds, extreme predictions and no rows
    without nan, and both derivatives against five-point differences.

    >>> from crossent.losses import get
    >>> check_loss(get("brier"))
    """
    for kind in loss.kinds:
        for check in CHECKS:
            try:
                check(loss, kind)
            except AssertionError as error:
                name = check.__name__.replace("_", " ")
                raise AssertionError(f"{loss.name}, {kind}, {name}: {error}") from None


def declarations(loss: Loss, kind: str) -> None:
    require(kind in KINDS, f"{kind!r} is not one of {KINDS}")
    require(loss.target in TARGETS, f"{loss.target!r} is not one of {tuple(TARGETS)}")
    require(loss.name.isidentifier() and loss.name.islower(), f"{loss.name!r} is no lower-case identifier")
    require(bool(loss.title and loss.unit and loss.elicits), "title, unit and elicits must say something")
    require(loss.bounds[0] < loss.bounds[1], "bounds must be (lower, upper)")


def immutable(loss: Loss, kind: str) -> None:
    require(is_dataclass(loss), "a loss is a dataclass")
    try:
        setattr(loss, "memory", kind)  # noqa: B010
    except AttributeError:
        return
    raise AssertionError("an attribute can be set: declare the dataclass frozen")


def pickles(loss: Loss, kind: str) -> None:
    loss, labels, prediction = prepared(loss, kind)
    again = pickle.loads(pickle.dumps(loss))
    require(again == loss, "the unpickled loss is not equal to the loss")
    same_bits(again.value(labels, prediction, kind), loss.value(labels, prediction, kind), "unpickled loss")


def shape_and_type(loss: Loss, kind: str) -> None:
    loss, labels, prediction = prepared(loss, kind)
    value = loss.value(labels, prediction, kind)
    require(value.shape == labels.shape[:1], f"values {value.shape} for labels {labels.shape}")
    require(value.dtype == np.float64, f"values are {value.dtype}, not float64")


def stateless(loss: Loss, kind: str) -> None:
    loss, labels, prediction = prepared(loss, kind, seed=1)
    before = loss.value(labels, prediction, kind).copy()
    _, other_labels, other_prediction = prepared(loss, kind, seed=2)
    loss.value(other_labels, other_prediction, kind)
    same_bits(loss.value(labels, prediction, kind), before, "the first data once more, after other data")
    turned = loss.value(labels[::-1].copy(), prediction[::-1].copy(), kind)
    same_bits(turned, before[::-1], "the first data in reverse")


def rows_stand_alone(loss: Loss, kind: str) -> None:
    for classes in CLASS_COUNTS:
        mine, labels, prediction = prepared(loss, kind, classes, rows=67)
        together = mine.value(labels, prediction, kind)
        for cut in (1, 8, 33, 66):
            parts = [mine.value(labels[s], prediction[s], kind) for s in (slice(cut), slice(cut, None))]
            same_bits(np.concatenate(parts), together, f"{classes} classes, rows split at {cut}")


def inputs_stay(loss: Loss, kind: str) -> None:
    loss, labels, prediction = prepared(loss, kind)
    kept = labels.copy(), prediction.copy()
    writable = loss.value(labels, prediction, kind)
    same_bits(labels, kept[0], "labels after the call")
    same_bits(prediction, kept[1], "prediction after the call")
    labels.flags.writeable = prediction.flags.writeable = False
    same_bits(loss.value(labels, prediction, kind), writable, "read-only input")


def float32_is_widened(loss: Loss, kind: str) -> None:
    for classes in CLASS_COUNTS:
        mine, labels, prediction = prepared(loss, kind, classes)
        narrow = prediction.astype(np.float32)
        widened = mine.value(labels, narrow.astype(np.float64), kind)
        with kernels.using(precise=True):
            same_bits(mine.value(labels, narrow, kind), widened, f"{classes} classes, float32")  # type: ignore[arg-type]
        value = mine.value(labels, narrow, kind)  # type: ignore[arg-type]
        # within a unit in the last place of float32 otherwise, wherever the row stands
        close = np.isclose(value, widened, rtol=2.0**-22, atol=0.0, equal_nan=True)
        require(bool(close.all()), f"{classes} classes: {value[~close][:1]}, widened {widened[~close][:1]}")


def within_bounds(loss: Loss, kind: str) -> None:
    low, high = loss.bounds
    for spread in (1.0, 30.0):
        mine, labels, prediction = prepared(loss, kind, spread=spread)
        value = mine.value(labels, prediction, kind)
        slack = 1e-12
        inside = (value >= low - slack) & (value <= high + slack)
        require(bool(inside.all()), f"{value[~inside][:1]} is outside of the bounds {loss.bounds}")


def kinds_agree(loss: Loss, kind: str) -> None:
    first_kind = loss.kinds[0]
    if loss.target in ("class", "ordinal", "distribution"):
        mine, labels, log_p = prepared(loss, "log_probs")
        codes = labels if labels.ndim == 1 else np.zeros(len(log_p), np.int64)
        first, other = (
            as_kind(k, mine.logits_of(log_p) if k == "logits" else log_p, codes) for k in (first_kind, kind)
        )
    elif loss.target == "indicators":
        mine, labels, z = prepared(loss, "logits")
        first, other = ({"logits": z, "probs": 1.0 / (1.0 + np.exp(-z))}[k] for k in (first_kind, kind))
    else:
        mine, labels, first = prepared(loss, first_kind)
        changed = converted(first, first_kind, kind)
        if changed is None:
            return
        other = changed
    one, two = mine.value(labels, first, first_kind), mine.value(labels, other, kind)
    require(bool(np.allclose(two, one, rtol=1e-12, atol=1e-14)), f"differs from {first_kind}")


def proper(loss: Loss, kind: str) -> None:
    """The truth is the only best forecast, a best one, or some truth is not, as the loss declares."""
    gains = []
    for truth, others in forecasts(loss, kind):
        mine = loss.example(truth.size)
        best = expected(mine, kind, truth, truth)
        for other in others:
            gains.append(best - expected(mine, kind, truth, other))
            if loss.strictly_proper:
                require(gains[-1] < 0.0, f"{other} scores as well as the truth {truth}")
            elif loss.proper:
                require(gains[-1] < 1e-12, f"{other} scores better than the truth {truth}")
    if gains and loss.properness == "not proper":
        require(max(gains) > 1e-9, "declared not proper, but no forecast was better than the truth")


def refuses_other_kinds(loss: Loss, kind: str) -> None:
    loss, labels, prediction = prepared(loss, kind)
    for other in {*KINDS, "no_such_kind"} - set(loss.kinds):
        try:
            loss.value(labels, prediction, other)
        except UsageError:
            continue
        raise AssertionError(f"{other} is not declared, yet accepted")


def extremes(loss: Loss, kind: str) -> None:
    """Predictions at the edge of their domain give a limit or are refused, never nan; so with no rows."""
    for labels, prediction in extreme_predictions(loss, kind):
        classes = prediction.shape[1] if prediction.ndim == 2 else 3
        mine = loss.example(classes + (kind == "cumulative_logits"))
        for what in (mine.value, mine.gradient, mine.hessian_diagonal):
            try:
                result = what(labels, prediction, kind)
            except (NotImplementedError, DataError):
                continue
            bad = np.isnan(result)
            require(not bad.any(), f"{what.__name__} of {prediction[bad.nonzero()[0][:1]]} is nan")
            require(len(result) == len(labels), f"{what.__name__} has the shape {result.shape}")


def gradient(loss: Loss, kind: str) -> None:
    close_to("gradient", (1.0, -8.0, 0.0, 8.0, -1.0), 1, loss, kind)


def hessian_diagonal(loss: Loss, kind: str) -> None:
    close_to("hessian_diagonal", (-1.0, 16.0, -30.0, 16.0, -1.0), 2, loss, kind)


CHECKS: tuple[Callable[[Loss, str], None], ...] = (
    declarations,
    immutable,
    pickles,
    shape_and_type,
    stateless,
    rows_stand_alone,
    inputs_stay,
    float32_is_widened,
    within_bounds,
    kinds_agree,
    proper,
    refuses_other_kinds,
    extremes,
    gradient,
    hessian_diagonal,
)


def close_to(name: str, coefficients: tuple[float, ...], order: int, loss: Loss, kind: str) -> None:
    """Compare a derivative with Σ c_i f(x + i·h) / 12 h^order, i = −2 … 2; none declared is fine."""
    loss, labels, prediction = prepared(loss, kind, spread=0.5)
    try:
        given: Floats = getattr(loss, name)(labels, prediction, kind)
    except NotImplementedError:
        return
    require(given.shape == prediction.shape, f"{given.shape} for a prediction {prediction.shape}")
    h = 1e-3
    for k in range(prediction.shape[1] if prediction.ndim == 2 else 1):
        step = np.zeros_like(prediction)
        step[..., k if prediction.ndim == 2 else slice(None)] = h
        numeric = np.zeros(len(labels))
        for i, c in zip(range(-2, 3), coefficients, strict=True):
            numeric += c * loss.value(labels, prediction + i * step, kind) / (12 * h**order)
        mine = given[:, k] if prediction.ndim == 2 else given
        wrong = np.flatnonzero(~np.isclose(mine, numeric, rtol=1e-5, atol=1e-7))
        require(not wrong.size, f"entry {k} of row {wrong[:1]}: {mine[wrong[:1]]} for {numeric[wrong[:1]]}")


def same_bits(left: NDArray[np.generic], right: NDArray[np.generic], what: str) -> None:
    require(left.dtype == right.dtype and left.tobytes() == right.tobytes(), f"{what}: not the same bits")


def require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise AssertionError(otherwise)
