"""From exact sums to the summaries that statistics work on: means and scatter over rows or clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from crossent.accumulators.clusters import LOSS, Clusters, infinite_rows
from crossent.accumulators.floors import Change
from crossent.accumulators.moments import EXPOSURE, ONE, WEIGHT, Moments
from crossent.accumulators.tables import KeyedSums
from crossent.errors import DataError
from crossent.evaluation import Evaluation
from crossent.exact import PRODUCT_UNIT, Floats, exact_gram, exact_sum, to_float
from crossent.series import first_without_time, order_of_time
from crossent.statistics.estimates import Estimate, estimate, mean_estimates
from crossent.statistics.serial import (
    FEWEST,
    SerialDependence,
    few_times_factor,
    neighbours,
    serial_dependence,
    window_sums,
)
from crossent.statistics.summary import LossSummary, degrees_of_freedom

WEIGHT_OF_ROWS, BYTES, UNITS = "weight", "bytes", "units"
"""What a loss can be divided by: the weight (a mean over rows), bytes, or the number of units."""


def row_summary(moments: Moments, by: str = WEIGHT_OF_ROWS, of: Sequence[str] | None = None) -> LossSummary:
    """Means over rows, rows being independent; `by` bytes gives nats per byte. `of` names some of the
    models."""
    exposure = EXPOSURE if by == BYTES else WEIGHT
    names = moments.names if of is None else tuple(of)
    ints = _Integers(moments, exposure, names)
    infinite = np.array([moments.infinite[i, i] > 0 for i in map(moments.names.index, names)])
    k = len(names)
    scatter, differences = np.full((k, k), np.nan), np.full((k, k), np.nan)
    for a in range(k):
        for b in range(a, k):
            if not infinite[a] and not infinite[b]:
                scatter[a, b] = scatter[b, a] = ints.scatter([(a, b, 1)])
                differences[a, b] = differences[b, a] = ints.scatter([(a, a, 1), (b, b, 1), (a, b, -2)])
    mean = np.array([np.inf if infinite[a] else ints.mean(a) for a in range(k)])
    total = float(moments.total(exposure))
    return LossSummary(names, moments.rows, total, mean, scatter, differences, df=ints.degrees_of_freedom())


class _Integers:
    """The exact sums of Moments as integers in units of 2**-2148, and rational arithmetic on them."""

    def __init__(self, moments: Moments, exposure: str, names: Sequence[str]) -> None:
        self._moments = moments
        first = len(moments.columns) - len(moments.names)
        self._places = [first + moments.names.index(name) for name in names]
        self._index = moments.columns.index(exposure if exposure in moments.columns else ONE)
        self.total_exposure = self._product(0, self._index)

    def _product(self, i: int, j: int) -> int:
        return self._moments.gram[min(i, j), max(i, j)]

    def mean(self, a: int) -> float:
        return self._product(0, self._places[a]) / self.total_exposure

    def degrees_of_freedom(self) -> float | None:
        """Kish's effective number of rows less one where rows count differently, else None."""
        ee, e = self._product(self._index, self._index), self.total_exposure
        rows = self._moments.rows
        # equal exposures: n Σ E² = (Σ E)²; sums are in units of 2**-1074, products of 2**-2148
        return None if not ee or rows * ee << PRODUCT_UNIT == e * e else (e * e) / (ee << PRODUCT_UNIT) - 1.0

    def scatter(self, parts: Sequence[tuple[int, int, int]]) -> float:
        """Σ over parts (a, b, factor) of factor · Σ_i (u_a − L̄_a e)(u_b − L̄_b e), rounded once."""
        e = self.total_exposure
        ee = self._product(self._index, self._index)
        numerator = 0
        for a, b, factor in parts:
            i, j = self._places[a], self._places[b]
            ta, tb = self._product(0, i), self._product(0, j)
            crossed = ta * self._product(self._index, j) + tb * self._product(self._index, i)
            numerator += factor * (e * e * self._product(i, j) - e * crossed + ta * tb * ee)
        # max: a sum of squares cannot be negative, and exactly is not
        return numerator / ((e * e) << PRODUCT_UNIT)


