"""Class weights, effective numbers, logit adjustment, margins: peers, published minima, limits, refusals."""

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
from crossent.losses.imbalanced import LDAM, ClassBalanced, LogitAdjusted, WeightedLogLoss

torch = pytest.importorskip("torch")
INF = np.inf
METHODS = ("value", "gradient", "hessian_diagonal")
COUNTS = (900, 80, 20)
WEIGHTS = (0.5, 1.0, 4.0)
LOSSES = [WeightedLogLoss(WEIGHTS), ClassBalanced(COUNTS), LogitAdjusted(COUNTS), LDAM(COUNTS, scale=2.0)]
by_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda v: v.name)
CONFIDENT = [[0.3, -1.0, 2.0], [30.0, 0.0, -4.0], [-25.0, 3.0, 0.0], [60.0, 1.0, 0.0], [0.0, 0.0, -INF]]


@pytest.fixture
def many():
    rng = np.random.default_rng(0)
    return rng.integers(0, 3, 60), rng.normal(scale=3, size=(60, 3))


def agree(loss, other, labels, prediction, kind, **tolerance):
    for name in METHODS:
        mine, theirs = (getattr(v, name)(labels, prediction, kind) for v in (loss, other))
        assert np.allclose(mine, theirs, **tolerance), name


def torch_gives(values, tensor):
    values.sum().backward()
    return values.detach().numpy(), tensor.grad.numpy()


# --- truth ------------------------------------------------------------------------------------------------


def definition_of(loss, softmax):
    counts = [mp.mpf(c) for c in COUNTS]
    if isinstance(loss, WeightedLogLoss):
        return lambda row, y: -mp.mpf(WEIGHTS[y]) * mp.log(softmax(row)[y])
    if isinstance(loss, ClassBalanced):
        weights = [1 / (1 - mp.mpf(loss.beta) ** n) for n in counts]
        return lambda row, y: -3 * weights[y] / mp.fsum(weights) * mp.log(softmax(row)[y])
    if isinstance(loss, LogitAdjusted):
        return lambda row, y: -mp.log(softmax([z + mp.log(n) for z, n in zip(row, counts, strict=True)])[y])
    margins = [mp.mpf(loss.max_margin) * (min(counts) / n) ** mp.mpf(0.25) for n in counts]
    return lambda row, y: (
        -mp.log(softmax([loss.scale * (z - margins[y] * (k == y)) for k, z in enumerate(row)])[y])
    )


