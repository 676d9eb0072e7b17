"""Bi-tempered logistic loss: the authors' values, truth, what it becomes, its normaliser and minimum."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crossent.errors import DataError, UsageError
from crossent.losses import tempered
from crossent.losses.bi_tempered import BiTempered
from crossent.losses.categorical import Brier, LogLoss
from crossent.losses.tempered import tempered_log_softmax

METHODS = ("value", "gradient", "hessian_diagonal")
INF = np.inf


def mp_exp_t(x, t):
    return mp.exp(x) if t == 1 else max(0, 1 + (1 - t) * x) ** (1 / (1 - t))


def mp_log_t(x, t):
    return mp.log(x) if t == 1 else (x ** (1 - t) - 1) / (1 - t)


def mp_tempered_softmax(row, t):
    """By halving the interval in which the normaliser lies, then by the secant rule to all digits."""
    t, m = mp.mpf(t), max(row)

    def excess(shift):
        return mp.fsum(mp_exp_t(x - m - shift, t) for x in row) - 1

    low, high = mp.mpf(0), 1 - mp_log_t(mp.mpf(1) / len(row), t)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    shift = mp.findroot(excess, (low, high), solver="secant", verify=False)
    p = [mp_exp_t(x - m - shift, t) for x in row]
    assert abs(mp.fsum(p) - 1) < mp.mpf(10) ** (10 - mp.mp.dps)
    return p


def mp_divergence(p, y, t1):
    t1 = mp.mpf(t1)
    return mp.fsum(
        (a * (mp_log_t(a, t1) - mp_log_t(b, t1)) if a else 0) - (a ** (2 - t1) - b ** (2 - t1)) / (2 - t1)
        for a, b in zip(y, p, strict=True)
    )


def one_hot(label, classes):
    return [mp.mpf(int(k == label)) for k in range(classes)]


def test_the_definition_used_here_gives_the_authors_values():
    """Targets, logits and losses at t1 = 0.5, t2 = 1.5 of the tests of google/bi-tempered-loss."""
    targets = [[0.2, 0.3, 0.5], [0.6, 0.3, 0.1], [0.2, 0.8, 0.0]]
    logits = [[-0.5, 0.1, 2.0], [0.1, 1.5, -5.0], [4.0, -3.0, -6.0]]
    for y, z, published in zip(targets, logits, [0.02301914, 0.18972909, 0.93874922], strict=True):
        p = mp_tempered_softmax([mp.mpf(x) for x in z], 1.5)
        assert float(mp_divergence(p, [mp.mpf(x) for x in y], 0.5)) == pytest.approx(published, abs=1e-4)


TEMPERATURES = [
    (0.8, 1.2),
    (0.5, 2.0),
    (0.0, 4.0),
    (0.2, 1.0),
    (1.0, 1.5),
    (1.0, 1.0),
    (0.9, 1.0 + 1e-9),
    (0.5, 9.5),
]
Z = [[0.3, -1.0, 2.0], [3.0, 0.0, -4.0], [30.0, 0.0, 1.0], [60.0, -9.0, 59.0], [1.0, 1.0, 0.0]]


@pytest.mark.parametrize(("t1", "t2"), TEMPERATURES)
@pytest.mark.parametrize("label", [0, 1])
def test_from_logits(t1, t2, label, exact):
    def definition(row, y):
        return mp_divergence(mp_tempered_softmax(row, t2), one_hot(y, 3), t1)

    exact(BiTempered(t1, t2), definition, np.full(len(Z), label), Z, "logits", rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("t1", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("kind", ["probs", "log_probs"])
def test_from_probabilities(t1, kind, exact):
    p = np.array([[0.25, 0.5, 0.25], [1e-9, 0.5, 0.5], [1.0 - 2**-40, 2**-40, 1e-20], [0.95, 0.04, 0.01]])
    labels = np.zeros(len(p), np.int64)

    def definition(row, y):
        return mp_divergence(row if kind == "probs" else [mp.exp(x) for x in row], one_hot(y, 3), t1)

    x, atol = (p, 0.0) if kind == "probs" else (np.log(p), 1e-15)
    exact(BiTempered(t1), definition, labels, x, kind, rtol=1e-12, atol=atol)


# --- what it becomes --------------------------------------------------------------------------------------

EXTREME = np.array(
    [[1e4, -1e4, 0.0], [-INF, 0.0, 0.0], [0.1, 0.2, 0.3], [-INF, 800.0, -INF], [7.0, 7.0, 7.0]]
)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("label", [0, 1, 2])
def test_both_temperatures_one_is_log_loss(name, label):
    labels = np.full(len(EXTREME), label)
    mine, theirs = (getattr(v, name)(labels, EXTREME, "logits") for v in (BiTempered(1.0, 1.0), LogLoss()))
    assert np.allclose(mine, theirs, rtol=1e-14, atol=1e-16)


def test_near_one_it_is_near_log_loss():
    labels, z = np.array([0, 1]), np.array([[2.0, 0.0, 1.0], [2.0, 0.0, 1.0]])
    near = BiTempered(1.0 - 1e-8, 1.0 + 1e-8)
    for name in METHODS:
        mine, theirs = (getattr(v, name)(labels, z, "logits") for v in (near, LogLoss()))
        assert np.allclose(mine, theirs, rtol=1e-6)


@pytest.mark.parametrize("kind", ["probs", "log_probs"])
def test_t1_zero_is_half_the_brier_score(kind):
    rng = np.random.default_rng(0)
    p, labels = rng.dirichlet(np.ones(4), 50), rng.integers(0, 4, 50)
    x = p if kind == "probs" else np.log(p)
    for name in METHODS:
        mine, theirs = (getattr(v, name)(labels, x, kind) for v in (BiTempered(0.0), Brier()))
        assert np.allclose(2 * mine, theirs, rtol=1e-12, atol=1e-14), name


@pytest.mark.parametrize(("t1", "t2"), [(0.8, 1.2), (0.5, 2.0), (0.0, 4.0), (1.0, 1.0)])
def test_the_minimum_is_the_truth_as_its_own_softmax_says_it(t1, t2):
    truth = np.array([0.6, 0.3, 0.1])
    loss = BiTempered(t1, t2)
    z = np.tile(loss.logits_of(np.log(truth)), (3, 1))
    assert np.allclose(loss.probabilities(z), truth, rtol=1e-14)
    assert np.abs(truth @ loss.gradient(np.arange(3), z, "logits")).max() < 1e-15


def test_the_loss_of_an_outlier_is_bounded_and_its_pull_fades():
    z = np.array([[0.0, 1e300], [0.0, 30.0], [0.0, 1.0]])
    labels = np.zeros(3, np.int64)
    value = BiTempered(0.8, 2.0).value(labels, z, "logits")
    assert value[0] == pytest.approx(5.0, rel=1e-10) and value[1] < 5.0
    pull = -BiTempered(0.8, 2.0).gradient(labels, z, "logits")[:, 0]
    assert pull[0] < pull[1] < 0.1 * pull[2]


# --- the tempered softmax ---------------------------------------------------------------------------------

logits = arrays(np.float64, (4, 5), elements=st.floats(-1e4, 1e4))


@settings(max_examples=50, deadline=None)
@given(z=logits, t=st.floats(1.0, 10.0), shift=st.floats(-1e3, 1e3), seed=st.integers(0, 99))
def test_laws(z, t, shift, seed):
    """A distribution in the order of the logits; blind to a shift and to the order of the classes."""
    log_p = tempered_log_softmax(z, t)
    assert np.allclose(np.exp(log_p).sum(axis=1), 1.0, rtol=1e-14)
    order = np.argsort(z, axis=1)
    assert (np.diff(np.take_along_axis(log_p, order, axis=1)) >= 0.0).all()
    assert np.allclose(tempered_log_softmax(z + shift, t), log_p, rtol=1e-7, atol=1e-9)
    renamed = np.random.default_rng(seed).permutation(5)
    labels, loss = np.array([0, 2, 4, 1]), BiTempered(0.5, t)
    value = loss.value(labels, z, "logits")
    assert np.allclose(
        loss.value(np.argsort(renamed)[labels], z[:, renamed], "logits"), value, rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("t", [1.0, 1.0 + 1e-12, 1.2, 4.0, 10.0])
@pytest.mark.parametrize("classes", [1, 2, 30, 3000])
def test_newton_needs_few_steps(t, classes, monkeypatch):
    """Each asks once for the step; 20 would show as a wrong step that still converges."""
    steps = []
    monkeypatch.setattr(
        tempered, "deformed", lambda a, x: steps.append(x) or (np.expm1(a * x) / a if a else x)
    )
    for scale in (0.0, 0.1, 10.0, 1e4):
        steps.clear()
        log_p = tempered_log_softmax(np.random.default_rng(1).normal(size=(5, classes)) * scale, t)
        assert np.allclose(np.exp(log_p).sum(axis=1), 1.0, rtol=1e-13)
        assert 1 <= len(steps) <= 10


def test_a_row_converges_by_itself():
    """A row that needs one step is bit for bit the same beside one that needs many."""
    easy, hard = np.zeros((1, 3)), np.array([[50.0, 0.0, 49.5]])
    both = tempered_log_softmax(np.vstack([easy, hard, easy]), 3.0)
    assert np.array_equal(both[:1], tempered_log_softmax(easy, 3.0)) and np.array_equal(both[:1], both[2:])
    assert np.array_equal(both[1:2], tempered_log_softmax(hard, 3.0))


def test_a_million_classes():
    z = np.zeros((1, 10**6))
    assert np.allclose(tempered_log_softmax(z, 1.5), -math.log(10**6), rtol=1e-13)
    z[0, 5] = 1e4
    for name in METHODS:
        got = getattr(BiTempered(), name)(np.array([5]), z, "logits")
        assert np.isfinite(got).all()
    assert BiTempered().probabilities(z).sum() == pytest.approx(1.0, rel=1e-13)


# --- edges and refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "kind", "want"),
    [
        ([1.0, 0.0], "probs", 0.0),
        ([0.0, 1.0], "probs", 2.0),
        ([0.0, 0.0], "log_probs", 1 / 1.5),  # two entries of 1: the other counts with 1/(2 − t1)
        ([0.0, -INF], "logits", 0.0),
        ([-INF, 0.0], "logits", 2.0),
        ([np.nan, 0.0], "logits", np.nan),
        ([INF, 0.0], "logits", np.nan),
        ([-INF, -INF], "logits", np.nan),
    ],
)
def test_hand_values(row, kind, want):
    (value,) = BiTempered(0.5, 2.0).value(np.array([0]), np.array([row]), kind)
    assert value == pytest.approx(want, rel=1e-15, nan_ok=True)


@pytest.mark.parametrize(
    ("t1", "t2", "match"),
    [
        (-0.1, 1.2, "t1 is -0.1 — use a number from 0 to 1"),
        (1.1, 1.2, "t1 is 1.1"),
        (math.nan, 1.2, "t1 is nan"),
        (0.5, 0.9, "t2 is 0.9 — use a number from 1 to 10"),
        (0.5, INF, "t2 is inf"),
    ],
)
def test_temperatures_have_a_domain(t1, t2, match):
    with pytest.raises(UsageError, match=match + r".*\[bad-option\]"):
        BiTempered(t1, t2)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", BiTempered().kinds)
def test_labels_are_checked(name, kind):
    with pytest.raises(DataError, match="label-out-of-range"):
        getattr(BiTempered(), name)(np.array([0, -1]), np.full((2, 2), 0.5), kind)
