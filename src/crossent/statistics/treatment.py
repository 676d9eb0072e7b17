"""A way to treat probabilities and the ranking it gives: what a choice owes to a floor or to division."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from crossent.statistics.estimates import Estimate
from crossent.statistics.paired import Difference


@dataclass(frozen=True)
class Treatment:
    """The losses of all models with their probabilities treated in one way."""

    floor: str | None
    """Clipped to [floor, 1 − floor]: "1e-15", "eps64", "1e-7" or "eps32"; None: not clipped but as asked."""
    renormalised: bool
    """Rows off by more than 1e-6 are divided by their sum."""
    losses: tuple[tuple[str, Estimate], ...]
    """(model, mean loss) in the unit of the headline, the lowest first."""
    differences: tuple[Difference, ...]
    """Every other finite model minus the first; empty without clusters, whose sums they take."""

    @property
    def best(self) -> str | None:
        """The model with the lowest loss; None where none is finite."""
        return next(iter(self.finite), None)

    @property
    def finite(self) -> tuple[str, ...]:
        """The models with a finite loss, the lowest first."""
        return tuple(name for name, loss in self.losses if math.isfinite(loss.value))

    @property
    def tied(self) -> tuple[str, ...]:
        """The models that were tested and cannot be told apart from the best."""
        return tuple(d.model for d in self.differences if d.verdict in ("not told apart", "identical"))

    @property
    def choice(self) -> tuple[str | None, frozenset[str]]:
        """What is decided: the best, and what stays beside it."""
        return self.best, frozenset(self.tied)


def floors_that_decide(treatments: Sequence[Treatment]) -> tuple[Treatment, ...]:
    """The treatments at a floor, rows as they are, with another best model than without one."""
    if not treatments:
        return ()
    asked = treatments[0]
    return tuple(t for t in treatments[1:] if not t.renormalised and t.best != asked.best)


def divisions_that_decide(treatments: Sequence[Treatment]) -> tuple[tuple[Treatment, Treatment], ...]:
    """Pairs (rows as they are, rows divided by their sum) at one floor that do not decide alike.

    Another best model, or other models that cannot be told apart from it; pairs with another best come first.
    """
    as_given = {t.floor: t for t in treatments if not t.renormalised}
    pairs = [(as_given[t.floor], t) for t in treatments if t.renormalised]
    differ = [(a, b) for a, b in pairs if a.choice != b.choice]
    return tuple(sorted(differ, key=lambda pair: pair[0].best == pair[1].best))
