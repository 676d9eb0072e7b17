"""Any loss of the registry on arrays of any library: value, gradient, curvature."""

from __future__ import annotations

from crossent.functional.calling import gradient, hessian_diagonal, loss, loss_and_gradient
from crossent.functional.curvature import gauss_newton_product, hessian_vector_product

__all__ = [
    "gauss_newton_product",
    "gradient",
    "hessian_diagonal",
    "hessian_vector_product",
    "loss",
    "loss_and_gradient",
]
