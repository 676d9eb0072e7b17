"""Predictions as numbers: every type and order of columns, and what cannot be a prediction of its kind."""

from __future__ import annotations

import itertools
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.data.batch import MOST_LOSS, build
from crossent.data.facts import Facts
from crossent.data.layout import Layout
from crossent.data.options import ReadOptions

from .helpers import fault, piece, place

FACTS = Facts(None, None, None, None, (), None, None)
nan, inf = float("nan"), float("inf")
F32_MOST = float(np.finfo(np.float32).max)


def layout_of(kind: str, shape: str, *predictions: str, classes: int = 2) -> Layout:
    names = tuple("abcdefgh"[:classes])
    return Layout(kind, shape, predictions, names, "label", None, (), (), "")


def built(table, kind="probs", order=None, first_row=0, **options):
    """The batch of columns named after their class, first row 0."""
    layout = layout_of(kind, "columns", *table, classes=len(table))
    return build(piece(table, first_row), layout, FACTS, order, ReadOptions(**options))


def of_list(column, kind="probs", order=None, first_row=0, size=2, **options):
    layout = layout_of(kind, "list", "v", classes=size)
    return build(piece({"v": column}, first_row), layout, FACTS, order, ReadOptions(**options))


def alone(column, kind="probs", shape="single", first_row=0, **options):
    layout = layout_of(kind, shape, "v", classes=1)
    return build(piece({"v": column}, first_row), layout, FACTS, None, ReadOptions(**options))


# --- types ------------------------------------------------------------------------------------------------

TYPES = {
    "double": (pa.array([0.1, 1.0]), np.float64),
    "float": (pa.array([0.1, 1.0], pa.float32()), np.float32),
    "half": (pa.array(np.float16([0.1, 1.0])), np.float64),
    "int": (pa.array([0, 1], pa.int8()), np.float64),
    "unsigned": (pa.array([0, 1], pa.uint64()), np.float64),
    "decimal": (pa.array([Decimal("0.10"), Decimal("1.00")]), np.float64),
    "dictionary": (pa.array([0.1, 1.0]).dictionary_encode(), np.float64),
    "float dictionary": (pa.array([0.1, 1.0], pa.float32()).dictionary_encode(), np.float32),
}


@pytest.mark.parametrize(("column", "dtype"), TYPES.values(), ids=TYPES)
@pytest.mark.parametrize("sliced", [False, True])
def test_numbers_of_every_type(column, dtype, sliced):
    expected = np.array([float(v) for v in column.to_pylist()])
    if sliced:
        column, expected = column[1:], expected[1:]
    single = alone(column)
    np.testing.assert_array_equal(single.prediction, expected)
    assert (single.prediction.dtype, single.prediction.shape, len(single)) == (
        dtype,
        expected.shape,
        len(column),
    )
    both = built({"a": column, "b": column})
    np.testing.assert_array_equal(both.prediction, np.stack([expected, expected], axis=1))
    assert both.prediction.dtype == dtype
    assert (both.kind, both.shape, both.facts) == ("probs", "columns", FACTS)


def test_one_wide_column_widens_all():
    single, double = pa.array([0.1], pa.float32()), pa.array([0.9])
    assert built({"a": single, "b": single}).prediction.dtype == np.float32
    for table in ({"a": single, "b": double}, {"a": double, "b": single}):
        prediction = built(table).prediction
        assert prediction.dtype == np.float64
        assert sorted(prediction[0].tolist()) == [float(np.float32(0.1)), 0.9]


def test_numbers_are_not_copied_where_they_need_not_be():
    column = pa.array(np.random.default_rng(0).random(50))
    assert np.shares_memory(alone(column).prediction, column.to_numpy())
    lists = pa.FixedSizeListArray.from_arrays(column, 2)
    assert np.shares_memory(of_list(lists).prediction, column.to_numpy())
    assert not of_list(lists).prediction.flags.writeable


@pytest.mark.parametrize("value", [2**53 + 1, -(2**62) - 1])
def test_whole_logits_beyond_the_digits_of_a_float(value):
    prediction = built({"a": pa.array([value]), "b": pa.array([0])}, "logits").prediction
    assert prediction.tolist() == [[float(value), 0.0]]
    error = fault(lambda: built({"a": pa.array([0]), "b": pa.array([value])}))
    assert place(error) == ("not-a-probability", "f", 0, "b")


NO_NUMBERS = {
    "text": pa.array(["0.5"]),
    "bool": pa.array([True]),
    "date": pa.array([1], pa.date32()),
    "struct": pa.array([{"a": 0.5}]),
    "list": pa.array([[0.5]]),
    "text dictionary": pa.array(["0.5"]).dictionary_encode(),
}


@pytest.mark.parametrize("column", NO_NUMBERS.values(), ids=NO_NUMBERS)
@pytest.mark.parametrize("shape", ["single", "columns", "list"])
def test_what_is_no_number(column, shape):
    if shape == "columns":
        error = fault(lambda: built({"u": pa.array([0.5]), "v": column}))
    elif shape == "single":
        error = fault(lambda: alone(column))
    else:
        error = fault(lambda: of_list(pa.ListArray.from_arrays([0, 1], column), size=1))
    assert place(error) == ("prediction-type", "f", None, "v")
    plain = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    assert str(plain) in error.problem