def cluster_summary(evaluation: Evaluation, names: Sequence[str], by: str, column: str = LOSS) -> LossSummary:
    """Means with clusters as independent units: `column` is "loss" or a companion.

    A cluster without any row of positive weight is no unit.

    Raises DataError where the models do not have the same clusters, or not the same rows or bytes in one.
    """
    clusters = [cast(Clusters, evaluation.accumulated(name, "clusters")) for name in names]
    tables = [c.sums for c in clusters]
    _check_same_clusters(evaluation, names, tables, by)
    counted = clusters[0].units()
    exposure = _exposure(tables[0], by)[counted]
    infinite = np.array([bool(t.floats(infinite_rows(column)).any()) for t in tables])
    sums = [t.floats(column)[counted] for t in tables]
    unit = evaluation.setup.cluster_column or "cluster"
    order = _order(evaluation, tables[0], counted)
    return _summary(names, sums, exposure, infinite, unit, order)


def serial_dependences(
    evaluation: Evaluation, reference: str, others: Sequence[str], by: str
) -> tuple[SerialDependence, ...]:
    """What neighbouring clusters do to each model's difference to the reference, where clusters are times.

    Empty where there are no clusters, their names are neither numbers nor dates, or there are fewer than 20.
    """
    if evaluation.setup.cluster_column is None:
        return ()
    tables = [cast(Clusters, evaluation.accumulated(n, "clusters")) for n in (reference, *others)]
    counted = tables[0].units()
    keys = _counted_keys(tables[0].sums, counted)
    order = order_of_time(keys) if len(keys) >= FEWEST else None
    if order is None:
        return ()
    exposure = _exposure(tables[0].sums, by)[counted][order]
    base, *rest = [t.sums.floats(LOSS)[counted][order] for t in tables]
    found = []
    for name, sums in zip(others, rest, strict=True):
        gap = sums - base
        residuals = gap - exact_sum(gap) / exact_sum(exposure) * exposure
        found.append(serial_dependence(name, reference, residuals, float(exposure.sum())))
    return tuple(f for f in found if f is not None)


def _counted_keys(table: KeyedSums, counted: np.ndarray) -> list[str]:
    return [key for key, unit in zip(table.sorted_keys(), counted.tolist(), strict=True) if unit]


def _order(evaluation: Evaluation, table: KeyedSums, counted: np.ndarray) -> np.ndarray | None:
    """The places of the counted clusters in the order of time; None where they have none."""
    if not evaluation.setup.ordered:
        return None
    keys = _counted_keys(table, counted)
    order = order_of_time(keys)
    if order is None:
        raise DataError(
            "order-unclear",
            "this is neither a number nor a date like the others, so that it has no place in an order",
            column=evaluation.setup.cluster_column,
            value=first_without_time(keys),
            cure="write times as numbers or as 2024-05-17 (14:30), or name the column with --cluster",
        )
    return order


def _summary(
    names: Sequence[str],
    sums: Sequence[Floats],
    exposure: Floats,
    infinite: np.ndarray,
    unit: str,
    order: np.ndarray | None = None,
) -> LossSummary:
    """Means and scatter over units; with an order of them, the scatter takes in their neighbours."""
    total_exposure = exact_sum(exposure)
    means = np.array([exact_sum(s) / total_exposure for s in sums])
    residuals = [s - m * exposure for s, m in zip(sums, means, strict=True)]
    units = exposure.size
    share = 1.0
    if order is not None and units > 1:
        lags = neighbours(units)
        residuals = [window_sums(r[order], lags) for r in residuals]
        share = few_times_factor(units, lags) / few_times_factor(units, 0) / (lags + 1)
    k = len(names)
    pairs = [(a, b) for a in range(k) for b in range(a, k)]
    gram = dict(zip(pairs, exact_gram(residuals, pairs), strict=True))
    scatter, differences = np.full((k, k), np.nan), np.full((k, k), np.nan)
    for (a, b), value in gram.items():
        if not infinite[a] and not infinite[b]:
            scatter[a, b] = scatter[b, a] = to_float(value, PRODUCT_UNIT)
            difference = gram[a, a] + gram[b, b] - 2 * value
            differences[a, b] = differences[b, a] = to_float(difference, PRODUCT_UNIT)
    mean = np.where(infinite, np.inf, means)
    total = to_float(total_exposure)
    df = degrees_of_freedom(exposure) if units > 1 else None
    return LossSummary(tuple(names), units, total, mean, scatter * share, differences * share, unit, df)


def _exposure(table: KeyedSums, by: str) -> Floats:
    if by == UNITS:
        return np.ones(len(table.keys))
    if by == BYTES:
        return table.floats("bytes")
    return table.floats("weight" if "weight" in table.columns else "rows")


