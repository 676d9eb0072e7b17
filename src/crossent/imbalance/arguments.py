"""What the functions of this package are given, checked: numbers a class, labels, predictions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent._arrays import as_numpy
from crossent.errors import DataError, UsageError

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
PerClass = Mapping[Any, float] | ArrayLike
"""A number a class: by name, or in the order of the columns."""

TOLERANCE = 1e-3
"""How far a row of probabilities may miss the sum 1."""
PRIOR_TOLERANCE = 1e-6


def floats(values: Any, name: str) -> Floats:
    """The values as float64."""
    try:
        return np.asarray(as_numpy(values), np.float64)
    except (TypeError, ValueError):
        raise DataError(
            "not-a-number", f"{name} holds something that is not a number", cure="give an array of numbers"
        ) from None


@dataclass(frozen=True)
class ByClass:
    """(K,) numbers, with the names of their classes where they were given by name."""

    values: Floats
    names: tuple[Hashable, ...] | None

    @classmethod
    def of(cls, given: PerClass, name: str) -> ByClass:
        if isinstance(given, Mapping):
            return cls(floats(list(given.values()), name), tuple(given))
        values = floats(given, name)
        if values.ndim != 1 or not values.size:
            raise DataError(
                "shape-mismatch", f"{name} has the shape {values.shape}", cure="give one number a class"
            )
        return cls(values, None)

    def label(self, k: int) -> Hashable:
        return k if self.names is None else self.names[k]

    def like(self, given: PerClass, name: str) -> Floats:
        """Other numbers for the same classes, in the order of these."""
        other = ByClass.of(given, name)
        if self.names is None and other.names is None and self.values.shape == other.values.shape:
            return other.values
        if self.names is None or other.names is None or set(self.names) != set(other.names):
            raise UsageError(
                "prior-classes",
                f"{name} is for the classes {_listed(other)}, not for {_listed(self)}",
                cure="give one number for each class, both by name or both in one order",
            )
        return other.values[[other.names.index(n) for n in self.names]]

    def shaped(self, values: Floats) -> Any:
        """Results for these classes: by name where these have names."""
        return values if self.names is None else dict(zip(self.names, values.tolist(), strict=True))


def positive(by_class: ByClass, name: str) -> Floats:
    """The numbers, all finite and above 0."""
    values = by_class.values
    bad = np.flatnonzero(~((values > 0) & (values < np.inf)))
    if bad.size:
        raise DataError(
            "not-positive",
            f"{name} of class {by_class.label(int(bad[0]))!r} is not a finite number above 0",
            value=float(values[bad[0]]),
            cure="what a class without rows or weight would need cannot be known",
        )
    return values


def distribution(values: Floats, name: str) -> Floats:
    """The numbers, not negative and summing to 1."""
    total = float(values.sum())
    if not (bool((values >= 0).all()) and abs(total - 1) <= PRIOR_TOLERANCE):
        raise UsageError(
            "prior-not-a-distribution",
            f"{name} {values.tolist()} sum to {total:.9g}",
            cure="give probabilities that sum to 1",
        )
    return values


def label_codes(labels: Any, by_class: ByClass) -> Codes:
    """(N,) positions of the rows' classes: by name, or whole numbers 0..K−1 where classes have none."""
    y = np.asarray(as_numpy(labels))
    if y.ndim != 1:
        raise DataError("shape-mismatch", f"labels have the shape {y.shape}", cure="give one label a row")
    if by_class.names is not None:
        code_of = {name: k for k, name in enumerate(by_class.names)}
        codes = np.array([code_of.get(label, -1) for label in y.tolist()], np.int64)
        slug, problem = "unknown-label", f"the label is none of the classes {_listed(by_class)}"
    elif y.dtype.kind in "biu":
        codes = y.astype(np.int64)
        slug, problem = "label-out-of-range", f"the label is not one of 0 … {by_class.values.size - 1}"
    else:
        raise DataError(
            "label-type",
            f"labels are {y.dtype}, and the numbers of the classes have no names",
            cure="give a mapping from label to number, or labels 0..K−1",
        )
    bad = np.flatnonzero((codes < 0) | (codes >= by_class.values.size))
    if bad.size:
        raise DataError(slug, problem, row=int(bad[0]), value=y[bad[0]], cure="name every class that occurs")
    return codes


def predictions(given: ArrayLike, kind: str, classes: int) -> Floats:
    """(N, K) or, of two classes, (N,): checked probabilities or logits."""
    if kind not in ("probs", "logits"):
        raise UsageError(
            "bad-option",
            f"kind is {kind!r}",
            cure='use "probs" or "logits"; logarithms of probabilities are logits, too',
        )
    p = floats(given, "the prediction")
    columns = 2 if p.ndim == 1 else p.shape[-1]
    if p.ndim not in (1, 2) or columns != classes:
        raise DataError(
            "shape-mismatch",
            f"predictions {p.shape} do not belong to {classes} classes",
            cure="give (N, K), or for two classes (N,): that of the second",
        )
    _refuse(np.isnan(p), p, "nan-prediction", "the prediction is not a number", "nothing is filled in")
    if kind == "logits":
        problem = "a logit of +inf is not a distribution"
        _refuse(p == np.inf, p, "infinite-logit", problem, "give the largest finite number")
        return p
    wrong = (p < 0.0) | (p > (1.0 if p.ndim == 1 else 1.0 + TOLERANCE))
    _refuse(wrong, p, "not-a-probability", "not between 0 and 1", 'of logits say kind="logits"')
    if p.ndim == 2 and p.size:
        far = np.abs(p.sum(axis=1) - 1.0) > TOLERANCE
        problem = f"the row's probabilities miss the sum 1 by more than {TOLERANCE}"
        _refuse(far, p, "not-a-probability", problem, "corrections are for probabilities of all classes")
    return p


def _refuse(bad: NDArray[np.bool_], values: Floats, slug: str, problem: str, cure: str) -> None:
    if bad.any():
        place = np.argwhere(bad)[0]
        raise DataError(slug, problem, row=int(place[0]), value=values[tuple(place)], cure=cure)


def _listed(by_class: ByClass) -> str:
    names = range(by_class.values.size) if by_class.names is None else by_class.names
    return ", ".join(map(str, names))
