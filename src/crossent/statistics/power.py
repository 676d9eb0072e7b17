"""Planning: what a comparison of this size can find, and how large it would have to be.

The smallest true difference found with probability `power` by a two-sided test at `level` is

    δ = (t_{1−α/2} + t_{power}) · SE ,   α = 1 − level,

with Student's t (normal for known variance). At the levels 0.9 and 0.95 the power is within 0.007 of
the wanted 0.8 from 5 degrees of freedom on; with 1 or 2 it is 0.73 and 0.77.
"""

from __future__ import annotations

import math

from scipy import special

from crossent.errors import UsageError
from crossent.statistics.estimates import t_quantile


def check_probability(name: str, value: float) -> None:
    """Refuse a level, alpha or power that is not strictly between 0 and 1."""
    if not 0.0 < value < 1.0:
        raise UsageError(
            "probability-out-of-range",
            f"{name} is {value}, but must lie strictly between 0 and 1",
            cure="for 95 % write 0.95",
        )


def minimum_detectable_difference(
    se: float, *, level: float = 0.95, power: float = 0.8, df: float | None = None
) -> float:
    """Smallest true difference that a two-sided test finds with probability `power`, in the unit of `se`.

    `df` are the degrees of freedom behind `se`; without them the variance counts as known.
    Raises UsageError where `level` or `power` is not between 0 and 1.

    >>> round(minimum_detectable_difference(0.01), 6)
    0.028016
    >>> round(minimum_detectable_difference(0.01, df=9), 6)
    0.031456

    Source: Miller 2024, "Adding error bars to evals", arXiv:2411.00640, section 5.
    """
    check_probability("level", level)
    check_probability("power", power)
    if df is None:
        return float(special.ndtri(0.5 + level / 2) + special.ndtri(power)) * se
    return (t_quantile(0.5 + level / 2, df) + t_quantile(power, df)) * se


def required_units(
    variance_per_unit: float, difference: float, *, level: float = 0.95, power: float = 0.8
) -> int:
    """Smallest number of independent units (rows or clusters) with which `difference` is detectable.

    `variance_per_unit` is the variance of one unit's paired difference: U · SE² of a mean over U units. The
    normal formula n = (z_{1−α/2} + z_{power})² · variance / difference² starts the search; t quantiles add a
    few units. Raises UsageError where the difference is not a positive number.

    >>> required_units(variance_per_unit=0.25, difference=0.05)
    787
    """
    if not 0.0 < difference < math.inf:
        raise UsageError(
            "difference-not-positive",
            f"a sample size for a difference of {difference} does not exist",
            cure="name the smallest difference that matters, above 0",
        )
    z = minimum_detectable_difference(1.0, level=level, power=power)
    units = max(2, math.ceil(z**2 * variance_per_unit / difference**2))
    while (
        minimum_detectable_difference(
            math.sqrt(variance_per_unit / units), level=level, power=power, df=units - 1
        )
        > difference
    ):
        units += 1
    return units
