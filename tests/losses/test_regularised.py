"""Log loss with a penalty, of the normaliser or of confidence: truth, PyTorch's autograd, the minimum."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crossent import kernels
from crossent.errors import DataError, UsageError
from crossent.losses.categorical import LogLoss
from crossent.losses.regularised import ConfidencePenalty, ZLoss


@pytest.mark.parametrize("weight", [0.0, 1e-4, 0.5])
def test_against_its_definition(weight, exact):
    def definition(row, label):
        lse = mp.log(mp.fsum(mp.exp(x) for x in row))
        return lse - row[label] + mp.mpf(weight) * lse**2

    z = [[0.3, -1.0, 2.0], [30.0, 0.0, 1.0], [-9.0, -8.0, -9.5], [-50.0, 1.0, -np.inf]]
    exact(ZLoss(weight), definition, np.array([0, 0, 1, 1]), z, "logits", rtol=1e-13, atol=1e-16)


def test_pytorch_says_the_same():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    z, labels = rng.normal(scale=4, size=(50, 30)), rng.integers(0, 30, 50)
    logits = torch.tensor(z, requires_grad=True)
    theirs = torch.nn.functional.cross_entropy(logits, torch.tensor(labels), reduction="none")
    theirs = theirs + 0.01 * torch.logsumexp(logits, 1) ** 2
    theirs.sum().backward()
    loss = ZLoss(0.01)
    assert np.allclose(loss.value(labels, z, "logits"), theirs.detach().numpy(), rtol=1e-12, atol=0)
    assert np.allclose(loss.gradient(labels, z, "logits"), logits.grad.numpy(), rtol=0, atol=1e-14)


rows = arrays(np.float64, (3, 4), elements=st.floats(-40, 40))


@settings(max_examples=50, deadline=None)
@given(z=rows, shift=st.floats(-100, 100), seed=st.integers(0, 99))
def test_laws(z, shift, seed):
    """A shift changes the penalty alone; the order of the classes changes nothing."""
    labels, loss = np.array([0, 1, 3]), ZLoss(0.1)
    value = loss.value(labels, z, "logits")
    lse = kernels.log_sum_exp(z)
    moved = loss.value(labels, z + shift, "logits") - value
    assert np.allclose(moved, 0.1 * ((lse + shift) ** 2 - lse**2), rtol=1e-9, atol=1e-9)
    order = np.random.default_rng(seed).permutation(4)
    assert np.allclose(
        loss.value(np.argsort(order)[labels], z[:, order], "logits"), value, rtol=1e-13, atol=0
    )


@pytest.mark.parametrize("shift", [-3.0, 0.0, 2.0])
def test_the_minimum_is_the_truth_with_normaliser_one(shift):
    truth = np.array([0.6, 0.3, 0.1])
    z = np.tile(np.log(truth) + shift, (3, 1))
    loss = ZLoss(0.05)
    mean = truth @ loss.gradient(np.arange(3), z, "logits")
    assert np.allclose(mean, 2 * 0.05 * shift * truth, atol=1e-15), "the shift is all that is left to pull"
    best = truth @ loss.value(np.arange(3), z - shift, "logits")
    assert best == pytest.approx(-(truth * np.log(truth)).sum(), rel=1e-14)


@pytest.mark.parametrize(
    ("row", "lse"),
    [
        ([0.0, 0.0], math.log(2)),
        ([1e4, -1e4], 1e4),
        ([-1e4, -1e4], -1e4 + math.log(2)),
        ([-np.inf, 3.0], 3.0),
    ],
)
def test_hand_values(row, lse):
    (got,) = kernels.log_sum_exp(np.array([row]))
    assert got == pytest.approx(lse, rel=1e-15)
    (value,) = ZLoss(2.0).value(np.array([1]), np.array([row]), "logits")
    assert value == pytest.approx(lse - row[1] + 2 * lse**2, rel=1e-13)


def test_a_million_classes_and_nan():
    z = np.zeros((2, 10**6))
    z[1, 5] = np.nan
    labels = np.array([3, 3])
    value = ZLoss(1.0).value(labels, z, "logits")
    assert value[0] == pytest.approx(math.log(10**6) + math.log(10**6) ** 2, rel=1e-12) and np.isnan(value[1])
    assert ZLoss(0.0).value(labels, z, "logits")[0] == LogLoss().value(labels, z, "logits")[0]


# --- the confidence penalty -------------------------------------------------------------------------------

SURE = [[0.3, -1.0, 2.0], [30.0, 0.0, 1.0], [60.0, 9.0, -4.0], [1.0, 2.0, -np.inf]]


def penalised(beta, p, label):
    return -mp.log(p[label]) + mp.mpf(beta) * mp.fsum(q * mp.log(q) for q in p if q)


@pytest.mark.parametrize("beta", [0.1, 2.0])
@pytest.mark.parametrize("label", [0, 1])
def test_confidence_from_logits(beta, label, exact, softmax):
    labels = np.full(len(SURE), label)
    loss = ConfidencePenalty(beta)
    exact(loss, lambda z, y: penalised(beta, softmax(z), y), labels, SURE, "logits", rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("kind", ["probs", "log_probs"])
def test_confidence_from_probabilities(kind, exact):
    def definition(row, label):
        return penalised(0.5, row if kind == "probs" else [mp.exp(x) for x in row], label)

    p = np.array([[0.25, 0.5, 0.25], [1e-9, 0.5, 0.5], [1.0 - 2**-40, 2**-40, 1e-20]])
    x = p if kind == "probs" else np.log(p)
    exact(ConfidencePenalty(0.5), definition, np.array([0, 0, 0]), x, kind, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("label", [0, 1])
def test_what_is_impossible_has_no_entropy(label):
    z = np.array([[2.0, 1.0, -np.inf], [1.0, 1.0, -np.inf]])
    labels = np.full(2, label)
    for name in ("value", "gradient", "hessian_diagonal"):
        three, two = (getattr(ConfidencePenalty(), name)(labels, x, "logits") for x in (z, z[:, :2].copy()))
        assert np.allclose(three[..., :2], two, rtol=1e-15)
        assert name == "value" or (three[:, 2] == 0.0).all()


@settings(max_examples=50, deadline=None)
@given(z=rows, shift=st.floats(-100, 100), seed=st.integers(0, 99))
def test_entropy_knows_neither_shift_nor_order(z, shift, seed):
    labels, loss = np.array([0, 1, 3]), ConfidencePenalty(0.5)
    value = loss.value(labels, z, "logits")
    order = np.random.default_rng(seed).permutation(4)
    renamed = loss.value(np.argsort(order)[labels], z[:, order], "logits")
    assert np.allclose(renamed, value, rtol=1e-13, atol=1e-15)
    assert np.allclose(loss.value(labels, z + shift, "logits"), value, rtol=1e-9, atol=1e-12)
    assert (value >= -0.5 * math.log(4) - 1e-15).all()


def test_at_the_truth_the_penalty_pulls_the_likeliest_class_down():
    truth = np.array([0.6, 0.3, 0.1])
    slope = truth @ ConfidencePenalty().gradient(np.arange(3), np.tile(np.log(truth), (3, 1)), "logits")
    assert slope[0] > 1e-3 and slope[2] < -1e-3


@pytest.mark.parametrize("beta", [0.0, -1.0, math.inf, math.nan])
def test_beta_has_a_domain(beta):
    with pytest.raises(UsageError, match=r"beta is .* — use a number above 0 \[bad-option\]"):
        ConfidencePenalty(beta)


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [-1e-4, math.inf, math.nan])
def test_the_weight_has_a_domain(weight):
    with pytest.raises(UsageError, match=r"weight is .* — use a finite number from 0 on \[bad-option\]"):
        ZLoss(weight)


@pytest.mark.parametrize("name", ["value", "gradient", "hessian_diagonal"])
@pytest.mark.parametrize(
    ("loss", "kind"), [(v, k) for v in (ZLoss(), ConfidencePenalty()) for k in v.kinds], ids=str
)
def test_labels_are_checked(loss, kind, name):
    with pytest.raises(DataError, match="label-out-of-range"):
        getattr(loss, name)(np.array([0, -1]), np.full((2, 2), 0.5), kind)
