"""How frequent the classes are in rows without labels, from a model's predictions for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crossent import kernels
from crossent._arrays import library_of
from crossent.errors import DataError
from crossent.imbalance.arguments import ByClass, Floats, distribution, floats, positive, predictions
from crossent.imbalance.corrections import Kind


@dataclass(frozen=True)
class PriorEstimate:
    """Class frequencies estimated by `estimate_priors`."""

    priors: Any
    """(K,) of the library of the predictions."""
    iterations: int
    log_likelihood_gain: float
    """Of all rows together, in nats, over the training priors."""
    gap: float
    """How far the log-likelihood a row can be from its maximum at most, in nats."""

    @property
    def p_value(self) -> float:
        """Of the hypothesis that the frequencies are those of training: the likelihood-ratio test, χ² with
        K − 1 degrees of freedom. It believes the predictions to be calibrated and the rows independent."""
        from scipy import special

        degrees = len(self.priors) - 1
        return float(special.chdtrc(degrees, 2.0 * self.log_likelihood_gain)) if degrees else 1.0


def estimate_priors(
    p: ArrayLike,
    train_priors: ArrayLike,
    *,
    kind: Kind = "probs",
    tolerance: float = 1e-10,
    max_iterations: int = 10_000,
) -> PriorEstimate:
    """Class frequencies of rows without labels: the maximum of  Σ_i log Σ_k p_ik π*_k / π_k  over π*.

    Found by expectation maximisation: correct the predictions to the priors (as `correct_priors` does), take
    their mean as the new priors, and repeat until the log-likelihood a row is certainly within `tolerance`
    nats of its maximum (it is concave, and the largest growth of a prior in a step bounds what is left).

    It rests on two things. The frequencies changed and nothing else (prior shift); and `p` is calibrated for
    the training frequencies: undo class weights and resampling first, or else what is found is their effect.

    Parameters
    ----------
    p : (N, K) predictions for the new rows, or of two classes (N,): those of the second.
    train_priors : (K,) frequencies in the training rows, in the order of the columns.
    kind : "probs" or "logits".

    Raises `DataError` (not-converged, no-rows, and those of `correct_priors`).

    >>> p = np.repeat([[0.9, 0.1], [0.2, 0.8]], [100, 100], axis=0)
    >>> found = estimate_priors(p, [0.7, 0.3])
    >>> found.priors.round(3), round(found.log_likelihood_gain, 2)
    (array([0.385, 0.615]), 20.29)

    Source: M. Saerens, P. Latinne, C. Decaestecker, Adjusting the outputs of a classifier to new a priori
    probabilities: a simple procedure, Neural Comput. 14 (2002) 21–41, doi:10.1162/089976602753284446.
    """
    train = ByClass(floats(train_priors, "train_priors"), None)
    before = distribution(positive(train, "the training prior"), "train_priors")
    probabilities = _probabilities(predictions(p, kind, before.size), kind)
    if not len(probabilities):
        raise DataError("no-rows", "there are no predictions", cure="give at least one row")
    ratio = probabilities / before
    priors, gap = before.copy(), np.inf
    for iteration in range(max_iterations):
        evidence = ratio @ priors
        growth = (ratio / evidence[:, None]).mean(axis=0)
        gap = float(growth.max()) - 1.0
        if gap <= tolerance:
            gain = float((np.log(evidence) - np.log(ratio @ before)).sum())
            library = library_of(p)
            found = priors if library is None else library.restored(priors)
            return PriorEstimate(found, iteration, gain, max(gap, 0.0))
        priors = priors * growth
        priors /= priors.sum()
    raise DataError(
        "not-converged",
        f"after {max_iterations} iterations the log-likelihood may still grow by {gap:.3g} nats a row",
        cure="raise max_iterations or tolerance",
    )


def _probabilities(p: Floats, kind: str) -> Floats:
    """(N, K)."""
    if kind == "logits":
        return kernels.softmax(np.column_stack([np.zeros(len(p)), p]) if p.ndim == 1 else p)
    return np.column_stack([1.0 - p, p]) if p.ndim == 1 else p
