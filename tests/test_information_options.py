"""What all measures have in common, driven by one list: axes, masks, weights, bases, extremes, refusals."""

from __future__ import annotations

import math
import warnings
from functools import partial

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crossent
from crossent.errors import DataError, UsageError

INF, NAN = math.inf, math.nan
LN2 = math.log(2)
LAW = settings(max_examples=30, deadline=None)

ONE = {"entropy": crossent.entropy, "perplexity": crossent.perplexity}
TWO = {
    "cross_entropy": crossent.cross_entropy,
    "kl_divergence": crossent.kl_divergence,
    "js_divergence": crossent.js_divergence,
    "generalised_kl_divergence": crossent.generalised_kl_divergence,
    "perplexity of two": crossent.perplexity,
}
JOINT = {
    "mutual_information": crossent.mutual_information,
    "conditional_entropy": crossent.conditional_entropy,
}
ALL = ONE | TWO | JOINT
EVERY = pytest.mark.parametrize("name", ALL)
SUMMED = pytest.mark.parametrize("name", [name for name in ALL if "perplexity" not in name])


def arguments(name, shape=(6,), seed=0):
    """Distributions (…, 4), one or two, or tables (…, 4, 3), for a function of `ALL`."""
    rng = np.random.default_rng(seed)
    if name in JOINT:
        return [rng.dirichlet(np.ones(12), shape).reshape(*shape, 4, 3)]
    return [rng.dirichlet(np.ones(4), shape) for _ in range(1 if name in ONE else 2)]


def reductions(name):
    return ["mean"] if "perplexity" in name else ["mean", "sum"]


def each(name, x, **options):
    return ALL[name](*x, reduction="none", **options)


# --- shapes -----------------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_an_axis_is_a_moved_axis(name, shape):
    x = arguments(name, shape)
    want = each(name, x)
    assert np.shape(want) == shape
    dimensions = x[0].ndim
    if name in JOINT:
        places = [(a, b) for a in range(-dimensions, dimensions) for b in range(-dimensions, 0)]
        for axis in ((a, b) for a, b in places if a % dimensions != b % dimensions):
            moved = [np.moveaxis(a, (-2, -1), axis) for a in x]
            assert np.array_equal(each(name, moved, axis=axis), want)
    else:
        for axis in range(-dimensions, dimensions):
            assert np.array_equal(each(name, [np.moveaxis(a, -1, axis) for a in x], axis=axis), want)


@EVERY
def test_the_mean_of_rows_in_any_order_and_layout(name):
    x = arguments(name, (50,))
    found, rows = ALL[name](*x), each(name, x)
    assert type(found) is float and rows.dtype == np.float64
    want = np.exp(np.log(rows).mean()) if "perplexity" in name else rows.mean()
    assert found == pytest.approx(want, rel=1e-14)
    order = np.random.default_rng(1).permutation(50)
    assert ALL[name](*(a[order] for a in x)) == found, "the same bits"
    assert ALL[name](*(np.asfortranarray(a) for a in x)) == found
    assert ALL[name](*(a.tolist() for a in x)) == found
    assert type(each(name, [a[0] for a in x])) is float


