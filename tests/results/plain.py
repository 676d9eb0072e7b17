"""Designs drawn at random, and what plain NumPy makes of them: the definitions written out, row by row.

Nothing here is exact, streamed or shared with the library: float64 arrays, `sum`, and SciPy's distributions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import special, stats

Array = np.ndarray[Any, Any]
FLOORS = {"1e-15": 1e-15, "eps64": 2.0**-52, "1e-7": 1e-7, "eps32": 2.0**-23}
PREFIX = {"probs": "p_", "logits": "z_", "log_probs": "lp_"}


@dataclass(frozen=True)
class Figure:
    """A mean with its standard error (None: undefined) over so many units."""

    value: float
    se: float | None
    units: int
    df: float = math.nan
    """Of the t test; only means have it."""


def satterthwaite(exposure: Array) -> float:
    """tr(C)² / tr(C²) of the covariance of the clusters' residuals, were rows independent, after CR2."""
    share = exposure / exposure.sum()
    scale = np.diag(1.0 / np.sqrt(1.0 - share))
    covariance = scale @ (np.diag(share) - np.outer(share, share)) @ scale
    return float(np.trace(covariance) ** 2 / np.trace(covariance @ covariance))


def ratio(numerator: Array, exposure: Array) -> Figure:
    """Σ numerator / Σ exposure over independent units, with the linearised standard error."""
    units = len(numerator)
    if not np.isfinite(numerator).all():
        return Figure(math.inf, None, units)
    mean = numerator.sum() / exposure.sum()
    residual = numerator - mean * exposure
    se = math.sqrt(units / (units - 1) * (residual**2).sum()) / exposure.sum() if units > 1 else None
    return Figure(float(mean), se, units)


def times(weight: Array, values: Array) -> Array:
    """w·x where 0·∞ is 0."""
    return np.where(weight > 0, weight * np.where(weight > 0, values, 0.0), 0.0)


def totals(keys: Array, values: Array) -> Array:
    """Sums by key, in the order of the sorted keys."""
    return np.array([values[keys == key].sum() for key in np.unique(keys)])


@dataclass(frozen=True)
class Prediction:
    """The numbers of one model as they are stored: (N, K) of a kind."""

    kind: str
    stored: Array

    @property
    def p(self) -> Array:
        """Probabilities in float64, rows not renormalised."""
        wide = self.stored.astype(np.float64)
        if self.kind == "logits":
            return np.asarray(special.softmax(wide, axis=1))
        return np.exp(wide) if self.kind == "log_probs" else wide

    def log_loss(self, labels: Array, p: Array) -> Array:
        at = np.arange(len(labels)), labels
        wide = self.stored.astype(np.float64)
        with np.errstate(divide="ignore"):
            if self.kind == "logits":
                return np.asarray(special.logsumexp(wide, axis=1) - wide[at])
            return -np.log(p[at])


@dataclass(frozen=True)
class Design:
    """Rows with facts, and what models predicted of them."""

    classes: tuple[str, ...]
    labels: Array
    models: Mapping[str, Prediction]
    weight: Array
    cluster: Array
    groups: Mapping[str, Array]
    bytes: Array

    def table(self, name: str) -> pa.Table:
        model = self.models[name]
        columns: dict[str, Any] = {
            "row_id": np.arange(len(self.labels)) + 1000,
            "label": [self.classes[k] for k in self.labels],
            "weight": self.weight,
            "day": self.cluster,
            "size": self.bytes,
            **self.groups,
        }
        for k, c in enumerate(self.classes):
            columns[PREFIX[model.kind] + c] = np.ascontiguousarray(model.stored[:, k])
        return pa.table(columns)

    def tables(self) -> dict[str, pa.Table]:
        return {name: self.table(name) for name in self.models}


def draw(
    seed: int, rows: int = 90, classes: Sequence[str] = ("ant", "bee", "cat"), zeros: float = 0.0
) -> Design:
    """Three models of random kinds, the second without zeros; weights with zeros, uneven clusters."""
    rng = np.random.default_rng([77, seed])
    k = len(classes)
    labels = rng.integers(0, k, rows)
    labels[:k] = np.arange(k)
    models = {}
    for i, name in enumerate(("first", "second", "third")):
        z = rng.normal(scale=1.5, size=(rows, k)) + 1.2 * (i + 1) * np.eye(k)[labels]
        p = np.asarray(special.softmax(z, axis=1))
        p[rng.random(rows) < 0.1] = 1.0 / k
        if i != 1:
            hit = rng.random(rows) < zeros
            p[hit] = np.eye(k)[rng.integers(0, k, int(hit.sum()))]
        kind = ("probs", "logits", "log_probs")[int(rng.integers(0, 3))]
        with np.errstate(divide="ignore"):
            stored = (
                p if kind == "probs" else np.log(p) + (rng.normal(size=(rows, 1)) if kind == "logits" else 0)
            )
        models[name] = Prediction(kind, stored.astype(np.float32 if rng.random() < 0.3 else np.float64))
    return Design(
        tuple(classes),
        labels,
        models,
        rng.choice([0.0, 0.25, 1.0, 3.5], rows),
        rng.choice([f"d{j}" for j in range(12)], rows, p=np.arange(1, 13) / 78),
        {"region": rng.choice(["north", "south", "west"], rows), "age": rng.choice(["old", "young"], rows)},
        rng.integers(0, 30, rows),
    )


