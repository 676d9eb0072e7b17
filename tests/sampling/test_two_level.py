"""Two levels: a distribution, exact, and equal to PyTorch's adaptive softmax."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from crossent.errors import DataError, UsageError
from crossent.sampling import TwoLevelSoftmax, logits_of

torch = pytest.importorskip("torch")


@st.composite
def trees(draw):
    """A tree over up to 12 classes in any order, with logits of a few rows."""
    clusters = draw(st.integers(1, 5))
    extra = draw(st.lists(st.integers(0, clusters - 1), max_size=7))
    cluster_of_class = np.array(draw(st.permutations([*range(clusters), *extra])))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    upper = rng.normal(scale=3, size=(4, clusters))
    lower = rng.normal(scale=3, size=(4, cluster_of_class.size))
    return TwoLevelSoftmax(cluster_of_class), upper, lower, rng.integers(0, cluster_of_class.size, 4)


@given(trees())
@settings(max_examples=50, deadline=None)
def test_probabilities_sum_to_one_and_are_those_of_the_levels(given):
    tree, upper, lower, _ = given
    log_p = tree.log_probs(upper, lower)
    assert np.allclose(np.exp(log_p).sum(axis=1), 1, rtol=1e-13)
    for c in range(tree.clusters):
        members = tree.members(c)
        both = log_softmax(upper, axis=1)[:, [c]] + log_softmax(lower[:, members], axis=1)
        assert np.allclose(log_p[:, members], both, rtol=1e-12, atol=1e-13)


@given(trees())
@settings(max_examples=50, deadline=None)
def test_the_loss_reads_what_it_needs_and_is_that_of_the_log_probabilities(given):
    tree, upper, lower, labels = given
    asked = np.zeros(lower.shape, bool)

    def some(rows, classes):
        asked[np.ix_(rows, classes)] = True
        return lower[np.ix_(rows, classes)]

    loss = tree.log_loss(labels, upper, some)
    assert np.allclose(loss, -tree.log_probs(upper, lower)[np.arange(4), labels], rtol=1e-12, atol=1e-13)
    assert np.array_equal(loss, tree.log_loss(labels, upper, lower))
    assert np.array_equal(tree.logits_needed(labels), tree.clusters + asked.sum(axis=1))


@given(trees())
@settings(max_examples=50, deadline=None)
def test_the_gradient_is_that_of_pytorch(given):
    tree, upper, lower, labels = given
    high, low = torch.tensor(upper, requires_grad=True), torch.tensor(lower, requires_grad=True)
    cluster = tree.cluster_of_class[labels]
    loss = torch.zeros((), dtype=torch.float64)
    for row, label in enumerate(labels):
        members = torch.from_numpy(tree.members(cluster[row]))
        within = torch.log_softmax(low[row, members], dim=0)[members == label]
        loss = loss - torch.log_softmax(high[row], dim=0)[cluster[row]] - within.sum()
    loss.backward()
    by_cluster, by_class = tree.gradient(labels, upper, lower)
    assert np.allclose(by_cluster, high.grad.numpy(), rtol=1e-12, atol=1e-14)
    assert np.allclose(by_class, low.grad.numpy(), rtol=1e-12, atol=1e-14)


@given(trees())
@settings(max_examples=50, deadline=None)
def test_any_flat_softmax_has_two_levels(given):
    tree, _, lower, _ = given
    upper = tree.cluster_logits(lower)
    assert np.allclose(tree.log_probs(upper, lower), log_softmax(lower, axis=1), rtol=1e-12, atol=1e-13)


def test_adaptive_softmax_of_pytorch():
    torch.manual_seed(0)
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 60, cutoffs=[5, 20], div_value=2.0, dtype=torch.float64)
    hidden = torch.randn(40, 8, dtype=torch.float64)
    labels = torch.randint(0, 60, (40,))
    with torch.no_grad():
        truth, loss = theirs.log_prob(hidden).numpy(), -theirs(hidden, labels).output.numpy()
        head = theirs.head(hidden).numpy()
        tails = [tail(hidden).numpy() for tail in theirs.tail]
    tree = TwoLevelSoftmax.adaptive(60, [5, 20])
    classes = np.concatenate([np.zeros((40, 5)), *tails], axis=1)
    assert np.allclose(tree.log_probs(head, classes), truth, rtol=1e-12)
    assert np.allclose(tree.log_loss(labels.numpy(), head, classes), loss, rtol=1e-12)


def test_weights_are_used_for_the_needed_rows_and_classes_only(problem):
    tree = TwoLevelSoftmax.adaptive(3000, [50, 500])
    upper = tree.cluster_logits(problem.z)

    def class_logits(rows, classes):
        return logits_of(problem.hidden[rows], problem.weight, classes, problem.bias)

    assert np.allclose(tree.log_loss(problem.labels, upper, class_logits), problem.exact, rtol=1e-12)


@pytest.mark.parametrize("flat", [np.zeros(6, np.int64), np.arange(6)[::-1]])
def test_one_cluster_and_a_cluster_each_are_the_flat_softmax(flat):
    tree = TwoLevelSoftmax(flat)
    z = np.random.default_rng(0).normal(size=(3, 6))
    alone = tree.clusters == 6
    upper = z[:, ::-1] if alone else np.zeros((3, 1))
    assert np.allclose(tree.log_probs(upper, z), log_softmax(z, axis=1), rtol=1e-13)
    assert np.array_equal(tree.logits_needed([0]), [6 if alone else 7])


def test_confident_rows_keep_their_precision():
    tree = TwoLevelSoftmax(np.array([0, 0, 1]))
    loss = tree.log_loss([0], [[50.0, 0.0]], [[60.0, 0.0, 0.0]])
    with mpmath.workdps(40):
        truth = float(mpmath.log1p(mpmath.e**-50) + mpmath.log1p(mpmath.e**-60))
    assert abs(loss[0] / truth - 1) < 1e-15


def test_no_rows_and_extreme_logits():
    tree = TwoLevelSoftmax(np.array([0, 0, 1]))
    assert tree.log_loss(np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 3))).shape == (0,)
    loss = tree.log_loss([0, 2, 1], [[1e4, -1e4]] * 3, [[-np.inf, 0.0, 0.0]] * 3)
    assert np.array_equal(loss, [np.inf, 2e4, 0.0])


def test_arrays_of_pytorch_come_back():
    tree = TwoLevelSoftmax(torch.tensor([0, 0, 1]))
    loss = tree.log_loss(torch.tensor([1]), torch.zeros(1, 2), torch.zeros(1, 3))
    assert isinstance(loss, torch.Tensor)
    assert np.isclose(loss.item(), np.log(4), rtol=1e-15)


TREE = TwoLevelSoftmax(np.array([0, 0, 1]))


@pytest.mark.parametrize(
    ("call", "error", "slug"),
    [
        (lambda: TwoLevelSoftmax(np.array([0, 2])), DataError, "cluster 1 of 3.*empty-cluster"),
        (lambda: TwoLevelSoftmax(np.array([0, -1])), DataError, "label-out-of-range"),
        (lambda: TwoLevelSoftmax(np.array([0.0, 1.0])), DataError, "shape-mismatch"),
        (lambda: TwoLevelSoftmax(np.zeros((2, 2), int)), DataError, "shape-mismatch"),
        (lambda: TwoLevelSoftmax.adaptive(10, [5, 5]), UsageError, "bad-option"),
        (lambda: TwoLevelSoftmax.adaptive(10, [10]), UsageError, "bad-option"),
        (lambda: TwoLevelSoftmax.adaptive(10, []), UsageError, "bad-option"),
        (lambda: TREE.log_loss([3], [[0.0, 0.0]], [[0.0] * 3]), DataError, "label-out-of-range"),
        (lambda: TREE.log_loss([0], [[0.0] * 3], [[0.0] * 3]), DataError, "cluster_logits.*shape-mismatch"),
        (lambda: TREE.log_loss([0], [[0.0] * 2], lambda r, c: np.zeros((1, 3))), DataError, "shape-mismatch"),
        (lambda: TREE.log_loss([0], [[0.0] * 2], lambda r, c: np.zeros((2, 2))), DataError, "shape-mismatch"),
        (lambda: TREE.log_loss([0], [[0.0, np.nan]], [[0.0] * 3]), DataError, "nan-prediction"),
        (lambda: TREE.log_probs([[0.0] * 2], [[0.0, 0.0, np.inf]]), DataError, "infinite-logit"),
        (lambda: TREE.log_probs([[0.0] * 2], [[0.0] * 3] * 2), DataError, "shape-mismatch"),
    ],
)
def test_refusals(call, error, slug):
    with pytest.raises(error, match=slug):
        call()
