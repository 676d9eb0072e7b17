"""Skill: how much of the loss of knowing only the class frequencies a model removes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from crossent.errors import UsageError
from crossent.statistics.estimates import Estimate, estimate
from crossent.statistics.slices import SliceSums, linearised_variance

PRIOR_TOLERANCE = 1e-6
"""How far a given prior may miss the sum 1 (it is used as given)."""


@dataclass(frozen=True)
class SkillScore:
    """The base-rate loss in nats and the skill 1 − loss / base."""

    base: float
    skill: Estimate


def skill(
    classes: Mapping[str, SliceSums], prior: Mapping[str, float] | Sequence[float] | None = None
) -> SkillScore:
    """Share of the base-rate log loss that a model removes: 1 is perfect, 0 no better than the base rate.

    skill = 1 − Σwℓ / Σwℓ₀ with ℓ₀ = −log π_y. Without `prior`, π are the weighted class frequencies of these
    very rows: the best constant forecast in hindsight, whose loss is too low by about (K−1)/(2n) nats, so the
    skill comes out slightly low. With `prior` (by class name, or in the order of `classes`) π are those
    numbers, of the training rows for example.

    Parameters: `classes` are the sums over the rows of each class, in nats. Standard error: linearised ratio
    of the two sums over rows, residual w(ℓ − (L/L₀) ℓ₀); rows are taken as independent.

    Undefined cases: a base of 0 (one class only) or inf (a class that occurs has prior 0) gives nan; an
    infinite loss gives −inf. None of them has a standard error. Raises UsageError for a prior that lacks a
    class, names an unknown one, or is no distribution (sum 1 within 1e-6).

    >>> rows = {"a": SliceSums(2, 2, 0.5, 2, 0.5, 0.13), "b": SliceSums(2, 2, 0.7, 2, 0.7, 0.25)}
    >>> score = skill(rows)
    >>> round(score.base, 6), round(score.skill.value, 6), round(score.skill.se, 6)
    (0.693147, 0.567191, 0.058898)

    Source: McFadden 1974 (in-sample); normalised entropy, He et al. 2014, doi:10.1145/2648584.2648589.
    """
    seen = {name: sums for name, sums in classes.items() if sums.weight}
    rows = sum(sums.rows for sums in classes.values())
    if not seen:
        return SkillScore(math.nan, Estimate(math.nan, None, rows))
    constant = _base_losses(classes, seen, prior)
    if math.inf in constant.values():
        return SkillScore(math.inf, Estimate(math.nan, None, rows))

    of = {name: Fraction(value) for name, value in constant.items()}
    base_total = sum((Fraction(sums.weight) * of[name] for name, sums in seen.items()), Fraction(0))
    base = float(base_total / sum(Fraction(sums.weight) for sums in seen.values()))
    if base == 0.0:
        return SkillScore(base, Estimate(math.nan, None, rows))
    if any(sums.n_infinite for sums in seen.values()):
        return SkillScore(base, Estimate(-math.inf, None, rows))

    ratio = sum((Fraction(sums.weighted_loss) for sums in seen.values()), Fraction(0)) / base_total
    squares = sum((sums.squared_residuals(ratio * of[name]) for name, sums in seen.items()), Fraction(0))
    return SkillScore(base, estimate(float(1 - ratio), linearised_variance(squares, rows, base_total), rows))


def _base_losses(
    classes: Mapping[str, SliceSums],
    seen: Mapping[str, SliceSums],
    prior: Mapping[str, float] | Sequence[float] | None,
) -> dict[str, float]:
    """−log π for each class that occurs."""
    if prior is None:
        total = sum(Fraction(sums.weight) for sums in seen.values())
        # log of the exact quotient's inverse: 0, not −0, for a single class
        return {name: math.log(total / Fraction(sums.weight)) for name, sums in seen.items()}
    given = _checked(classes, prior)
    return {name: -math.log(given[name]) if given[name] > 0 else math.inf for name in seen}


def _checked(
    classes: Mapping[str, SliceSums], prior: Mapping[str, float] | Sequence[float]
) -> dict[str, float]:
    names = list(prior) if isinstance(prior, Mapping) else list(classes)
    values = list(prior.values()) if isinstance(prior, Mapping) else list(prior)
    if set(names) != set(classes) or len(values) != len(classes):
        raise UsageError(
            "prior-classes",
            f"the prior gives {len(values)} probabilities for {', '.join(names)},"
            f" the {len(classes)} classes are {', '.join(classes)}",
            cure="give one probability for each class, 0 for a class that cannot occur",
        )
    if not (min(values) >= 0 and abs(math.fsum(values) - 1) <= PRIOR_TOLERANCE):
        raise UsageError(
            "prior-not-a-distribution",
            f"the prior's smallest probability is {min(values)} and its sum {math.fsum(values)}",
            cure="give probabilities of at least 0 that sum to 1, with enough digits",
        )
    return dict(zip(names, values, strict=True))
