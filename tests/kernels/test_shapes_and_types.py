"""The kernels on every legal shape, layout and type, against plain NumPy a row at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent import kernels
from crossent.errors import DataError, UsageError
from crossent.kernels import reference

FEW = settings(max_examples=40, deadline=None)


def naive_softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def onehot(labels, classes):
    return np.eye(classes)[labels]


def naive_brier(labels, p):
    return ((p - onehot(labels, p.shape[1])) ** 2).sum(axis=1)


def taken(labels, x):
    return np.array([row[k] for k, row in zip(labels, x, strict=True)])


NAIVE = {
    "log_loss_from_logits": lambda y, z: -np.log(taken(y, naive_softmax(z))),
    "log_loss_from_probs": lambda y, z: -np.log(taken(y, naive_softmax(z))),
    "brier": lambda y, z: naive_brier(y, naive_softmax(z)),
    "brier_from_logits": lambda y, z: naive_brier(y, naive_softmax(z)),
    "brier_from_log_probs": lambda y, z: naive_brier(y, naive_softmax(z)),
    "softmax": lambda y, z: naive_softmax(z),
    "softmax_minus_label": lambda y, z: naive_softmax(z) - onehot(y, z.shape[1]),
    "take_label": lambda y, z: taken(y, z),
    "row_sum": lambda y, z: z.sum(axis=1),
    "top": lambda y, z: z.argmax(axis=1),
    "entropy": lambda y, z: -(naive_softmax(z) * np.log(naive_softmax(z))).sum(axis=1),
    "cross_entropy": lambda y, z: -(naive_softmax(z) * np.log(naive_softmax(-z))).sum(axis=1),
    "generalised_kl_divergence": lambda y, z: (
        naive_softmax(z) * (np.log(naive_softmax(z)) - np.log(naive_softmax(-z)))
    ).sum(axis=1),
}
OURS = {
    "log_loss_from_logits": kernels.log_loss_from_logits,
    "log_loss_from_probs": lambda y, z: kernels.log_loss_from_probs(y, naive_softmax(z)),
    "brier": lambda y, z: kernels.brier(y, naive_softmax(z)),
    "brier_from_logits": kernels.brier_from_logits,
    "brier_from_log_probs": lambda y, z: kernels.brier_from_log_probs(y, np.log(naive_softmax(z))),
    "softmax": lambda y, z: kernels.softmax(z),
    "softmax_minus_label": kernels.softmax_minus_label,
    "take_label": kernels.take_label,
    "row_sum": lambda y, z: kernels.row_sum_and_extremes(z)[0],
    "top": lambda y, z: kernels.top(z)[0],
    "entropy": lambda y, z: kernels.entropy(naive_softmax(z)),
    "cross_entropy": lambda y, z: kernels.cross_entropy(naive_softmax(z), naive_softmax(-z)),
    "generalised_kl_divergence": lambda y, z: kernels.generalised_kl_divergence(
        naive_softmax(z), naive_softmax(-z)
    ),
}
# one class, few and many, exactly a block of entries, more classes than a block holds; many blocks of rows
SHAPES = [
    (5, 1),
    (20_000, 2),
    (3_001, 16),
    (1_999, 17),
    (3, reference.BLOCK),
    (2, reference.BLOCK + 1),
    (1, 3),
]
LABELLED = ["log_loss_from_logits", "brier", "brier_from_logits", "softmax_minus_label", "take_label"]


def sample(rows, classes, seed=0):
    rng = np.random.default_rng([rows, classes, seed])
    return rng.integers(0, classes, rows), rng.normal(scale=2.0, size=(rows, classes))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", OURS)
def test_every_shape(name, shape):
    labels, z = sample(*shape)
    assert np.allclose(OURS[name](labels, z), NAIVE[name](labels, z), rtol=1e-10, atol=1e-12)


LAYOUTS = {
    "every second row": lambda z: np.repeat(z, 2, axis=0)[::2],
    "every second column": lambda z: np.repeat(z, 2, axis=1)[:, ::2],
    "rows from the last": lambda z: z[::-1].copy()[::-1],
    "columns from the last": lambda z: z[:, ::-1].copy()[:, ::-1],
    "columns of a wider table": lambda z: np.hstack([z, z])[:, : z.shape[1]],
    "other byte order": lambda z: z.astype(z.dtype.newbyteorder(">")),
    "transposed": lambda z: np.ascontiguousarray(z.T).T,
    "unaligned": lambda z: np.frombuffer(b"x" + z.tobytes(), "u1")[1:].view(z.dtype).reshape(z.shape),
}


@pytest.mark.parametrize("classes", [3, 40])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_bits(layout, classes):
    labels, z = sample(60, classes)
    other = LAYOUTS[layout](z)
    assert np.array_equal(other, z)
    for name in LABELLED:
        kernel = getattr(kernels, name)
        assert kernel(labels, other).tobytes() == kernel(labels, z).tobytes(), name
    for name in ("softmax", "row_sum", "top"):
        assert OURS[name](labels, other).tobytes() == OURS[name](labels, z).tobytes(), name


@pytest.mark.parametrize("classes", [2, 16, 17, 120])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "i4", "u4", "u8", ">i8"])
@pytest.mark.parametrize("name", LABELLED)
def test_labels_of_any_integer_type(name, dtype, classes):
    """300 rows: a label times the number of rows of a block does not fit in 8 bits."""
    labels, z = sample(300, classes)
    assert OURS[name](labels.astype(dtype), z).tobytes() == OURS[name](labels, z).tobytes()


@pytest.mark.parametrize("classes", [2, 40])
@pytest.mark.parametrize("name", LABELLED)
def test_labels_that_are_no_integers_are_refused(name, classes):
    labels, z = sample(20, classes)
    with pytest.raises(TypeError):
        OURS[name](labels.astype(np.float64), z)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.bool_])
def test_gradients_are_of_floating_point_logits_only(dtype):
    """Whole numbers have no room for them, and 16 bits may be meant as a bfloat16."""
    with pytest.raises(UsageError, match="floating-point"):
        kernels.loss_and_gradient_from_logits(np.zeros(3, np.int64), np.ones((3, 4), dtype))


@pytest.mark.parametrize("rows", [1, 9_000])
@pytest.mark.parametrize("name", LABELLED)
def test_the_first_label_out_of_range_is_named_in_whatever_block(name, rows):
    labels, z = sample(rows, 3)
    labels[-1] = 3
    with pytest.raises(DataError, match=r"one of the 3 classes 0\.\.2") as caught:
        OURS[name](labels, z)
    assert (caught.value.row, caught.value.value) == (rows - 1, 3)


@pytest.mark.parametrize("classes", [1, 2, 16, 17, 254, 255, 256, 257, 512, 70_000])
def test_ties_of_any_number_of_classes(classes):
    """Ties are counted in 8 bits where they fit."""
    level = np.zeros((2, classes))
    level[1, -1] = 1.0
    index, value, tie = kernels.top(level)
    assert index.tolist() == [0, classes - 1]
    assert value.tolist() == [0.0, 1.0]
    assert tie.tolist() == [classes > 1, False]


@pytest.mark.parametrize("classes", [2, 16, 17])
@pytest.mark.parametrize("at", [0, 1, -1])
def test_a_row_with_nan_has_no_largest_entry(classes, at):
    p = np.full((3, classes), 0.25)
    p[1, at] = np.nan
    value = kernels.top(p)[1]
    assert np.isnan(value).tolist() == [False, True, False]


# --- laws -------------------------------------------------------------------------------------------------

LOGITS = st.tuples(
    st.integers(0, 2**32 - 1), st.sampled_from([2, 5, 16, 17, 60]), st.sampled_from([0.1, 3, 40])
)


@st.composite
def logits(draw):
    seed, classes, scale = draw(LOGITS)
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, 30), rng.normal(scale=scale, size=(30, classes))


@FEW
@given(logits())
def test_softmax_is_a_distribution_and_keeps_the_order(case):
    _, z = case
    p = kernels.softmax(z)
    assert (p >= 0).all()
    assert np.abs(p.sum(axis=1) - 1.0).max() <= 1e-14
    order = np.argsort(z, axis=1)
    assert (np.diff(np.take_along_axis(p, order, axis=1), axis=1) >= 0).all()
    assert (p.argmax(axis=1) == kernels.top(z)[0]).all()


@FEW
@given(logits())
def test_gradient_is_softmax_less_the_label_and_sums_to_nothing(case):
    labels, z = case
    gradient = kernels.softmax_minus_label(labels, z)
    assert np.allclose(gradient, kernels.softmax(z) - onehot(labels, z.shape[1]), rtol=0, atol=2e-15)
    assert np.abs(gradient.sum(axis=1)).max() <= z.shape[1] * 2.0**-52
    assert (taken(labels, gradient) <= 0).all()


@FEW
@given(logits())
def test_kinds_of_one_prediction_agree(case):
    labels, z = case
    p = kernels.softmax(z)
    with np.errstate(divide="ignore"):
        log_p = np.log(p)
    from_logits = kernels.log_loss_from_logits(labels, z)
    assert np.allclose(from_logits, kernels.log_loss_from_probs(labels, p), rtol=1e-12, atol=1e-15)
    brier = kernels.brier(labels, p)
    assert np.allclose(kernels.brier_from_logits(labels, z), brier, rtol=1e-11, atol=1e-15)
    assert np.allclose(kernels.brier_from_log_probs(labels, log_p), brier, rtol=1e-11, atol=1e-15)
    assert (brier <= 2 + 1e-15).all() and (brier >= 0).all()


@FEW
@given(logits(), st.integers(0, 99))
def test_classes_may_be_renamed(case, seed):
    labels, z = case
    order = np.random.default_rng(seed).permutation(z.shape[1])
    renamed = np.argsort(order)[labels]
    p = kernels.softmax(z)
    for one, two in [
        (kernels.entropy(p), kernels.entropy(p[:, order])),
        (kernels.brier(labels, p), kernels.brier(renamed, p[:, order])),
        (
            kernels.generalised_kl_divergence(p, p[::-1]),
            kernels.generalised_kl_divergence(p[:, order], p[::-1][:, order]),
        ),
        (kernels.row_sum_and_extremes(p)[0], kernels.row_sum_and_extremes(p[:, order])[0]),
    ]:
        assert np.allclose(one, two, rtol=1e-13, atol=1e-15)
    assert kernels.take_label(labels, p).tolist() == kernels.take_label(renamed, p[:, order]).tolist()


@FEW
@given(st.lists(st.tuples(st.booleans(), st.floats(-0.001, 1.001)), min_size=1, max_size=40))
def test_a_single_column_is_two_columns(rows):
    positive, p = (np.array(column) for column in zip(*rows, strict=True))
    got = kernels.binary_log_loss(positive, p)
    want = [
        (math.inf if q <= 0 else -math.log(q)) if y else (math.inf if q >= 1 else -math.log1p(-q))
        for y, q in rows
    ]
    assert got.tolist() == pytest.approx(want, rel=1e-15, abs=1e-300)
    both = np.column_stack([1 - p, p])
    inside = (p > 1e-3) & (p < 1 - 1e-3)
    two = kernels.log_loss_from_probs(positive.astype(np.int64), both)
    assert np.allclose(got[inside], two[inside], rtol=1e-12, atol=1e-14)


@FEW
@given(logits())
def test_divergence_is_what_cross_entropy_has_above_entropy(case):
    p, q = kernels.softmax(case[1]), kernels.softmax(case[1][::-1])
    p, q = 0.99 * p + 0.01 / p.shape[1], 0.99 * q + 0.01 / p.shape[1]
    cross, own = kernels.cross_entropy(p, q), kernels.entropy(p)
    assert np.allclose(kernels.generalised_kl_divergence(p, q), cross - own, rtol=1e-10, atol=2e-15)
    assert (kernels.generalised_kl_divergence(p, q) >= -1e-15).all()
    assert not kernels.generalised_kl_divergence(p, p).any()
    assert (own <= math.log(p.shape[1]) + 1e-13).all()
    assert np.allclose(kernels.cross_entropy(p, p), own, rtol=0, atol=0)


def test_measures_of_two_matrices_need_the_same_rows():
    p = np.full((4, 2), 0.5)
    for kernel in (kernels.cross_entropy, kernels.generalised_kl_divergence):
        assert kernel(p, p).shape == (4,)
        with pytest.raises(ValueError, match=r"broadcast|zip"):
            kernel(p, p[:3])
