"""Log loss, Brier and zero-one loss: hand values, scikit-learn, derivatives, refusals."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, zero_one_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from crossent.errors import DataError, UsageError
from crossent.losses.categorical import Brier, LogLoss, ZeroOne

INF, NAN = np.inf, np.nan
LN2 = math.log(2)


@pytest.mark.parametrize(
    ("loss", "kind", "label", "row", "want"),
    [
        (LogLoss(), "probs", 0, [0.5, 0.5], LN2),
        (LogLoss(), "probs", 1, [1.0, 0.0], INF),
        (LogLoss(), "probs", 1, [NAN, 0.5], LN2),  # only the label's entry is looked at
        (LogLoss(), "probs", 0, [NAN, 0.5], NAN),
        (LogLoss(), "logits", 1, [0.0, math.log(3)], math.log(4 / 3)),
        (LogLoss(), "log_probs", 1, [0.0, -INF], INF),
        (LogLoss(), "log_probs", 0, [-0.25, -5.0], 0.25),
        (LogLoss(), "label_logprob", 0, -0.25, 0.25),
        (LogLoss(), "label_logprob", 0, -INF, INF),
        (Brier(), "probs", 0, [1.0, 0.0], 0.0),
        (Brier(), "probs", 1, [1.0, 0.0], 2.0),
        (Brier(), "probs", 2, [0.5, 0.25, 0.25], 0.25 + 0.0625 + 0.5625),
        (Brier(), "logits", 0, [0.0, 0.0, -INF], 0.5),
        (Brier(), "log_probs", 0, [-LN2, -LN2, -INF], 0.5),
        (ZeroOne(), "probs", 1, [0.4, 0.6], 0.0),
        (ZeroOne(), "probs", 0, [0.4, 0.6], 1.0),
        (ZeroOne(), "probs", 1, [0.4, 0.4, 0.2], 1.0),  # a tie goes to the first
        (ZeroOne(), "probs", 0, [0.4, 0.4, 0.2], 0.0),
        (ZeroOne(), "logits", 2, [-INF, -7.0, -6.0], 0.0),
        (ZeroOne(), "logits", 0, [-INF, -INF], NAN),
        (ZeroOne(), "logits", 0, [INF, 0.0], NAN),
        (ZeroOne(), "log_probs", 1, [-3.0, -0.1], 0.0),
        (ZeroOne(), "probs", 0, [0.5, NAN], NAN),
    ],
)
def test_hand_values(loss, kind, label, row, want):
    (got,) = loss.value(np.array([label]), np.array([row]), kind)
    assert got == pytest.approx(want, rel=1e-15, abs=1e-16, nan_ok=True)


@pytest.mark.parametrize("classes", [2, 5, 25])
def test_means_agree_with_scikit_learn(classes):
    rng = np.random.default_rng(classes)
    p, labels = rng.dirichlet(np.ones(classes), 500), rng.integers(0, classes, 500)
    names = np.arange(classes)
    pairs = [
        (LogLoss(), sklearn_log_loss(labels, p, labels=names)),
        (Brier(), brier_score_loss(labels, p, labels=names, scale_by_half=False)),
        (ZeroOne(), zero_one_loss(labels, p.argmax(axis=1))),
    ]
    for loss, theirs in pairs:
        assert loss.value(labels, p, "probs").mean() == pytest.approx(theirs, rel=1e-12)


finite = st.floats(-50, 50)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(finite, finite, finite), min_size=1, max_size=8), shift=st.floats(-1e3, 1e3))
def test_logits_are_known_up_to_a_constant(rows, shift):
    z = np.array(rows)
    labels = np.arange(len(z)) % 3
    for loss in (LogLoss(), Brier()):
        shifted = loss.value(labels, z + shift, "logits")
        assert np.allclose(shifted, loss.value(labels, z, "logits"), rtol=1e-9, atol=0)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(finite, finite, finite, finite), min_size=1, max_size=8), seed=st.integers(0, 99)
)
def test_classes_may_be_renamed(rows, seed):
    z = np.array(rows)
    labels = np.arange(len(z)) % 4
    order = np.random.default_rng(seed).permutation(4)
    for loss in (LogLoss(), Brier()):
        renamed = loss.value(np.argsort(order)[labels], z[:, order], "logits")
        assert np.allclose(renamed, loss.value(labels, z, "logits"), rtol=1e-14, atol=0)


@pytest.mark.parametrize("kind", ["probs", "logits", "log_probs"])
def test_two_class_brier_is_twice_the_single_probability_form(kind):
    p = np.array([0.1, 0.5, 0.93])
    both = np.column_stack([1 - p, p])
    prediction = both if kind == "probs" else np.log(both)
    hit = Brier().value(np.array([1, 1, 1]), prediction, kind)
    assert np.allclose(hit, 2 * (1 - p) ** 2, rtol=1e-13)


def test_a_confident_label_keeps_its_gradient():
    """p − 1 would be 0 from a margin of 37 on; the optimiser would see nothing."""
    z = np.array([[50.0, 0.0, 0.0]])
    gradient = LogLoss().gradient(np.array([0]), z, "logits")
    assert gradient[0] == pytest.approx([-2 * math.exp(-50), math.exp(-50), math.exp(-50)], rel=1e-14)
    assert LogLoss().hessian_diagonal(np.array([0]), z, "logits")[0, 0] == pytest.approx(
        2 * math.exp(-50), rel=1e-14
    )


DEFINITIONS = [
    (LogLoss(), lambda p, y: -mp.log(p[y])),
    (Brier(), lambda p, y: mp.fsum(q**2 for q in p) - 2 * p[y] + 1),
]
SURE = [[0.3, -1.0, 2.0], [30.0, 0.0, -4.0], [60.0, 1.0, 0.0], [99.0, 0.0, 50.0], [20.0, 20.0, 0.0]]


@pytest.mark.parametrize(("loss", "definition"), DEFINITIONS, ids=["log_loss", "brier"])
@pytest.mark.parametrize("label", [0, 1])
def test_derivatives_keep_their_digits(loss, definition, label, exact, softmax):
    """Sure of the label, of another, of two: to 2e-15 of each entry, of the largest where two are torn."""
    labels = np.full(len(SURE), label)

    def of(row, y):
        return definition(softmax(row), y)

    exact(loss, of, labels, SURE, "logits", rtol=2e-15, atol=2e-16)
    exact(loss, of, labels[:4], SURE[:4], "logits", rtol=2e-15)


def test_brier_of_log_probabilities_keeps_its_digits(exact):
    log_p = np.log([[0.6, 0.3, 0.1], [1.0 - 2**-50, 2**-51, 2**-51]])
    exact(
        Brier(),
        lambda row, y: mp.fsum((mp.exp(x) - int(k == y)) ** 2 for k, x in enumerate(row)),
        np.zeros(2, np.int64),
        log_p,
        "log_probs",
        rtol=2e-15,
    )


@pytest.mark.parametrize("loss", [LogLoss(), Brier()], ids=lambda v: v.name)
def test_gradients_by_logit_sum_to_zero(loss):
    rng = np.random.default_rng(0)
    z, labels = rng.normal(scale=4, size=(50, 7)), rng.integers(0, 7, 50)
    assert np.abs(loss.gradient(labels, z, "logits").sum(axis=1)).max() < 1e-15


@pytest.mark.parametrize(
    ("p", "slope", "curvature"), [(0.25, -4.0, 16.0), (0.0, -INF, INF), (-1e-5, -INF, INF)]
)
def test_derivatives_by_probability(p, slope, curvature):
    labels, prediction = np.array([1]), np.array([[1 - p, p]])
    assert LogLoss().gradient(labels, prediction, "probs").tolist() == [[0.0, slope]]
    assert LogLoss().hessian_diagonal(labels, prediction, "probs").tolist() == [[0.0, curvature]]


def test_zero_one_has_no_derivative():
    labels, prediction = np.array([0]), np.array([[0.5, 0.5]])
    for derivative in (ZeroOne().gradient, ZeroOne().hessian_diagonal):
        with pytest.raises(NotImplementedError, match="zero_one has no"):
            derivative(labels, prediction, "probs")


METHODS = ["value", "gradient", "hessian_diagonal"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("loss", [LogLoss(), Brier()], ids=lambda v: v.name)
def test_refusals(loss, method):
    call = getattr(loss, method)
    p = np.full((3, 2), 0.5)
    with pytest.raises(UsageError, match=r"declare the prediction as one of: probs.*\[unknown-kind\]"):
        call(np.zeros(3, np.int64), p, "percent")
    for labels, prediction in [(np.zeros(2, np.int64), p), (np.zeros(3, np.int64), p[:, 0])]:
        with pytest.raises(DataError, match="shape-mismatch"):
            call(labels, prediction, "probs")


@pytest.mark.parametrize("method", METHODS[:2])
@pytest.mark.parametrize(("loss", "kind"), [(v, k) for v in (LogLoss(), Brier()) for k in v.kinds[:3]])
def test_minus_one_is_not_the_last_class(loss, kind, method):
    with pytest.raises(DataError, match="label-out-of-range") as caught:
        getattr(loss, method)(np.array([0, 1, -1]), np.full((3, 2), -0.7), kind)
    assert caught.value.row == 2


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64])
@pytest.mark.parametrize("method", METHODS[:2])
@pytest.mark.parametrize(("loss", "kind"), [(v, k) for v in (LogLoss(), Brier()) for k in v.kinds[:3]])
def test_labels_of_any_integer_type(loss, kind, method, dtype):
    """200 rows of 3 classes: a label times the number of rows does not fit in 8 bits."""
    rng = np.random.default_rng(5)
    prediction, labels = rng.dirichlet(np.ones(3), 200), rng.integers(0, 3, 200)
    prediction = prediction if kind == "probs" else np.log(prediction)
    call = getattr(loss, method)
    got = call(labels.astype(dtype), prediction, kind)
    assert got.tobytes() == call(labels, prediction, kind).tobytes()


@pytest.mark.parametrize("label", [-1, 2, 255])
def test_zero_one_knows_its_classes(label):
    """A label that is no class would count as an error of the model."""
    for kind in ZeroOne().kinds:
        with pytest.raises(DataError, match="label-out-of-range") as caught:
            ZeroOne().value(np.array([0, label]), np.full((2, 2), 0.5), kind)
        assert (caught.value.row, caught.value.value) == (1, label)


def test_label_logprob_is_one_number_a_row():
    with pytest.raises(DataError, match=r"give labels \(N,\) and label_logprob \(N,\)"):
        LogLoss().value(np.zeros(3, np.int64), np.zeros((3, 2)), "label_logprob")


@pytest.mark.parametrize("loss", [LogLoss(), Brier(), ZeroOne()], ids=lambda v: v.name)
def test_a_perfect_prediction_scores_plus_zero(loss):
    (value,) = loss.value(np.array([1]), np.array([[0.0, 1.0]]), "probs")
    assert value == 0.0 and not np.signbit(value)
