"""Noise-contrastive estimation and negative sampling: what they make smallest, by exact expectations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from crossent.errors import DataError, UsageError
from crossent.sampling import (
    accidental_hits,
    log_uniform,
    negative_sampling,
    negative_sampling_gradient,
    noise_contrastive_estimation,
    noise_contrastive_estimation_gradient,
    uniform,
    unigram,
)

torch = pytest.importorskip("torch")

P = np.array([0.55, 0.3, 0.1, 0.049, 0.001])
CLASSES = np.arange(5)
SAMPLERS = [uniform(5), log_uniform(5), unigram([1, 5, 1, 2, 3])]


def every_pair(sampler, m):
    """Each label with each draw m times over, and the probability of that pair."""
    labels, drawn = (a.ravel() for a in np.meshgrid(CLASSES, CLASSES, indexing="ij"))
    return labels, np.tile(drawn[:, None], (1, m)), P[labels] * sampler.probabilities[drawn]


def expected(function, z, sampler, m):
    """Expected value and gradient by z: sums over draws are linear, so pairs of label and draw suffice."""
    labels, drawn, weight = every_pair(sampler, m)
    if function is noise_contrastive_estimation:
        rest = (sampler.log_probability(labels), sampler.log_probability(drawn))
        value, slopes = (
            function(z[labels], z[drawn], *rest),
            noise_contrastive_estimation_gradient(z[labels], z[drawn], *rest),
        )
    else:
        value, slopes = function(z[labels], z[drawn]), negative_sampling_gradient(z[labels], z[drawn])
    gradient = np.zeros(5)
    np.add.at(gradient, labels, weight * slopes[0])
    np.add.at(gradient, drawn, weight[:, None] * slopes[1])
    return weight @ value, gradient


@pytest.mark.parametrize("m", [1, 5])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_nce_is_flat_at_the_data_distribution(sampler, m):
    at_truth = expected(noise_contrastive_estimation, np.log(P), sampler, m)[1]
    assert np.abs(at_truth).max() < 1e-15
    beside = expected(noise_contrastive_estimation, np.log(P) + 0.1, sampler, m)[1]
    assert np.all(beside > 1e-5)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_nce_finds_normalised_log_probabilities(sampler):
    found = minimize(
        lambda z: expected(noise_contrastive_estimation, z, sampler, 3), np.zeros(5), jac=True, tol=1e-12
    )
    assert np.allclose(found.x, np.log(P), atol=2e-3)
    assert np.isclose(np.exp(found.x).sum(), 1, atol=1e-4)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_expected_gradient_of_nce_is_as_documented_and_tends_to_that_of_log_loss(sampler):
    z = np.log([0.2, 0.2, 0.2, 0.2, 0.2])
    for m in (1, 4):
        m_q = m * sampler.probabilities
        stated = (np.exp(z) - P) * m_q / (np.exp(z) + m_q)
        assert np.allclose(expected(noise_contrastive_estimation, z, sampler, m)[1], stated, rtol=1e-12)
    many = 2000
    close = expected(noise_contrastive_estimation, z, sampler, many)[1]
    assert np.allclose(close, np.exp(z) - P, atol=1e-2)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_negative_sampling_is_flat_at_p_over_q_and_not_at_p(sampler):
    m = 3
    ratio = np.log(P / (m * sampler.probabilities))
    assert np.abs(expected(negative_sampling, ratio, sampler, m)[1]).max() < 1e-15
    assert np.abs(expected(negative_sampling, np.log(P), sampler, m)[1]).max() > 0.05
    softmax = np.exp(ratio) / np.exp(ratio).sum()
    assert not np.allclose(softmax, P, rtol=0.1) or np.allclose(sampler.probabilities, 0.2)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_negative_sampling_without_hits_has_the_minimum_it_says(sampler):
    m = 2
    labels, drawn, weight = every_pair(sampler, m)
    z = np.log(P / (m * sampler.probabilities * (1 - P)))
    slopes = negative_sampling_gradient(z[labels], z[drawn], hits=accidental_hits(labels, drawn))
    gradient = np.zeros(5)
    np.add.at(gradient, labels, weight * slopes[0])
    np.add.at(gradient, drawn, weight[:, None] * slopes[1])
    assert np.abs(gradient).max() < 1e-15


@given(seed=st.integers(0, 10_000), noise=st.booleans())
@settings(max_examples=30, deadline=None)
def test_value_and_gradient_agree_with_pytorch(seed, noise):
    rng = np.random.default_rng(seed)
    z_label, z = rng.normal(scale=4, size=3), rng.normal(scale=4, size=(3, 6))
    log_q_label, log_q = np.log(rng.uniform(0.01, 1, 3)), np.log(rng.uniform(0.01, 1, 6))
    label, sampled = torch.tensor(z_label, requires_grad=True), torch.tensor(z, requires_grad=True)
    own, other = (torch.tensor(log_q_label), torch.tensor(log_q)) if noise else (-np.log(6), -np.log(6))
    odds = torch.cat([(label - own - np.log(6))[:, None], sampled - other - np.log(6)], dim=1)
    is_label = torch.zeros_like(odds)
    is_label[:, 0] = 1
    each = torch.nn.functional.binary_cross_entropy_with_logits(odds, is_label, reduction="none")
    each.sum().backward()
    if noise:
        arguments = (z_label, z, log_q_label, log_q)
        mine = noise_contrastive_estimation(*arguments)
        slopes = noise_contrastive_estimation_gradient(*arguments)
    else:
        mine, slopes = negative_sampling(z_label, z), negative_sampling_gradient(z_label, z)
    assert np.allclose(mine, each.sum(dim=1).detach().numpy(), rtol=1e-12)
    assert np.allclose(slopes[0], label.grad.numpy(), rtol=1e-12, atol=1e-15)
    assert np.allclose(slopes[1], sampled.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("z_label", [-np.inf, -1e4, 0.0, 1e4])
@pytest.mark.parametrize("z", [-np.inf, -1e4, 0.0, 1e4])
def test_limits_are_never_nan(z_label, z):
    half = np.log([0.5])
    for value in (
        noise_contrastive_estimation([z_label], [[z]], half, half),
        negative_sampling([z_label], [[z]]),
    ):
        truth = max(0.0, -z_label) + max(0.0, z)
        assert value == truth or abs(value[0] - truth) < 2.5 * np.log(2)
    slopes = noise_contrastive_estimation_gradient([z_label], [[z]], half, half)
    assert -1 <= slopes[0][0] <= 0 <= slopes[1][0, 0] <= 1


@pytest.mark.parametrize(
    ("call", "error", "slug"),
    [
        (lambda: negative_sampling([np.nan], [[0.0]]), DataError, "nan-prediction"),
        (lambda: negative_sampling([0.0], [[np.inf]]), DataError, "infinite-logit"),
        (lambda: negative_sampling([0.0, 0.0], [[0.0]]), DataError, "shape-mismatch"),
        (lambda: negative_sampling([0.0], np.zeros((1, 0))), UsageError, "bad-option"),
        (lambda: noise_contrastive_estimation([0.0], [[0.0]], [0.1], [-1.0]), DataError, "positive-log"),
        (lambda: noise_contrastive_estimation([0.0], [[0.0]], [-1.0], [-np.inf]), DataError, "never-drawn"),
        (lambda: noise_contrastive_estimation([0.0], [[0.0]], [-1.0, -1.0], [-1.0]), DataError, "shape-"),
    ],
)
def test_refusals(call, error, slug):
    with pytest.raises(error, match=slug):
        call()
