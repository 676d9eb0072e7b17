"""How much too low the loss of the best of several models is, because it was picked as the lowest.

Each mean loss is its true value plus an error. The lowest one is low partly for its value and partly for its
error, and the second part does not come again on other rows:

    optimism = E[ L_winner − L̄_winner ] > 0,   the winner being arg min_k L̄_k.

It depends on the true values, which are not known. Two of them say how large it may be: the values observed
(a parametric bootstrap: too small by up to 1 − 1/√2 = 29 % where all are equal, because the observed values
are spread by their errors already) and all equal, which is the most luck there can be for errors alike.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from crossent.statistics.multiplier import DRAWS, check_draws, gaussian_means
from crossent.statistics.summary import Floats, LossSummary


@dataclass(frozen=True)
class Optimism:
    """How much too low the loss of the best candidate is on average, because it was picked among several."""

    model: str
    """The candidate with the lowest loss."""
    candidates: int
    """How many of finite loss it was picked from."""
    expected: float
    """If the true losses were those observed: to be added to its loss."""
    if_equal: float
    """If all candidates were equally good: about the most it may be."""
    corrected: float
    """Its loss plus the expected optimism: about what other rows of the same kind will show."""
    draws: int
    seed: int

    def scaled(self, factor: float) -> Optimism:
        """The same in another unit."""
        amounts = (self.expected * factor, self.if_equal * factor, self.corrected * factor)
        return Optimism(self.model, self.candidates, *amounts, self.draws, self.seed)


def selection_optimism(
    summary: LossSummary, candidates: Collection[str] | None = None, *, draws: int = DRAWS, seed: int = 0
) -> Optimism | None:
    """The optimism of the lowest loss among the candidates (all models where None).

    Only errors of differences matter, as an error that all models share moves the winner with the others, and
    is none of choosing. Copies of a model add nothing. None where fewer than two candidates have finite loss
    or there are fewer than two units. Raises UsageError for no draws.

    Source: Efron 2014, Journal of the American Statistical Association 109:991-1007,
    doi:10.1080/01621459.2013.823775 (bias of a selected estimate by the bootstrap); Cawley & Talbot 2010,
    JMLR 11:2079-2107 (why it matters).
    """
    check_draws(draws)
    chosen_from = summary.names if candidates is None else candidates
    # by name: the draws must not depend on the order in which models are given
    names = sorted(n for n, f in zip(summary.names, summary.finite, strict=True) if f and n in chosen_from)
    if len(names) < 2 or summary.units < 2:
        return None
    models = [summary.names.index(name) for name in names]
    mean = summary.mean[models]
    variance = summary.difference_variance()[np.ix_(models, models)]
    expected, if_equal = _expected(np.stack([mean, np.zeros_like(mean)]), variance, draws, seed)
    winner = int(mean.argmin())
    return Optimism(
        model=names[winner],
        candidates=len(names),
        expected=expected,
        if_equal=if_equal,
        corrected=float(mean[winner]) + expected,
        draws=draws,
        seed=seed,
    )


def _expected(means: Floats, variance: Floats, draws: int, seed: int) -> list[float]:
    """−E[error of the winner] for each row of true means, errors being relative to their average."""
    total = np.zeros(len(means))
    for errors in gaussian_means(variance, draws, seed):
        errors = errors - errors.mean(axis=1, keepdims=True)
        rows = np.arange(len(errors))
        for i, mean in enumerate(means):
            total[i] -= errors[rows, (mean + errors).argmin(axis=1)].sum()
    found: list[float] = np.maximum(total / draws, 0.0).tolist()
    return found