# --- orders -----------------------------------------------------------------------------------------------

VALUES = np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]])


@pytest.mark.parametrize("order", [None, *itertools.permutations(range(3))])
def test_classes_stand_in_the_order_of_the_evaluation(order):
    expected = VALUES if order is None else VALUES[:, list(order)]
    named = {name: VALUES[:, k] for k, name in enumerate("abc")}
    np.testing.assert_array_equal(built(named, order=order).prediction, expected)
    for type_ in (pa.list_(pa.float64()), pa.large_list(pa.float64()), pa.list_(pa.float64(), 3)):
        batch = of_list(pa.array(VALUES.tolist(), type_), order=order, size=3)
        np.testing.assert_array_equal(batch.prediction, expected)
        assert batch.prediction.flags.c_contiguous


@given(st.integers(1, 30), st.integers(0, 29), st.integers(1, 30), st.sampled_from([-1, 3]))
@settings(max_examples=40)
def test_parts_of_lists_are_the_parts_of_the_matrix(rows, start, length, size):
    matrix = np.random.default_rng(rows).random((rows, 3))
    part = piece({"v": pa.array(matrix.tolist(), pa.list_(pa.float64(), size))}).slice(start % rows, length)
    batch = build(part, layout_of("probs", "list", "v", classes=3), FACTS, None, ReadOptions())
    np.testing.assert_array_equal(batch.prediction, matrix[start % rows :][:length])


# --- missing and misshapen --------------------------------------------------------------------------------


@pytest.mark.parametrize("encoded", [False, True, "value"])
def test_missing_predictions(encoded):
    column = pa.array([0.5, 0.5, None, None])
    if encoded:
        column = column.dictionary_encode()
    if encoded == "value":
        column = pa.DictionaryArray.from_arrays([0, 0, 1, 1], [0.5, None])
    whole = pa.array([0.5] * 4)
    for work in (
        lambda: alone(column, first_row=10),
        lambda: built({"u": whole, "v": column}, first_row=10),
        lambda: built({"v": column, "u": whole}, order=(1, 0), first_row=10),
    ):
        assert place(fault(work)) == ("null-prediction", "f", 12, "v")


LIST_FAULTS = {
    "null": ([[0.5, 0.5], None, None], -1, "null-prediction", 1, "list is missing"),
    "null of fixed size": ([[0.5, 0.5], [1, 0], None], 2, "null-prediction", 2, "list is missing"),
    "null entry": ([[0.5, 0.5], [0.5, None]], -1, "null-prediction", 1, "entry 1 of"),
    "null first entry": ([[0.5, 0.5], [0, 1], [None, 1]], 2, "null-prediction", 2, "entry 0 of"),
    "short": ([[0.5, 0.5], [0.5]], -1, "list-length", 1, "1 numbers where there are 2"),
    "long": ([[0.5, 0.5], [0.5, 0, 0.5], [1]], -1, "list-length", 1, "3 numbers where"),
    "empty": ([[0.5, 0.5], []], -1, "list-length", 1, "0 numbers"),
    "shifted": ([[0.5], [0.5, 0.5, 0.5]], -1, "list-length", 0, "1 numbers"),
    "empty and double": ([[], [0.5] * 4], -1, "list-length", 0, "0 numbers"),
}


@pytest.mark.parametrize(("lists", "size", "slug", "row", "words"), LIST_FAULTS.values(), ids=LIST_FAULTS)
def test_lists_with_a_fault(lists, size, slug, row, words):
    column = pa.array(lists, pa.list_(pa.float64(), size))
    error = fault(lambda: of_list(column, first_row=100))
    assert place(error) == (slug, "f", 100 + row, "v")
    assert words in error.problem


# --- values that cannot be --------------------------------------------------------------------------------

TINY = float(np.nextafter(np.float32(1.001), np.float32(0)))
ALLOWED = {
    "probs": [0.0, -0.0, 1.0, 1.001, -0.001, 5e-324],
    "logits": [-inf, -MOST_LOSS, MOST_LOSS, 0.0],
    "log_probs": [-inf, -MOST_LOSS, 0.0, -0.0, 0.001, -5e-324],
    "label_logprob": [-inf, -MOST_LOSS, 0.0, 0.001],
}
FORBIDDEN = [
    ("probs", nan, "nan-prediction"),
    ("probs", 1.0011, "not-a-probability"),
    ("probs", -0.0011, "not-a-probability"),
    ("probs", inf, "not-a-probability"),
    ("probs", -inf, "not-a-probability"),
    ("logits", nan, "nan-prediction"),
    ("logits", inf, "infinite-logit"),
    ("logits", 1.01e100, "beyond-range"),
    ("logits", -1.01e100, "beyond-range"),
    ("log_probs", nan, "nan-prediction"),
    ("log_probs", 0.0011, "positive-log-probability"),
    ("log_probs", inf, "positive-log-probability"),
    ("log_probs", -1.01e100, "beyond-range"),
    ("label_logprob", nan, "nan-prediction"),
    ("label_logprob", 0.5, "positive-log-probability"),
    ("label_logprob", -1.01e100, "beyond-range"),
]


