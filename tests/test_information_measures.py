"""Laws of the measures between distributions, and their values against SciPy, scikit-learn and 60 digits."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.special import kl_div, rel_entr
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import mean_poisson_deviance, mutual_info_score

from crossent import (
    conditional_entropy,
    cross_entropy,
    entropy,
    generalised_kl_divergence,
    js_divergence,
    kl_divergence,
    mutual_information,
    perplexity,
)

LN2 = math.log(2)
LAW = settings(max_examples=50, deadline=None)


@st.composite
def distributions(draw, many=2):
    """Some (N, K) matrices of distributions with entries that are exactly 0; the last has none."""
    rows, classes = draw(st.integers(1, 20)), draw(st.sampled_from([1, 2, 3, 17, 40]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    p = rng.dirichlet(np.full(classes, draw(st.sampled_from([0.05, 1.0, 50.0]))), (many, rows))
    p[:-1][p[:-1] < 1e-3] = 0.0
    p[-1] = 0.999 * p[-1] + 0.001 / classes
    return list(p / p.sum(axis=-1, keepdims=True))


@st.composite
def tables(draw):
    """(N, X, Y) joint distributions, from independent to almost a function, some cells 0."""
    rows, x, y = (draw(st.sampled_from(sizes)) for sizes in ([1, 5], [1, 2, 4, 20], [1, 3, 18]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    joint = rng.dirichlet(np.full(x * y, draw(st.sampled_from([0.05, 1.0, 1e4]))), rows)
    joint[joint < 1e-4] = 0.0
    return (joint / joint.sum(axis=1, keepdims=True)).reshape(rows, x, y)


def rows(measure, *arguments, **options):
    return measure(*arguments, reduction="none", **options)


# --- two distributions ------------------------------------------------------------------------------------


@LAW
@given(distributions())
def test_cross_entropy_is_entropy_and_divergence(pair):
    p, q = pair
    d = rows(kl_divergence, p, q)
    assert np.allclose(rows(cross_entropy, p, q), rows(entropy, p) + d, rtol=1e-13, atol=1e-15)
    total_variation = np.abs(p - q).sum(axis=1)
    assert (d >= 0.5 * total_variation**2 * (1 - 1e-12)).all(), "Pinsker"
    assert np.array_equal(rows(generalised_kl_divergence, p, q), d)


@LAW
@given(distributions(many=3))
def test_jensen_shannon(three):
    p, q, r = three
    d = rows(js_divergence, p, q)
    assert np.allclose(d, rows(js_divergence, q, p), rtol=1e-14, atol=0)
    assert ((d >= 0) & (d <= LN2 * (1 + 4e-16))).all()
    assert not rows(js_divergence, p, p).any()
    mixture = (p + q) / 2
    assert np.allclose(d, rows(entropy, mixture) - (rows(entropy, p) + rows(entropy, q)) / 2, atol=2e-15)
    halves = (rows(kl_divergence, p, mixture) + rows(kl_divergence, q, mixture)) / 2
    assert np.allclose(d, halves, rtol=1e-12, atol=1e-18)
    left, right = np.sqrt(rows(js_divergence, p, r)), np.sqrt(rows(js_divergence, r, q))
    assert (np.sqrt(d) <= (left + right) * (1 + 1e-12)).all(), "its root is a metric"


@LAW
@given(distributions(), st.sampled_from([1e-300, 1e-3, 0.25, 7.0, 1e300]))
def test_generalised_divergence_scales_and_sums(pair, factor):
    p, q = pair
    d = rows(generalised_kl_divergence, p, q)
    assert np.allclose(rows(generalised_kl_divergence, factor * p, factor * q), factor * d, rtol=1e-12)
    # D(c p ‖ q) = c D(p ‖ q) + (c log c − c + 1) for distributions p and q
    if 1e-100 < factor < 1e100:
        shifted = factor * d + factor * math.log(factor) - factor + 1
        found = rows(generalised_kl_divergence, factor * p, q)
        assert np.allclose(found, shifted, rtol=1e-12, atol=1e-14 * max(1, factor))
    assert np.allclose(d, rows(generalised_kl_divergence, p[:, ::-1], q[:, ::-1]), rtol=1e-13, atol=1e-30)


@LAW
@given(distributions(), distributions())
def test_independent_parts_add_up(first, second):
    p, q = (np.einsum("i,j->ij", a[0], b[0]).ravel() for a, b in zip(first, second, strict=True))
    for measure, both in ((entropy, (p,)), (cross_entropy, (p, q)), (kl_divergence, (p, q))):
        parts = [measure(*(x[0] for x in pair[: len(both)])) for pair in (first, second)]
        assert measure(*both) == pytest.approx(sum(parts), rel=1e-12, abs=1e-14)


@LAW
@given(distributions())
def test_perplexity(pair):
    p, q = pair
    bits = cross_entropy(p, q, base="bits")
    assert perplexity(p, q) == pytest.approx(2**bits, rel=1e-13)
    assert perplexity(p) == pytest.approx(math.exp(entropy(p)), rel=1e-15)
    each = rows(perplexity, p, q)
    assert np.allclose(each, np.exp(rows(cross_entropy, p, q)), rtol=1e-15)
    assert perplexity(p, q) <= each.mean() * (1 + 1e-14), "a geometric mean"
    assert ((rows(perplexity, p) >= 1) & (rows(perplexity, p) <= p.shape[1] * (1 + 1e-14))).all()


def test_perplexity_of_labels_is_that_of_one_hot_rows():
    q = np.random.default_rng(0).dirichlet(np.ones(4), (3, 5))
    y = np.arange(15).reshape(3, 5) % 4
    assert perplexity(y, q) == perplexity(np.eye(4)[y], q)
    assert perplexity(np.full((7, 6), 1 / 6)) == pytest.approx(6, rel=1e-15)
    assert perplexity([0, 0], [[0.1, 0.9], [0.1, 0.9]], floor=0.2) == pytest.approx(5, rel=1e-15)


# --- joint distributions ----------------------------------------------------------------------------------


@LAW
@given(tables())
def test_mutual_information_in_all_its_forms(joint):
    information = rows(mutual_information, joint)
    p_x, p_y = joint.sum(axis=2), joint.sum(axis=1)
    flat = joint.reshape(len(joint), -1)
    product = np.einsum("nx,ny->nxy", p_x, p_y).reshape(flat.shape)
    by_entropies = rows(entropy, p_x) + rows(entropy, p_y) - rows(entropy, flat)
    assert np.allclose(information, by_entropies, rtol=1e-12, atol=1e-14)
    assert np.allclose(information, rows(kl_divergence, flat, product), rtol=1e-9, atol=1e-24)
    assert np.allclose(information, rows(mutual_information, joint, axis=(2, 1)), rtol=1e-9, atol=1e-24)
    least = np.minimum(rows(entropy, p_x), rows(entropy, p_y))
    assert ((information >= 0) & (information <= least * (1 + 1e-12) + 1e-15)).all()


@LAW
@given(tables())
def test_chain_rule_of_entropy(joint):
    p_x, p_y = joint.sum(axis=2), joint.sum(axis=1)
    whole = rows(entropy, joint.reshape(len(joint), -1))
    y_given_x, x_given_y = (rows(conditional_entropy, joint, axis=axis) for axis in ((1, 2), (2, 1)))
    assert np.allclose(rows(entropy, p_x) + y_given_x, whole, rtol=1e-13, atol=1e-14)
    assert np.allclose(rows(entropy, p_y) + x_given_y, whole, rtol=1e-13, atol=1e-14)
    assert np.allclose(rows(entropy, p_y) - y_given_x, rows(mutual_information, joint), atol=1e-14)
    assert ((y_given_x >= 0) & (y_given_x <= rows(entropy, p_y) * (1 + 1e-12) + 1e-15)).all()


@LAW
@given(tables())
def test_merging_outcomes_loses_information(joint):
    merged = np.concatenate([joint[:, :, :2].sum(axis=2, keepdims=True), joint[:, :, 2:]], axis=2)
    slack = 1e-12
    assert (rows(mutual_information, merged) <= rows(mutual_information, joint) * (1 + slack) + 1e-20).all()
    assert (rows(conditional_entropy, merged) <= rows(conditional_entropy, joint) * (1 + slack)).all()


def test_conditional_entropy_is_the_best_cross_entropy():
    joint = np.random.default_rng(3).dirichlet(np.ones(12)).reshape(4, 3)
    p_x, best = joint.sum(axis=1), joint / joint.sum(axis=1, keepdims=True)
    lowest = conditional_entropy(joint)
    assert cross_entropy(best, best, weights=p_x) == pytest.approx(lowest, rel=1e-14)
    for seed in range(20):
        other = np.random.default_rng(seed).dirichlet(np.ones(3), 4)
        assert cross_entropy(best, other, weights=p_x) > lowest


def test_functions_and_independence():
    function = np.zeros((4, 2))
    function[[0, 1, 2, 3], [0, 1, 1, 0]] = [0.125, 0.25, 0.25, 0.375]
    assert conditional_entropy(function) == 0.0
    assert mutual_information(function) == pytest.approx(entropy([0.5, 0.5]), rel=1e-15)
    p, q = np.random.default_rng(0).dirichlet(np.ones(9), 2)
    assert 0.0 <= mutual_information(np.outer(p, q)) < 1e-30, "no dependence, not 1e-16 of it"
    assert conditional_entropy(np.outer(p, q)) == pytest.approx(entropy(q), rel=1e-14)


# --- others' values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 16, 17, 300])
@pytest.mark.parametrize("concentration", [0.05, 1.0, 100.0])
def test_scipy(classes, concentration):
    rng = np.random.default_rng(classes)
    p, q = rng.dirichlet(np.full(classes, concentration), (2, 100))
    q = 0.9 * q + 0.1 / classes
    assert np.allclose(rows(kl_divergence, p, q), rel_entr(p, q).sum(axis=1), rtol=1e-12, atol=1e-15)
    assert np.allclose(rows(js_divergence, p, q), jensenshannon(p, q, axis=1) ** 2, rtol=1e-11, atol=1e-14)
    assert np.allclose(rows(perplexity, p), np.exp(scipy_entropy(p, axis=1)), rtol=1e-12)
    masses = rng.gamma(0.3, 1e3, (2, 100, classes))
    theirs = kl_div(*masses).sum(axis=1)
    assert np.allclose(rows(generalised_kl_divergence, *masses), theirs, rtol=1e-12)


@pytest.mark.parametrize(("x", "y"), [(2, 2), (5, 3), (30, 40)])
def test_scikit_learn(x, y):
    counts = np.random.default_rng(x).poisson(3.0, (x, y))
    theirs = mutual_info_score(None, None, contingency=counts)
    assert mutual_information(counts / counts.sum()) == pytest.approx(theirs, rel=1e-12)
    expected = np.random.default_rng(y).gamma(2.0, 1.0, counts.size)
    half_deviance = mean_poisson_deviance(counts.ravel(), expected) * counts.size / 2
    assert generalised_kl_divergence(counts.ravel(), expected) == pytest.approx(half_deviance, rel=1e-12)


def exact_kl(p, q):
    """Σ p log(p/q) − p + q."""
    with mp.workdps(90):
        pairs = [(mp.mpf(a), mp.mpf(b)) for a, b in zip(p, q, strict=True)]
        if any(a and not b for a, b in pairs):
            return math.inf
        return float(mp.fsum((a * mp.log(a / b) if a else 0) - a + b for a, b in pairs))


def exact_js(p, q):
    with mp.workdps(90):
        mixed = [(mp.mpf(a) + mp.mpf(b)) / 2 for a, b in zip(p, q, strict=True)]
        return float(
            mp.fsum(
                (mp.mpf(x) * mp.log(mp.mpf(x) / m) if x else 0) / 2
                for side in (p, q)
                for x, m in zip(side, mixed, strict=True)
            )
        )


DISTANCES = [1e-15, 1e-12, 1e-8, 1e-4, 0.01, 0.1, 0.2, 0.35, 0.45, 0.499, 0.7, 1.0]


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("padding", [0, 20])
def test_every_digit_at_every_distance(distance, padding):
    p = np.array([0.3, 0.45, 0.25] + [0.0] * padding)
    q = p.copy()
    q[0] += distance * 0.3
    q[1] -= distance * 0.3
    for a, b in ((p, q), (q, p)):
        if b.min() >= 0:
            assert kl_divergence(a, b) == pytest.approx(exact_kl(a, b), rel=1e-14, abs=0)
            assert js_divergence(a, b) == pytest.approx(exact_js(a, b), rel=1e-14, abs=0)


@pytest.mark.parametrize("ratio", [1e-320, 1e-200, 1e-17, 1e-3, 0.66, 0.67, 1 - 1e-9, 1.5, 1e17, 1e250])
@pytest.mark.parametrize("size", [1e-300, 1e-17, 0.3, 1e50])
def test_every_digit_at_every_ratio_of_masses(ratio, size):
    p, q = [size], [size * ratio]
    assert generalised_kl_divergence(p, q) == pytest.approx(exact_kl(p, q), rel=1e-14)
    assert generalised_kl_divergence(q, p) == pytest.approx(exact_kl(q, p), rel=1e-14)
    if max(p[0], q[0]) <= 0.3:
        rest = [1 - p[0]], [1 - q[0]]
        p, q = p + rest[0], q + rest[1]
        assert js_divergence(p, q) == pytest.approx(exact_js(p, q), rel=2e-14, abs=5e-324)


@pytest.mark.parametrize("power", [-4, -10, -20, -30, -40, -50])
def test_weak_dependence_keeps_its_digits(power):
    d = 2.0**power
    joint = [[0.25 + d, 0.25 - d], [0.25 - d, 0.25 + d]]
    with mp.workdps(60):
        exact = float(sum(2 * (0.25 + s) * mp.log(1 + 4 * mp.mpf(s)) for s in (d, -d)))
    assert mutual_information(joint) == pytest.approx(exact, rel=1e-14)


# --- gradients by which the formulas are known -------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_slope_of_the_generalised_divergence(seed):
    p, q = np.random.default_rng(seed).gamma(2.0, 1.0, (2, 6))
    h = 1e-5
    found = [
        (generalised_kl_divergence(p, q + h * e) - generalised_kl_divergence(p, q - h * e)) / (2 * h)
        for e in np.eye(6)
    ]
    assert np.allclose(found, 1 - p / q, atol=1e-6 * (p / q**3).max() + 1e-9)


# --- blocks of rows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(20_000, 2), (3_001, 16), (1_999, 17), (3, 20_000)], ids=str)
@pytest.mark.parametrize("measure", [kl_divergence, js_divergence, generalised_kl_divergence])
def test_a_row_has_the_same_bits_among_any_others(measure, shape):
    p, q = np.random.default_rng(shape[1]).dirichlet(np.ones(shape[1]), (2, shape[0]))
    together = rows(measure, p, q)
    for row in np.linspace(0, shape[0] - 1, 7).astype(int):
        assert measure(p[row], q[row]) == together[row]
    assert np.array_equal(rows(measure, p[::-1], q[::-1]), together[::-1])
