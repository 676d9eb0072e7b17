"""What users hand to the functions of arrays: containers, types, labels, weights, mistakes."""

from __future__ import annotations

import math
import warnings
from array import array
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.errors import DataError, UsageError
from crossent.information import cross_entropy, entropy, kl_divergence, log_loss

LN2 = math.log(2)
P = [[0.5, 0.5], [0.25, 0.75]]
FEW = settings(max_examples=40, deadline=None)


# --- containers and types ---------------------------------------------------------------------------------

CONTAINERS = {
    "tuples": tuple(map(tuple, P)),
    "DataFrame": pd.DataFrame(P, columns=["b", "a"], index=[7, 7]),
    "nullable DataFrame": pd.DataFrame(P).astype("Float64"),
    "Fractions": [[Fraction(1, 2)] * 2, [Fraction(1, 4), Fraction(3, 4)]],
    "Decimals": [[Decimal("0.5")] * 2, [Decimal("0.25"), Decimal("0.75")]],
    "object array": np.array(P, object),
    "long double": np.array(P, np.longdouble),
    "half": np.array(P, np.float16),
    "other byte order": np.array(P, ">f8"),
    "columns first": np.asfortranarray(P),
    "every second column": np.repeat(np.array(P), 2, axis=1)[:, ::2],
    "a broadcast row": np.broadcast_to(np.array([0.5, 0.5]), (2, 2)),
    "masked nowhere": np.ma.array(P, mask=False),
    "memoryviews": [memoryview(array("d", row)) for row in P],
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_distributions_in_any_container(container):
    p = CONTAINERS[container]
    plain = np.array(p, np.float64)
    for reduction in ("mean", "sum", "none"):
        want = entropy(plain, reduction=reduction)
        assert np.array_equal(entropy(p, reduction=reduction), want)
        assert np.array_equal(cross_entropy(p, p, reduction=reduction), want)
    assert log_loss([1, 0], p) == log_loss([1, 0], plain)
    assert kl_divergence(p, p) == 0.0


@pytest.mark.parametrize(
    "weights",
    [(1, 3), np.array([1, 3], np.uint8), pd.Series([1.0, 3.0], index=[5, 6]), [True, 3], ["1", "3"]],
)
def test_weights_in_any_container(weights):
    assert entropy(P, weights=weights) == entropy(P, weights=[1.0, 3.0])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_what_is_returned_is_a_float_or_an_array_of_float64(reduction):
    for p in (P, np.array(P, np.float32)):
        for found in (
            entropy(p, reduction=reduction),
            cross_entropy(p, p, reduction=reduction),
            kl_divergence(p, p, reduction=reduction),
            log_loss([0, 1], p, reduction=reduction),
        ):
            if reduction == "none":
                assert (found.shape, found.dtype) == ((2,), np.float64)
            else:
                assert type(found) is float
    assert type(entropy(P[0], reduction="none")) is float
    assert type(cross_entropy(P[0], P[0], reduction="sum")) is float


@pytest.mark.parametrize("shape", [(2,), (3, 2), (1, 3, 2), (2, 1, 3, 2)])
@pytest.mark.parametrize("axis", [0, -1])
def test_shapes_without_the_axis(shape, axis):
    p = np.full(shape, 1 / shape[axis])
    left = shape[1:] if axis == 0 else shape[:-1]
    found = entropy(p, axis=axis, reduction="none")
    assert np.shape(found) == left
    assert found == pytest.approx(np.full(left, math.log(shape[axis])))
    if left:
        assert entropy(p, axis=axis, weights=np.ones(left)) == pytest.approx(math.log(shape[axis]))


# --- labels -----------------------------------------------------------------------------------------------

LABELS = {
    "Categorical": (pd.Categorical(["b", "a"]), ["a", "b"]),
    "nullable strings": (pd.Series(["b", "a"], dtype="string"), ["a", "b"]),
    "unicode": (["é", "日本"], ["日本", "é"]),
    "unlike forms of one letter": (["é", "e\u0301"], ["e\u0301", "é"]),
    "bytes": (np.array([b"y", b"x"]), [b"x", b"y"]),
    "mixed types": ([1, "1"], ["1", 1]),
    "timestamps": (
        pd.to_datetime(["2026-02-01", "2026-01-01"]),
        pd.to_datetime(["2026-01-01", "2026-02-01"]),
    ),
    "bools by name": ([True, False], [False, True]),
    "an Index": (pd.Index(["b", "a"]), pd.Index(["a", "b"])),
    "numbers equal across types": ([1.0, np.float32(0)], [0, 1]),
    "a label of no length": (["x", ""], ["", "x"]),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_by_name(case):
    y, classes = LABELS[case]
    want = -(math.log(0.7) + math.log(0.4)) / 2
    assert log_loss(y, [[0.3, 0.7], [0.4, 0.6]], classes=classes) == pytest.approx(want, rel=1e-15)
    assert log_loss(y, [0.7, 0.6], classes=classes) == pytest.approx(want, rel=1e-15)


@FEW
@given(
    st.permutations("abcd"), st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), st.integers(0, 999)
)
def test_order_of_columns_does_not_matter(order, y, seed):
    p = np.random.default_rng(seed).dirichlet(np.ones(4), len(y))
    moved = p[:, ["abcd".index(c) for c in order]]
    for reduction in ("mean", "none"):
        want = log_loss(y, p, classes=list("abcd"), reduction=reduction)
        assert np.array_equal(log_loss(y, moved, classes=order, reduction=reduction), want)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "u8", "?"])
