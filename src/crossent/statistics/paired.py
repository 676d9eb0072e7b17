"""Paired comparison of models on the same rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from scipy import special

from crossent.errors import UsageError
from crossent.statistics.estimates import Estimate, estimate
from crossent.statistics.multiplicity import adjusted, check_adjustment, holm
from crossent.statistics.power import check_probability, minimum_detectable_difference
from crossent.statistics.summary import Floats, LossSummary

InfiniteCounts = Callable[[str, str], tuple[int, float | None]]
"""For (model, reference): rows where either loss is infinite, mean difference over the other rows."""


@dataclass(frozen=True)
class Difference:
    """Loss of `model` minus loss of `reference`, on the same rows.

    `difference.value` is ±inf where only one of the two is infinite (+inf: the model, −inf: the reference)
    and nan where both are; then there is no standard error and no test, and `verdict` is "infinite".
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
    p_adjusted: float | None = None
    """What the verdict rests on: adjusted for all comparisons in the same table, as was asked for."""


def compare(
    summary: LossSummary,
    model: str,
    reference: str,
    *,
    level: float = 0.95,
    infinite: InfiniteCounts | None = None,
) -> Difference:
    """Mean loss of `model` minus that of `reference` with its paired standard error and t test.

    t = difference / SE with units − 1 degrees of freedom (fewer where clusters differ in size: `summary.df`),
    SE² = `difference_variance()` of the pair. Two models whose losses agree on every unit are "identical"
    (p = 1); a difference that is constant and not zero has SE 0 and p = 0. `infinite` is asked only where
    one of the two losses is infinite. Raises UsageError for an unknown model, a level outside (0, 1), or an
    infinite loss without `infinite`.
    """
    return _table(summary, [(model, reference)], level, infinite)[0]


def against(
    summary: LossSummary,
    reference: str,
    *,
    level: float = 0.95,
    order: Sequence[str] | None = None,
    adjust: str = "holm",
    infinite: InfiniteCounts | None = None,
) -> tuple[Difference, ...]:
    """Every other model minus `reference`, in the given order, adjusted over this table."""
    names = summary.names if order is None else order
    pairs = [(name, reference) for name in names if name != reference]
    return _table(summary, pairs, level, infinite, adjust)


def pairwise(
    summary: LossSummary,
    *,
    level: float = 0.95,
    order: Sequence[str] | None = None,
    adjust: str = "holm",
    infinite: InfiniteCounts | None = None,
) -> tuple[Difference, ...]:
    """Every two models, the one that comes first in the order as reference, adjusted over all pairs."""
    names = summary.names if order is None else order
    pairs = [(model, reference) for i, reference in enumerate(names) for model in names[i + 1 :]]
    return _table(summary, pairs, level, infinite, adjust)


def _table(
    summary: LossSummary,
    pairs: Sequence[tuple[str, str]],
    level: float,
    infinite: InfiniteCounts | None,
    adjust: str = "holm",
) -> tuple[Difference, ...]:
    check_probability("level", level)
    check_adjustment(adjust)
    variance = summary.difference_variance()
    raw = [_difference(summary, variance, model, reference, level, infinite) for model, reference in pairs]
    p = [d.p for d in raw]
    places = [(_position(summary, model), _position(summary, reference)) for model, reference in pairs]
    columns = zip(raw, holm(p), adjusted(adjust, p, places, variance), strict=True)
    return tuple(
        replace(d, p_holm=by_holm, p_adjusted=found, verdict=_verdict(d, found, level))
        for d, by_holm, found in columns
    )


def _difference(
    summary: LossSummary,
    variance: Floats,
    model: str,
    reference: str,
    level: float,
    infinite: InfiniteCounts | None,
) -> Difference:
    a, b = _position(summary, model), _position(summary, reference)
    value = float(summary.mean[a]) - float(summary.mean[b])
    gap = estimate(value, float(variance[a, b]), summary.units, summary.df)
    finite = bool(summary.finite[a] and summary.finite[b])
    n_infinite, of_finite = (0, None) if finite else _infinite_rows(infinite, model, reference)
    detectable = None
    if gap.se is not None and (gap.se, gap.value) != (0.0, 0.0):
        detectable = minimum_detectable_difference(gap.se, level=level, df=gap.degrees)
    return Difference(model, reference, gap, _p_value(gap), None, detectable, n_infinite, of_finite, "")


def _position(summary: LossSummary, name: str) -> int:
    if name not in summary.names:
        raise UsageError(
            "unknown-model",
            f"there is no model named {name!r}",
            cure=f"the models are {', '.join(summary.names)}",
        )
    return summary.names.index(name)


def _infinite_rows(infinite: InfiniteCounts | None, model: str, reference: str) -> tuple[int, float | None]:
    if infinite is None:
        raise UsageError(
            "infinite-counts-missing",
            f"{model} or {reference} has infinite loss, and the number of such rows was not given",
            cure="pass infinite=, a function of (model, reference)",
        )
    return infinite(model, reference)


def _p_value(gap: Estimate) -> float | None:
    if gap.se is None:
        return None
    if gap.se == 0.0:
        return 1.0 if gap.value == 0.0 else 0.0
    return float(2.0 * special.stdtr(gap.degrees, -abs(gap.value) / gap.se))


def _verdict(d: Difference, p_adjusted: float | None, level: float) -> str:
    if not math.isfinite(d.difference.value):
        return "infinite"
    if d.difference.se == 0.0 and d.difference.value == 0.0:
        return "identical"
    if p_adjusted is None or p_adjusted >= 1.0 - level:
        return "not told apart"
    return "worse" if d.difference.value > 0 else "better"