@dataclass(frozen=True)
class Plain:
    """What options make of a design: every figure by its definition."""

    design: Design
    loss: str = "log_loss"
    weighted: bool = False
    clustered: bool = False
    exposed: bool = False
    floor: float | None = None
    renormalise: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """The same as keyword arguments of `select`."""
        return {
            "loss": self.loss,
            "weight": "weight" if self.weighted else None,
            "cluster": "day" if self.clustered else None,
            "bytes": "size" if self.exposed else None,
            "groups": tuple(self.design.groups),
            "floor": self.floor,
            "renormalise": self.renormalise,
        }

    @property
    def w(self) -> Array:
        return self.design.weight if self.weighted else np.ones(len(self.design.labels))

    @property
    def counted(self) -> Array:
        return self.w > 0

    def p(self, name: str) -> Array:
        model = self.design.models[name]
        p = model.p
        return p / p.sum(axis=1, keepdims=True) if self.renormalise and model.kind != "logits" else p

    def rows(self, name: str, loss: str | None = None) -> Array:
        """The loss of every row."""
        loss = loss or self.loss
        p, labels = self.p(name), self.design.labels
        if loss == "brier":
            return np.asarray(((p - np.eye(p.shape[1])[labels]) ** 2).sum(axis=1))
        if loss == "zero_one":
            return (p.argmax(axis=1) != labels).astype(float)
        nats = self.design.models[name].log_loss(labels, p)
        if self.floor is None or loss != self.loss:
            return nats
        return np.clip(nats, -math.log(1 - self.floor), -math.log(self.floor))

    def by_rows(self, values: Array, exposure: Array | None = None) -> Figure:
        w = self.w[self.counted]
        over = w if exposure is None else w * exposure[self.counted]
        effective = over.sum() ** 2 / (over**2).sum()
        return replace(ratio(w * values[self.counted], over), df=effective - 1)

    def by_clusters(self, values: Array, exposure: Array | None = None) -> Figure:
        w, keys = self.w[self.counted], self.design.cluster[self.counted]
        over = w if exposure is None else w * exposure[self.counted]
        exposures = totals(keys, over)
        return replace(ratio(totals(keys, w * values[self.counted]), exposures), df=satterthwaite(exposures))

    def mean(self, values: Array, exposure: Array | None = None) -> Figure:
        return (self.by_clusters if self.clustered else self.by_rows)(values, exposure)

    def finite_mean(self, *values: Array) -> float | None:
        """Mean of the first, or of first − second, where all are finite; None where all rows are."""
        kept = self.counted & np.all([np.isfinite(v) for v in values], axis=0)
        if kept.sum() == self.counted.sum() or not kept.any():
            return None
        difference = values[0][kept] - (values[1][kept] if len(values) > 1 else 0.0)
        return float((self.w[kept] * difference).sum() / self.w[kept].sum())

    def difference(self, model: str, reference: str) -> Figure:
        a, b = self.rows(model), self.rows(reference)
        finite = [bool(np.isfinite(x[self.counted]).all()) for x in (a, b)]
        if not all(finite):
            value = math.nan if not any(finite) else math.inf if finite[1] else -math.inf
            return Figure(value, None, self.mean(np.zeros(len(a))).units)
        return self.mean(a - b)

    def skill(self, name: str, prior: Mapping[str, float] | None = None) -> tuple[float, Figure]:
        """(base, skill) by a constant forecast."""
        w, labels = self.w, self.design.labels
        if prior is None:
            share = np.array([w[labels == k].sum() for k in range(len(self.design.classes))]) / w.sum()
        else:
            share = np.array([prior[c] for c in self.design.classes])
        base = -np.log(share)[labels]
        losses = self.rows(name)
        mean = float((w * base).sum() / w.sum())
        if not np.isfinite(losses[self.counted]).all():
            return mean, Figure(-math.inf, None, int(self.counted.sum()))
        got = self.by_rows(losses, base)
        return mean, Figure(1 - got.value, got.se, got.units)

    def part(self, name: str, mask: Array) -> Figure:
        keep = mask & self.counted
        return ratio(self.w[keep] * self.rows(name)[keep], self.w[keep])

    def part_bits_per_byte(self, name: str, mask: Array) -> float | None:
        keep = mask & self.counted
        total = (self.w[keep] * self.design.bytes[keep]).sum()
        nats = (self.w[keep] * self.rows(name)[keep]).sum()
        return float(nats / total / math.log(2)) if total and np.isfinite(nats) else None

    def calibration_error(self, confidence: Array, happened: Array, bins: int = 15) -> float:
        w = self.w
        place = np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1)
        gaps = [abs((w * (happened - confidence))[place == b].sum()) for b in range(bins)]
        return float(sum(gaps) / w.sum())

    def worst(self, name: str) -> list[tuple[str, float, float]]:
        """(row id, loss, w·loss), the worst first; of equal losses the smallest id."""
        losses = self.rows(name)
        order = sorted(np.flatnonzero(self.counted).tolist(), key=lambda i: (-losses[i], i))
        return [(str(i + 1000), float(losses[i]), float(self.w[i] * losses[i])) for i in order]


def holm(p: Iterable[float | None]) -> list[float | None]:
    """Adjusted p-values by their definition: the least level at which the step-down procedure rejects."""
    values = list(p)
    tested = sorted(v for v in values if v is not None)
    steps = [min(1.0, (len(tested) - i) * v) for i, v in enumerate(tested)]
    return [None if v is None else max(steps[: tested.index(v) + 1]) for v in values]


def t_test(d: Figure) -> float | None:
    if d.se is None:
        return None
    return float(2 * stats.t.sf(abs(d.value) / d.se, d.df))


def detectable(d: Figure, level: float) -> float | None:
    if d.se is None:
        return None
    t = stats.t(d.df)
    return float((t.ppf(0.5 + level / 2) + t.ppf(0.8)) * d.se)
