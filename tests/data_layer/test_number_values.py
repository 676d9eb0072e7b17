"""Labels and predictions that are numbers: every type, and what they cannot be."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from crossent.data.alignment import Aligned, check_same_rows
from crossent.data.facts import facts_of
from crossent.data.layout import understand
from crossent.data.numbers import MOST_NUMBER, prediction_of
from crossent.data.options import ReadOptions

from .helpers import fault, models, piece, place, source

nan, inf = float("nan"), float("inf")
LABEL = {"label": [1.0, 2.0, 3.0]}


def read(table, first_row=0, **options):
    """(prediction, lengths) of a table with a label."""
    whole = pa.table({**LABEL, **table}) if isinstance(table, dict) else table
    layout = understand(source(whole), ReadOptions(**options))
    return prediction_of(piece(whole, first_row), layout)


TYPES = {
    "double": (pa.float64(), np.float64),
    "float": (pa.float32(), np.float32),
    "half": (pa.float16(), np.float64),
    "int": (pa.int16(), np.float64),
    "decimal": (pa.decimal128(12, 1), np.float64),
}


@pytest.mark.parametrize(("type_", "dtype"), TYPES.values(), ids=TYPES)
def test_numbers_of_every_type(type_, dtype):
    number = Decimal if pa.types.is_decimal(type_) else np.float16
    column, ones = (pa.array([number(v) for v in row]).cast(type_) for row in ("204", "111"))
    for table, expected in (
        ({"mean": column, "std": column}, [[2, 2], [0, 0], [4, 4]]),
        ({"q_0.9": column, "q_0.1": ones}, [[1, 2], [1, 0], [1, 4]]),
        ({"point": column}, [2, 0, 4]),
    ):
        prediction, lengths = read(table)
        assert (prediction.dtype, prediction.tolist(), lengths) == (dtype, expected, None)


LISTS = {
    "list": pa.list_(pa.float64()),
    "large list": pa.large_list(pa.float32()),
    "fixed": pa.list_(pa.float64(), 2),
}


@pytest.mark.parametrize("type_", LISTS.values(), ids=LISTS)
def test_samples(type_):
    table = pa.table({**LABEL, "samples": pa.array([[1, 2], [3, 4], [6, 5]], type_)})
    prediction, lengths = read(table)
    assert (prediction.tolist(), lengths) == ([[1, 2], [3, 4], [6, 5]], None)
    assert read(table.slice(1, 2))[0].tolist() == [[3, 4], [6, 5]], "a slice begins where it does"


def test_samples_of_several_lengths():
    table = pa.table({**LABEL, "samples": [[1.0, 2.0], [3.0, 4.0, 5.0, 6.0], [8.0, 7.0, 9.0]]})
    prediction, lengths = read(table)
    assert lengths.tolist() == [2, 4, 3]
    assert [row[:n].tolist() for row, n in zip(prediction, lengths, strict=True)] == [
        [1, 2],
        [3, 4, 5, 6],
        [8, 7, 9],
    ]
    assert read(table.slice(1, 1))[1] is None, "one row has one length"


def one(row, value, others=2.0):
    return [value if i == row else others for i in range(3)]


WRONG = {
    "nan mean": ({"mean": one(1, nan), "std": one(0, 1.0)}, "nan-prediction", 1, "mean"),
    "infinite mean": ({"mean": one(2, -inf), "std": one(0, 1.0)}, "beyond-range", 2, "mean"),
    "nan std": ({"mean": one(1, 1.0), "std": one(0, nan)}, "nan-prediction", 0, "std"),
    "infinite std": ({"mean": one(1, 1.0), "std": one(1, inf)}, "beyond-range", 1, "std"),
    "negative std": ({"mean": one(1, -1.0), "std": one(2, -1e-9)}, "not-a-scale", 2, "std"),
    "large": ({"point": one(1, 1.0001e100)}, "beyond-range", 1, "point"),
    "nan point": ({"y_pred": one(0, nan)}, "nan-prediction", 0, "y_pred"),
    "nan quantile": ({"q_0.9": one(2, nan), "q_0.1": one(2, 1.0)}, "nan-prediction", 2, "q_0.9"),
    "null": ({"mean": one(1, None), "std": one(2, 1.0)}, "null-prediction", 1, "mean"),
    "null list": ({"samples": one(1, None, [1.0, 2.0])}, "null-prediction", 1, "samples"),
    "null sample": ({"samples": one(2, [1.0, 2.0, None], [1.0, 2.0])}, "null-prediction", 2, "samples"),
    "nan sample": ({"samples": one(2, [1.0, 2.0, nan], [1.0, 2.0])}, "nan-prediction", 2, "samples[2]"),
    "infinite sample": ({"samples": one(0, [inf, 2.0], [1.0, 2.0])}, "beyond-range", 0, "samples[0]"),
    "one sample": ({"samples": one(1, [1.0], [1.0, 2.0])}, "too-few-samples", 1, "samples"),
    "no samples": ({"samples": one(2, [], [1.0, 2.0])}, "too-few-samples", 2, "samples"),
    "text": ({"mean": ["a", "b", "c"], "std": one(2, 1.0)}, "prediction-type", None, "mean"),
}


@pytest.mark.parametrize(("table", "slug", "row", "column"), WRONG.values(), ids=WRONG)
def test_what_no_prediction_can_be(table, slug, row, column):
    for first_row in (0, 500):
        error = fault(lambda first_row=first_row: read(table, first_row))
        assert place(error) == (slug, "f", None if row is None else first_row + row, column)


def test_a_null_sample_is_counted_in_its_list():
    error = fault(lambda: read({"samples": [[1.0, 2.0, 3.0], [1.0, None], [1.0, 2.0]]}))
    assert "entry 1 of the list" in str(error)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_range_does_not_depend_on_the_type(dtype):
    """1e100 is infinite in float32; as a bound it must not be."""
    largest = np.array([3e38, -3e38, 0.0], dtype)
    assert read({"point": largest})[0].tolist() == largest.tolist()
    too_large = np.array([0.0, inf if dtype == np.float32 else 1e101, 0.0], dtype)
    assert fault(lambda: read({"point": too_large})).slug == "beyond-range"


def test_std_may_be_zero_or_tiny():
    std = [0.0, 4e-16, 5e-324]
    assert read({"mean": [1.0] * 3, "std": std})[0][:, 1].tolist() == std


# --- labels -------------------------------------------------------------------------------------------------


def label(values, first_row=0):
    table = pa.table({"label": values, "mean": [0.0] * len(values)})
    layout = understand(source(table), ReadOptions())
    return facts_of(piece(table, first_row), layout, ReadOptions(), None)


LABELS = {
    "float": pa.array([0.5, -1.0]),
    "single": pa.array([0.5, -1.0], pa.float32()),
    "decimal": pa.array([Decimal("0.5"), Decimal("-1.0")]),
    "text of numbers": pa.array(["0.5", "-1"]),
    "dictionary": pa.array([0.5, -1.0]).dictionary_encode(),
}


@pytest.mark.parametrize("values", LABELS.values(), ids=LABELS)
def test_labels_are_numbers(values):
    facts = label(values)
    assert (facts.y.dtype, facts.y.tolist()) == (np.float64, [0.5, -1.0])
    assert (facts.labels, facts.label_text) == (None, None)


@pytest.mark.parametrize(
    ("values", "slug", "row"),
    [
        ([1.0, None], "null-label", 1),
        ([nan, 1.0], "null-label", 0),
        ([1.0, inf], "label-not-finite", 1),
        ([-2.0 * MOST_NUMBER, 1.0], "label-not-finite", 0),
        (["1", "high"], "not-a-number", 1),
    ],
    ids=str,
)
def test_what_no_label_can_be(values, slug, row):
    assert place(fault(lambda: label(values, 70))) == (slug, "f", 70 + row, "label")


# --- several models -----------------------------------------------------------------------------------------


def compare(first, second, **columns):
    tables = [pa.table({"label": y, "mean": [0.0] * 2, **columns}) for y in (first, second)]
    found = models(source(tables[0], name="a"), source(tables[1], name="b"))
    pieces = (piece(tables[0], file="a"), piece(tables[1], first_row=40, file="b"))
    facts = [facts_of(p, m.layout, ReadOptions(), None) for p, m in zip(pieces, found, strict=True)]
    check_same_rows(found, Aligned(0, pieces), facts)


@pytest.mark.parametrize(
    "second", [pa.array([0, 3]), pa.array([-0.0, 3.0]), pa.array([0, 3], pa.float32()), ["0.0", "3"]], ids=str
)
def test_equal_numbers_are_equal_labels(second):
    compare([0.0, 3.0], second)


def test_other_labels():
    error = fault(lambda: compare([0.5, 3.0], [0.5, 3.5]))
    assert (error.slug, error.file, error.row) == ("labels-differ", "b", 41)
    assert "label 3.5 where a has 3.0" in str(error)
    with_ids = fault(lambda: compare([0.1, 3.0], pa.array([0.1, 3.0], pa.float32()), row_id=[7, 8]))
    assert (with_ids.slug, with_ids.row) == ("labels-differ", 40)
    assert "same type" in with_ids.cure
