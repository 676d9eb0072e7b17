"""Products with the Hessian of the softmax log loss against the dense matrix, mpmath and PyTorch."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch

import crossent
from crossent.errors import DataError, UsageError

RNG = np.random.default_rng(8)
Z, V = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 4))
W = np.array([1.0, 0.0, 2.0, 0.5, 1.0, 3.0])


def dense(z: np.ndarray) -> np.ndarray:
    p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    return np.diag(p) - np.outer(p, p)


def test_rows_are_products_with_the_dense_matrix():
    expected = [dense(z) @ v for z, v in zip(Z, V, strict=True)]
    np.testing.assert_allclose(crossent.hessian_vector_product(Z, V, reduction="none"), expected, atol=1e-15)
    weighted = np.array(expected) * (W / W.sum())[:, None]
    np.testing.assert_allclose(crossent.hessian_vector_product(Z, V, weights=W), weighted, atol=1e-15)


def test_masked_rows_and_classes_along_another_axis():
    where = np.array([True, False, True, True, False, True])
    result = crossent.hessian_vector_product(Z.T, V.T, axis=0, where=where, reduction="sum")
    expected = [dense(z) @ v * m for z, v, m in zip(Z, V, where, strict=True)]
    np.testing.assert_allclose(result, np.array(expected).T, atol=1e-15)


def test_it_is_the_derivative_of_the_gradient():
    h, y = 1e-5, np.zeros(6, int)
    up, down = (crossent.gradient(y, Z + s * h * V, kind="logits") for s in (1, -1))
    np.testing.assert_allclose(crossent.hessian_vector_product(Z, V), (up - down) / (2 * h), atol=1e-9)


def test_its_diagonal_is_hessian_diagonal():
    columns = [crossent.hessian_vector_product(Z, np.tile(e, (6, 1)))[:, k] for k, e in enumerate(np.eye(4))]
    expected = crossent.hessian_diagonal(np.zeros(6, int), Z, kind="logits")
    np.testing.assert_allclose(np.array(columns).T, expected, rtol=1e-14)


@pytest.mark.parametrize("margin", [20.0, 60.0, 300.0])
def test_confident_rows_keep_their_digits(margin):
    z, v = [margin, 0.0, 1.0], [0.3, -2.0, 5.0]
    with mpmath.workdps(400):
        e = [mpmath.exp(mpmath.mpf(x)) for x in z]
        p = [x / mpmath.fsum(e) for x in e]
        mean = mpmath.fsum(a * mpmath.mpf(b) for a, b in zip(p, v, strict=True))
        expected = [float(a * (mpmath.mpf(b) - mean)) for a, b in zip(p, v, strict=True)]
    np.testing.assert_allclose(crossent.hessian_vector_product(z, v), expected, rtol=1e-13)


# --- Gauss–Newton -------------------------------------------------------------------------------------------

X, PARAMETERS, DIRECTION = RNG.normal(size=(6, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))


def test_of_a_linear_model_it_is_the_hessian():
    x, y = torch.tensor(X), torch.zeros(6, dtype=torch.long)

    def loss(w: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(x @ w, y)

    _, expected = torch.autograd.functional.hvp(loss, torch.tensor(PARAMETERS), torch.tensor(DIRECTION))
    result = crossent.gauss_newton_product(X @ PARAMETERS, DIRECTION, inputs=X)
    np.testing.assert_allclose(result, expected, rtol=1e-12)


def test_of_any_model_it_is_the_quadratic_form_of_its_jacobian():
    w = PARAMETERS.reshape(-1)

    def logits(w: np.ndarray) -> np.ndarray:
        return np.tanh(X @ w.reshape(3, 4))

    slope = 1 - logits(w) ** 2
    jacobian = np.einsum("nk,nd,kl->nkdl", slope, X, np.eye(4)).reshape(6, 4, 12)
    matrix = sum(j.T @ dense(z) @ j for j, z in zip(jacobian, logits(w), strict=True)) / 6
    result = crossent.gauss_newton_product(
        logits(w),
        DIRECTION.reshape(-1),
        jvp=lambda v: np.einsum("nkp,p->nk", jacobian, v),
        vjp=lambda u: np.einsum("nkp,nk->p", jacobian, u),
    )
    np.testing.assert_allclose(result, matrix @ DIRECTION.reshape(-1), rtol=1e-12)
    assert DIRECTION.reshape(-1) @ result > 0, "positive semidefinite"


@pytest.mark.parametrize(
    "jacobian",
    [{}, {"jvp": lambda v: v}, {"inputs": X, "vjp": lambda u: u}],
    ids=["none", "half", "two"],
)
def test_the_jacobian_is_given_once(jacobian):
    with pytest.raises(UsageError, match="bad-option"):
        crossent.gauss_newton_product(Z, DIRECTION, **jacobian)


def test_shapes_that_do_not_fit():
    with pytest.raises(DataError, match="shape-mismatch"):
        crossent.hessian_vector_product(Z, V[:5])
    with pytest.raises(DataError, match="shape-mismatch"):
        crossent.gauss_newton_product(Z, V, inputs=X)
