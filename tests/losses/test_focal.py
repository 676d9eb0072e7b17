"""Focal loss: definition in many digits, peers, limits, what it does to confidence."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from crossent.errors import DataError, UsageError
from crossent.losses.categorical import LogLoss
from crossent.losses.focal import Focal
from crossent.losses.imbalanced import WeightedLogLoss

INF = np.inf
GAMMAS = [0.5, 1.0, 2.0, 5.0]
METHODS = ("value", "gradient", "hessian_diagonal")
CONFIDENT = [[0.3, -1.0, 2.0], [30.0, 0.0, -4.0], [-25.0, 3.0, 0.0], [35.0, 9.0, 0.0], [0.0, 0.0, -np.inf]]


def definition(gamma, p, rest):
    return -(rest ** mp.mpf(gamma)) * mp.log(p)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("label", [0, 1])
def test_from_logits(gamma, label, exact, softmax):
    def of(row, y):
        p = softmax(row)
        return definition(gamma, p[y], mp.fsum(p[:y] + p[y + 1 :]))

    exact(Focal(gamma), of, np.full(len(CONFIDENT), label), CONFIDENT, "logits", rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_from_probabilities(gamma, exact):
    p = np.array([[0.25, 0.75], [1e-9, 0.5], [1.0 - 2**-40, 0.0], [1e-150, 0.125]])
    labels = np.zeros(len(p), np.int64)
    exact(Focal(gamma), lambda row, y: definition(gamma, row[y], 1 - row[y]), labels, p, "probs")
    log_p = -np.array([[1.5], [20.0], [1e-3], [1e-9]])
    exact(
        Focal(gamma),
        lambda row, y: definition(gamma, mp.exp(row[y]), -mp.expm1(row[y])),
        labels,
        log_p,
        "log_probs",
    )


@pytest.mark.parametrize(
    ("gamma", "p", "want"),
    [
        (2.0, 0.0, (INF, -INF, INF)),
        (2.0, 1.0, (0.0, 0.0, 0.0)),
        (1.0, 1.0, (0.0, 0.0, 2.0)),
        (0.0, 1.0, (0.0, -1.0, 1.0)),
        (2.0, 5e-324, (-math.log(5e-324), -INF, INF)),
        # nothing below 0 where p is above 1 by the tolerance of probabilities
        (0.5, 1.0 + 1e-9, (0.0, 0.0, None)),
    ],
    ids=str,
)
def test_limits(gamma, p, want):
    for name, expected in zip(METHODS, want, strict=True):
        if expected is not None:
            got = getattr(Focal(gamma), name)(np.array([0]), np.array([[p, 0.0]]), "probs")[0]
            assert np.ravel(got)[0] == pytest.approx(expected, rel=1e-13, abs=0), name


@pytest.mark.parametrize("gamma", [0.0, *GAMMAS])
def test_confident_rows_keep_their_digits(gamma):
    """To first order in r = 1 − p = e^−60 they are r^(γ+1) and (γ + 1) r^(γ+1)."""
    z, r = np.array([[60.0, 0.0]]), math.exp(-60)
    value, gradient = (
        Focal(gamma).value(np.array([0]), z, "logits"),
        Focal(gamma).gradient(np.array([0]), z, "logits"),
    )
    assert value[0] == pytest.approx(r ** (gamma + 1), rel=1e-14, abs=0)
    assert gradient[0, 1] == pytest.approx((gamma + 1) * r ** (gamma + 1), rel=1e-14, abs=0)


@pytest.mark.parametrize("gamma", [0.01, 0.5, 0.99])
def test_a_certain_label_has_no_slope_or_bend_by_logit_although_the_bend_by_log_probability_is_infinite(
    gamma,
):
    z = np.array([[800.0, 0.0, -5.0]])
    for name in METHODS:
        assert not getattr(Focal(gamma), name)(np.array([0]), z, "logits").any(), name
    assert Focal(gamma).hessian_diagonal(np.array([0]), np.array([0.0]), "label_logprob")[0] > 1e-3


# --- peers and relations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", GAMMAS)
def test_two_classes_are_the_sigmoid_focal_loss_of_optax(gamma):
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    rng = np.random.default_rng(0)
    z, labels = rng.normal(scale=3, size=(80, 2)), rng.integers(0, 2, 80)
    with jax.enable_x64(True):
        margin = z[:, 1] - z[:, 0]
        theirs = np.asarray(optax.losses.sigmoid_focal_loss(margin, labels, alpha=None, gamma=gamma))
    assert np.allclose(Focal(gamma).value(labels, z, "logits"), theirs, rtol=1e-12, atol=1e-14)


def test_value_and_gradient_are_those_of_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    z, labels = rng.normal(scale=3, size=(60, 5)), rng.integers(0, 5, 60)
    tensor = torch.tensor(z, requires_grad=True)
    log_p = torch.log_softmax(tensor, dim=1)[torch.arange(60), torch.tensor(labels)]
    values = -((1 - log_p.exp()) ** 2) * log_p
    values.sum().backward()
    assert np.allclose(Focal().value(labels, z, "logits"), values.detach().numpy(), rtol=1e-12, atol=1e-14)
    assert np.allclose(Focal().gradient(labels, z, "logits"), tensor.grad.numpy(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", Focal.kinds)
def test_without_focus_it_is_the_log_loss_weighed_by_alpha(kind):
    rng = np.random.default_rng(2)
    p, labels = rng.dirichlet(np.ones(3), 30), rng.integers(0, 3, 30)
    prediction = {"probs": p, "label_logprob": np.log(p[np.arange(30), labels])}.get(kind, np.log(p))
    for loss, plain in (
        (Focal(0.0), LogLoss()),
        (Focal(0.0, (0.5, 0.0, 2.0)), WeightedLogLoss((0.5, 0.0, 2.0))),
    ):
        for name in METHODS:
            mine, theirs = (getattr(v, name)(labels, prediction, kind) for v in (loss, plain))
            assert np.allclose(mine, theirs, rtol=1e-14, atol=1e-16), name


@settings(max_examples=50, deadline=None)
@given(z=st.lists(st.floats(-700, 700), min_size=2, max_size=6), low=st.sampled_from(GAMMAS))
def test_more_focus_is_less_loss_and_never_nan(z, low):
    labels, row = np.array([0]), np.array([z])
    mild, strong = Focal(low), Focal(low + 1.0)
    assert 0.0 <= strong.value(labels, row, "logits") <= mild.value(labels, row, "logits")
    assert mild.value(labels, row, "logits") <= LogLoss().value(labels, row, "logits")
    for loss in (mild, strong):
        for name in METHODS:
            assert np.isfinite(getattr(loss, name)(labels, row, "logits")).all(), name


def test_no_rows_one_class_a_million_classes():
    assert Focal().value(np.empty(0, np.int64), np.empty((0, 3)), "logits").shape == (0,)
    for name in METHODS:
        assert not getattr(Focal(), name)(np.zeros(2, np.int64), np.zeros((2, 1)), "logits").any()
    z = np.zeros((1, 1_000_000))
    want = (1 - 1e-6) ** 2 * math.log(1e6)
    assert Focal().value(np.array([7]), z, "logits")[0] == pytest.approx(want, rel=1e-14)


# --- what it does to confidence ---------------------------------------------------------------------------


def best(loss, truth):
    labels = np.arange(len(truth))

    def expected(z):
        return truth @ loss.value(labels, np.tile(z, (len(truth), 1)), "logits")

    def slope(z):
        return truth @ loss.gradient(labels, np.tile(z, (len(truth), 1)), "logits")

    z = minimize(expected, np.zeros(len(truth)), jac=slope, method="BFGS", options={"gtol": 1e-12}).x
    return np.exp(z - z.max()) / np.exp(z - z.max()).sum()


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("truth", [(0.7, 0.2, 0.1), (0.5, 0.3, 0.15, 0.05)])
def test_the_minimum_is_under_confident_in_the_published_way_back(gamma, truth):
    """Truth ∝ q / ((1 − q)^γ − γ (1 − q)^(γ−1) q log q), Charoenphakdee et al. 2021."""
    q = best(Focal(gamma), np.array(truth))
    assert q.max() < max(truth) - 1e-3
    assert (np.diff(q) < 0).all(), "the order of the classes is kept"
    back = q / ((1 - q) ** gamma - gamma * (1 - q) ** (gamma - 1) * q * np.log(q))
    assert np.allclose(back / back.sum(), truth, rtol=1e-5, atol=0)


def test_alpha_moves_the_minimum_towards_classes_of_large_weight():
    truth = np.array([0.9, 0.1])
    assert best(Focal(2.0, (0.1, 0.9)), truth)[1] > best(Focal(), truth)[1] > 0.1


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gamma": -0.5}, "gamma is -0.5"),
        ({"gamma": math.nan}, "gamma is nan"),
        ({"alpha": (1.0, -1.0)}, "alpha of class 1 is -1.0"),
        ({"alpha": (math.inf, 1.0)}, "alpha of class 0 is inf"),
        ({"alpha": (0.0, 0.0)}, "alpha holds no number above 0"),
    ],
    ids=str,
)
def test_parameters_out_of_range(options, message):
    with pytest.raises(UsageError, match=rf"{message}.*\[bad-option\]"):
        Focal(**options)


def test_alpha_is_one_number_a_class():
    loss = Focal(alpha=np.array([0.25, 0.75]))
    assert loss == Focal(alpha=(0.25, 0.75)), "an array is taken as the tuple of its numbers"
    with pytest.raises(DataError, match=r"alpha has 2 numbers for 3 classes.*\[shape-mismatch\]"):
        loss.value(np.array([0]), np.zeros((1, 3)), "logits")
    with pytest.raises(DataError, match=r"value 2: .* 2 classes.*\[label-out-of-range\]"):
        loss.value(np.array([0, 2]), np.array([-0.5, -0.5]), "label_logprob")