@EVERY
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_narrow_input_counts_as_its_widened_copy(name, dtype):
    x = [a.astype(dtype) for a in arguments(name)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its rounding shows in float64
        assert np.array_equal(each(name, x), each(name, [a.astype(np.float64) for a in x]))


@EVERY
def test_arguments_are_neither_changed_nor_remembered(name):
    x, other = arguments(name), arguments(name, seed=1)
    kept = [a.copy() for a in x]
    for a in x:
        a.flags.writeable = False
    where = np.array([True] * 5 + [False])
    first = ALL[name](*x, where=where)
    assert all(np.array_equal(a, b) for a, b in zip(x, kept, strict=True))
    assert ALL[name](*other, where=where) != first
    assert ALL[name](*x, where=where) == first


# --- masks, weights, bases --------------------------------------------------------------------------------


@EVERY
@LAW
@given(mask=st.lists(st.booleans(), min_size=6, max_size=6).filter(any), seed=st.integers(0, 99))
def test_where_is_the_subset(name, mask, seed):
    x, where = arguments(name, seed=seed), np.array(mask)
    x[-1][~where] = NAN
    x[0][~where] = -7.0
    few = [a[where] for a in x]
    weights = np.random.default_rng(seed).random(6)
    weights[~where] = NAN
    for reduction in reductions(name):
        call = partial(ALL[name], reduction=reduction)
        assert call(*x, where=where) == call(*few)
        assert call(*x, where=where, weights=weights) == call(*few, weights=weights[where])
    rows = each(name, x, where=mask)
    assert np.array_equal(rows[where], each(name, few))
    assert (rows[~where] == (1.0 if "perplexity" in name else 0.0)).all()


@EVERY
def test_where_in_more_dimensions(name):
    x = arguments(name, (2, 3))
    where = np.array([[True, False, True], [False, False, True]])
    rows = each(name, x)
    want = np.log(rows[where]) if "perplexity" in name else rows[where]
    found = ALL[name](*x, where=where)
    assert (math.log(found) if "perplexity" in name else found) == pytest.approx(want.mean(), rel=1e-14)
    assert ALL[name](*x, where=np.ones((2, 3), bool)) == ALL[name](*x)


def test_where_hides_labels():
    q = np.random.default_rng(0).dirichlet(np.ones(3), 4)
    where = [True, False, True, True]
    want = -np.log(q[[0, 2, 3], [2, 0, 1]]).mean()
    for function in (crossent.cross_entropy, crossent.log_loss):
        assert function([2, -100, 0, 1], q, where=where) == pytest.approx(want, rel=1e-15)
        rows = function([2, -100, 0, 1], q, where=where, floor=0.01, reduction="none")
        assert rows[1] == 0.0 and (rows[[0, 2, 3]] > 0).all()
    for labels in (["c", "padding", "a", "b"], ["c", ["a"], "a", "b"], ["c", None, "a", "b"]):
        named = crossent.log_loss(labels, q, classes=["a", "b", "c"], where=where)
        assert named == pytest.approx(want, rel=1e-15)
    with pytest.raises(DataError, match=r"row 3.*'padding'"):
        crossent.log_loss(["c", "?", "a", "padding"], q, classes=["a", "b", "c"], where=where)
    with pytest.raises(DataError, match="one label a row"):
        crossent.log_loss(["c", "a", "a", "b", "b"], q, classes=["a", "b", "c"], where=where)


def test_where_hides_rows_of_a_single_column():
    p, where = np.array([0.9, NAN, 0.2, 0.5]), np.array([True, False, True, True])
    for reduction in ("mean", "sum"):
        found = crossent.log_loss([1, 7, 0, 1], p, where=where, reduction=reduction)
        assert found == crossent.log_loss([1, 0, 1], p[where], reduction=reduction)
    assert crossent.log_loss([1, 7, 0, 1], p, where=where, reduction="none")[1] == 0.0


@EVERY
@LAW
@given(counts=st.lists(st.integers(0, 4), min_size=6, max_size=6).filter(any), seed=st.integers(0, 99))
def test_weights_are_repetitions(name, counts, seed):
    x = arguments(name, seed=seed)
    many = [np.repeat(a, counts, axis=0) for a in x]
    for reduction in reductions(name):
        weighted = ALL[name](*x, weights=counts, reduction=reduction)
        assert weighted == pytest.approx(ALL[name](*many, reduction=reduction), rel=1e-14)


@SUMMED
@pytest.mark.parametrize(("base", "unit"), [("nats", 1.0), ("bits", LN2), (2, LN2), (10, math.log(10))])
def test_bases(name, base, unit):
    x = arguments(name)
    for reduction in ("mean", "sum", "none"):
        want = ALL[name](*x, reduction=reduction) / unit
        assert np.array_equal(ALL[name](*x, base=base, reduction=reduction), want)


# --- extremes ---------------------------------------------------------------------------------------------

EXTREMES = [0.0, 5e-324, 2.2e-308, 1e-300, 1e-17, 0.3, 0.5, 1 - 1.1e-16, 1.0]


@EVERY
@settings(max_examples=100, deadline=None)
@given(entries=st.lists(st.sampled_from(EXTREMES), min_size=8, max_size=8))
def test_extremes_are_never_nan(name, entries):
    values = np.array(entries)
    x = [values.reshape(2, 4)] if name in JOINT else [*values.reshape(2, 4)][: 1 if name in ONE else 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # most do not sum to one, and are used as they are
        found = ALL[name](*x)
    # −Σ p log p of p = 1 − 1e-16 and 1 is what rounding leaves of 0
    assert found >= (1.0 if "perplexity" in name else 0.0)
    finite = name in ONE or name in JOINT or name == "js_divergence" or (x[1][x[0] > 0] > 0).all()
    assert math.isfinite(found) or not finite or name == "perplexity of two"


MASSES = [*EXTREMES, 7.0, 1e200, 1.7e308]


@pytest.mark.parametrize("p", MASSES)
@pytest.mark.parametrize("q", MASSES)
def test_masses_of_any_size(p, q):
    with mp.workdps(90):
        a, b = mp.mpf(p), mp.mpf(q)
        exact = INF if a and not b else float((a * mp.log(a / b) if a else 0) - a + b)
    assert crossent.generalised_kl_divergence([p], [q]) == pytest.approx(exact, rel=1e-14, abs=5e-323)


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (lambda: crossent.js_divergence([1, 0], [0, 1]), LN2),
        (lambda: crossent.js_divergence([1, 0], [0, 1], base=2), 1.0),
        (lambda: crossent.js_divergence([1.0, 5e-324], [1.0, 0.0]), 0.0),
        (lambda: crossent.js_divergence([1.0], [1.0]), 0.0),
        (lambda: crossent.kl_divergence([1.0, 0.0], [0.0, 1.0]), INF),
        (lambda: crossent.kl_divergence([0.0, 1.0], [1e-300, 1.0]), 1e-300),
        (lambda: crossent.kl_divergence([1.0, 0.0], [5e-324, 1.0]), 1074 * LN2),
        (lambda: crossent.generalised_kl_divergence([0, 0], [0, 0]), 0.0),
        (lambda: crossent.generalised_kl_divergence([0.0], [1.7e308]), 1.7e308),
        (lambda: crossent.generalised_kl_divergence([1.7e308], [1.7e308]), 0.0),
        (lambda: crossent.generalised_kl_divergence([1e308], [1.0]), INF),
        (lambda: crossent.generalised_kl_divergence([5e-324], [0.0]), INF),
        (lambda: crossent.mutual_information([[1.0]]), 0.0),
        (lambda: crossent.mutual_information([[1.0, 0.0], [0.0, 0.0]]), 0.0),
        (lambda: crossent.mutual_information([[0.5, 0.0], [0.0, 0.5]]), LN2),
        (
            lambda: crossent.mutual_information([[1.0, 0.0], [0.0, 1e-200]]),
            1e-200 * 200 * math.log(10) + 1e-200,
        ),
        (lambda: crossent.mutual_information([[1.0, 0.0], [0.0, 5e-324]]), 745 * 5e-324),
        (lambda: crossent.conditional_entropy([[1.0]]), 0.0),
        (lambda: crossent.conditional_entropy([[0.0, 0.0], [0.5, 0.5]]), LN2),
        (lambda: crossent.conditional_entropy([[0.5], [0.5]]), 0.0),
        (lambda: crossent.perplexity([1.0]), 1.0),
        (lambda: crossent.perplexity([0], [[0.0, 1.0]]), INF),
        (lambda: crossent.perplexity([0.5, 0.5], [1.0, 5e-324]), math.exp(537 * LN2)),
    ],
)
def test_limits(call, value):
    assert call() == pytest.approx(value, rel=1e-12, abs=0)


