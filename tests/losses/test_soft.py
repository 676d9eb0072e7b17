"""Soft targets and label smoothing: truth, PyTorch, optax, what their minimum is."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crossent.errors import DataError, UsageError
from crossent.losses.categorical import LogLoss
from crossent.losses.soft import LabelSmoothing, SoftCrossEntropy

SOFT = SoftCrossEntropy()
METHODS = ("value", "gradient", "hessian_diagonal")
INF = np.inf


def soft(p, y):
    return -mp.fsum(mp.mpf(float(t)) * mp.log(q) for t, q in zip(y, p, strict=True) if t > 0)


# A confident row with a target as sure of the same class: 1 − y and 1 − p are what is left of both.
TARGETS = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [1.0, 2**-60, 0.0], [0.0, 2.5, 1.0], [0.5, 0.5, 0.0]])
LOGITS = np.array([[0.3, -1.0, 2.0], [60.0, 0.0, 1.0], [40.0, 0.0, 1.0], [5.0, 0.0, -5.0], [1.0, 3.0, -INF]])


def test_from_logits(exact, softmax):
    exact(SOFT, lambda row, y: soft(softmax(row), y), TARGETS, LOGITS, "logits", rtol=2e-14)


def test_from_probabilities(exact):
    q = np.array(
        [[0.5, 0.3, 0.2], [1.0, 1e-9, 1e-20], [1 - 2**-30, 2**-31, 2**-31], [0.25, 0.5, 0.25], [1.0] * 3]
    )
    exact(SOFT, soft, TARGETS, q, "probs", rtol=1e-13)
    exact(SOFT, lambda row, y: soft([mp.exp(x) for x in row], y), TARGETS, np.log(q), "log_probs", rtol=1e-13)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.7, 1.0])
def test_smoothed_labels(epsilon, exact, softmax):
    def definition(row, label):
        log_p, e = [mp.log(p) for p in softmax(row)], mp.mpf(epsilon)
        return -(1 - e) * log_p[label] - e / 3 * mp.fsum(log_p)

    z = [[0.3, -1.0, 2.0], [30.0, 0.0, 1.0], [-9.0, 4.0, 4.5]]
    exact(LabelSmoothing(epsilon), definition, np.array([0, 0, 1]), z, "logits", rtol=1e-13, atol=1e-16)


# --- peers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 40])
def test_pytorch_says_the_same(classes):
    torch = pytest.importorskip("torch")
    cross_entropy = torch.nn.functional.cross_entropy
    rng = np.random.default_rng(classes)
    z, y = rng.normal(scale=4, size=(60, classes)), rng.dirichlet(np.ones(classes), 60)
    labels = rng.integers(0, classes, 60)
    for loss, target, options in [
        (SOFT, y, {}),
        (LabelSmoothing(0.25), labels, {"label_smoothing": 0.25}),
    ]:
        logits = torch.tensor(z, requires_grad=True)
        theirs = cross_entropy(logits, torch.tensor(target), reduction="none", **options)
        theirs.sum().backward()
        assert np.allclose(loss.value(target, z, "logits"), theirs.detach().numpy(), rtol=1e-12, atol=0)
        assert np.allclose(loss.gradient(target, z, "logits"), logits.grad.numpy(), rtol=0, atol=1e-14)


def test_optax_says_the_same():
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    rng = np.random.default_rng(7)
    z, y = rng.normal(scale=4, size=(60, 5)), rng.dirichlet(np.ones(5), 60)
    with jax.enable_x64(True):
        theirs = np.asarray(optax.losses.softmax_cross_entropy(z, y))
    assert np.allclose(SOFT.value(y, z, "logits"), theirs, rtol=1e-12, atol=0)


# --- relations to log loss --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SOFT.kinds)
def test_a_certain_target_is_a_label(kind):
    """And so are unsmoothed ones, also where other classes are impossible."""
    z = np.array([[2.0, -1.0, 0.5], [50.0, 0.0, -INF], [0.0, 800.0, 3.0], [-INF, 0.0, 1.0]])
    labels = np.array([2, 0, 1, 1])
    p = np.exp(z - np.logaddexp.reduce(z, axis=1)[:, None])
    with np.errstate(divide="ignore"):
        x = {"logits": z, "probs": p, "log_probs": np.log(p)}[kind]
    for name in METHODS:
        want = getattr(LogLoss(), name)(labels, x, kind)
        for loss, target in [(SOFT, np.eye(3)[labels]), (LabelSmoothing(0.0), labels)]:
            got = getattr(loss, name)(target, x, kind)
            assert np.allclose(got, want, rtol=1e-14, atol=1e-300), (loss.name, name)


weights = arrays(np.float64, (4, 3), elements=st.floats(0, 10))
logits = arrays(np.float64, (4, 3), elements=st.floats(-40, 40))


@settings(max_examples=50, deadline=None)
@given(y=weights, z=logits, shift=st.floats(-1e3, 1e3), seed=st.integers(0, 99))
def test_laws(y, z, shift, seed):
    """Linear in the target, blind to a constant in the logits, and to the order of the classes."""
    value = SOFT.value(y, z, "logits")
    by_label = sum(y[:, k] * LogLoss().value(np.full(4, k), z, "logits") for k in range(3))
    assert np.allclose(value, by_label, rtol=1e-13, atol=1e-300)
    order = np.random.default_rng(seed).permutation(3)
    assert np.allclose(SOFT.value(y[:, order], z[:, order], "logits"), value, rtol=1e-13, atol=1e-300)
    assert np.allclose(SOFT.value(y, z + shift, "logits"), value, rtol=1e-9, atol=1e-9)
    assert np.abs(SOFT.gradient(y, z, "logits").sum(axis=1)).max() <= 1e-13


TRUTH = np.array([0.6, 0.3, 0.1])


def test_the_minimum_of_a_soft_target_is_the_target_and_its_loss_the_entropy():
    (value,) = SOFT.value(TRUTH[None], TRUTH[None], "probs")
    assert value == pytest.approx(-(TRUTH * np.log(TRUTH)).sum(), rel=1e-15)
    assert np.abs(SOFT.gradient(TRUTH[None], np.log(TRUTH)[None], "logits")).max() < 1e-16


def test_the_minimum_under_label_smoothing_is_the_smoothed_truth():
    loss, smoothed = LabelSmoothing(0.3), 0.7 * TRUTH + 0.1
    at = np.tile(np.log(smoothed), (3, 1))
    assert np.abs(TRUTH @ loss.gradient(np.arange(3), at, "logits")).max() < 1e-16


# --- edges ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "kind", "row", "want"),
    [
        ([0.5, 0.5], "probs", [1.0, 0.0], INF),
        ([1.0, 0.0], "probs", [1.0, 0.0], 0.0),
        ([0.5, 0.5], "logits", [0.0, -INF], INF),
        ([1.0, 0.0], "logits", [0.0, -INF], 0.0),
        ([1.0, 0.0], "logits", [1e4, -1e4], 0.0),
        ([0.0, 1.0], "logits", [1e4, -1e4], 2e4),
        ([0.0, 0.0], "logits", [1.0, 2.0], 0.0),
        ([0.5, 0.5], "logits", [np.nan, 0.0], np.nan),
        ([0.5, 0.5], "logits", [-INF, -INF], np.nan),
        ([1.0, 0.0], "logits", [INF, 0.0], np.nan),
        ([0.0, 1.0], "log_probs", [-INF, -0.5], 0.5),
        ([0.5, 0.5], "log_probs", [-INF, -0.5], INF),
    ],
)
def test_hand_values(target, kind, row, want):
    (value,) = SOFT.value(np.array([target]), np.array([row]), kind)
    assert value == pytest.approx(want, rel=1e-15, nan_ok=True)
    assert np.isnan(value) or not np.signbit(value)


def test_smoothing_charges_for_the_impossible():
    p = np.array([[1.0, 0.0]])
    assert LogLoss().value(np.array([0]), p, "probs") == 0.0
    assert LabelSmoothing(0.1).value(np.array([0]), p, "probs") == INF


def test_a_million_classes():
    k = 10**6
    z, y = np.zeros((1, k)), np.full((1, k), 1 / k)
    assert SOFT.value(y, z, "logits") == pytest.approx(math.log(k), rel=1e-12)
    assert LabelSmoothing().value(np.array([3]), z, "logits") == pytest.approx(math.log(k), rel=1e-12)
    assert np.abs(SOFT.gradient(y, z, "logits")).max() < 1e-18


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_targets_of_any_type(dtype):
    y, z = np.array([[0, 1, 0], [2, 0, 1]], dtype), np.array([[0.5, 1.0, 0.0], [0.0, 3.0, 1.0]])
    for name in METHODS:
        for kind in SOFT.kinds:
            got = getattr(SOFT, name)(y, np.exp(z), kind)
            assert np.array_equal(got, getattr(SOFT, name)(y.astype(float), np.exp(z), kind))


@pytest.mark.parametrize("wrong", [-0.1, np.nan, INF])
@pytest.mark.parametrize("name", METHODS)
def test_a_target_holds_masses(wrong, name):
    y = np.array([[0.5, 0.5], [1.0, wrong]])
    with pytest.raises(DataError, match=r"row 1, column 1, value .*\[not-a-mass\]"):
        getattr(SOFT, name)(y, np.zeros((2, 2)), "logits")


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, math.nan])
def test_epsilon_has_a_domain(epsilon):
    with pytest.raises(UsageError, match=r"epsilon is .* — use a number from 0 to 1 \[bad-option\]"):
        LabelSmoothing(epsilon)


def test_labels_are_checked():
    with pytest.raises(DataError, match="label-out-of-range"):
        LabelSmoothing().value(np.array([0, -1]), np.zeros((2, 2)), "logits")
    with pytest.raises(DataError, match=r"give distribution \(N, K\) and logits \(N, K\)"):
        SOFT.value(np.array([0, 1]), np.zeros((2, 2)), "logits")