def _check_same_clusters(
    evaluation: Evaluation, names: Sequence[str], tables: Sequence[KeyedSums], by: str
) -> None:
    column = evaluation.setup.cluster_column
    first = tables[0]
    for name, table in zip(names[1:], tables[1:], strict=True):
        here, there = set(table.keys) - set(first.keys), set(first.keys) - set(table.keys)
        if here or there:
            raise DataError(
                "clusters-differ",
                f"values of {column} only here: {_some(here)}; only in {names[0]}: {_some(there)}",
                file=name,
                column=column,
                cure="every model must be judged on the same units",
            )
        if by == UNITS:
            continue
        mine, theirs = _exposure(first, by), _exposure(table, by)
        if not np.array_equal(mine, theirs):
            at = int(np.flatnonzero(mine != theirs)[0])
            what = "bytes" if by == BYTES else "rows"
            raise DataError(
                "exposure-differs",
                f"{theirs[at]:g} {what} of {first.sorted_keys()[at]}, but {mine[at]:g} in {names[0]}",
                file=name,
                column=evaluation.setup.bytes_column if by == BYTES else column,
                cure="the models must cover the same text: count the bytes of the same documents",
            )


def _some(keys: set[str]) -> str:
    shown = ", ".join(sorted(keys)[:3])
    return f"{len(keys)} ({shown})" if keys else "none"


@dataclass(frozen=True)
class Treated:
    """The mean loss with some probabilities treated in another way: clipped, divided by their sum."""

    rows: int
    """Rows whose loss that changes."""
    loss: Estimate
    loss_clustered: Estimate | None


def treated(
    evaluation: Evaluation, name: str, changes: Sequence[Change], *, infinite: bool = False
) -> Treated:
    """The mean log loss of a model over all rows, and what replaced some of them."""
    moments = evaluation.moments[name]
    first, index = _Integers(moments, WEIGHT, [name]), moments.columns.index(name)
    weight = moments.columns.index(WEIGHT) if WEIGHT in moments.columns else 0

    def changed(key: str) -> int:
        return sum(change.sums[key] for change in changes)

    # Σwℓ is kept in units of 2**-1074, products in units of 2**-2148
    loss_sum = moments.gram[0, index] + (changed("l") << (PRODUCT_UNIT // 2))
    wl = moments.gram[min(weight, index), max(weight, index)] + changed("wl")
    ll = moments.gram[index, index] + changed("ll")
    e, ww = first.total_exposure, moments.gram[weight, weight]
    variance = (e * e * ll - 2 * e * loss_sum * wl + loss_sum * loss_sum * ww) / ((e * e) << PRODUCT_UNIT)
    n = moments.rows
    scale = n / (n - 1) / to_float(e, PRODUCT_UNIT) ** 2 if n > 1 else np.nan
    loss = estimate(np.inf if infinite else loss_sum / e, variance * scale, n, first.degrees_of_freedom())
    clustered = None
    if evaluation.setup.cluster_column is not None:
        summary = treated_clusters(evaluation, {name: changes}, WEIGHT_OF_ROWS, {name: infinite})
        clustered = mean_estimates(summary)[0]
    return Treated(changes[0].rows if changes else 0, loss, clustered)


def treated_clusters(
    evaluation: Evaluation, changes: Mapping[str, Sequence[Change]], by: str, infinite: Mapping[str, bool]
) -> LossSummary:
    """The means of the models that `changes` names, clusters being independent, with the changes made."""
    names = list(changes)
    clusters = [cast(Clusters, evaluation.accumulated(name, "clusters")) for name in names]
    counted = clusters[0].units()
    sums = [
        (table.sums.floats(LOSS) + sum(_shift(table.sums, c.clusters) for c in changes[name]))[counted]
        for name, table in zip(names, clusters, strict=True)
    ]
    exposure = _exposure(clusters[0].sums, by)[counted]
    unit = evaluation.setup.cluster_column or "cluster"
    order = _order(evaluation, clusters[0].sums, counted)
    return _summary(names, sums, exposure, np.array([infinite[name] for name in names]), unit, order)


def _shift(table: KeyedSums, change: KeyedSums | None) -> Floats:
    """What is to be added to each cluster, keys sorted."""
    assert change is not None
    if not change.keys:
        return np.zeros(len(table.keys))
    changed = dict(zip(change.sorted_keys(), change.floats("loss").tolist(), strict=True))
    return np.array([changed.get(key, 0.0) for key in table.sorted_keys()])