@pytest.mark.parametrize("classes", [2, 3, 40])
def test_class_numbers_of_any_integer_type(dtype, classes):
    rng = np.random.default_rng(1)
    y, p = rng.integers(0, 2, 400), rng.dirichlet(np.ones(classes), 400)
    assert log_loss(y.astype(dtype), p) == log_loss(y, p)
    if dtype != "?":
        assert cross_entropy(y.astype(dtype), p) == log_loss(y, p)


def test_a_single_class_is_certain():
    assert log_loss([0, 0], [[1.0], [1.0]]) == 0.0
    assert log_loss(["x"], [[1.0]], classes=["x"]) == 0.0
    assert entropy([[1.0]]) == kl_divergence([[1.0]], [[1.0]]) == 0.0


# --- weights and floors -----------------------------------------------------------------------------------


@FEW
@given(st.integers(0, 2**32 - 1), st.integers(-1000, 900))
def test_weights_have_no_unit(seed, exponent):
    rng = np.random.default_rng(seed)
    p, q, w = rng.dirichlet(np.ones(3), 5), rng.dirichlet(np.ones(3), 5), rng.integers(1, 50, 5).astype(float)
    scaled = np.ldexp(w, exponent)
    assert cross_entropy(p, q, weights=scaled) == cross_entropy(p, q, weights=w)
    assert entropy(p, weights=scaled) == entropy(p, weights=w)
    assert kl_divergence(p, q, weights=scaled) == kl_divergence(p, q, weights=w)


@pytest.mark.parametrize("weights", [[1e308, 1e307], [5e-324, 1e-310]])
def test_a_mean_of_finite_losses_is_finite_whatever_the_weights(weights):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = log_loss([0, 1], [1 - 1e-9, 1e-9], weights=weights)
    assert found == pytest.approx(9 * math.log(10), rel=1e-8)


@pytest.mark.parametrize("floor", [5e-324, 1e-300, 1e-15, 0.1, 0.4999])
def test_a_floor_bounds_the_loss(floor):
    least, most = -math.log1p(-floor), -math.log(floor)
    assert log_loss([0, 1], [[0.0, 1.0], [1.0, 0.0]], floor=floor) == pytest.approx(most)
    assert log_loss([1, 0], [[0.0, 1.0], [1.0, 0.0]], floor=floor) == pytest.approx(least, abs=2e-16)
    inside = [[0.5, 0.5], [0.5, 0.5]]
    assert cross_entropy(inside, inside, floor=floor) == LN2
    assert log_loss([True], [0.0], floor=floor) == pytest.approx(most)


