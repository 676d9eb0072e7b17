"""Samplers: the probabilities they state are those they draw with."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from crossent.errors import DataError, UsageError
from crossent.sampling import ClassSampler, log_uniform, uniform, unigram

SAMPLERS = {
    "uniform": uniform(50),
    "log_uniform": log_uniform(50),
    "unigram": unigram(np.arange(50, 0, -1) ** 2),
    "given": ClassSampler([3, 1, 1]),
}


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_classes_are_drawn_as_often_as_stated(sampler):
    drawn = sampler.draw(100_000, np.random.default_rng(0))
    expected = sampler.probabilities * drawn.size
    assert np.isclose(sampler.probabilities.sum(), 1.0, rtol=1e-14)
    assert chisquare(np.bincount(drawn, minlength=expected.size), expected).pvalue > 1e-3


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_log_probabilities_are_those_of_the_drawn_classes(sampler):
    drawn = sampler.draw((7, 11), np.random.default_rng(1))
    assert drawn.shape == (7, 11)
    assert np.array_equal(
        np.exp(sampler.log_probability(drawn)).round(14), sampler.probabilities[drawn].round(14)
    )


def test_the_same_seed_draws_the_same():
    one, two = (log_uniform(1000).draw(20, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(one, two)


def test_log_uniform_is_zipfs_law():
    k = np.arange(10_000)
    expected = (np.log(k + 2) - np.log(k + 1)) / np.log(10_001)
    assert np.allclose(log_uniform(10_000).probabilities, expected, rtol=1e-10)


@pytest.mark.parametrize(("power", "expected"), [(0, [0.5, 0.5]), (1, [0.9, 0.1]), (0.5, [0.75, 0.25])])
def test_unigram_flattens_by_its_power(power, expected):
    assert np.allclose(unigram([9, 1], power=power).probabilities, expected, rtol=1e-15)


@pytest.mark.parametrize("u", [0.0, 0.5, np.nextafter(1.0, 0.0)])
def test_every_uniform_number_gives_a_class(u):
    class Fixed:
        def random(self, size):
            return np.full(size, u)

    # probabilities whose cumulative sum is not 1 in floating point
    sampler = ClassSampler(np.full(49, 0.1))
    assert 0 <= sampler.draw(1, Fixed())[0] < 49


@pytest.mark.parametrize(
    ("make", "error", "slug"),
    [
        (lambda: unigram([5, 0, 1]), DataError, "class 1.*class-never-drawn"),
        (lambda: unigram([5, 0, 1], power=0), DataError, "class 1.*class-never-drawn"),
        (lambda: ClassSampler([0.5, -0.1]), DataError, "value -0.1.*class-never-drawn"),
        (lambda: ClassSampler([np.nan, 1.0]), DataError, "class-never-drawn"),
        (lambda: ClassSampler([[0.5, 0.5]]), DataError, "shape-mismatch"),
        (lambda: ClassSampler([]), DataError, "no-rows"),
        (lambda: uniform(0), UsageError, "bad-option"),
        (lambda: uniform(3).log_probability([0, 3]), DataError, "label-out-of-range"),
        (lambda: uniform(3).log_probability([-1]), DataError, "label-out-of-range"),
    ],
)
def test_refusals(make, error, slug):
    with pytest.raises(error, match=slug):
        make()


def test_the_callers_array_stays_his():
    given = np.array([2.0, 2.0])
    sampler = ClassSampler(given)
    given[0] = 100
    assert np.array_equal(sampler.probabilities, [0.5, 0.5])
    assert given.flags.writeable
    assert not sampler.probabilities.flags.writeable
