"""Parameters that are one number a class: checked once, looked up by the label."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from crossent import kernels
from crossent.errors import DataError, UsageError
from crossent.losses.contract import FLAT_KINDS, Codes, Floats, Loss

Table = tuple[float, ...]


def frozen_table(loss: Loss, field: str, *, above_zero: bool) -> None:
    """Make the field a tuple of floats, if it was given; finite, and above 0 or not below it.

    Errors: `UsageError` (bad-option, zero-count), which name the class.
    """
    given: Iterable[float] | None = getattr(loss, field)
    if given is None:
        return
    table = tuple(float(value) for value in given)
    object.__setattr__(loss, field, table)
    for label, value in enumerate(table):
        if above_zero and value == 0.0:
            raise UsageError(
                "zero-count",
                f"{field} of class {label} is 0: its weight or shift in {loss.title} would be infinite",
                cure="leave the class out, or say how often it is to be expected",
            )
        if not (np.isfinite(value) and value >= 0.0):
            raise UsageError(
                "bad-option",
                f"{field} of class {label} is {value}",
                cure="give one finite number a class that is not negative",
            )
    if not any(table):
        raise UsageError(
            "bad-option", f"{field} holds no number above 0", cure="give at least one class that counts"
        )


def table_for(loss: Loss, field: str, classes: int | None = None) -> Floats:
    """(K,) the field's numbers; `classes` is K where the prediction says it.

    Errors: `UsageError` (loss-needs-parameters), `DataError` (shape-mismatch).
    """
    table: Table | None = getattr(loss, field)
    if table is None:
        raise UsageError(
            "loss-needs-parameters",
            f"{loss.title} cannot be computed without {field}",
            cure=f"give {field}, one number a class in the order of the prediction's columns",
        )
    if classes is not None and classes != len(table):
        raise DataError(
            "shape-mismatch",
            f"{field} has {len(table)} numbers for {classes} classes",
            cure="give one number a class, in the order of the prediction's columns",
        )
    return np.array(table)


def classes_of(prediction: Floats, kind: str) -> int | None:
    """How many classes the prediction has; None where its kind does not say."""
    return None if kind in FLAT_KINDS else prediction.shape[1]


def times_label(rows: Floats, table: Floats, labels: Codes) -> Floats:
    """Rows times their label's number; a number 0 gives 0, also of infinity, and nan stays nan."""
    kernels.check_labels(labels, len(table))
    weight = table[labels].reshape(-1, *(1,) * (rows.ndim - 1))
    return np.multiply(rows, weight, out=np.zeros(rows.shape), where=(weight > 0.0) | np.isnan(rows))
