"""The pinball loss of predicted quantiles, and what it shares with the CRPS: errors that cost by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from crossent import kernels
from crossent.errors import DataError, UsageError
from crossent.kernels.reference import blocks
from crossent.losses.contract import Floats, Loss, Target
from crossent.losses.numbers import check_scale, checked, limits
from crossent.losses.registry import register


@dataclass(frozen=True)
class Pinball(Loss):
    """Pinball (quantile) loss, mean over levels:  mean_q max(q(y − f_q), (q − 1)(y − f_q)); range [0, ∞).

    In the label's unit. `levels` are those of the quantiles f_q, in the order of the columns.

    | kind        | f_q                                         |
    |-------------|---------------------------------------------|
    | `quantiles` | the column, (N, Q), one a level             |
    | `mean_std`  | the quantile of the Gaussian, μ + σ Φ⁻¹(q)  |

    Quantiles that cross are taken as they are. At level ½ it is half of the absolute error. At f_q = y, where
    it has a kink, the gradient is given as 0; the second derivative is 0 wherever it exists, and not given.

    Errors: `UsageError` (bad-levels, loss-needs-parameters without levels, unknown-kind), `DataError`
    (shape-mismatch, label-not-finite, prediction-not-finite, not-a-scale).

    >>> import numpy as np
    >>> Pinball(levels=(0.1, 0.9)).value(np.array([5.0]), np.array([[1.0, 4.0]]), "quantiles").round(12)
    array([0.65])

    Source: R. Koenker & G. Bassett, Regression quantiles, Econometrica 46 (1978) 33–50, doi:10.2307/1913643.
    """

    levels: tuple[float, ...] | None = None

    name: ClassVar[str] = "pinball"
    title: ClassVar[str] = "pinball loss"
    unit: ClassVar[str] = "the label's unit"
    kinds: ClassVar[tuple[str, ...]] = ("quantiles", "mean_std")
    target: ClassVar[str] = "real"
    proper: ClassVar[bool] = True
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "quantiles"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = "Its minimum is the true quantiles: the share below each is its level."
    use: ClassVar[str] = (
        "Where quantiles are predicted, or too low costs more than too high by a known ratio."
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", checked_levels(self.levels))

    def example(self, classes: int) -> Self:
        return type(self)(levels=even_levels(classes)) if self.levels is None else self

    @limits
    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        y, quantiles, _ = self._quantiles(labels, prediction, kind)
        return sided_error(y, quantiles, *self._costs())

    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By each quantile (1 − q)/Q where it is above the label, −q/Q below; by σ that times Φ⁻¹(q)."""
        y, quantiles, z = self._quantiles(labels, prediction, kind)
        slope = sided_slope(y, quantiles, *self._costs())
        if kind == "quantiles":
            return slope
        return np.column_stack([kernels.row_sums(slope), kernels.row_sums(slope * z)])

    def _costs(self) -> tuple[Floats, Floats]:
        q = np.array(self.levels)
        return q / len(q), (1.0 - q) / len(q)

    def _quantiles(self, labels: Target, prediction: Floats, kind: str) -> tuple[Floats, Floats, Floats]:
        """The label, the quantiles (N, Q), and those of a standard Gaussian (Q,)."""
        y, x = checked(self, labels, prediction, kind)
        levels = needed_levels(self, self.levels)
        if kind == "quantiles":
            check_columns(x, levels)
            return y, x, np.empty(0)
        from scipy.special import ndtri

        check_scale(x[:, 1], "standard deviation")
        z = ndtri(np.array(levels))
        return y, x[:, :1] + x[:, 1:] * z, z


def checked_levels(levels: Iterable[float] | None) -> tuple[float, ...] | None:
    """The levels as a tuple, numbers between 0 and 1, each once.

    Errors: `UsageError` (bad-levels).
    """
    if levels is None:
        return None
    known = tuple(float(q) for q in levels)
    if not known or not all(0.0 < q < 1.0 for q in known) or len(set(known)) < len(known):
        raise UsageError(
            "bad-levels",
            f"levels are {known}",
            cure="give the level of each quantile, between 0 and 1, each once, as (0.05, 0.5, 0.95)",
        )
    return known


def needed_levels(loss: Loss, levels: tuple[float, ...] | None) -> tuple[float, ...]:
    """The levels, or `UsageError` (loss-needs-parameters) where there are none."""
    if levels is None:
        raise UsageError(
            "loss-needs-parameters",
            f"{loss.title} needs the levels of the quantiles",
            cure=f"make it with them: {type(loss).__name__}(levels=(0.05, 0.5, 0.95))",
        )
    return levels


def check_columns(quantiles: Floats, levels: tuple[float, ...]) -> None:
    """Raise `DataError` (shape-mismatch) unless there is a quantile for each level."""
    if quantiles.shape[1] != len(levels):
        raise DataError(
            "shape-mismatch",
            f"{quantiles.shape[1]} quantiles a row for the {len(levels)} levels {levels}",
            cure="give one column a level, in the order of the levels",
        )


def even_levels(count: int) -> tuple[float, ...]:
    """(i − ½)/count for i = 1 … count."""
    return tuple((i + 0.5) / count for i in range(count))


def sided_error(y: Floats, x: Floats, below: Floats, above: Floats) -> Floats:
    """(N,) Σ_k cost_k |x_k − y|, where the cost of column k depends on the side of y that x_k is on."""
    out = np.empty(len(y))
    for block in blocks(x):
        distance = block.x - block.spread(y[block.rows])
        low, high = (cost if block.axis == 1 else cost[:, None] for cost in (below, above))
        cost = np.where(distance < 0.0, low, high)
        out[block.rows] = block.total(np.abs(distance, out=distance) * cost)
    return out


def sided_slope(y: Floats, x: Floats, below: Floats, above: Floats) -> Floats:
    """(N, K) derivative of `sided_error` by x; 0 at the kink."""
    side = np.sign(x - y[:, None])
    return np.where(side < 0.0, -below, np.where(side > 0.0, above, 0.0))


register(Pinball())