@pytest.mark.parametrize("name", ["entropy", "kl_divergence", "js_divergence", "mutual_information"])
def test_a_million_classes(name):
    p = np.random.default_rng(0).random(1_000_000)
    p /= p.sum()
    uniform = np.full(p.size, 1e-6)
    gap = math.log(p.size) - crossent.entropy(p)
    if name == "entropy":
        assert crossent.entropy(uniform) == pytest.approx(math.log(1e6), rel=1e-12)
        assert crossent.perplexity(uniform) == pytest.approx(1e6, rel=1e-9)
    elif name == "kl_divergence":
        assert crossent.kl_divergence(p, uniform) == pytest.approx(gap, rel=1e-10)
    elif name == "js_divergence":
        assert 0 < crossent.js_divergence(p, uniform) < gap
    else:
        table = p.reshape(1000, 1000)
        information = crossent.mutual_information(table)
        entropies = crossent.entropy(table.sum(axis=0)) + crossent.entropy(table.sum(axis=1))
        assert information == pytest.approx(entropies - crossent.entropy(p), rel=1e-10)
        assert crossent.conditional_entropy(table) == pytest.approx(
            crossent.entropy(p) - crossent.entropy(table.sum(axis=1)), rel=1e-12
        )


# --- refusals and warnings --------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize(
    ("options", "slug"),
    [
        ({"where": [1, 0, 1, 1, 1, 1]}, "bad-option"),
        ({"where": [True, False]}, "shape-mismatch"),
        ({"where": True}, "shape-mismatch"),
        ({"where": [False] * 6}, "no-rows"),
        ({"where": [False] + [True] * 5, "weights": [1.0] + [0.0] * 5}, "no-weight"),
        ({"weights": [1.0] * 5}, "shape-mismatch"),
        ({"weights": [1.0] * 5 + [-1.0]}, "bad-weight"),
        ({"weights": [1.0] * 6, "reduction": "none"}, "bad-option"),
        ({"reduction": "median"}, "bad-option"),
        ({"axis": 5}, "bad-option"),
    ],
)
def test_options_that_cannot_be(name, options, slug):
    if name in JOINT and "axis" in options:
        options = {"axis": (5, 0)}
    with pytest.raises((DataError, UsageError)) as caught:
        ALL[name](*arguments(name), **options)
    assert caught.value.slug == slug and caught.value.cure