@by_loss
@pytest.mark.parametrize("label", [0, 1])
def test_from_logits(loss, label, exact, softmax):
    labels = np.full(len(CONFIDENT), label)
    exact(loss, definition_of(loss, softmax), labels, CONFIDENT, "logits", rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("tau", [1.0, 0.5, -2.0])
def test_logit_adjusted_from_probabilities(tau, exact):
    loss = LogitAdjusted(COUNTS, tau)

    def definition(p, y):
        shares = [x * mp.mpf(n) ** tau for x, n in zip(p, COUNTS, strict=True)]
        return -mp.log(shares[y] / mp.fsum(shares))

    p = np.array([[0.25, 0.5, 0.25], [1e-9, 1.0, 1e-12], [0.999, 0.001, 1e-15]])
    exact(loss, definition, np.array([0, 1, 2]), p, "probs", rtol=1e-12)


@pytest.mark.parametrize(
    ("p", "label", "want"),
    [
        ([1.0, 0.0, 0.0], 0, (0.0, [0.0, 80 / 900, 20 / 900], [0.0, -((80 / 900) ** 2), -((20 / 900) ** 2)])),
        ([0.0, 1.0, 0.0], 0, (INF, [-INF, 1.0, 0.25], [INF, -1.0, -0.0625])),
    ],
)
def test_logit_adjusted_where_probabilities_are_0_and_1(p, label, want):
    for name, expected in zip(METHODS, want, strict=True):
        got = getattr(LogitAdjusted(COUNTS), name)(np.array([label]), np.array([p]), "probs")[0]
        assert np.allclose(got, expected, rtol=1e-14, atol=0), name


# --- peers ------------------------------------------------------------------------------------------------


def test_class_weights_are_those_of_torch(many):
    labels, z = many
    tensor = torch.tensor(z, requires_grad=True)
    weights = torch.tensor(WEIGHTS, dtype=torch.float64)
    options = {"weight": weights, "reduction": "none"}
    loss = torch.nn.functional.cross_entropy(tensor, torch.tensor(labels), **options)
    value, gradient = torch_gives(loss, tensor)
    mine = WeightedLogLoss(WEIGHTS)
    assert np.allclose(mine.value(labels, z, "logits"), value, rtol=1e-13, atol=0)
    assert np.allclose(mine.gradient(labels, z, "logits"), gradient, rtol=1e-11, atol=1e-14)


def test_ldam_is_the_loss_its_paper_trains_with(many):
    """Margins 1 / n^¼ scaled to the largest, taken off the label's logit, times s, cross-entropy."""
    labels, z = many
    cosines = np.tanh(z)
    margins = 1.0 / np.sqrt(np.sqrt(np.array(COUNTS)))
    margins = torch.tensor(margins * (0.5 / margins.max()))
    tensor = torch.tensor(cosines, requires_grad=True)
    y = torch.tensor(labels)
    moved = tensor - torch.nn.functional.one_hot(y, 3) * margins[y][:, None]
    value, gradient = torch_gives(torch.nn.functional.cross_entropy(30 * moved, y, reduction="none"), tensor)
    assert np.allclose(LDAM(COUNTS).value(labels, cosines, "logits"), value, rtol=1e-12, atol=1e-13)
    assert np.allclose(LDAM(COUNTS).gradient(labels, cosines, "logits"), gradient, rtol=1e-10, atol=1e-12)


def test_logit_adjustment_is_the_log_loss_of_torch_at_shifted_logits(many):
    labels, z = many
    tensor = torch.tensor(z, requires_grad=True)
    prior = torch.tensor(COUNTS, dtype=torch.float64) / sum(COUNTS)
    loss = torch.nn.functional.cross_entropy(
        tensor + 0.7 * prior.log(), torch.tensor(labels), reduction="none"
    )
    value, gradient = torch_gives(loss, tensor)
    mine = LogitAdjusted(COUNTS, tau=0.7)
    assert np.allclose(mine.value(labels, z, "logits"), value, rtol=1e-12, atol=1e-14)
    assert np.allclose(mine.gradient(labels, z, "logits"), gradient, rtol=1e-11, atol=1e-14)


# --- weights and margins ----------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.5, 0.99, 0.9999999])
def test_effective_numbers_of_the_paper(beta):
    """(1 − β) / (1 − βⁿ) term by term: one over the sum of n powers of β."""
    effective = np.array([math.fsum(beta**i for i in range(n)) for n in COUNTS])
    want = (1 / effective) * 3 / (1 / effective).sum()
    assert np.allclose(ClassBalanced(COUNTS, beta).class_weights(), want, rtol=1e-14, atol=0)


def test_class_balanced_goes_from_equal_weights_to_inverse_counts():
    assert ClassBalanced(COUNTS, beta=0.0).class_weights().tolist() == [1.0, 1.0, 1.0]
    inverse = 1 / np.array(COUNTS)
    nearly = ClassBalanced(COUNTS, beta=1 - 1e-12).class_weights()
    assert np.allclose(nearly, 3 * inverse / inverse.sum(), rtol=1e-8, atol=0)


@settings(max_examples=50, deadline=None)
@given(
    counts=st.lists(st.integers(1, 10**9), min_size=1, max_size=12).map(sorted),
    beta=st.floats(0.0, 1.0, exclude_max=True),
)
def test_class_balanced_weights_sum_to_the_classes_and_fall_with_the_counts(counts, beta):
    weights = ClassBalanced(tuple(counts), beta).class_weights()
    assert weights.sum() == pytest.approx(len(counts), rel=1e-13)
    assert (np.diff(weights) <= 1e-15 * weights[:-1]).all() and (weights > 0.0).all()


def test_margins_of_ldam():
    assert np.allclose(LDAM((16, 81, 256)).margins(), [0.5, 0.5 * 2 / 3, 0.25], rtol=1e-15, atol=0)
    loss, z = LDAM((16, 81, 256), scale=1.0), np.zeros((3, 3))
    z[np.arange(3), np.arange(3)] = loss.margins()
    even = loss.value(np.arange(3), z, "logits")
    assert np.allclose(even, math.log(3), rtol=1e-15, atol=0), "a lead of the margin counts as no lead"


@pytest.mark.parametrize("kind", ["logits", "log_probs", "probs"])
def test_parameters_at_which_they_are_log_loss(kind, many):
    labels, z = many
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    x = np.exp(log_p) if kind == "probs" else log_p
    same = {"rtol": 1e-12, "atol": 1e-14}
    agree(WeightedLogLoss((1.0, 1.0, 1.0)), LogLoss(), labels, x, kind, **same)
    agree(ClassBalanced((7, 7, 7)), LogLoss(), labels, x, kind, **same)
    # that of a distribution; off the simplex the adjusted loss renormalises, and log loss does not
    for loss in (LogitAdjusted((7, 7, 7)), LogitAdjusted(COUNTS, tau=0.0)):
        assert np.allclose(loss.value(labels, x, kind), LogLoss().value(labels, x, kind), **same)
    if kind == "logits":
        for loss in (LogitAdjusted((7, 7, 7)), LDAM(COUNTS, max_margin=0.0, scale=1.0)):
            agree(loss, LogLoss(), labels, x, kind, **same)


def test_only_ratios_of_counts_matter_to_the_adjustment(many):
    labels, z = many
    prior = tuple(n / sum(COUNTS) for n in COUNTS)
    agree(LogitAdjusted(COUNTS), LogitAdjusted(prior), labels, z, "logits", rtol=1e-12, atol=1e-14)


# --- what minimises them ----------------------------------------------------------------------------------


def best_logits(loss, truth):
    """The logits that have the least expected loss for labels drawn from the truth."""
    labels = np.arange(len(truth))

    def expected(z):
        rows = np.tile(z, (len(truth), 1))
        return truth @ loss.value(labels, rows, "logits"), truth @ loss.gradient(labels, rows, "logits")

    return minimize(expected, np.zeros(len(truth)), jac=True, method="BFGS", options={"gtol": 1e-11}).x


def normalised(x):
    return x / x.sum()


TRUTH = np.array([0.7, 0.2, 0.1])


def test_weights_multiply_the_truth():
    for loss in (WeightedLogLoss(WEIGHTS), ClassBalanced(COUNTS)):
        q = normalised(np.exp(best_logits(loss, TRUTH)))
        assert np.allclose(q, normalised(loss.class_weights() * TRUTH), atol=1e-7)
        assert np.allclose(normalised(q / loss.class_weights()), TRUTH, atol=1e-7), "and can be undone"


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_adjustment_divides_the_truth_by_the_counts(tau):
    z = best_logits(LogitAdjusted(COUNTS, tau), TRUTH)
    assert np.allclose(normalised(np.exp(z)), normalised(TRUTH / np.array(COUNTS) ** tau), atol=1e-7)
    assert np.allclose(normalised(np.exp(z) * np.array(COUNTS) ** tau), TRUTH, atol=1e-7)


def test_adjusted_logits_choose_with_the_least_balanced_error():
    """Three kinds of row, known likelihoods P(row | class): log loss hides the rare class, this finds it."""
    likelihood = np.array([[0.6, 0.3, 0.1], [0.3, 0.5, 0.2], [0.1, 0.3, 0.6]])
    prior = normalised(np.array(COUNTS))
    joint = prior[:, None] * likelihood
    posterior = joint / joint.sum(axis=0)
    adjusted = [best_logits(LogitAdjusted(COUNTS), posterior[:, x]) for x in range(3)]
    plain = [best_logits(LogLoss(), posterior[:, x]) for x in range(3)]
    assert [int(z.argmax()) for z in adjusted] == likelihood.argmax(axis=0).tolist() == [0, 1, 2]
    assert [int(z.argmax()) for z in plain] == [0, 0, 0]
    balanced = likelihood / likelihood.sum(axis=0)
    for x in range(3):
        assert np.allclose(normalised(np.exp(adjusted[x])), balanced[:, x], atol=1e-7)


# --- edges ------------------------------------------------------------------------------------------------


def test_a_class_of_weight_0_counts_nothing():
    loss = WeightedLogLoss((0.0, 1.0))
    labels, p = np.array([0, 0, 1]), np.array([[0.0, 1.0], [0.5, 0.5], [0.5, 0.5]])
    assert loss.value(labels, p, "probs").tolist() == [0.0, 0.0, math.log(2)]
    assert loss.gradient(labels, p, "probs")[:2].tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_margins_at_logits_so_large_that_scaling_them_overflows():
    z = np.array([[1e308, -1e308, 0.0], [0.0, -1e308, 1e308]])
    got = LDAM(COUNTS).value(np.array([0, 0]), z, "logits")
    assert got.tolist() == [0.0, INF]
    assert np.isfinite(LDAM(COUNTS).gradient(np.array([0, 0]), z, "logits")).all()


@by_loss
def test_no_rows_one_class_a_million_classes(loss):
    assert loss.value(np.empty(0, np.int64), np.empty((0, 3)), "logits").shape == (0,)
    for classes in (1, 1_000_000):
        field = "factors" if isinstance(loss, WeightedLogLoss) else "counts"
        mine = type(loss)(**{field: np.full(classes, 5.0)})
        (got,) = mine.value(np.array([0]), np.zeros((1, classes)), "logits")
        want = math.log(classes) * (5.0 if field == "factors" else 1.0)
        if isinstance(loss, LDAM):
            want = math.log1p((classes - 1) * math.exp(15.0))
        assert got == pytest.approx(want, rel=1e-12, abs=1e-15)


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "field"),
    [
        (WeightedLogLoss(), "factors"),
        (ClassBalanced(), "counts"),
        (LogitAdjusted(), "counts"),
        (LDAM(), "counts"),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", METHODS)
def test_without_parameters_the_message_says_which(loss, field, name):
    with pytest.raises(UsageError, match=rf"give {field}, one number a class.*\[loss-needs-parameters\]"):
        getattr(loss, name)(np.array([0]), np.zeros((1, 2)), "logits")


@by_loss
def test_the_number_of_classes_is_checked(loss):
    with pytest.raises(DataError, match=r"has 3 numbers for 4 classes.*\[shape-mismatch\]"):
        loss.value(np.array([0]), np.zeros((1, 4)), "logits")
    with pytest.raises(DataError, match="label-out-of-range"):
        loss.value(np.array([3]), np.zeros((1, 3)), "logits")
    if "label_logprob" in loss.kinds:
        with pytest.raises(DataError, match=r"value 3: .* 3 classes.*\[label-out-of-range\]"):
            loss.value(np.array([0, 3]), np.array([-1.0, -1.0]), "label_logprob")


@pytest.mark.parametrize("kind", [ClassBalanced, LogitAdjusted, LDAM])
def test_a_class_that_never_occurs_is_named(kind):
    with pytest.raises(UsageError, match=r"counts of class 1 is 0: .* infinite .*\[zero-count\]"):
        kind((5, 0, 3))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (WeightedLogLoss, {"factors": (1.0, -1.0)}),
        (WeightedLogLoss, {"factors": (0.0, 0.0)}),
        (ClassBalanced, {"counts": (1.0, math.nan)}),
        (ClassBalanced, {"beta": 1.0}),
        (ClassBalanced, {"beta": -0.1}),
        (LogitAdjusted, {"counts": (-3.0, 1.0)}),
        (LogitAdjusted, {"tau": INF}),
        (LDAM, {"scale": 0.0}),
        (LDAM, {"max_margin": -1.0}),
    ],
    ids=str,
)
def test_parameters_out_of_range(kind, options):
    with pytest.raises(UsageError, match=rf"{next(iter(options))}.*\[bad-option\]"):
        kind(**options)
