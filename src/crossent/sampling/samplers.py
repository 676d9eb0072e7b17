"""Which classes are drawn, and how likely each was: what every estimator has to know of its samples."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from crossent import kernels
from crossent._arrays import as_numpy
from crossent.errors import DataError, UsageError

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ClassSampler:
    """Draws classes with replacement, class j with probability `probabilities[j]`; all must be positive.

    `probabilities` is (V,), and is divided by its sum. A class that is never drawn would be missing from
    every estimate without anybody noticing, so probability 0 is refused.

    Raises `DataError` (shape-mismatch, no-rows, class-never-drawn).

    >>> import numpy as np
    >>> sampler = ClassSampler(np.array([0.5, 0.3, 0.2]))
    >>> classes = sampler.draw(4, np.random.default_rng(0))
    >>> classes
    array([1, 0, 0, 0])
    >>> sampler.log_probability(classes).round(4)
    array([-1.204 , -0.6931, -0.6931, -0.6931])
    """

    probabilities: Floats
    _cumulative: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        p = np.array(as_numpy(self.probabilities), dtype=np.float64)
        if p.ndim != 1:
            raise DataError("shape-mismatch", f"probabilities have the shape {p.shape}", cure="give (V,)")
        if p.size == 0:
            raise DataError("no-rows", "there are no classes to draw", cure="give at least one")
        bad = np.flatnonzero(~((p > 0.0) & (p < np.inf)))
        if bad.size:
            raise DataError(
                "class-never-drawn",
                f"class {bad[0]} has no positive probability of being drawn",
                value=float(p[bad[0]]),
                cure="give every class a positive one, for instance by adding 1 to all counts",
            )
        cumulative = np.cumsum(p)
        p /= cumulative[-1]
        cumulative /= cumulative[-1]
        for array in (p, cumulative):
            array.flags.writeable = False
        object.__setattr__(self, "probabilities", p)
        object.__setattr__(self, "_cumulative", cumulative)

    def draw(self, size: int | tuple[int, ...], rng: Generator) -> Codes:
        """Classes in the shape `size`, by bisection in the cumulative probabilities."""
        drawn = np.searchsorted(self._cumulative, rng.random(size), side="right")
        return np.asarray(drawn, dtype=np.int64)

    def log_probability(self, classes: ArrayLike) -> Floats:
        """log q of each class, in the shape of `classes`; `DataError` (label-out-of-range) for others."""
        codes = np.asarray(as_numpy(classes))
        kernels.check_labels(codes.reshape(-1), self.probabilities.size)
        return np.asarray(np.log(self.probabilities[codes]))


def uniform(classes: int) -> ClassSampler:
    """Every class alike: q = 1/V.

    >>> uniform(4).probabilities
    array([0.25, 0.25, 0.25, 0.25])
    """
    return ClassSampler(np.ones(_checked(classes)))


def log_uniform(classes: int) -> ClassSampler:
    """Zipf's law for classes numbered from frequent to rare: q_j = log((j + 2)/(j + 1)) / log(V + 1).

    >>> log_uniform(3).probabilities.round(4)
    array([0.5   , 0.2925, 0.2075])
    """
    return ClassSampler(np.log1p(1.0 / np.arange(1.0, _checked(classes) + 1.0)))


def unigram(counts: ArrayLike, *, power: float = 0.75) -> ClassSampler:
    """By frequency, flattened: q_j ∝ counts_j^power; 1 is the unigram distribution, 0 the uniform one.

    Raises `DataError` (class-never-drawn) for a class with the count 0: add 1 to all counts.

    >>> unigram([16, 1]).probabilities.round(4)
    array([0.8889, 0.1111])

    Source: T. Mikolov et al., Distributed representations of words and phrases, NeurIPS 2013,
    arXiv:1310.4546 (power 3/4).
    """
    c = np.asarray(as_numpy(counts), dtype=np.float64)
    # nan and negative counts go on to the refusal as they are; 0 to the power 0 would become 1
    return ClassSampler(np.where(c > 0.0, np.power(np.maximum(c, 0.0), power), c))


def _checked(classes: int) -> int:
    if classes < 1:
        raise UsageError("bad-option", f"the number of classes is {classes}", cure="give 1 or more")
    return classes
