"""Cross-entropy for everything people do with it: the loss, the score, and which model to choose.

>>> import crossent
>>> crossent.cross_entropy([[1, 0], [0, 1]], [[0.8, 0.2], [0.4, 0.6]])  # doctest: +ELLIPSIS
0.3669...

Names are loaded when first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossent.advice import Advice, advise
    from crossent.api import Report, evaluate, merge, read, select
    from crossent.data.readers.sql import sql
    from crossent.errors import CrossentError, DataError, MergeError, MissingExtra, UsageError
    from crossent.evaluation import Evaluation
    from crossent.functional import (
        gauss_newton_product,
        gradient,
        hessian_diagonal,
        hessian_vector_product,
        loss,
        loss_and_gradient,
    )
    from crossent.information import (
        conditional_entropy,
        cross_entropy,
        cross_entropy_from_samples,
        density_in_unit,
        entropy,
        entropy_from_samples,
        generalised_kl_divergence,
        js_divergence,
        kl_divergence,
        kl_divergence_from_samples,
        log_loss,
        mutual_information,
        perplexity,
    )

from crossent.version import VERSION as __version__

_HOMES = {
    "crossent.advice": ("Advice", "advise"),
    "crossent.api": ("Report", "evaluate", "merge", "read", "select"),
    "crossent.data.readers.sql": ("sql",),
    "crossent.errors": ("CrossentError", "DataError", "MergeError", "MissingExtra", "UsageError"),
    "crossent.evaluation": ("Evaluation",),
    "crossent.functional": (
        "gauss_newton_product",
        "gradient",
        "hessian_diagonal",
        "hessian_vector_product",
        "loss",
        "loss_and_gradient",
        "loss_and_gradient",
    ),
    "crossent.information": (
        "conditional_entropy",
        "cross_entropy",
        "cross_entropy_from_samples",
        "density_in_unit",
        "entropy",
        "entropy_from_samples",
        "generalised_kl_divergence",
        "js_divergence",
        "kl_divergence",
        "kl_divergence_from_samples",
        "log_loss",
        "mutual_information",
        "perplexity",
    ),
}
_PARTS = (
    "boosting",
    "calibration",
    "combining",
    "criteria",
    "imbalance",
    "losses",
    "planning",
    "reliability",
    "sampling",
    "sequential",
    "sklearn",
    "testing",
    "torch",
)
"""Modules that are reached as attributes too: `crossent.losses.get(...)`."""
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Advice",
    "CrossentError",
    "DataError",
    "Evaluation",
    "MergeError",
    "MissingExtra",
    "Report",
    "UsageError",
    "__version__",
    "advise",
    "conditional_entropy",
    "cross_entropy",
    "cross_entropy_from_samples",
    "density_in_unit",
    "entropy",
    "entropy_from_samples",
    "evaluate",
    "gauss_newton_product",
    "generalised_kl_divergence",
    "gradient",
    "hessian_diagonal",
    "hessian_vector_product",
    "js_divergence",
    "kl_divergence",
    "kl_divergence_from_samples",
    "log_loss",
    "loss",
    "loss_and_gradient",
    "merge",
    "mutual_information",
    "perplexity",
    "read",
    "select",
    "sql",
]


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return import_module(f"crossent.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'crossent' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
