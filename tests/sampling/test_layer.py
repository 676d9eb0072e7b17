"""Logits of chosen classes, and the sampled log loss of an output layer."""

from __future__ import annotations

import numpy as np
import pytest

from crossent.errors import DataError, UsageError
from crossent.sampling import layer, log_uniform, logits_of, sampled_log_loss, uniform, unigram


def test_logits_are_columns_of_the_whole_product(problem):
    classes = np.array([2999, 0, 0, 17])
    shared = logits_of(problem.hidden, problem.weight, classes, problem.bias)
    assert np.allclose(shared, problem.z[:, classes], rtol=1e-13)
    without = logits_of(problem.hidden, problem.weight, classes)
    assert np.allclose(shared - without, problem.bias[classes], rtol=1e-12)


@pytest.mark.parametrize("gathered", [1, 200, 1 << 22])
def test_each_row_may_have_classes_of_its_own(problem, monkeypatch, gathered):
    monkeypatch.setattr(layer, "GATHERED", gathered)
    classes = np.random.default_rng(0).integers(0, 3000, (6, 9))
    own = logits_of(problem.hidden, problem.weight, classes, problem.bias)
    assert np.allclose(own, np.take_along_axis(problem.z, classes, axis=1), rtol=1e-13)


@pytest.mark.parametrize("sampler", [log_uniform(3000), uniform(3000)])
def test_the_sampled_loss_approaches_the_exact_one(problem, sampler):
    layer_of = (problem.labels, problem.hidden, problem.weight)
    error = {}
    for m in (100, 10_000):
        rng = np.random.default_rng(0)
        options = {"sampler": sampler, "samples": m, "rng": rng, "bias": problem.bias}
        draws = [sampled_log_loss(*layer_of, **options) - problem.exact for _ in range(30)]
        error[m] = np.sqrt(np.mean(np.square(draws)))
    assert error[10_000] < 0.25 * error[100]
    assert error[10_000] < 0.15


def test_shared_draws_err_together():
    """The error of the mean over the rows: with classes of their own it averages out, shared it stays."""
    rng = np.random.default_rng(1)
    hidden, weight = np.ones((50, 1)), rng.normal(size=(500, 1))
    labels = rng.integers(0, 500, 50)
    spread = {}
    for shared in (True, False):
        means = [
            sampled_log_loss(
                labels, hidden, weight, sampler=uniform(500), samples=20, rng=rng, shared=shared
            ).mean()
            for _ in range(300)
        ]
        spread[shared] = np.std(means)
    assert 4 < spread[True] / spread[False] < 10  # √50 = 7.1


def test_other_libraries_and_precisions(problem):
    torch = pytest.importorskip("torch")
    sampler = unigram(problem.counts)
    arrays = (problem.labels, np.float32(problem.hidden), np.float32(problem.weight))
    tensors = tuple(torch.from_numpy(a) for a in arrays)
    losses = [
        sampled_log_loss(*given, sampler=sampler, samples=50, rng=np.random.default_rng(0))
        for given in (arrays, tensors)
    ]
    assert isinstance(losses[1], torch.Tensor)
    assert losses[1].dtype == torch.float64
    assert np.array_equal(losses[0], losses[1].numpy())


@pytest.mark.parametrize(
    ("change", "slug"),
    [
        ({"labels": [0]}, "shape-mismatch"),
        ({"labels": [0, 9]}, "label-out-of-range"),
        ({"weight": np.zeros((4, 2))}, "shape-mismatch"),
        ({"hidden": np.zeros((2, 3))}, "shape-mismatch"),
        ({"bias": np.zeros(2)}, "shape-mismatch"),
        ({"hidden": [[np.nan, 0.0], [0.0, 0.0]]}, "nan-prediction"),
    ],
)
def test_refusals(change, slug):
    given = {"labels": [0, 1], "hidden": np.zeros((2, 2)), "weight": np.zeros((3, 2))} | change
    with pytest.raises(DataError, match=slug):
        sampled_log_loss(**given, sampler=uniform(3), samples=2, rng=np.random.default_rng(0))


@pytest.mark.parametrize("samples", [0, -1])
def test_no_samples(problem, samples):
    arguments = (problem.labels, problem.hidden, problem.weight)
    with pytest.raises(UsageError, match="bad-option"):
        sampled_log_loss(*arguments, sampler=uniform(3000), samples=samples, rng=np.random.default_rng(0))


@pytest.mark.parametrize("classes", [[[[0]]], [[0], [1], [2]], 1])
def test_classes_are_shared_or_one_row_each(classes):
    with pytest.raises(DataError, match="shape-mismatch"):
        logits_of(np.zeros((2, 2)), np.zeros((3, 2)), classes)
