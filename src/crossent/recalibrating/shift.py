"""Class frequencies of files without labels: given, or estimated by one of two methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossent.calibration.given import Floats, Logits, normalised
from crossent.calibration.shift import black_box_shift
from crossent.errors import DataError, UsageError
from crossent.imbalance import correct_priors, estimate_priors
from crossent.imbalance.arguments import distribution
from crossent.recalibrating.saving import SavedMap

METHODS = ("em", "bbse")
MOST = 1 << 26
"""Probabilities that are kept for the estimate by "em": half a gigabyte; of more rows each second one is left
out, as often as needed."""

Batches = Callable[[], Iterator[tuple[Any, Logits]]]


@dataclass(frozen=True)
class TargetPrior:
    """Class frequencies that predictions are moved to."""

    method: str
    """ "given", "em" or "bbse"."""
    source: tuple[float, ...]
    """(K,) where the map was fitted."""
    target: tuple[float, ...]
    """(K,) here."""


def target_prior(saved: SavedMap, wanted: Mapping[str, float] | str, batches: Batches) -> TargetPrior:
    """The frequencies by class, or those estimated by "em" (Saerens et al. 2002, from the calibrated
    probabilities) or "bbse" (Lipton et al. 2018, from the likeliest classes).

    Errors: `UsageError` (prior-classes, prior-not-a-distribution, bad-option), `DataError` (not-converged,
    priors-not-identified).
    """
    source = tuple(saved.priors.tolist())
    if not isinstance(wanted, str):
        return TargetPrior("given", source, _given(saved, wanted))
    if wanted not in METHODS:
        raise UsageError(
            "bad-option", f"the target prior is {wanted!r}", cure="give CLASS=PROBABILITY,…, em or bbse"
        )
    if not min(source) > 0.0:
        empty = saved.classes[int(np.argmin(source))]
        raise DataError(
            "priors-not-identified",
            f"the map was fitted to rows without the class {empty}, whose frequency cannot be estimated then",
            cure="fit the map to rows of every class",
        )
    found = _by_matching(saved, batches) if wanted == "bbse" else _by_likelihood(saved, batches)
    return TargetPrior(wanted, source, tuple(found.tolist()))


def corrected(logs: Floats, saved: SavedMap, prior: TargetPrior) -> Floats:
    """Log-probabilities at the target's frequencies, up to a number a row made to sum to one."""
    return normalised(correct_priors(logs, prior.source, prior.target, kind="logits"))


def _given(saved: SavedMap, wanted: Mapping[str, float]) -> tuple[float, ...]:
    if set(wanted) != set(saved.classes):
        raise UsageError(
            "prior-classes",
            f"the target prior is for {', '.join(wanted)}, the map for {', '.join(saved.classes)}",
            cure="give one probability for each class",
        )
    values = np.array([wanted[name] for name in saved.classes])
    return tuple(distribution(values, "the target prior").tolist())


def _by_matching(saved: SavedMap, batches: Batches) -> Floats:
    counts = np.zeros(len(saved.classes))
    for _, z in batches():
        counts += np.bincount(z.argmax(axis=1), minlength=counts.size)
    return black_box_shift(saved.confusion, counts)


def _by_likelihood(saved: SavedMap, batches: Batches) -> Floats:
    kept: list[Floats] = []
    step, size, place = 1, 0, 0
    for _, z in batches():
        numbers = np.arange(place, place + len(z))
        place += len(z)
        chosen = z[numbers % step == 0]
        if not len(chosen):
            continue
        p = np.exp(chosen if saved.map is None else saved.map.mapped(chosen))
        kept.append(p / p.sum(axis=1, keepdims=True))
        size += p.size
        while size > MOST:
            together = np.concatenate(kept)[::2]
            kept, step, size = [together], 2 * step, together.size
    return np.asarray(estimate_priors(np.concatenate(kept), saved.priors).priors)
