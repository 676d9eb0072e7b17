"""What mixing models would gain, judged on rows that the weights were not made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from crossent.errors import DataError, UsageError
from crossent.statistics.estimates import Estimate, estimate
from crossent.statistics.greedy_selection import ROUNDS, select_greedily
from crossent.statistics.log_scores import Blocks, Without, grouped, units_in
from crossent.statistics.pseudo_bma import DRAWS, pseudo_bma, pseudo_bma_plus
from crossent.statistics.stacking import stack
from crossent.statistics.summary import Floats, degrees_of_freedom

METHODS = ("stacking", "pseudo-bma+", "pseudo-bma", "greedy", "equal")
FOLDS = 10
MOST_UNITS = 1 << 22
"""Sums of so many units are kept: 64 MB."""


@dataclass(frozen=True)
class Gain:
    """By how much the loss of a mixture is below that of the best single model, in nats a row."""

    best: str
    """The single model of the lowest loss on all rows."""
    best_loss: float
    mixture_loss: float
    """Cross-fitted: each fold of rows by the weights that the other folds give."""
    gain: Estimate
    """`best_loss` − `mixture_loss` with its paired standard error over units; negative: mixing costs."""
    in_sample: float
    """The same with the weights of all rows, on the rows they were made from: too high."""
    folds: int
    unit_name: str
    """What a unit is called: "row", or the column of clusters."""


@dataclass(frozen=True)
class OtherWeights:
    """Weights by another method, to compare."""

    method: str
    weights: tuple[float, ...]
    """One a model."""
    log_loss: float
    """Of the mixture on the rows that the weights were made from, in nats a row."""


@dataclass(frozen=True)
class Combination:
    """Weights of the models in a mixture, and what the mixture gains."""

    models: tuple[str, ...]
    method: str
    """One of METHODS."""
    weights: tuple[float, ...]
    """One a model; they sum to 1."""
    losses: tuple[float, ...]
    """Of each model alone, in nats a row."""
    log_loss: float
    """Of the mixture on the rows that the weights were made from, in nats a row."""
    gap: float | None
    """Of stacking: no weights have a loss that is lower by more than this."""
    gain: Gain | None
    """None where there are too few rows or clusters to judge it."""
    others: tuple[OtherWeights, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """How weights are made."""

    method: str = "stacking"
    rounds: int = ROUNDS
    """Of greedy selection."""
    draws: int = DRAWS
    """Of pseudo-BMA+."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError("bad-option", f"the method is {self.method!r}", cure=f"use {', '.join(METHODS)}")
        for name, value in (("rounds", self.rounds), ("draws", self.draws)):
            if value < 1:
                raise UsageError("bad-option", f"{name} is {value}", cure="use 1 or more")

    def weights(self, blocks: Blocks, models: int) -> tuple[Floats, float | None]:
        """(K,) weights from these rows, and the optimality gap of stacking."""
        if self.method == "stacking":
            stacking = stack(blocks, models)
            return np.array(stacking.weights), stacking.gap
        if self.method == "greedy":
            return np.array(select_greedily(blocks, models, rounds=self.rounds).weights), None
        if self.method == "pseudo-bma":
            return pseudo_bma(blocks, models), None
        if self.method == "pseudo-bma+":
            return pseudo_bma_plus(blocks, models, draws=self.draws, seed=self.seed), None
        return np.full(models, 1.0 / models), None


@dataclass(frozen=True)
class Given:
    """Weights that were made elsewhere, from other rows."""

    given: Floats
    method: str = "given"

    def weights(self, blocks: Blocks, models: int) -> tuple[Floats, float | None]:
        """(K,) the weights, whatever the rows."""
        return self.given, None


def combine(
    blocks: Blocks,
    models: Sequence[str],
    recipe: Recipe | Given,
    *,
    folds: int = FOLDS,
    unit_name: str = "row",
    others: Sequence[str] = (),
) -> Combination:
    """The weights that a recipe makes of these rows, and the cross-validated gain of the mixture.

    `others` names methods whose weights are shown beside; one that has none (no model with a finite loss) is
    left out.
    """
    share = _shares(blocks, folds)
    weights, gap = recipe.weights(blocks, len(models))
    losses, loss = _losses(blocks, weights)
    best = int(np.argmin(losses))
    gain = None
    if folds > 1 and share.max() < 1.0:
        fitted = [recipe.weights(Without(blocks, fold), len(models))[0] for fold in range(folds)]
        value, mixture_loss = _gain(blocks, fitted, best)
        gain = Gain(
            models[best],
            float(losses[best]),
            mixture_loss,
            value,
            float(losses[best]) - loss,
            folds,
            unit_name,
        )
    beside = (_other(name, recipe, blocks, len(models)) for name in others)
    known = tuple(found for found in beside if found is not None)
    return Combination(
        tuple(models), recipe.method, tuple(weights.tolist()), tuple(losses.tolist()), loss, gap, gain, known
    )


def _shares(blocks: Blocks, folds: int) -> Floats:
    """Share of the weight that each fold has; DataError where there is none at all."""
    totals = np.zeros(max(folds, 1))
    for block in blocks:
        totals += np.bincount(block.fold % totals.size, block.weight, totals.size)
    if not totals.any():
        raise DataError("no-weight", "all weights are 0", cure="at least one row must count")
    shares: Floats = totals / totals.sum()
    return shares


def _other(method: str, recipe: Recipe | Given, blocks: Blocks, models: int) -> OtherWeights | None:
    """The weights by another method; None where it has none."""
    base = recipe if isinstance(recipe, Recipe) else Recipe()
    try:
        weights, _ = replace(base, method=method).weights(blocks, models)
    except DataError:
        return None
    return OtherWeights(method, tuple(weights.tolist()), _losses(blocks, weights)[1])


def _losses(blocks: Blocks, weights: Floats) -> tuple[Floats, float]:
    """(K,) mean losses of the models, and that of the mixture, in nats a row."""
    sums, mixture, total = np.zeros(weights.size), 0.0, 0.0
    for block in blocks:
        rows = block.keep(block.weight > 0.0)
        total += float(rows.weight.sum())
        sums -= rows.weight @ (rows.behind + rows.top[:, None])
        mixture -= float(rows.weight @ (rows.mixture(weights) + rows.top))
    return sums / total, mixture / total


def _gain(blocks: Blocks, fitted: Sequence[Floats], best: int) -> tuple[Estimate, float]:
    """The mean of log p_mixture − log p_best over rows with its standard error over units, and the mixture's
    loss, each row by the weights of the folds it is not in.
    """
    units = units_in(blocks)
    places = min(units, MOST_UNITS)
    gains, sizes, loss = np.zeros(places), np.zeros(places), 0.0
    for fold, weights in enumerate(fitted):
        for block in blocks:
            rows = block.keep((block.fold == fold) & (block.weight > 0.0))
            mixture = rows.mixture(weights)
            with np.errstate(invalid="ignore"):
                gain = mixture - rows.behind[:, best]
            unit = grouped(rows.unit, units, MOST_UNITS)
            gains += np.bincount(unit, rows.weight * gain, places)
            sizes += np.bincount(unit, rows.weight, places)
            loss -= float(rows.weight @ (mixture + rows.top))
    total = float(sizes.sum())
    mean = float(gains.sum()) / total
    with np.errstate(invalid="ignore"):
        scatter = float(((gains - mean * sizes) ** 2).sum()) / total**2
    df = degrees_of_freedom(sizes[sizes > 0.0]) if units > 1 else None
    return estimate(mean, scatter * units / max(units - 1, 1), units, df), loss / total
