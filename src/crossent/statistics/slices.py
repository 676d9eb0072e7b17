"""The mean loss on a part of the rows (a class, a group) and the mean of such means."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fractions import Fraction

from crossent.statistics.estimates import Estimate, estimate

_RANGE = re.compile("([0-9]+)(–[0-9]+)?")

Number = float | Fraction
"""A sum as it comes from the accumulators: exact (Fraction) or rounded to float64."""


@dataclass(frozen=True)
class SliceSums:
    """Sums over the rows of one slice. Losses are summed over rows with finite loss, weights over all."""

    rows: int
    weight: Number
    """Σ w."""
    weighted_loss: Number
    """Σ w ℓ."""
    weight2: Number
    """Σ w²."""
    weight2_loss: Number
    """Σ w² ℓ."""
    weight2_loss2: Number
    """Σ w² ℓ²."""
    n_infinite: int = 0
    """Rows of positive weight with infinite loss."""
    rounding: Number = 0
    """Relative error of `weight2_loss2`, 2**-52 for squares that were rounded to float64 before summing."""

    def squared_residuals(self, center: Number) -> Fraction:
        """Σ w² (ℓ − center)², formed without rounding: the three terms cancel where losses hardly vary.

        What lies within the rounding of the squares themselves counts as 0: equal losses do not vary.
        """
        c = Fraction(center)
        square = Fraction(self.weight2_loss2) - 2 * c * Fraction(self.weight2_loss)
        residuals = square + c * c * Fraction(self.weight2)
        return (
            residuals if residuals > Fraction(self.rounding) * Fraction(self.weight2_loss2) else Fraction(0)
        )


def linearised_variance(squares: Fraction, units: int, exposure: Number) -> float:
    """U/(U−1) · Σ r² / exposure²; nan with fewer than two units.

    Sums that were rounded to float64 can miss 0 from below by their rounding error: that is 0.
    """
    if units < 2:
        return math.nan
    return float(max(squares, Fraction(0)) * Fraction(units, units - 1) / Fraction(exposure) ** 2)


def slice_estimate(sums: SliceSums) -> Estimate:
    """Mean loss of a slice with its standard error, its rows taken as independent.

    L̄ = Σwℓ/Σw and Var(L̄) = n/(n−1) · Σ w²(ℓ − L̄)² / (Σw)². One row has no standard error; an infinite loss
    makes the mean inf; no weight at all makes it nan.

    >>> sums = SliceSums(rows=2, weight=2, weighted_loss=4, weight2=2, weight2_loss=4, weight2_loss2=10)
    >>> slice_estimate(sums)
    Estimate(value=2.0, se=1.0, units=2)
    """
    if not sums.weight:
        return Estimate(math.nan, None, sums.rows)
    if sums.n_infinite:
        return Estimate(math.inf, None, sums.rows)
    mean = Fraction(sums.weighted_loss) / Fraction(sums.weight)
    variance = linearised_variance(sums.squared_residuals(mean), sums.rows, sums.weight)
    return estimate(float(mean), variance, sums.rows)


def macro_mean(estimates: Iterable[Estimate]) -> Estimate:
    """Unweighted mean of the means of disjoint slices, SE = sqrt(Σ SE²) / K.

    Infinite if any is; without standard error if any has none; nan for no slice at all. `units` − 1 are the
    degrees of freedom of Welch and Satterthwaite, (Σ SE²)² / Σ (SE⁴/(n−1)) rounded down: a small class that
    holds most of the uncertainty must not borrow certainty from the large ones.

    >>> macro_mean([Estimate(0.2, 0.03, 500), Estimate(0.6, 0.04, 20)])
    Estimate(value=0.4, se=0.025, units=46)

    Source: post-stratified mean, Cochran 1977, Sampling Techniques, ch. 5; Satterthwaite 1946.
    """
    parts = tuple(estimates)
    if not parts:
        return Estimate(math.nan, None, 0)
    value = math.fsum(part.value for part in parts) / len(parts)
    errors = [(part.se**2, part.units) for part in parts if part.se is not None]
    if len(errors) < len(parts) or not math.isfinite(value):
        return Estimate(value, None, sum(part.units for part in parts))
    variance = math.fsum(v for v, _ in errors)
    spread = math.fsum(v * v / (units - 1) for v, units in errors)
    units = sum(n for _, n in errors) if spread == 0.0 else 1 + math.floor(variance**2 / spread)
    return Estimate(value, math.sqrt(variance) / len(parts), units)


def are_ranges(keys: Collection[str]) -> bool:
    """Whether the keys of slices are ranges of numbers (0, 1, 2–3, 4–7, …), which have an order."""
    return any("–" in key for key in keys) and all(_RANGE.fullmatch(key) for key in keys)


def in_order(keys: Collection[str]) -> list[str]:
    """The keys of slices in the order to show them: ranges by their numbers, others as text.

    >>> in_order(["b", "10", "a"]), in_order(["16–31", "0", "2–3"])
    (['10', 'a', 'b'], ['0', '2–3', '16–31'])
    """
    if are_ranges(keys):
        return sorted(keys, key=lambda key: int(key.partition("–")[0]))
    return sorted(keys)
