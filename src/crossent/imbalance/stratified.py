"""The mean loss where the classes are as frequent as one says, from rows in which they are not."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from crossent._arrays import same_kind
from crossent.errors import DataError
from crossent.exact import exact_mean
from crossent.imbalance.arguments import ByClass, Floats, PerClass, distribution, floats, label_codes
from crossent.statistics.estimates import Estimate, estimate


@dataclass(frozen=True)
class ClassLoss:
    """A class in a post-stratified mean."""

    label: Hashable
    prior: float
    rows: int
    mean: Estimate


@dataclass(frozen=True)
class PostStratified:
    """A mean loss under given class frequencies, made by `post_stratified`."""

    mean: Estimate
    """Its `units` are Satterthwaite's degrees of freedom plus 1, so that its interval is as wide as few rows
    of a class that matters require."""
    classes: tuple[ClassLoss, ...]
    why_no_se: str = ""
    """Where there is no standard error: why."""


@same_kind
def post_stratified(labels: ArrayLike, losses: ArrayLike, priors: PerClass) -> PostStratified:
    """The mean loss under known class frequencies:  Σ_k π_k · mean loss of the rows of class k.

    For data whose classes were sampled on purpose (as many cases as controls), or to know what a model will
    lose elsewhere. Equal priors give the macro average. The standard error is sqrt(Σ_k π_k² s_k² / n_k),
    of rows drawn independently within each class; priors are taken as known without error.

    Parameters
    ----------
    labels : (N,) what happened: names as in `priors`, or whole numbers 0..K−1 where `priors` is an array.
    losses : (N,) loss of each row, from `crossent.loss(..., reduction="none")` say; differences of the losses
        of two models give their paired comparison. The predictions must be made for the same frequencies as
        the priors (`correct_priors`), or be meant to be used as they are.
    priors : share of each class, by name or in order. A class of prior 0 does not count.

    Raises `DataError` (empty-class where a class with a prior has no row, shape-mismatch, nan-loss,
    unknown-label, label-type, label-out-of-range) and `UsageError` (prior-not-a-distribution).

    >>> found = post_stratified(["no", "no", "yes", "yes"], [0.1, 0.3, 2.0, 1.0], {"no": 0.97, "yes": 0.03})
    >>> round(found.mean.value, 12), round(found.mean.se, 6)
    (0.239, 0.098153)

    Source: D. Holt, T. M. F. Smith, Post stratification, JRSS A 142 (1979) 33–46, doi:10.2307/2344652;
    degrees of freedom: F. E. Satterthwaite, Biometrics Bull. 2 (1946) 110–114, doi:10.2307/3002019.
    """
    by_class = ByClass.of(priors, "priors")
    pi = distribution(by_class.values, "priors")
    codes, each = label_codes(labels, by_class), floats(losses, "losses")
    if each.shape != codes.shape:
        raise DataError(
            "shape-mismatch",
            f"{codes.shape} labels and losses {each.shape} do not belong together",
            cure='give one loss a row, from reduction="none"',
        )
    missing = np.flatnonzero(np.isnan(each))
    if missing.size:
        raise DataError(
            "nan-loss", "the loss is not a number", row=int(missing[0]), cure="nothing is filled in"
        )
    found = tuple(
        _class_loss(by_class.label(k), float(pi[k]), each[codes == k]) for k in range(pi.size) if pi[k] > 0.0
    )
    value = float(sum(c.prior * c.mean.value for c in found))
    return PostStratified(_combined(value, found), found, _why_no_se(value, found))


def _class_loss(label: Hashable, prior: float, losses: Floats) -> ClassLoss:
    if not losses.size:
        raise DataError(
            "empty-class",
            f"class {label!r} has the prior {prior:g} and no row",
            cure="add rows of the class, or give it the prior 0",
        )
    mean = exact_mean(losses)
    usable = losses.size > 1 and np.isfinite(mean)
    variance = float(((losses - mean) ** 2).sum() / (losses.size - 1)) / losses.size if usable else np.nan
    return ClassLoss(label, prior, losses.size, estimate(mean, variance, losses.size))


def _combined(value: float, classes: tuple[ClassLoss, ...]) -> Estimate:
    rows = sum(c.rows for c in classes)
    if any(c.mean.se is None for c in classes):
        return Estimate(value, None, rows)
    parts = [(c.prior * (c.mean.se or 0.0)) ** 2 for c in classes]
    variance = sum(parts)
    if variance == 0.0:
        return Estimate(value, 0.0, rows)
    shares = [part / variance for part in parts]
    freedom = 1.0 / sum(s * s / (c.rows - 1) for s, c in zip(shares, classes, strict=True))
    return estimate(value, variance, int(freedom) + 1)


def _why_no_se(value: float, classes: tuple[ClassLoss, ...]) -> str:
    if not np.isfinite(value):
        return "a loss is infinite"
    single = [repr(c.label) for c in classes if c.rows == 1]
    if not single:
        return ""
    return f"class {', '.join(single)} has one row: how its losses vary is unknown"
