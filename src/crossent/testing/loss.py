"""The contract of a loss as checks: each takes the loss and one of its kinds and raises AssertionError."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import is_dataclass

import numpy as np
from numpy.typing import NDArray

from crossent.errors import UsageError
from crossent.losses.contract import KINDS, Codes, Floats, Loss

CLASS_COUNTS = (2, 3, 17)
"""Two classes, a few, and more than the kernels add one after another."""


def check_loss(loss: Loss) -> None:
    """Raise AssertionError, naming check and kind, unless the loss keeps the contract of `Loss`.

    Checked for each declared kind of prediction: declarations, immutability, pickling, shape and type of the
    values, no memory of earlier calls, rows that do not depend on their neighbours (bit for bit), inputs left
    untouched, float32 as its widened copy, bounds, agreement of the kinds with one another, properness where
    it is claimed, refusal of other kinds, and both derivatives against five-point differences.

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
    labels, prediction = sample(kind, 3)
    again = pickle.loads(pickle.dumps(loss))
    require(again == loss, "the unpickled loss is not equal to the loss")
    same_bits(again.value(labels, prediction, kind), loss.value(labels, prediction, kind), "unpickled loss")


def shape_and_type(loss: Loss, kind: str) -> None:
    labels, prediction = sample(kind, 3)
    value = loss.value(labels, prediction, kind)
    require(value.shape == labels.shape, f"values {value.shape} for labels {labels.shape}")
    require(value.dtype == np.float64, f"values are {value.dtype}, not float64")


def stateless(loss: Loss, kind: str) -> None:
    labels, prediction = sample(kind, 3, seed=1)
    before = loss.value(labels, prediction, kind).copy()
    loss.value(*sample(kind, 3, seed=2), kind)
    same_bits(loss.value(labels, prediction, kind), before, "the first data once more, after other data")
    turned = loss.value(labels[::-1].copy(), prediction[::-1].copy(), kind)
    same_bits(turned, before[::-1], "the first data in reverse")


def rows_stand_alone(loss: Loss, kind: str) -> None:
    for classes in CLASS_COUNTS:
        labels, prediction = sample(kind, classes, rows=67)
        together = loss.value(labels, prediction, kind)
        for cut in (1, 8, 33, 66):
            parts = [loss.value(labels[s], prediction[s], kind) for s in (slice(cut), slice(cut, None))]
            same_bits(np.concatenate(parts), together, f"{classes} classes, rows split at {cut}")


def inputs_stay(loss: Loss, kind: str) -> None:
    labels, prediction = sample(kind, 3)
    kept = labels.copy(), prediction.copy()
    writable = loss.value(labels, prediction, kind)
    same_bits(labels, kept[0], "labels after the call")
    same_bits(prediction, kept[1], "prediction after the call")
    labels.flags.writeable = prediction.flags.writeable = False
    same_bits(loss.value(labels, prediction, kind), writable, "read-only input")


def float32_is_widened(loss: Loss, kind: str) -> None:
    for classes in CLASS_COUNTS:
        labels, prediction = sample(kind, classes)
        narrow = prediction.astype(np.float32)
        widened = loss.value(labels, narrow.astype(np.float64), kind)
        same_bits(loss.value(labels, narrow, kind), widened, f"{classes} classes, float32")  # type: ignore[arg-type]


def within_bounds(loss: Loss, kind: str) -> None:
    low, high = loss.bounds
    for spread in (1.0, 30.0):
        value = loss.value(*sample(kind, 3, spread=spread), kind)
        slack = 1e-12
        inside = (value >= low - slack) & (value <= high + slack)
        require(bool(inside.all()), f"{value[~inside][:1]} is outside of the bounds {loss.bounds}")


def kinds_agree(loss: Loss, kind: str) -> None:
    labels, log_p = sample("log_probs", 3)
    first = loss.value(labels, as_kind(loss.kinds[0], log_p, labels), loss.kinds[0])
    value = loss.value(labels, as_kind(kind, log_p, labels), kind)
    require(bool(np.allclose(value, first, rtol=1e-12, atol=1e-14)), f"differs from {loss.kinds[0]}")


def proper(loss: Loss, kind: str) -> None:
    if not loss.strictly_proper:
        return
    rng = np.random.default_rng(5)
    for _ in range(5):
        truth = rng.dirichlet(np.ones(3))
        best = expected(loss, kind, truth, truth)
        for distance in (0.01, 0.3, 1.0):
            other = (1 - distance) * truth + distance * rng.dirichlet(np.ones(3))
            other /= other.sum()
            require(expected(loss, kind, truth, other) > best, f"{other} scores as well as the truth {truth}")


def refuses_other_kinds(loss: Loss, kind: str) -> None:
    labels, prediction = sample(kind, 3)
    for other in {*KINDS, "no_such_kind"} - set(loss.kinds):
        try:
            loss.value(labels, prediction, other)
        except UsageError:
            continue
        raise AssertionError(f"{other} is not declared, yet accepted")


def gradient(loss: Loss, kind: str) -> None:
    labels, prediction = sample(kind, 3, spread=0.5)
    close_to(loss.gradient, (1.0, -8.0, 0.0, 8.0, -1.0), 1, loss, labels, prediction, kind)


def hessian_diagonal(loss: Loss, kind: str) -> None:
    labels, prediction = sample(kind, 3, spread=0.5)
    close_to(loss.hessian_diagonal, (-1.0, 16.0, -30.0, 16.0, -1.0), 2, loss, labels, prediction, kind)


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
    gradient,
    hessian_diagonal,
)


def sample(
    kind: str, classes: int, rows: int = 40, seed: int = 0, spread: float = 2.0
) -> tuple[Codes, Floats]:
    """Labels and a prediction of the kind; a larger spread makes it more confident."""
    rng = np.random.default_rng([seed, classes])
    z = rng.normal(scale=spread, size=(rows, classes))
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    labels = rng.integers(0, classes, rows)
    return labels, z if kind == "logits" else as_kind(kind, log_p, labels)


def as_kind(kind: str, log_p: Floats, labels: Codes) -> Floats:
    """Log-probabilities as another kind; logits get a constant a row, which must not matter."""
    if kind == "probs":
        return np.exp(log_p)
    if kind == "logits":
        return log_p + np.arange(len(log_p))[:, None] / 8
    return log_p if kind == "log_probs" else log_p[np.arange(len(labels)), labels]


def expected(loss: Loss, kind: str, truth: Floats, forecast: Floats) -> float:
    """Σ_k truth_k · loss(k, forecast)."""
    labels = np.arange(truth.size)
    log_p = np.log(np.tile(forecast, (truth.size, 1)))
    return float(truth @ loss.value(labels, as_kind(kind, log_p, labels), kind))


def close_to(
    derivative: Callable[[Codes, Floats, str], Floats],
    coefficients: tuple[float, ...],
    order: int,
    loss: Loss,
    labels: Codes,
    prediction: Floats,
    kind: str,
) -> None:
    """Compare a derivative with Σ c_i f(x + i·h) / 12 h^order, i = −2 … 2; none declared is fine."""
    try:
        given = derivative(labels, prediction, kind)
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
