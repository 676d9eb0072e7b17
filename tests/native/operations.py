"""Every operation of the compiled core beside the NumPy function that says what is right, in one list.

To add an operation, add a line to `OPERATIONS`; a test fails for a compiled function that is not in it. How
close the core must be to the reference is stated in units in the last place of a row's result: of float64
for float64 input, of float32 for narrower input. A result that is the sum of two larger ones is as exact as
they are: log Σ exp z is measured in units of the larger of |max z| and the loss of the maximum, and the
gradient softmax(z) − y of a distribution y in units of the larger of the two.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from crossent import kernels
from crossent.kernels import reference
from crossent.kernels.choice import THREADS, VARIABLE, choice
from crossent.kernels.narrow import widened

SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")
"""Under AddressSanitizer memory and time are other than they are."""
CLASSES = (1, 2, 3, 7, 8, 10, 16, 17, 64, 127, 128, 129, 1000, 4099)
"""Around every boundary: lanes of a vector, few and many classes, blocks."""
MANY = 70_000
"""Numbers in a call that is worth several threads (from 65,536 on)."""


@dataclass(frozen=True)
class Operation:
    """Arguments made from labels (N,) and numbers (N, K), and how far apart results may be."""

    arguments: Callable[[Any, Any], tuple[Any, ...]]
    numbers: str = "logits"
    """logits: any reals · probs: rows of distributions · log_probs: their logarithms"""
    ulp: float = 8.0
    """Distance to the reference; entries of gradients carry the rounding of z − max in the reference."""
    checks_labels: bool = False
    halves: bool = False
    """Takes float16 as it is."""
    needs_a_row: bool = False
    least_size: Callable[..., tuple[Any, ...]] | None = None
    """An array a result, from the arguments: a result smaller than it is measured in units of it."""


def labels_and_numbers(labels: Any, x: Any) -> tuple[Any, ...]:
    return labels, x


def numbers_only(_: Any, x: Any) -> tuple[Any, ...]:
    return (x,)


def is_positive_and_column(labels: Any, p: Any) -> tuple[Any, ...]:
    return labels == 0, p[:, 0]


def one_hot(labels: Any, x: Any) -> tuple[Any, ...]:
    return (labels[:, None] == np.arange(x.shape[1])).astype(np.float64), x


def smoothed(labels: Any, x: Any) -> tuple[Any, ...]:
    return 0.9 * one_hot(labels, x)[0] + 0.1 / x.shape[1], x


def parts_of_log_sum_exp(z: Any) -> tuple[Any, ...]:
    """(N,): the larger of |m| and log Σ exp(z − m), whose sum may be near 0."""
    most = z.max(axis=1).astype(np.float64)
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(most), reference.log_loss_from_logits(z.argmax(axis=1), z))
    return (np.where(np.isfinite(size), size, 0.0),)


OPERATIONS: dict[str, Operation] = {
    "log_loss_from_logits": Operation(labels_and_numbers, checks_labels=True, halves=True),
    "softmax_minus_label": Operation(labels_and_numbers, ulp=256, checks_labels=True),
    "softmax": Operation(numbers_only, ulp=256),
    "log_sum_exp": Operation(numbers_only, least_size=parts_of_log_sum_exp),
    "loss_and_gradient_from_logits": Operation(labels_and_numbers, ulp=256, checks_labels=True),
    "smoothed_log_loss_from_logits": Operation(lambda y, z: (y, z, 0.1), ulp=64, checks_labels=True),
    "soft_cross_entropy_from_logits": Operation(smoothed, ulp=64),
    "soft_loss_and_gradient_from_logits": Operation(smoothed, ulp=256, least_size=lambda y, z: (0.0, y)),
    "sigmoid_log_loss_from_logits": Operation(one_hot, ulp=64),
    "sigmoid_loss_and_gradient_from_logits": Operation(one_hot, ulp=256),
    "log_loss_from_probs": Operation(labels_and_numbers, "probs", ulp=2, checks_labels=True),
    "label_probability_loss": Operation(lambda y, p: (p[:, 0],), "probs", ulp=2),
    "binary_log_loss": Operation(is_positive_and_column, "probs", ulp=4),
    "take_label": Operation(labels_and_numbers, ulp=0, checks_labels=True),
    "row_sum_and_extremes": Operation(numbers_only, "probs", ulp=64, needs_a_row=True),
    "top": Operation(numbers_only, ulp=0),
    "quality": Operation(numbers_only, "probs", ulp=64, needs_a_row=True),
    "score": Operation(labels_and_numbers, "probs", ulp=64, checks_labels=True, needs_a_row=True),
    "score_single": Operation(lambda y, p: (np.minimum(y, 1), p[:, 0], 1), "probs", ulp=64, needs_a_row=True),
    "checked_log_losses": Operation(
        labels_and_numbers, "probs", ulp=64, checks_labels=True, needs_a_row=True
    ),
    "checked_log_loss_sum": Operation(
        labels_and_numbers, "probs", ulp=4096, checks_labels=True, needs_a_row=True
    ),
    "brier": Operation(labels_and_numbers, "probs", ulp=64, checks_labels=True),
    "brier_from_logits": Operation(labels_and_numbers, ulp=512, checks_labels=True),
    "brier_from_log_probs": Operation(labels_and_numbers, "log_probs", ulp=512, checks_labels=True),
}


def size_of(name: str, labels: Any, x: Any) -> tuple[Any, ...]:
    """`least_size` of an operation for these numbers."""
    operation = OPERATIONS[name]
    return () if operation.least_size is None else operation.least_size(*operation.arguments(labels, x))


def _modules(prefix: str) -> list[ModuleType]:
    names = [m.name for m in pkgutil.iter_modules(kernels.__path__) if m.name.startswith(prefix)]
    return [importlib.import_module(f"crossent.kernels.{name}") for name in sorted(names)]


def _functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    return {
        name: value
        for name, value in vars(module).items()
        if callable(value) and name[0] != "_" and getattr(value, "__module__", "") == module.__name__
    }


@cache
def references() -> dict[str, Callable[..., Any]]:
    """Functions of the NumPy kernels by name."""
    others = [m for m in _modules("") if not m.__name__.split(".")[-1].startswith(("compiled", "_native"))]
    return {
        name: function for module in [*others, reference] for name, function in _functions(module).items()
    }


@cache
def compiled() -> dict[str, Callable[..., Any]]:
    """Functions of the core that the NumPy kernels have by the same name."""
    found = {name: f for module in _modules("compiled") for name, f in _functions(module).items()}
    return {name: function for name, function in found.items() if name in references()}


@contextmanager
def computing(kernels_name: str, threads: int = 1) -> Iterator[None]:
    """The functions of `compiled` run with this instruction set and at most so many threads."""
    wanted = {VARIABLE: kernels_name, THREADS: str(threads)}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    choice.cache_clear()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        choice.cache_clear()


# --- numbers ---------------------------------------------------------------------------------------------


def made(numbers: str, rng: np.random.Generator, rows: int, classes: int, dtype: str) -> tuple[Any, Any]:
    """Labels and an (N, K) array of the kind; logits of every spread, some rows with a clear winner."""
    labels = rng.integers(0, classes, rows)
    z = rng.normal(size=(rows, classes)) * rng.choice([0.1, 1.0, 5.0, 20.0], size=(rows, 1))
    winners = rng.random(rows) < 0.3
    z[winners, labels[winners]] += rng.choice([5.0, 15.0, 30.0], size=winners.sum())
    if numbers == "logits":
        return labels, z.astype(dtype)
    log_p = np.log(reference.softmax(z))
    return labels, (log_p if numbers == "log_probs" else np.exp(log_p)).astype(dtype)


def layouts(x: Any) -> dict[str, Any]:
    """The same numbers as they may lie in memory; what is not theirs is nan."""
    rows, classes = x.shape
    wide = np.full((rows, classes + 5), np.nan, x.dtype)
    wide[:, 2 : classes + 2] = x
    sparse = np.full((2 * rows, classes), np.nan, x.dtype)
    sparse[::2] = x
    frozen = x.copy()
    frozen.flags.writeable = False
    return {
        "contiguous": x,
        "columns of a wider table": wide[:, 2 : classes + 2],
        "every other row": sparse[::2],
        "rows backwards": x[::-1].copy()[::-1],
        "columns backwards": x[:, ::-1].copy()[:, ::-1],
        "column-major": np.asfortranarray(x),
        "read-only": frozen,
        "read-only and wide": _frozen(wide)[:, 2 : classes + 2],
    }


def _frozen(x: Any) -> Any:
    x = x.copy()
    x.flags.writeable = False
    return x


# --- distances -------------------------------------------------------------------------------------------


def results(answer: Any) -> tuple[Any, ...]:
    """What a function returned, as plain arrays: tuples and records are taken apart."""
    if is_dataclass(answer):
        answer = tuple(getattr(answer, field.name) for field in fields(answer))
    if isinstance(answer, tuple):
        return tuple(array for part in answer for array in results(part))
    plain = widened(np.asarray(answer))
    return (plain.astype(plain.dtype.newbyteorder("="), copy=False),)


def bits(answer: Any) -> tuple[bytes, ...]:
    """The bytes of what a function returned; every nan has the same."""
    parts = (np.where(part != part, np.nan, part).astype(part.dtype) for part in results(answer))
    return tuple(part.tobytes() for part in parts)


def distance(ours: Any, truth: Any, dtype: str, least_size: tuple[Any, ...] = ()) -> float:
    """Largest difference in units in the last place of `truth`; inf where nan, infinities or types differ.

    Where `truth` is smaller than the `least_size` of its part, units are those of that.
    """
    worst, parts = 0.0, results(truth)
    for a, b, least in zip(results(ours), parts, least_size or (0.0,) * len(parts), strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            return float("inf")
        if a.dtype.kind != "f":
            worst = max(worst, 0.0 if np.array_equal(a, b) else np.inf)
            continue
        finite = np.isfinite(b)
        if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
            return float("inf")
        wide = dtype == "float64"
        # subnormals of the input's type are no finer than its smallest normal number
        size = np.maximum(np.abs(b, dtype="f8"), least)[finite]
        size = np.maximum(size, np.finfo("f8" if wide else "f4").tiny)
        unit = np.spacing(size) * (1.0 if wide else 2.0**29)
        worst = max(worst, float(np.max(np.abs(a[finite] - b[finite]) / unit, initial=0.0)))
    return worst
