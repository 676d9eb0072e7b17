"""The list of maps: a module of this package registers what it defines, and is found by being there."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from crossent.calibration.contract import CalibrationMap
from crossent.calibration.given import Rows, rows
from crossent.errors import DataError, UsageError

M = TypeVar("M", bound=type[CalibrationMap])

_MAPS: dict[str, type[CalibrationMap]] = {}


def register(kind: M) -> M:
    """Make a map known by its name."""
    _MAPS[kind.name] = kind
    return kind


def get(name: str) -> type[CalibrationMap]:
    """The map of that name.

    Errors: `UsageError` (unknown-map), which lists the names there are.

    >>> get("temperature").title
    'temperature scaling'
    """
    maps = all_maps()
    if name not in maps:
        raise UsageError("unknown-map", f"no map is named {name!r}", cure=f"choose one of: {', '.join(maps)}")
    return maps[name]


def all_maps() -> dict[str, type[CalibrationMap]]:
    """Every registered map by its name."""
    _load_modules()
    return dict(sorted(_MAPS.items()))


def fit(
    name: str,
    labels: ArrayLike,
    predictions: ArrayLike,
    *,
    kind: str = "probs",
    weight: ArrayLike | None = None,
    floor: float = 0.0,
    **options: Any,
) -> CalibrationMap:
    """The map of that name fitted to labelled predictions.

    Parameters
    ----------
    labels : (N,) whole numbers 0 … K−1.
    predictions : (N, K), or of two classes (N,): the probability (or log-odds) of the second.
    kind : "probs", "logits" or "log_probs".
    weight : (N,) from 0: a row of weight 2 counts like two rows.
    floor : smaller probabilities are raised to it first; give the same one to `transform`.
    options : of the map, as `ridge=` for vector and matrix scaling.

    Errors: `DataError` (label-impossible where a label was given probability 0, and those of the checks of
    predictions, labels and weights), `UsageError` (unknown-map, bad-option).

    >>> import numpy as np
    >>> p = np.repeat([0.99, 0.01], 50)
    >>> y = np.r_[np.ones(40), np.zeros(10), np.zeros(40), np.ones(10)].astype(int)
    >>> found = fit("temperature", y, p)
    >>> round(found.temperature, 4), found.transform([0.99, 0.5]).round(3)
    (3.3147, array([0.8, 0.5]))
    """
    return fitted(name, rows(labels, predictions, kind=kind, weight=weight, floor=floor), **options)


def fitted(name: str, given: Rows, **options: Any) -> CalibrationMap:
    """The map of that name fitted to rows that are checked.

    Errors: `DataError` (label-impossible) where the map cannot do with a label of probability 0.
    """
    kind = get(name)
    if not kind.takes_zero and given.impossible.any():
        raise DataError(
            "label-impossible",
            f"the label was given probability 0, as in {int(given.impossible.sum())} of {len(given)} rows: "
            f"{kind.title} keeps that 0, and the log loss is infinite",
            row=int(np.flatnonzero(given.impossible)[0]),
            cure="take isotonic, or set a floor, the smallest probability there may be (floor=1e-6)",
        )
    return kind.of(given, **options)


@cache
def _load_modules() -> None:
    import crossent.calibration as package

    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