@EVERY
def test_values_that_cannot_be(name):
    masses = name == "generalised_kl_divergence"
    for value, slug in [(NAN, "nan-prediction"), (-0.5, "not-a-probability"), (INF, "not-a-probability")]:
        for k in range(len(arguments(name))):
            x = arguments(name)
            x[k][(4, *[1] * (x[k].ndim - 1))] = value
            with pytest.raises(DataError) as caught:
                ALL[name](*x)
            assert caught.value.slug == ("not-a-mass" if masses else slug)
            assert caught.value.row == 4
            assert str(caught.value.value) == str(value)
    empty = [a[:0] for a in arguments(name)]
    with pytest.raises(DataError) as caught:
        ALL[name](*empty)
    assert caught.value.slug == "no-rows"


@pytest.mark.parametrize("name", TWO)
def test_shapes_that_do_not_belong_together(name):
    p, q = arguments(name)
    with pytest.raises(DataError) as caught:
        ALL[name](p, q[:, :3] / q[:, :3].sum(axis=1, keepdims=True))
    assert caught.value.slug == "shape-mismatch"


@pytest.mark.parametrize(
    ("call", "slug"),
    [
        (lambda: crossent.mutual_information([0.5, 0.5]), "bad-option"),
        (lambda: crossent.mutual_information([[0.5], [0.5]], axis=(-1, 1)), "bad-option"),
        (lambda: crossent.conditional_entropy([[0.5], [0.5]], axis=(0, 2)), "bad-option"),
        (lambda: crossent.mutual_information([[3, 1], [2, 4]]), "not-a-probability"),
        (lambda: crossent.mutual_information(np.zeros((3, 0, 2))), "no-rows"),
        (lambda: crossent.perplexity([0.5, 0.5], floor=1e-3), "bad-option"),
        (lambda: crossent.perplexity([[0.5, 0.5]], reduction="sum"), "bad-option"),
        (lambda: crossent.perplexity([0, 2], [[0.5, 0.5], [0.5, 0.5]]), "label-out-of-range"),
        (lambda: crossent.generalised_kl_divergence(["a"], ["b"]), "not-a-number"),
    ],
)
def test_refusals(call, slug):
    with pytest.raises((DataError, UsageError)) as caught:
        call()
    assert caught.value.slug == slug and caught.value.cure


@pytest.mark.parametrize("name", [n for n in ALL if n != "generalised_kl_divergence"])
def test_rows_that_do_not_sum_to_one_are_told_where_the_function_was_called(name):
    x = arguments(name)
    x[-1][2] *= 0.9
    with pytest.warns(UserWarning, match=r"1 of 6 rows .*row 2 sums to 0\.9") as caught:
        ALL[name](*x)
    assert [w.filename for w in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ALL[name](*x, where=np.arange(6) != 2)
