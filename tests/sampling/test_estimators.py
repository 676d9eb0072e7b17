"""Estimates of the normaliser and of log loss: unbiased where claimed, biased by what is claimed."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.errors import DataError, UsageError
from crossent.sampling import (
    accidental_hits,
    importance_log_normaliser,
    log_uniform,
    sampled_softmax,
    sampled_softmax_gradient,
    uniform,
    unigram,
)

torch = pytest.importorskip("torch")


def every_draw(sampler, m):
    """All V^m outcomes of m draws, (V^m, m), and the probability of each."""
    draws = np.array(list(itertools.product(range(sampler.probabilities.size), repeat=m)))
    return draws, sampler.probabilities[draws].prod(axis=1)


# --- the normaliser ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_label", [False, True])
@pytest.mark.parametrize("sampler", [uniform(4), log_uniform(4), unigram([1, 2, 30, 4])])
def test_the_normaliser_is_unbiased_over_all_draws(small, sampler, with_label):
    draws, probability = every_draw(sampler, 3)
    for z, z_label, label, log_z in zip(small.z, small.z_label, small.labels, small.log_z, strict=True):
        known = {}
        if with_label:
            labels = np.full(len(draws), label)
            known = {"z_label": np.full(len(draws), z_label), "hits": accidental_hits(labels, draws)}
        estimate = importance_log_normaliser(z[draws], sampler.log_probability(draws), **known)
        assert np.isclose(probability @ np.exp(estimate.value), np.exp(log_z), rtol=1e-13)
        assert probability @ estimate.value < log_z  # Jensen


def test_bias_and_standard_error_are_what_is_stated(problem):
    sampler, m, times = log_uniform(3000), 100, 5000
    rng = np.random.default_rng(2)
    z = problem.z[0]
    draws = sampler.draw((times, m), rng)
    estimate = importance_log_normaliser(z[draws], sampler.log_probability(draws))

    single = np.exp(z - problem.log_z[0]) / sampler.probabilities
    variance = sampler.probabilities @ single**2 - 1
    error = estimate.value - problem.log_z[0]
    se_of_mean = error.std() / np.sqrt(times)
    assert abs(error.mean() + variance / (2 * m)) < 4 * se_of_mean + 0.15 * variance / (2 * m)
    assert error.mean() < -4 * se_of_mean, "the bias must show, or this test sees nothing"
    assert np.isclose(error.std(), np.sqrt(variance / m), rtol=0.1)
    # what each set of draws says of itself agrees in the mean
    assert np.isclose((estimate.se**2).mean(), variance / m, rtol=0.2)
    assert np.isclose(estimate.bias.mean(), -variance / (2 * m), rtol=0.2)


def test_a_proposal_proportional_to_the_softmax_has_no_error(small):
    z = small.z[:1]
    log_q = z - small.log_z[:1, None]
    estimate = importance_log_normaliser(z[:, [2, 2, 0]], log_q[:, [2, 2, 0]])
    assert np.allclose(estimate.value, small.log_z[:1], rtol=1e-14)
    assert estimate.se < 1e-14
    assert estimate.bias == -(estimate.se**2) / 2


def test_counting_the_label_exactly_reduces_the_error(problem):
    sampler, rng = log_uniform(3000), np.random.default_rng(3)
    draws = sampler.draw((2000, 64), rng)
    label, z = problem.labels[0], problem.z[0].copy()
    z[label] += 6
    log_q = sampler.log_probability(draws)
    plain = importance_log_normaliser(z[draws], log_q)
    hits = draws == label
    known = importance_log_normaliser(z[draws], log_q, z_label=np.full(2000, z[label]), hits=hits)
    assert known.value.std() < 0.7 * plain.value.std()
    assert known.se.mean() < 0.7 * plain.se.mean()


def test_one_draw_says_nothing_of_its_error():
    estimate = importance_log_normaliser([[1.0]], [0.0])
    assert estimate.value == 1.0
    assert np.isnan(estimate.se) and np.isnan(estimate.bias)


def test_huge_logits_do_not_overflow():
    estimate = importance_log_normaliser([[1e4, 1e4 - 1], [-1e4, -1e4]], np.log([0.5, 0.5]))
    assert np.allclose(estimate.value, [1e4 + np.log1p(np.exp(-1)), -1e4 + np.log(2)], rtol=1e-15)


# --- sampled softmax --------------------------------------------------------------------------------------


def test_every_class_once_is_the_exact_log_loss(problem):
    every = np.arange(3000)
    log_q = uniform(3000).log_probability(every)
    loss = sampled_softmax(problem.z_label, problem.z, log_q, hits=accidental_hits(problem.labels, every))
    truth = torch.nn.functional.cross_entropy(
        torch.from_numpy(problem.z), torch.from_numpy(problem.labels), reduction="none"
    )
    assert np.allclose(loss, truth.numpy(), rtol=1e-13)


def test_it_is_the_normaliser_less_the_label(problem):
    sampler = unigram(problem.counts)
    draws = sampler.draw(200, np.random.default_rng(0))
    hits, log_q = accidental_hits(problem.labels, draws), sampler.log_probability(draws)
    loss = sampled_softmax(problem.z_label, problem.z[:, draws], log_q, hits=hits)
    log_z = importance_log_normaliser(problem.z[:, draws], log_q, z_label=problem.z_label, hits=hits)
    assert np.allclose(loss, log_z.value - problem.z_label, rtol=1e-12)


def test_hits_left_in_count_the_label_twice(small):
    """Draws in exact proportion to q stand for the limit of many draws."""
    draws = np.repeat(np.arange(4), [1, 2, 3, 4])
    log_q = np.log(np.array([1, 2, 3, 4]) / 10)[draws]
    p = np.exp(-small.exact)
    kept = sampled_softmax(small.z_label, small.z[:, draws], log_q)
    removed = sampled_softmax(
        small.z_label, small.z[:, draws], log_q, hits=accidental_hits(small.labels, draws)
    )
    assert np.allclose(removed, small.exact, rtol=1e-13)
    assert np.allclose(kept, -np.log(p / (1 + p)), rtol=1e-13)


def test_with_the_label_corrected_the_value_is_no_log_loss_and_the_gradient_tends_to_its(small):
    for copies in (1, 1000):
        draws = np.repeat(np.arange(4), np.array([1, 2, 3, 4]) * copies)
        q = np.array([1, 2, 3, 4]) / 10
        arguments = (small.z_label, small.z[:, draws], np.log(q)[draws], np.log(q)[small.labels])
        value = sampled_softmax(*arguments)
        m_q = draws.size * q[small.labels]
        assert np.allclose(value, np.log1p(m_q * np.exp(small.exact)), rtol=1e-12)
    assert np.allclose(value - np.log(m_q), small.exact, atol=1e-2)

    by_label, by_sampled = sampled_softmax_gradient(*arguments)
    by_class = np.stack([by_sampled[:, draws == k].sum(axis=1) for k in range(4)], axis=1)
    by_class[np.arange(5), small.labels] += by_label
    truth = np.exp(small.z - small.log_z[:, None]) - np.eye(4)[small.labels]
    assert np.allclose(by_class, truth, atol=2e-3)


def random_draws(seed, n=5, m=7):
    rng = np.random.default_rng(seed)
    z, z_label = rng.normal(scale=3, size=(n, m)), rng.normal(scale=3, size=n)
    return (
        z_label,
        z,
        np.log(rng.uniform(0.01, 1, (n, m))),
        np.log(rng.uniform(0.01, 1, n)),
        rng.random((n, m)) < 0.3,
    )


def by_torch(z_label, z, log_q, log_q_label, hits):
    """The same by PyTorch: a softmax over label and samples, less the logarithms of expected counts."""
    m = z.shape[1]
    label = torch.tensor(z_label, requires_grad=True)
    sampled = torch.tensor(z, requires_grad=True)
    first = label - (0 if log_q_label is None else torch.tensor(log_q_label) + np.log(m))
    rest = (sampled - torch.tensor(log_q) - np.log(m)).masked_fill(torch.tensor(hits), -torch.inf)
    joined = torch.cat([first[:, None], rest], dim=1)
    loss = torch.nn.functional.cross_entropy(joined, torch.zeros(len(z), dtype=torch.int64), reduction="none")
    loss.sum().backward()
    return loss.detach().numpy(), label.grad.numpy(), sampled.grad.numpy()


@given(seed=st.integers(0, 10_000), corrected=st.booleans())
@settings(max_examples=30, deadline=None)
def test_value_and_gradient_agree_with_pytorch(seed, corrected):
    z_label, z, log_q, log_q_label, hits = random_draws(seed)
    log_q_label = log_q_label if corrected else None
    loss, label, sampled = by_torch(z_label, z, log_q, log_q_label, hits)
    arguments = (z_label, z, log_q, log_q_label)
    mine = sampled_softmax_gradient(*arguments, hits=hits)
    assert np.allclose(sampled_softmax(*arguments, hits=hits), loss, rtol=1e-12, atol=1e-14)
    assert np.allclose(mine[0], label, rtol=1e-12, atol=1e-14)
    assert np.allclose(mine[1], sampled, rtol=1e-12, atol=1e-14)


@given(seed=st.integers(0, 10_000), shift=st.floats(-50, 50))
@settings(max_examples=30, deadline=None)
def test_a_constant_added_to_all_logits_does_not_matter(seed, shift):
    z_label, z, log_q, _, hits = random_draws(seed)
    one = sampled_softmax(z_label, z, log_q, hits=hits)
    two = sampled_softmax(z_label + shift, z + shift, log_q, hits=hits)
    assert np.allclose(one, two, rtol=1e-10, atol=1e-13)


def test_confident_rows_keep_their_precision():
    loss = sampled_softmax([60.0], [[0.0, 1.0]], np.log([0.5, 0.25]))
    with mpmath.workdps(40):
        rest = mpmath.e ** (-60) + 2 * mpmath.e ** (-59)
        assert abs(loss[0] / float(mpmath.log1p(rest)) - 1) < 1e-14


@pytest.mark.parametrize(
    ("z_label", "z", "loss"),
    [
        (-np.inf, [0.0, 0.0], np.inf),
        (0.0, [-np.inf, -np.inf], 0.0),
        (-1e4, [1e4, 1e4], 2e4),
        (1e4, [0.0, 0.0], 0.0),
    ],
)
def test_limits(z_label, z, loss):
    log_q = np.log([0.5, 0.5])
    assert np.allclose(sampled_softmax([z_label], [z], log_q), loss, rtol=1e-4)
    assert not np.isnan(np.hstack(sampled_softmax_gradient([z_label], [z], log_q)[1])).any()


# --- arguments --------------------------------------------------------------------------------------------

HALF = np.log([0.5, 0.5])


@pytest.mark.parametrize(
    ("arguments", "error", "slug"),
    [
        (([0.0], [[np.nan, 0.0]], HALF), DataError, "row 0.*nan-prediction"),
        (([np.nan], [[0.0, 0.0]], HALF), DataError, "z_label.*nan-prediction"),
        (([0.0, 0.0], [[0.0, 0.0], [0.0, np.inf]], HALF), DataError, "row 1.*infinite-logit"),
        (([-np.inf], [[-np.inf, -np.inf]], HALF), DataError, "row 0.*impossible-row"),
        (([0.0], [[0.0, 0.0]], [0.5, -1.0]), DataError, "value 0.5.*positive-log-probability"),
        (([0.0], [[0.0, 0.0]], [np.nan, -1.0]), DataError, "positive-log-probability"),
        (([0.0], [[0.0, 0.0]], [-np.inf, -1.0]), DataError, "class-never-drawn"),
        (([0.0], [[0.0, 0.0]], [-1.0]), DataError, "shape-mismatch"),
        (([0.0, 0.0], [[0.0, 0.0]], HALF), DataError, "shape-mismatch"),
        (([0.0], [0.0, 0.0], HALF), DataError, "shape-mismatch"),
        (([0.0], [[0.0, 0.0]], HALF, [0.1]), DataError, "positive-log-probability"),
        (([0.0], np.zeros((1, 0)), np.zeros(0)), UsageError, "bad-option"),
    ],
)
@pytest.mark.parametrize("function", [sampled_softmax, sampled_softmax_gradient])
def test_refusals(function, arguments, error, slug):
    with pytest.raises(error, match=slug):
        function(*arguments)


@pytest.mark.parametrize("hits", [[[0, 1]], [[True]]])
def test_hits_are_bools_of_the_samples(hits):
    with pytest.raises(DataError, match="shape-mismatch"):
        sampled_softmax([0.0], [[0.0, 0.0]], HALF, hits=hits)


def test_a_label_without_its_hits_is_refused():
    with pytest.raises(UsageError, match="bad-option"):
        importance_log_normaliser([[0.0, 0.0]], HALF, z_label=[0.0])
    with pytest.raises(DataError, match="impossible-row"):
        importance_log_normaliser([[-np.inf, -np.inf]], HALF)


def test_float32_is_widened_and_inputs_stay():
    z_label, z, log_q, _, hits = random_draws(1)
    narrow = [a.astype(np.float32) for a in (z_label, z, log_q)]
    kept = [a.copy() for a in narrow]
    for a in narrow:
        a.flags.writeable = False
    wide = [a.astype(np.float64) for a in narrow]
    assert np.array_equal(sampled_softmax(*narrow, hits=hits), sampled_softmax(*wide, hits=hits))
    assert all(np.array_equal(a, b) for a, b in zip(narrow, kept, strict=True))


@pytest.mark.parametrize("library", ["torch", "jax.numpy", "array_api_strict"])
def test_arrays_of_other_libraries_give_arrays_of_theirs(library):
    xp = pytest.importorskip(library)
    z_label, z, log_q, _, hits = random_draws(2)
    narrow = [np.float32(a) for a in (z_label, z, log_q)]
    theirs = [xp.asarray(a) for a in narrow]
    for function in (sampled_softmax, sampled_softmax_gradient):
        mine, other = function(*narrow, hits=hits), function(*theirs, hits=xp.asarray(hits))
        pairs = zip(mine, other, strict=True) if isinstance(mine, tuple) else [(mine, other)]
        for a, b in pairs:
            assert type(b) is type(theirs[0])
            assert np.allclose(a, np.asarray(b), rtol=1e-6)
    estimate = importance_log_normaliser(*theirs[1:])
    assert type(estimate.se) is type(theirs[0])
