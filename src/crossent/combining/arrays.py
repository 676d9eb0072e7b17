"""Weights of mixtures from arrays of log-probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from crossent._arrays import same_kind
from crossent.errors import DataError, UsageError
from crossent.information.arguments import numbers
from crossent.statistics.combination import FOLDS, Combination, Recipe, combine
from crossent.statistics.greedy_selection import ROUNDS, GreedySelection, select_greedily
from crossent.statistics.log_scores import Ints, LogScores, folds_of, in_blocks, log_scores, units_in
from crossent.statistics.pseudo_bma import DRAWS, pseudo_bma, pseudo_bma_plus
from crossent.statistics.stacking import Stacking, stack
from crossent.statistics.summary import Floats


@same_kind
def stacking_weights(log_p: ArrayLike, *, weight: ArrayLike | None = None) -> Stacking:
    """The mixture with the highest log score:  max_w Σ_i v_i log Σ_k w_k p_ik  over the simplex.

    Concave, solved by Newton's method in logarithms to rounding: adding a number to a row, or −800 to every
    entry, changes nothing. `gap` bounds in nats a row what any other weights could gain. The rows must be
    such that the models were not fitted to; and of the gain on the very rows that made the weights some is
    luck: see `mixture_gain`.

    Parameters
    ----------
    log_p : (N, K) log-probability, or log-density, that each model gave to what happened; −inf for
        probability 0, where some other model of the row has a finite one.
    weight : (N,) v_i, how much each row counts, ≥ 0.

    Raises `DataError` (impossible-for-all, not-a-log-score, bad-weight, no-weight, no-rows, shape-mismatch).

    >>> found = stacking_weights(np.log([[0.9, 0.2], [0.8, 0.1], [0.1, 0.7]]))
    >>> [round(w, 4) for w in found.weights], round(found.log_score, 4), found.gap < 1e-12
    ([0.7082, 0.2918], -0.7238, True)

    Source: Y. Yao, A. Vehtari, D. Simpson, A. Gelman, Using stacking to average Bayesian predictive
    distributions, Bayesian Anal. 13 (2018) 917–1007, doi:10.1214/17-BA1091; the solver: Y. Kim,
    P. Carbonetto, M. Stephens, M. Anitescu, A fast algorithm for maximum likelihood estimation of mixture
    proportions using sequential quadratic programming, J. Comput. Graph. Stat. 29 (2020) 261–273,
    doi:10.1080/10618600.2019.1689985.
    """
    rows = _rows(log_p, weight)
    return stack(in_blocks(rows), rows.behind.shape[1])


@same_kind
def pseudo_bma_weights(
    log_p: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    plus: bool = True,
    draws: int = DRAWS,
    seed: int = 0,
) -> Floats:
    """Weights by likelihood,  w_k ∝ exp(Σ_i v_i log p_ik), averaged over a Bayesian bootstrap of the rows.

    Without `plus` there is no bootstrap, and a few nats of the sums decide everything. Both look for the best
    model rather than the best mixture; take them where models are few and different, and stack where they
    overlap.

    Parameters
    ----------
    log_p, weight : as for `stacking_weights`.
    clusters : (N,) what rows belong to together; then clusters are drawn, as wholes.
    draws, seed : of the bootstrap; the Monte Carlo error of a weight is below 0.5/√draws.

    Returns (K,) weights that sum to 1. Raises what `stacking_weights` does, and `DataError` (no-finite-model)
    where every model gave some row probability 0.

    >>> pseudo_bma_weights([[-1.0, -1.1], [-0.5, -0.9]], plus=False).round(4)
    array([0.6225, 0.3775])

    Source: Yao et al. 2018, section 3.4, doi:10.1214/17-BA1091; D. B. Rubin, The Bayesian bootstrap,
    Ann. Stat. 9 (1981) 130–134, doi:10.1214/aos/1176345338.
    """
    rows = _rows(log_p, weight, clusters)
    blocks, models = in_blocks(rows), rows.behind.shape[1]
    if not plus:
        return pseudo_bma(blocks, models)
    Recipe(draws=draws)  # raises for a number that cannot be
    return pseudo_bma_plus(blocks, models, draws=draws, seed=seed)


@same_kind
def greedy_selection(
    log_p: ArrayLike, *, weight: ArrayLike | None = None, rounds: int = ROUNDS
) -> GreedySelection:
    """An average of few models, grown one by one: each round adds the one that helps the average most.

    Of equal ones the first, so that the result depends on the data alone. A model may be added several times.
    The best of the averages of 1 to `rounds` models is taken. Cheaper to run than the optimum, which
    `stacking_weights` finds, and a little worse.

    Parameters
    ----------
    log_p, weight : as for `stacking_weights`, and so are the errors.
    rounds : the most models an average may have, counting repetitions.

    >>> found = greedy_selection(np.log([[0.9, 0.2], [0.8, 0.1], [0.1, 0.7]]), rounds=10)
    >>> found.order[:4], [round(w, 3) for w in found.weights]
    ((0, 1, 0, 0), [0.714, 0.286])

    Source: R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes, Ensemble selection from libraries of models,
    ICML 2004, doi:10.1145/1015330.1015432.
    """
    Recipe(rounds=rounds)  # raises for a number that cannot be
    rows = _rows(log_p, weight)
    return select_greedily(in_blocks(rows), rows.behind.shape[1], rounds=rounds)


@same_kind
def mixture_gain(
    log_p: ArrayLike,
    *,
    method: str = "stacking",
    weight: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    models: Sequence[str] | None = None,
    folds: int = FOLDS,
    rounds: int = ROUNDS,
    draws: int = DRAWS,
    seed: int = 0,
) -> Combination:
    """The weights of a mixture, and how much it gains over the best single model, cross-validated.

    The rows are dealt into folds by chance (by `seed`), whole clusters together; each fold is judged by the
    weights that the others give. gain = mean_i v_i (log p_mixture − log p_best), with its paired standard
    error over rows or clusters; `in_sample` is what it would look like on the rows that made the weights. The
    best single model is that of all rows, which favours it a little.

    Parameters
    ----------
    log_p, weight, clusters : as for `pseudo_bma_weights`.
    method : "stacking", "pseudo-bma+", "pseudo-bma", "greedy" or "equal".
    models : names of the columns [default: 0, 1, …].
    folds : 2 or more, and no more than there are rows or clusters.

    Raises what `stacking_weights` does, and `UsageError` (bad-option, too-many-folds).

    >>> rng = np.random.default_rng(0)
    >>> found = mixture_gain(np.log(rng.uniform(0.2, 0.9, size=(500, 2))), models=["a", "b"])
    >>> found.gain.best, round(found.gain.gain.value, 3), round(found.gain.gain.se, 3)
    ('a', 0.016, 0.009)

    Source: Yao et al. 2018, doi:10.1214/17-BA1091.
    """
    recipe = Recipe(method, rounds, draws, seed)
    rows = _rows(log_p, weight, clusters, folds, seed)
    count = rows.behind.shape[1]
    names = tuple(str(k) for k in range(count)) if models is None else tuple(models)
    if len(names) != count:
        raise DataError(
            "shape-mismatch", f"{len(names)} names for {count} models", cure="give one name a column"
        )
    unit_name = "row" if clusters is None else "cluster"
    return combine(in_blocks(rows), names, recipe, folds=folds, unit_name=unit_name)


def _rows(
    log_p: ArrayLike,
    weight: ArrayLike | None,
    clusters: ArrayLike | None = None,
    folds: int | None = None,
    seed: int = 0,
) -> LogScores:
    scores = _checked(log_p)
    unit = None if clusters is None else _codes(clusters, len(scores))
    rows = log_scores(scores, _weight(weight, len(scores)), unit)
    if folds is None:
        return rows
    units = units_in([rows])
    if not 2 <= folds <= units:
        raise UsageError(
            "too-many-folds",
            f"{folds} folds of {units} {'rows' if unit is None else 'clusters'}",
            cure="use 2 or more folds, and no more than there are rows or clusters",
        )
    keys = np.arange(len(scores), dtype=np.uint64) if unit is None else unit.astype(np.uint64)
    # rows are units of their own here, so that no fold is empty
    return log_scores(scores, rows.weight, unit, folds_of(keys, rows.unit, folds, seed))


def _checked(log_p: ArrayLike) -> Floats:
    scores = numbers(log_p, "log_p").astype(np.float64)
    if scores.ndim != 2 or not scores.shape[1]:
        raise DataError(
            "shape-mismatch", f"log_p has the shape {scores.shape}", cure="give (N, K): a column a model"
        )
    if not len(scores):
        raise DataError("no-rows", "log_p has no row", cure="give at least one")
    bad = np.isnan(scores) | np.isposinf(scores)
    if bad.any():
        row = int(np.flatnonzero(bad.any(axis=1))[0])
        raise DataError(
            "not-a-log-score",
            "the logarithm of a probability or density is nan or +inf",
            row=row,
            value=float(scores[row][bad[row]][0]),
            cure="find out why; −inf is the one for probability 0",
        )
    return scores


def _weight(weight: ArrayLike | None, rows: int) -> Floats | None:
    if weight is None:
        return None
    values = numbers(weight, "weight").astype(np.float64)
    if values.shape != (rows,):
        raise DataError("shape-mismatch", f"weight {values.shape} for {rows} rows", cure="give one a row")
    if not ((values >= 0.0) & (values < np.inf)).all():
        raise DataError("bad-weight", "a weight is negative or not a finite number", cure="use 0 or more")
    if not values.any():
        raise DataError("no-weight", "all weights are 0", cure="at least one row must count")
    return values


def _codes(clusters: ArrayLike, rows: int) -> Ints:
    labels = np.asarray(clusters)
    if labels.shape != (rows,):
        raise DataError("shape-mismatch", f"clusters {labels.shape} for {rows} rows", cure="give one a row")
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)
