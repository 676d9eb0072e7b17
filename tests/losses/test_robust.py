"""Poly-1, generalised, symmetric and Taylor cross-entropy: truth, peers, limits, confidence."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.errors import DataError, UsageError
from crossent.losses.categorical import LogLoss
from crossent.losses.robust import (
    GeneralisedCrossEntropy,
    Poly1,
    SymmetricCrossEntropy,
    TaylorCrossEntropy,
)

DEFINITIONS = [
    (Poly1(), lambda p: -mp.log(p) + (1 - p)),
    (Poly1(-0.5), lambda p: -mp.log(p) - (1 - p) / 2),
    (GeneralisedCrossEntropy(), lambda p: (1 - p ** mp.mpf(0.7)) / mp.mpf(0.7)),
    (GeneralisedCrossEntropy(1.0), lambda p: 1 - p),
    (SymmetricCrossEntropy(), lambda p: -mp.mpf(0.1) * mp.log(p) - mp.mpf(math.log(1e-4)) * (1 - p)),
    (SymmetricCrossEntropy(6.0, 0.25, -4.0), lambda p: -6 * mp.log(p) + (1 - p)),
    (TaylorCrossEntropy(), lambda p: (1 - p) + (1 - p) ** 2 / 2),
    (TaylorCrossEntropy(1), lambda p: 1 - p),
    (TaylorCrossEntropy(6), lambda p: mp.fsum((1 - p) ** j / j for j in range(1, 7))),
]
LOSSES = [loss for loss, _ in DEFINITIONS]
by_name = {"ids": lambda v: str(v) if hasattr(v, "name") else ""}

RIGHT = [[0.3, -1.0, 2.0], [30.0, 0.0, -4.0], [60.0, 1.0, 0.0], [99.0, 0.0, 50.0], [0.5, 0.0, -np.inf]]
WRONG = [[0.3, -1.0, 2.0], [3.0, 0.0, -4.0], [4.0, -1.0, 4.0]]


@pytest.mark.parametrize(("loss", "g"), DEFINITIONS, **by_name)
@pytest.mark.parametrize(("label", "z"), [(0, RIGHT), (1, WRONG)], ids=["right", "wrong"])
def test_from_logits(loss, g, label, z, exact, softmax):
    labels = np.full(len(z), label)
    exact(loss, lambda row, y: g(softmax(row)[y]), labels, z, "logits", rtol=2e-13, atol=1e-15)


@pytest.mark.parametrize(("loss", "g"), DEFINITIONS, **by_name)
@pytest.mark.parametrize("kind", ["probs", "log_probs"])
def test_from_probabilities(loss, g, kind, exact):
    p = np.array([[0.25, 0.75], [1e-9, 0.5], [1.0 - 2**-40, 2**-40], [1e-30, 0.125]])
    labels = np.zeros(len(p), np.int64)
    if kind == "probs":
        exact(loss, lambda row, y: g(row[y]), labels, p, kind, rtol=1e-12)
    else:
        exact(loss, lambda row, y: g(mp.exp(row[y])), labels, np.log(p), kind, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("loss", LOSSES, **by_name)
def test_kinds_that_hold_the_label_only_agree(loss):
    log_p = np.log(np.random.default_rng(0).dirichlet(np.ones(3), 20))
    labels = np.arange(20) % 3
    own = log_p[np.arange(20), labels]
    for name in ("value", "gradient", "hessian_diagonal"):
        whole, single = (
            getattr(loss, name)(labels, x, k) for x, k in ((log_p, "log_probs"), (own, "label_logprob"))
        )
        assert single.shape == (20,)
        assert np.array_equal(single, whole if name == "value" else whole[np.arange(20), labels])


# --- peers and published relations ------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [-1.0, 0.0, 2.0])
def test_poly1_is_that_of_optax(epsilon):
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    rng = np.random.default_rng(1)
    z, labels = rng.normal(scale=3, size=(50, 6)), rng.integers(0, 6, 50)
    with jax.enable_x64(True):
        theirs = np.asarray(optax.losses.poly_loss_cross_entropy(z, np.eye(6)[labels], epsilon=epsilon))
    assert np.allclose(Poly1(epsilon).value(labels, z, "logits"), theirs, rtol=1e-12, atol=1e-12)


def test_generalised_cross_entropy_lies_between_log_loss_and_half_the_absolute_error():
    rng = np.random.default_rng(2)
    p, labels = rng.dirichlet(np.ones(4), 100), rng.integers(0, 4, 100)
    near_log = GeneralisedCrossEntropy(1e-12).value(labels, p, "probs")
    assert np.allclose(near_log, LogLoss().value(labels, p, "probs"), rtol=1e-10)
    absolute = np.abs(p - np.eye(4)[labels]).sum(axis=1)
    assert np.allclose(GeneralisedCrossEntropy(1.0).value(labels, p, "probs"), absolute / 2, rtol=1e-14)


def test_the_reverse_half_of_symmetric_cross_entropy_as_its_definition_says():
    """−Σ_k p_k log y_k with log 0 = A, over all classes."""
    rng = np.random.default_rng(3)
    p, labels = rng.dirichlet(np.ones(5), 40), rng.integers(0, 5, 40)
    log_y = np.where(np.eye(5)[labels] == 1.0, 0.0, -6.0)
    reverse = -(p * log_y).sum(axis=1)
    loss = SymmetricCrossEntropy(alpha=2.0, beta=0.3, log_zero=-6.0)
    want = 2.0 * LogLoss().value(labels, p, "probs") + 0.3 * reverse
    assert np.allclose(loss.value(labels, p, "probs"), want, rtol=1e-13)


SAME = [
    (Poly1(0.0), LogLoss()),
    (SymmetricCrossEntropy(1.0, 0.0), LogLoss()),
    (SymmetricCrossEntropy(1.0, 0.5, -4.0), Poly1(2.0)),
    (TaylorCrossEntropy(1), GeneralisedCrossEntropy(1.0)),
]


@pytest.mark.parametrize(("loss", "other"), SAME, **by_name)
@pytest.mark.parametrize("kind", ["probs", "logits", "log_probs"])
def test_parameters_at_which_two_losses_are_one(loss, other, kind):
    rng = np.random.default_rng(4)
    p, labels = rng.dirichlet(np.ones(3), 30), rng.integers(0, 3, 30)
    x = p if kind == "probs" else np.log(p)
    for name in ("value", "gradient", "hessian_diagonal"):
        mine, theirs = (getattr(v, name)(labels, x, kind) for v in (loss, other))
        assert np.allclose(mine, theirs, rtol=1e-12, atol=1e-14), name


def test_taylor_tends_to_log_loss():
    labels, p = np.array([0, 0]), np.array([[0.9, 0.1], [0.3, 0.7]])
    far = np.abs(TaylorCrossEntropy(3).value(labels, p, "probs") - LogLoss().value(labels, p, "probs"))
    near = np.abs(TaylorCrossEntropy(200).value(labels, p, "probs") - LogLoss().value(labels, p, "probs"))
    assert (far > 1e-5).all() and (near < 1e-14).all()


# --- what they do to confidence ---------------------------------------------------------------------------

TRUTH = np.array([0.6, 0.3, 0.1])


def expected_gradient(loss, z):
    return TRUTH @ loss.gradient(np.arange(3), np.tile(z, (3, 1)), "logits")


@pytest.mark.parametrize("q", [0.1, 0.5, 0.7])
def test_the_minimum_of_generalised_cross_entropy_is_a_power_of_the_truth(q):
    loss = GeneralisedCrossEntropy(q)
    assert np.abs(expected_gradient(loss, np.log(TRUTH) / (1 - q))).max() < 1e-15
    assert np.abs(expected_gradient(loss, np.log(TRUTH))).max() > 1e-3


@pytest.mark.parametrize(
    ("loss", "pull"),
    [(loss, -1) for loss in LOSSES if loss != Poly1(-0.5)] + [(Poly1(-0.5), 1), (Poly1(0.0), 0)],
    **by_name,
)
def test_at_the_truth_the_likeliest_class_is_pulled(loss, pull):
    """Down the gradient its logit goes up (over-confident), down, or nowhere."""
    slope = expected_gradient(loss, np.log(TRUTH))[0]
    assert np.sign(np.round(slope, 12)) == pull


@pytest.mark.parametrize("loss", [GeneralisedCrossEntropy(), TaylorCrossEntropy()], **by_name)
def test_an_impossible_label_loses_its_pull(loss):
    z = np.array([[30.0, 0.0]])
    assert np.abs(loss.gradient(np.array([1]), z, "logits")).max() < 1e-8
    assert np.abs(LogLoss().gradient(np.array([1]), z, "logits")).max() > 0.99


# --- laws, extremes, refusals -----------------------------------------------------------------------------

finite = st.floats(-40, 40)
rows = st.lists(st.tuples(finite, finite, finite), min_size=1, max_size=5)


@settings(max_examples=50, deadline=None)
@given(rows=rows, shift=st.floats(-1e3, 1e3), seed=st.integers(0, 99))
def test_logits_are_known_up_to_a_constant_and_classes_up_to_their_order(rows, shift, seed):
    z = np.array(rows)
    labels = np.arange(len(z)) % 3
    order = np.random.default_rng(seed).permutation(3)
    for loss in LOSSES:
        value = loss.value(labels, z, "logits")
        assert np.allclose(loss.value(labels, z + shift, "logits"), value, rtol=1e-9, atol=0)
        assert np.allclose(
            loss.value(np.argsort(order)[labels], z[:, order], "logits"), value, rtol=1e-13, atol=0
        )


@pytest.mark.parametrize("loss", LOSSES, **by_name)
def test_perfect_and_impossible(loss):
    perfect, impossible = loss.value(np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]]), "probs")
    assert perfect == 0.0
    highest = {
        GeneralisedCrossEntropy: lambda v: 1 / v.q,
        TaylorCrossEntropy: lambda v: sum(1 / j for j in range(1, v.order + 1)),
    }.get(type(loss), lambda v: np.inf)(loss)
    assert impossible == pytest.approx(highest, rel=1e-15)


@pytest.mark.parametrize("loss", LOSSES, **by_name)
def test_a_million_classes(loss):
    z = np.zeros((1, 10**6))
    z[0, 7] = math.log(10**6 - 1)  # half of the probability
    value = loss.value(np.array([7]), z, "logits")
    assert value == pytest.approx(loss.value(np.array([0]), np.array([[0.5, 0.5]]), "probs"), rel=1e-10)
    assert loss.gradient(np.array([7]), z, "logits").sum() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("loss", LOSSES, **by_name)
@pytest.mark.parametrize("kind", ["probs", "logits", "log_probs", "label_logprob"])
def test_nan_is_not_lost(loss, kind):
    x = np.full((2, 2), 0.5) if kind != "label_logprob" else np.full(2, -0.5)
    x[0] = np.nan
    value = loss.value(np.zeros(2, np.int64), x, kind)
    assert np.isnan(value).tolist() == [True, False]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Poly1(-1.5), "epsilon is -1.5 — use -1 or more"),
        (lambda: Poly1(math.nan), "epsilon is nan"),
        (lambda: GeneralisedCrossEntropy(0.0), "q is 0.0 — use a number above 0, at most 1"),
        (lambda: GeneralisedCrossEntropy(1.01), "q is 1.01"),
        (lambda: SymmetricCrossEntropy(alpha=0.0), "alpha is 0.0"),
        (lambda: SymmetricCrossEntropy(beta=-1.0), "beta is -1.0"),
        (lambda: SymmetricCrossEntropy(log_zero=0.0), "log_zero is 0.0"),
        (lambda: TaylorCrossEntropy(0), "order is 0 — use a whole number"),
        (lambda: TaylorCrossEntropy(1.5), "order is 1.5"),
    ],
)
def test_parameters_have_a_domain(make, match):
    with pytest.raises(UsageError, match=match + r".*\[bad-option\]"):
        make()


@pytest.mark.parametrize("name", ["value", "gradient", "hessian_diagonal"])
@pytest.mark.parametrize("kind", ["probs", "logits", "log_probs"])
def test_minus_one_is_not_the_last_class(name, kind):
    with pytest.raises(DataError, match="label-out-of-range"):
        getattr(TaylorCrossEntropy(), name)(np.array([-1]), np.full((1, 2), 0.5), kind)