# --- what is refused, and the words -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "slug", "says"),
    [
        (lambda: entropy([[0.5, 0.5], [1.0]]), "not-a-number", "p holds something"),
        (lambda: entropy(np.array([0.5 + 0.5j, 0.5])), "not-a-number", "p holds something"),
        (lambda: entropy(np.ma.array(P, mask=[[0, 0], [1, 0]])), "not-a-number", "p holds something"),
        (lambda: kl_divergence(P, [["x", "y"]] * 2), "not-a-number", "q holds something"),
        (lambda: entropy(P, weights=["a", "b"]), "not-a-number", "weights holds something"),
        (lambda: entropy([0.5, None]), "nan-prediction", "row 0"),
        (lambda: cross_entropy(P, [[0.5, 0.5], [0.5, 1.0011]]), "not-a-probability", "y_pred"),
        (lambda: cross_entropy([[0.5, 0.5], [0.5, -0.0011]], P), "not-a-probability", "value -0.0011"),
        (lambda: entropy(P, axis=2), "bad-option", "axis is 2, p has 2 dimensions"),
        (lambda: entropy(P, axis=-3), "bad-option", "axis is -3"),
        (lambda: entropy(np.zeros((3, 0))), "no-rows", "(3, 0)"),
        (lambda: entropy(P, weights=[[1, 1]]), "shape-mismatch", "weights (1, 2) do not belong to rows (2,)"),
        (lambda: entropy(P, weights=[2.0, -0.5]), "bad-weight", "row 1, value -0.5"),
        (lambda: entropy(P, base="2"), "bad-option", "base is '2'"),
        (lambda: entropy(P, base=True), "bad-option", "base is True"),
        (lambda: entropy(P, reduction=None), "bad-option", "reduction is None"),
        (lambda: cross_entropy(P, P, floor=0.5), "bad-option", "0.5"),
        (lambda: kl_divergence(P, P[0]), "shape-mismatch", "p (2, 2) and q (2,)"),
        (lambda: cross_entropy([0, 1, 1], P), "shape-mismatch", "y_true (3,) and y_pred (2, 2)"),
        (lambda: cross_entropy([0, 2], P), "label-out-of-range", "row 1, value 2"),
        (lambda: log_loss([0, 1], P, classes={"a", "b"}), "shape-mismatch", "classes is not a sequence"),
        (lambda: log_loss([0, 1], P, classes="ab"), "shape-mismatch", "classes is not a sequence"),
        (lambda: log_loss([0, 1], P, classes=[["a"], ["b"]]), "shape-mismatch", "classes is not a sequence"),
        (lambda: log_loss([["a"], ["b"]], P, classes=["a", "b"]), "shape-mismatch", "y is not a sequence"),
        (
            lambda: log_loss(np.array([["a"], ["b"]]), P, classes=["a", "b"]),
            "shape-mismatch",
            "y is not a seq",
        ),
        (lambda: log_loss({"a", "b"}, P, classes=["a", "b"]), "shape-mismatch", "y is not a sequence"),
        (lambda: log_loss(["a"], P, classes=["a", "b"]), "shape-mismatch", "(1,) labels and p (2, 2)"),
        (lambda: log_loss(["a", "b"], P, classes=["a", "b", "a"]), "bad-option", "3 classes (2 different)"),
        (lambda: log_loss([0.0, 1.0], P), "classes-needed", "float64"),
        (lambda: log_loss([0, 1], 0.5), "shape-mismatch", "p has 0 dimensions"),
        (lambda: log_loss(["a", "é"], P, classes=["a", "e\u0301"]), "unknown-label", "row 1, value 'é'"),
    ],
)
def test_refusals_name_the_argument_and_what_is_wrong(call, slug, says):
    with pytest.raises((DataError, UsageError)) as caught:
        call()
    assert caught.value.slug == slug
    assert says in str(caught.value)
    assert f"[{slug}]" in str(caught.value)


@pytest.mark.parametrize(("count", "shown"), [(10, "9"), (11, "9, …"), (300, "9, …")])
def test_an_unknown_label_is_told_the_first_ten_classes(count, shown):
    p = np.full((2, count), 1 / count)
    with pytest.raises(DataError, match=rf"the classes are 0, 1, 2, 3, 4, 5, 6, 7, 8, {shown} ") as caught:
        log_loss([0, -5], p, classes=range(count))
    assert (caught.value.row, caught.value.value) == (1, "-5")


@pytest.mark.parametrize("excess", [-1e-3, 1e-3])
def test_the_tolerance_is_a_thousandth_on_either_side(excess):
    inside = [[1.0 + abs(excess), 0.0]] if excess > 0 else [[1.0, excess]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert math.isfinite(entropy(inside))
        with pytest.raises(DataError, match="not-a-probability"):
            entropy(
                np.array(inside)
                + [[0, np.copysign(1e-9, excess)], [np.copysign(1e-9, excess), 0]][excess > 0]
            )


def test_one_warning_counts_all_rows_and_names_the_worst():
    p = np.full((50, 2), 0.5)
    p[7], p[30], p[31] = [0.5, 0.4], [0.9, 0.9], [0.5, 0.501]
    with pytest.warns(UserWarning) as caught:
        entropy(p)
    assert [str(w.message) for w in caught] == [
        "3 of 50 rows of p do not sum to one (row 30 sums to 1.8); they are used as they are"
    ]