@pytest.mark.parametrize(("kind", "value"), [(k, v) for k, values in ALLOWED.items() for v in values])
def test_values_that_are_used_as_they_are(kind, value):
    if kind == "label_logprob":
        assert alone([0.0, value], kind, "scalar").prediction.tolist() == [0.0, value]
    else:
        ok = {"a": [0.0, value], "b": [0.0, 0.0]}
        assert built(ok, kind).prediction.tolist() == [[0.0, 0.0], [value, 0.0]]


@pytest.mark.parametrize(("kind", "value", "slug"), FORBIDDEN)
@pytest.mark.parametrize("k", [0, 1, 2])
def test_values_that_are_refused_and_where(kind, value, slug, k):
    matrix = np.zeros((4, 3))
    matrix[2, k] = matrix[3, 0] = value
    if kind == "label_logprob":
        error = fault(lambda: alone(matrix[:, k], kind, "scalar", first_row=70))
        assert place(error) == (slug, "f", 72, "v")
        return
    named = {name: matrix[:, i] for i, name in enumerate("abc")}
    for order in (None, (2, 0, 1)):
        error = fault(lambda o=order: built(named, kind, o, 70))
        assert place(error) == (slug, "f", 72, "abc"[k])
        error = fault(lambda o=order: of_list(pa.array(matrix.tolist()), kind, o, 70, size=3))
        assert place(error) == (slug, "f", 72, f"v[{k}]")
        assert str(error.value) == str(value)


@pytest.mark.parametrize(
    ("kind", "value", "slug"),
    [
        ("probs", 1.001, "not-a-probability"),
        ("probs", -0.001, "not-a-probability"),
        ("probs", nan, "nan-prediction"),
        ("logits", inf, "infinite-logit"),
        ("logits", nan, "nan-prediction"),
        ("log_probs", 0.001, "positive-log-probability"),
    ],
)
def test_single_precision_is_compared_as_it_is(kind, value, slug):
    """float32(1.001) is above 1.001, float32(0.001) above 0.001: no bound is rounded to it."""
    column = pa.array([0.0, value], pa.float32())
    error = fault(lambda: built({"a": column, "b": pa.array([0.0, 0.0], pa.float32())}, kind))
    assert place(error) == (slug, "f", 1, "a")


@pytest.mark.parametrize("kind", ["logits", "log_probs"])
def test_single_precision_holds_all_finite_numbers_and_minus_infinity(kind):
    low = pa.array([-F32_MOST, -inf, -1.0], pa.float32())
    prediction = built({"a": low, "b": pa.array([0.0] * 3, pa.float32())}, kind).prediction
    assert prediction.dtype == np.float32
    assert prediction[:, 0].tolist() == [-F32_MOST, -inf, -1.0]
    assert alone(pa.array([TINY], pa.float32())).prediction.tolist() == [TINY]


@pytest.mark.parametrize("tolerance", [0.0, 0.1, 0.25])
def test_the_tolerance_is_the_users(tolerance):
    for shape, kind, most in (("single", "probs", 1.0 + tolerance), ("scalar", "label_logprob", tolerance)):
        least = -tolerance if kind == "probs" else -1.0
        assert alone([most, least], kind, shape, tolerance=tolerance).prediction.tolist() == [most, least]
        above = float(np.nextafter(most, 2.0))
        assert fault(lambda v=above, k=kind, s=shape: alone([0.0, v], k, s, tolerance=tolerance)).row == 1
    below = float(np.nextafter(-tolerance, -1.0))
    assert fault(lambda: alone([0.5, below], tolerance=tolerance)).value == below


@pytest.mark.parametrize("dtype", [pa.float32(), pa.float64()], ids=str)
def test_rows_of_minus_infinity(dtype):
    """Impossible as logits, a row of zeros as log-probabilities."""
    table = {
        "a": pa.array([-inf, 0.0, -inf, -inf], dtype),
        "b": pa.array([0.0, -inf, -inf, -inf], dtype),
    }
    error = fault(lambda: built(table, "logits", first_row=5))
    assert place(error) == ("impossible-row", "f", 7, "a")
    fewer = {name: column[:2] for name, column in table.items()}
    assert built(fewer, "logits").prediction.tolist() == [[-inf, 0.0], [0.0, -inf]]
    assert np.isneginf(built(table, "log_probs").prediction[2:]).all()


def test_the_row_of_a_fault_is_the_row_of_the_file_after_a_filter():
    part = piece({"v": [0.5, 0.5, 2.0, 0.5, 3.0]}, 100).keep(np.array([False, True, False, True, True]))
    error = fault(lambda: build(part, layout_of("probs", "single", "v"), FACTS, None, ReadOptions()))
    assert (error.row, error.value) == (104, 3.0)
