"""scikit-learn: choose an estimator by cross-validation, and scorers that are exact.

`select_estimator` keeps the loss of every row of every fold, compares estimators on the same rows, and fits
the chosen one to all of them. `scorer` makes what `GridSearchCV` and `cross_validate` take as `scoring`.
"""

from __future__ import annotations

from crossent.errors import MissingExtra

try:
    import sklearn as _sklearn  # noqa: F401
except ImportError:
    raise MissingExtra("sklearn", "crossent.sklearn") from None

from crossent.sklearn.scoring import scorer
from crossent.sklearn.selecting import Selected, select_estimator

__all__ = ["Selected", "scorer", "select_estimator"]
