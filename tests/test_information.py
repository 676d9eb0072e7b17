"""Measures and log loss of arrays: the article's call, identities, peers, refusals."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sklearn_log_loss

from crossent.errors import DataError, UsageError
from crossent.information import cross_entropy, entropy, kl_divergence, log_loss

INF = np.inf
LN2 = math.log(2)


def article(y_true, y_pred):
    """What a widely read article has readers write, clip and all."""
    y_pred = np.clip(y_pred, 1e-15, 1 - 1e-15)
    return -np.sum(y_true * np.log(y_pred)) / len(y_true)


@st.composite
def distributions(draw, rows=None):
    """(p, q): two (N, K) matrices of distributions, some entries of p exactly 0."""
    shape = rows or draw(st.integers(1, 30)), draw(st.sampled_from([2, 3, 11, 40]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    p, q = rng.dirichlet(np.full(shape[1], draw(st.sampled_from([0.1, 1.0, 50.0]))), (2, shape[0]))
    p[p < 1e-3] = 0.0
    return p / p.sum(axis=1, keepdims=True), 0.999 * q + 0.001 / shape[1]


# --- the article's call -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 3, 100, 5_000])
def test_the_article_call_works_as_written(rows):
    rng = np.random.default_rng(rows)
    y_pred = rng.dirichlet(np.ones(4), rows)
    y_true = np.eye(4)[rng.integers(0, 4, rows)]
    got = cross_entropy(y_true, y_pred)
    assert isinstance(got, float)
    assert abs(got - article(y_true, y_pred)) <= 2 * np.spacing(got)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_floor_of_the_article_gives_its_figure(dtype):
    y_pred = np.array([[1, 0, 0], [0.25, 0.5, 0.25], [1e-20, 0, 1]], dtype)
    y_true = np.eye(3)[[1, 1, 0]]
    theirs = article(y_true, y_pred.astype(np.float64))
    assert cross_entropy(y_true, y_pred, floor=1e-15) == pytest.approx(theirs, rel=2e-16)
    assert cross_entropy(y_true, y_pred) == INF, "nothing is clipped unless asked for"
    assert log_loss([1, 1, 0], y_pred, floor=1e-15) == cross_entropy(y_true, y_pred, floor=1e-15)


def test_lists_and_the_figure_of_a_small_example():
    y_true = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    y_pred = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]
    want = -(math.log(0.7) + math.log(0.8) + math.log(0.6)) / 3
    assert cross_entropy(y_true, y_pred) == pytest.approx(want, rel=1e-15)


# --- laws -------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(distributions())
def test_cross_entropy_is_entropy_plus_divergence(pair):
    p, q = pair
    h, d, c = (
        f(*a, reduction="none")
        for f, a in ((entropy, (p,)), (kl_divergence, (p, q)), (cross_entropy, (p, q)))
    )
    assert np.allclose(c, h + d, rtol=1e-13, atol=1e-15)
    assert np.allclose(cross_entropy(p, p, reduction="none"), h, rtol=0, atol=0)
    assert (d >= -1e-15).all() and (h >= 0).all()
    assert (h <= math.log(p.shape[1]) + 1e-12).all()
    assert not np.any(kl_divergence(p, p, reduction="none"))


@settings(max_examples=50, deadline=None)
@given(distributions(), st.randoms())
def test_reductions_and_order(pair, random):
    p, q = pair
    rows = cross_entropy(p, q, reduction="none")
    assert rows.shape == (len(p),)
    assert cross_entropy(p, q, reduction="sum") == math.fsum(rows)
    assert cross_entropy(p, q) == pytest.approx(math.fsum(rows) / len(rows), rel=2e-16)
    order = random.sample(range(len(p)), len(p))
    assert cross_entropy(p[order], q[order]) == cross_entropy(p, q), "the same bits in any order"


@settings(max_examples=50, deadline=None)
@given(distributions(rows=6), st.lists(st.integers(0, 4), min_size=6, max_size=6).filter(any))
def test_weights_are_repetitions(pair, weights):
    p, q = pair
    repeated = np.repeat(p, weights, axis=0), np.repeat(q, weights, axis=0)
    for function, few, many in [
        (entropy, (p,), repeated[:1]),
        (cross_entropy, (p, q), repeated),
        (kl_divergence, (p, q), repeated),
    ]:
        for reduction in ("mean", "sum"):
            weighted = function(*few, weights=weights, reduction=reduction)
            assert weighted == pytest.approx(function(*many, reduction=reduction), rel=1e-14)


@settings(max_examples=30, deadline=None)
@given(distributions())
def test_any_axis_and_any_number_of_them(pair):
    p, q = pair
    rows = cross_entropy(p, q, reduction="none")
    assert np.array_equal(cross_entropy(p.T, q.T, axis=0, reduction="none"), rows)
    cube = [np.stack([x, x], axis=1) for x in (p, q)]  # (N, 2, K)
    assert np.array_equal(cross_entropy(*cube, reduction="none"), np.column_stack([rows, rows]))
    assert cross_entropy(p[0], q[0]) == rows[0]
    weights = np.stack([np.ones(len(p)), np.zeros(len(p))], axis=1)
    assert cross_entropy(*cube, weights=weights) == cross_entropy(p, q)


@pytest.mark.parametrize("kind", [np.int64, np.uint8, list])
def test_class_indices_are_one_hot_rows(kind):
    q = np.random.default_rng(0).dirichlet(np.ones(3), (5, 4))
    labels = np.random.default_rng(1).integers(0, 3, (5, 4))
    indices = labels.tolist() if kind is list else labels.astype(kind)
    for y, p, axis in [(indices, q, -1), (indices, np.moveaxis(q, -1, 0), 0)]:
        got = cross_entropy(y, p, axis=axis, reduction="none")
        # one logarithm is that of the kernels, the other NumPy's
        one_hot = cross_entropy(np.eye(3)[labels], q, reduction="none")
        np.testing.assert_array_max_ulp(got, one_hot, maxulp=1)


def test_two_vectors_are_two_distributions_even_of_integers():
    assert cross_entropy([0, 1], [0.25, 0.75]) == -math.log(0.75)


@pytest.mark.parametrize(
    ("base", "unit"), [(None, 1.0), ("nats", 1.0), ("bits", LN2), (2, LN2), (10.0, math.log(10)), (0.5, -LN2)]
)
def test_bases(base, unit):
    p, q = [[0.5, 0.5], [0.1, 0.9]], [[0.3, 0.7], [0.6, 0.4]]
    for function, arguments in [
        (entropy, (p,)),
        (cross_entropy, (p, q)),
        (kl_divergence, (p, q)),
        (log_loss, ([0, 1], q)),
    ]:
        for reduction in ("mean", "sum", "none"):
            nats = function(*arguments, reduction=reduction)
            assert np.array_equal(function(*arguments, base=base, reduction=reduction), nats / unit)


# --- zero is zero -----------------------------------------------------------------------------------------


def test_zero_times_infinity_with_weight_zero_is_zero():
    p, q = [[0.0, 1.0], [0.5, 0.5]], [[1.0, 0.0], [0.5, 0.5]]
    for function in (cross_entropy, kl_divergence):
        assert function(p, q) == INF
        assert function(p, q, reduction="none").tolist()[0] == INF
        for reduction in ("mean", "sum"):
            assert function(p, q, weights=[0, 2], reduction=reduction) == function(
                p[1:], q[1:], weights=[2], reduction=reduction
            )
            assert function(p, q, weights=[1, 2], reduction=reduction) == INF
    assert log_loss([1, 0], q, weights=[0.0, 1.0]) == LN2
    assert entropy([1.0, 0.0]) == 0.0 and not np.signbit(entropy([1.0, 0.0]))


def test_tiny_probabilities_are_not_clipped():
    assert cross_entropy([1, 0], [1e-300, 1.0]) == pytest.approx(300 * math.log(10), rel=1e-15)
    assert log_loss([0], [1e-20]) == 1e-20, "log1p for the other class of a single column"


# --- log_loss of labels -----------------------------------------------------------------------------------


def test_columns_are_matched_by_name_not_by_sorting():
    p = [[0.2, 0.5, 0.3], [0.7, 0.2, 0.1]]
    for labels in (["b", "c"], np.array(["b", "c"]), np.array(["b", "c"], object), pd.Series(["b", "c"])):
        got = log_loss(labels, p, classes=["c", "b", "a"])
        assert got == pytest.approx(-(math.log(0.5) + math.log(0.7)) / 2, rel=1e-15)
    by_sorting = sklearn_log_loss(["b", "c"], p, labels=["a", "b", "c"])
    assert by_sorting != pytest.approx(got, rel=0.1)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([True, False, True], None),
        (np.array([1, 0, 1], np.int8), None),
        ([("a", 1), None, ("a", 1)], [None, ("a", 1)]),
        (np.array([1, 0, 1]), [0, 1]),
        ([2.5, -1.0, 2.5], (-1.0, 2.5)),
        (pd.Series(["yes", "no", "yes"], index=[9, 8, 7]), np.array(["no", "yes"])),
        (
            np.array(["2026-01-02", "2026-01-01", "2026-01-02"], "M8[D]"),
            np.array(["2026-01-01", "2026-01-02"], "M8[D]"),
        ),
        ([np.int64(7), 3, np.int64(7)], [3, 7]),
    ],
)
def test_labels_of_any_type_and_a_single_column(labels, classes):
    p = np.array([0.9, 0.2, 0.4])
    want = -(math.log(0.9) + math.log1p(-0.2) + math.log(0.4)) / 3
    assert log_loss(labels, p, classes=classes) == pytest.approx(want, rel=1e-15)
    both = np.column_stack([1 - p, p])
    assert log_loss(labels, both, classes=classes) == pytest.approx(want, rel=1e-15)


@pytest.mark.parametrize("classes", [2, 10])
def test_agrees_with_scikit_learn(classes):
    rng = np.random.default_rng(0)
    p, y, w = rng.dirichlet(np.ones(classes), 400), rng.integers(0, classes, 400), rng.random(400)
    theirs = sklearn_log_loss(y, p, sample_weight=w, labels=np.arange(classes))
    assert log_loss(y, p, weights=w) == pytest.approx(theirs, rel=1e-13)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_narrow_input_counts_as_its_widened_copy(dtype):
    p = np.random.default_rng(0).dirichlet(np.ones(5), 50).astype(dtype)
    y = np.arange(50) % 5
    with warnings.catch_warnings():
        # as float64 these rows are further from one than rounding explains
        warnings.simplefilter("ignore")
        assert log_loss(y, p) == log_loss(y, p.astype(np.float64))
        assert entropy(p) == entropy(p.astype(np.float64))


# --- refusals and warnings --------------------------------------------------------------------------------

P = [[0.5, 0.5], [0.2, 0.8]]


@pytest.mark.parametrize(
    ("call", "slug", "row"),
    [
        (lambda: entropy([[0.5, 0.5], [np.nan, 0.5]]), "nan-prediction", 1),
        (lambda: entropy([[0.5, 0.5], [-0.2, 1.2]]), "not-a-probability", 1),
        (lambda: cross_entropy([[1, 0]], [[2.0, -1.0]]), "not-a-probability", 0),
        (lambda: cross_entropy([[3, 0]], [[0.5, 0.5]]), "not-a-probability", 0),
        (lambda: kl_divergence(P, [[0.5, 0.5], [INF, 0.5]]), "not-a-probability", 1),
        (lambda: entropy(["a", "b"]), "not-a-number", None),
        (
            lambda: entropy(np.array([None, {}])),
            "not-a-number",
            None,
        ),
        (lambda: entropy([]), "no-rows", None),
        (lambda: cross_entropy(np.zeros((0, 2)), np.zeros((0, 2))), "no-rows", None),
        (lambda: log_loss([], np.zeros((0, 2))), "no-rows", None),
        (lambda: cross_entropy([0, 2], P), "label-out-of-range", 1),
        (lambda: cross_entropy([-1, 0], P), "label-out-of-range", 0),
        (lambda: log_loss([0, 5], P), "label-out-of-range", 1),
        (lambda: log_loss([0, 2], [0.1, 0.2]), "label-out-of-range", 1),
        (lambda: cross_entropy([0.5, 0.5], P), "shape-mismatch", None),
        (lambda: cross_entropy([True, False], P), "shape-mismatch", None),
        (lambda: cross_entropy([0, 1, 1], P), "shape-mismatch", None),
        (lambda: kl_divergence([0.5, 0.5], P), "shape-mismatch", None),
        (lambda: log_loss([0], P), "shape-mismatch", None),
        (lambda: log_loss([[0], [1]], P), "shape-mismatch", None),
        (lambda: log_loss([0, 1], np.zeros((2, 2, 2))), "shape-mismatch", None),
        (lambda: entropy(P, weights=[1.0]), "shape-mismatch", None),
        (lambda: entropy(P, weights=[1.0, -1.0]), "bad-weight", 1),
        (lambda: log_loss([0, 1], P, weights=[np.nan, 1.0]), "bad-weight", 0),
        (lambda: log_loss([0, 1], P, weights=[INF, 1.0]), "bad-weight", 0),
        (lambda: cross_entropy(P, P, weights=[0.0, 0.0]), "no-weight", None),
        (lambda: log_loss(["a", "x"], P, classes=["a", "b"]), "unknown-label", 1),
        (lambda: log_loss([0, 1], P, classes=["0", "1"]), "unknown-label", 0),
        (lambda: log_loss([1, 0], P, classes=["no", "yes"]), "unknown-label", 0),
        (lambda: log_loss([math.nan, "a"], P, classes=["a", "b"]), "unknown-label", 0),
        (lambda: log_loss(["a", "b"], P), "classes-needed", None),
        (lambda: log_loss([0.0, 1.0], P), "classes-needed", None),
        (lambda: log_loss(["a", "b"], P, classes=["a", "a"]), "bad-option", None),
        (lambda: log_loss(["a", "b"], P, classes=["a", "b", "c"]), "bad-option", None),
        (lambda: log_loss(["a", "b"], [0.5, 0.5], classes=["a"]), "bad-option", None),
        (lambda: entropy(P, axis=2), "bad-option", None),
        (lambda: entropy(0.5), "bad-option", None),
        (lambda: entropy(P, reduction="median"), "bad-option", None),
        (lambda: entropy(P, weights=[1, 1], reduction="none"), "bad-option", None),
        *[(lambda b=b: entropy(P, base=b), "bad-option", None) for b in (1, 0, -2, INF, math.nan, "nits")],
        *[
            (lambda f=f: cross_entropy(P, P, floor=f), "bad-option", None)
            for f in (0.0, 0.5, -1e-9, math.nan)
        ],
    ],
)
def test_refusals(call, slug, row):
    with pytest.raises((DataError, UsageError)) as caught:
        call()
    assert caught.value.slug == slug
    assert getattr(caught.value, "row", None) == row
    assert caught.value.cure


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: entropy([[0.5, 0.5], [0.5, 0.4]]),
            r"1 of 2 rows of p do not sum to one \(row 1 sums to 0\.9\)",
        ),
        (lambda: cross_entropy(P, [[0.7, 0.7], [0.2, 0.8]]), r"rows of y_pred .*row 0 sums to 1\.4"),
        (lambda: log_loss([0, 1], [[0.7, 0.7], [0.2, 0.8]]), r"rows of p .*row 0 sums to 1\.4"),
        (lambda: kl_divergence(P, [[0.5, 0.5], [-1e-9, 1.0]]), r"1 entries of q are negative .*-1e-09"),
        (lambda: log_loss([1, 1], [1.0, -1e-4]), "1 entries of p are negative"),
    ],
)
def test_what_is_unusual_is_said_where_it_was_called(call, text):
    with pytest.warns(UserWarning, match=text) as caught:
        call()
    assert caught[0].filename == __file__


def test_rows_that_do_not_sum_to_one_are_used_as_they_are():
    with pytest.warns(UserWarning, match="used as they are"):
        assert cross_entropy([[1, 0]], [[0.5, 0.2]]) == LN2
    with pytest.warns(UserWarning, match="count as probability 0"):
        assert cross_entropy([[0, 1]], [[1.0, -1e-9]]) == INF


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rounding_of_the_input_type_is_no_warning(dtype):
    p = np.random.default_rng(0).dirichlet(np.ones(100), 50).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert entropy(p) > 0


def test_arguments_are_not_changed():
    p = np.random.default_rng(0).dirichlet(np.ones(4), 9)
    kept = p.copy()
    p.flags.writeable = False
    cross_entropy(p, p, floor=1e-2)
    log_loss(np.zeros(9, int), p, floor=1e-2)
    assert np.array_equal(p, kept)
