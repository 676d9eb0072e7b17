"""Paired comparison of models on the same rows."""

from __future__ import annotations

from dataclasses import dataclass

from crossent.statistics.estimates import Estimate


@dataclass(frozen=True)
class Difference:
    """Loss of `model` minus loss of `reference`, on the same rows.

    `difference.value` is ±inf where only one of the two is infinite and nan where both are; then there is no
    standard error and no test, and `verdict` says which side is infinite.
    """

    model: str
    reference: str
    difference: Estimate
    p: float | None
    """Two-sided p-value of the paired t test (clustered where the summary is)."""
    p_holm: float | None
    """The same, adjusted for all comparisons in the same table (Holm 1979)."""
    detectable: float | None
    """Smallest true difference that this test would find with power 0.8 at the level used."""
    n_infinite: int
    """Rows where exactly one of the two, or both, have infinite loss."""
    mean_of_finite: float | None
    """Mean difference over the rows where both are finite; None when all rows are. Never used to rank."""
    verdict: str
    """"worse", "better", "not told apart", "identical" or "infinite"."""
