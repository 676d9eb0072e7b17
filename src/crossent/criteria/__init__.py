"""Information criteria, and leaving one out, as what they are: estimates of the cross-entropy on new rows."""

from __future__ import annotations

from crossent.criteria.likelihood import InformationCriterion, aic, aicc, bic, tic
from crossent.criteria.posterior import PosteriorPredictive, psis_loo, waic

__all__ = [
    "InformationCriterion",
    "PosteriorPredictive",
    "aic",
    "aicc",
    "bic",
    "psis_loo",
    "tic",
    "waic",
]
