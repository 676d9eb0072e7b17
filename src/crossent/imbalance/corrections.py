"""Predictions of a model that was trained on other class frequencies than it is used on, put right.

All of it is Bayes' rule: a model that is right where class k is f_k times as frequent (up to a common factor)
says q_k ∝ f_k p_k, so p_k ∝ q_k / f_k. Logits change by −log f_k and need no normalising.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from crossent._arrays import same_kind
from crossent.errors import DataError
from crossent.imbalance.arguments import ByClass, Floats, distribution, positive, predictions

Kind = Literal["probs", "logits"]


@same_kind
def correct_weights(p: ArrayLike, weights: ArrayLike, *, kind: Kind = "probs") -> Any:
    """Undo class weights in training:  p_k ∝ q_k / w_k.

    A model trained with the loss of class k multiplied by w_k says q_k ∝ w_k p_k (if it is flexible enough,
    and its loss is log loss); this gives p. `scale_pos_weight=s` of boosting libraries is the weights (1, s).

    Parameters
    ----------
    p : (N, K) predictions, or of two classes (N,): those of the second.
    weights : (K,) numbers above 0, in the order of the columns.
    kind : "probs", or "logits" (for (N,) the log-odds of the second class).

    Returns an array of the shape and library of `p`, in float64; rows of probabilities sum to one.

    Raises `DataError` (shape-mismatch, nan-prediction, not-a-probability, infinite-logit, impossible-row,
    not-positive) and `UsageError` (bad-option).

    >>> correct_weights([[0.5, 0.5]], [1.0, 9.0])
    array([[0.9, 0.1]])
    >>> correct_weights([0.0], [1.0, 9.0], kind="logits").round(3)
    array([-2.197])

    Source: C. Elkan, The foundations of cost-sensitive learning, IJCAI 2001, 973–978.
    """
    w = positive(ByClass.of(weights, "weights"), "the weight")
    return _multiplied(p, 1.0 / w, kind)


@same_kind
def correct_resampling(p: ArrayLike, rates: ArrayLike, *, kind: Kind = "probs") -> Any:
    """Undo under- and over-sampling of the training rows:  p_k ∝ q_k / r_k.

    `rates` (K,) says how many rows class k kept for each it had: 0.1 where one in ten was kept, 5 where each
    was used (or imitated) five times, 1 where nothing was done. Only ratios matter. Shapes, kinds and errors
    are those of `correct_weights`; synthetic rows (SMOTE) are imitations only roughly, and so is the
    correction.

    >>> correct_resampling([0.5], [0.1, 1.0]).round(4)
    array([0.0909])

    Source: A. Dal Pozzolo et al., Calibrating probability with undersampling for unbalanced classification,
    IEEE SSCI 2015, 159–166, doi:10.1109/SSCI.2015.33.
    """
    r = positive(ByClass.of(rates, "rates"), "the rate")
    return _multiplied(p, 1.0 / r, kind)


@same_kind
def correct_priors(
    p: ArrayLike, train_priors: ArrayLike, target_priors: ArrayLike, *, kind: Kind = "probs"
) -> Any:
    """Move predictions to other class frequencies:  p_k ∝ q_k π*_k / π_k.

    Right where the frequencies of the classes changed and nothing else did: the inputs of each class are
    distributed as before (prior shift, also called label shift).

    `train_priors` and `target_priors` are (K,) probabilities in the order of the columns; a target of 0 makes
    the class impossible. Shapes, kinds and errors are those of `correct_weights`, and `UsageError`
    (prior-not-a-distribution).

    >>> correct_priors([[0.5, 0.5]], [0.5, 0.5], [0.97, 0.03])
    array([[0.97, 0.03]])

    Source: M. Saerens, P. Latinne, C. Decaestecker, Adjusting the outputs of a classifier to new a priori
    probabilities: a simple procedure, Neural Comput. 14 (2002) 21–41, doi:10.1162/089976602753284446.
    """
    train = ByClass.of(train_priors, "train_priors")
    before = distribution(positive(train, "the training prior"), "train_priors")
    after = distribution(train.like(target_priors, "target_priors"), "target_priors")
    return _multiplied(p, after / before, kind)


def _multiplied(given: ArrayLike, factor: Floats, kind: str) -> Floats:
    """Odds times factor; only the ratios of the factors matter."""
    p = predictions(given, kind, factor.size)
    flat = p.ndim == 1
    if kind == "logits":
        with np.errstate(divide="ignore"):
            shift = np.log(factor)
        return np.asarray(p + (shift[1] - shift[0] if flat else shift))
    scale = factor / factor.max()
    q = (np.column_stack([1.0 - p, p]) if flat else p) * scale
    total = q.sum(axis=1, keepdims=True)
    if not total.all():
        row = int(np.flatnonzero(total == 0.0)[0])
        raise DataError(
            "impossible-row",
            "every class that this row gives a probability has the target prior 0",
            row=row,
            cure="give the class a prior above 0",
        )
    q /= total
    return np.asarray(q[:, 1] if flat else q)
