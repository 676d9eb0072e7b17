"""Label, weight, cluster, groups, bytes and id of each row, and where a fault in them is."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from crossent.data.conditions import Condition
from crossent.data.facts import UNKNOWN, Classes, facts_of, other_class
from crossent.data.labels import MISSING
from crossent.data.layout import Layout
from crossent.data.options import ReadOptions

from .helpers import fault, piece, place, source

LABELLED = Layout("probs", "columns", ("p_a", "p_b"), ("a", "b"), "label", None, (), (), "double")
nan, inf = float("nan"), float("inf")


def facts(table, classes=None, first_row=0, id=None, label=None, keep=None, **options):
    """The facts of the rows of a table (those of the mask `keep`)."""
    layout = Layout("probs", "columns", (), None, label, id, (), (), "")
    rows = piece(table, first_row)
    if keep is not None:
        rows = rows.keep(np.array(keep))
    known = None if classes is None else Classes(classes, options.get("unknown_label", "error"))
    return facts_of(rows, layout, ReadOptions(**options), known)


def test_nothing_named_is_nothing():
    mine = facts({"x": [1.0]})
    assert vars(mine) == dict.fromkeys(vars(mine)) | {"groups": ()}


def test_all_facts_of_a_row():
    table = {
        "y": ["b", "a"],
        "w": [1, 0],
        "d": [7, 7],
        "g": [True, None],
        "h": ["u", "v"],
        "n": [3, 4],
        "i": [9, 8],
    }
    mine = facts(table, ("a", "b"), label="y", weight="w", cluster="d", groups=("h", "g"), bytes="n", id="i")
    assert mine.labels.tolist() == [1, 0]
    assert mine.label_text.values == ("b", "a")
    assert mine.weight.tolist() == [1.0, 0.0] and mine.weight.dtype == np.float64
    assert mine.cluster.values == ("7",)
    assert [g.values for g in mine.groups] == [("u", "v"), ("true", MISSING)]
    assert mine.bytes.tolist() == [3.0, 4.0]
    assert mine.ids.to_pylist() == [9, 8]


def test_the_unit_is_the_cluster():
    assert facts({"doc": ["x", "y", "x"]}, unit="doc").cluster.codes.tolist() == [0, 1, 0]


def test_labels_without_classes_are_kept_as_text():
    mine = facts({"y": [2, 2, 5]}, label="y")
    assert (mine.labels, mine.label_text.values) == (None, ("2", "5"))


# --- missing values ---------------------------------------------------------------------------------------

ROLES = {
    "label": ({"label": "x"}, "null-label"),
    "id": ({"id": "x"}, "null-id"),
    "cluster": ({"cluster": "x"}, "null-cluster"),
    "unit": ({"unit": "x"}, "null-cluster"),
    "weight": ({"weight": "x"}, "null-number"),
    "bytes": ({"bytes": "x"}, "null-number"),
}
HOLES = {
    "null": pa.array([1, 2, 3, None, 5, None]),
    "null text": pa.array(["1", "2", "3", None, "5", None]),
    "null bool": pa.array([True, True, False, None, False, None]),
    "index": pa.array([1, 2, 3, None, 5, None]).dictionary_encode(),
    "value": pa.DictionaryArray.from_arrays(pa.array([0, 0, 0, 1, 0, 1]), pa.array([1, None])),
    "nan": pa.array([1.0, 2.0, 3.0, nan, 5.0, nan]),
    "nan value": pa.DictionaryArray.from_arrays(pa.array([0, 0, 0, 1, 0, 1]), pa.array([1.0, nan])),
    "nan and null": pa.array([1.0, 2.0, 3.0, None, 5.0, nan]),
    "half": pa.array(np.float16([1, 2, 3, nan, 5, nan])),
}


def lacking() -> list:
    """Role and column; nan is a bad number, not a missing one."""
    return [
        pytest.param(*ROLES[role], HOLES[hole], id=f"{role}, {hole}")
        for role in ROLES
        for hole in HOLES
        if not (ROLES[role][1] == "null-number" and hole in ("nan", "nan value", "half"))
    ]


@pytest.mark.parametrize(("options", "slug", "column"), lacking())
def test_missing_values(options, slug, column):
    error = fault(lambda: facts({"x": column}, first_row=1000, **options))
    assert place(error) == (slug, "f", 1003, "x")
    count = 1 if slug == "null-number" and pa.types.is_floating(column.type) else 2
    assert f"{count} rows here have none" in error.cure


def test_rows_left_out_may_lack_everything():
    keep = [True, False, True]
    table = {"x": pa.array([1, None, 3]), "y": pa.DictionaryArray.from_arrays([0, 1, 0], ["a", None])}
    mine = facts(table, ("a",), keep=keep, label="y", weight="x", cluster="x", id="x", bytes="x")
    assert (mine.weight.tolist(), mine.cluster.values, mine.ids.to_pylist()) == (
        [1.0, 3.0],
        ("1", "3"),
        [1, 3],
    )
    assert mine.labels.tolist() == [0, 0]


def test_missing_rows_keep_their_numbers_through_a_filter():
    table = {"x": [1, None, 3, None], "y": [1, 2, 3, 4]}
    error = fault(lambda: facts(table, first_row=50, keep=[True, False, True, True], id="x"))
    assert error.row == 53


def test_groups_may_be_missing():
    (group,) = facts({"g": pa.array([None, "x", None])}, groups=("g",)).groups
    assert (group.values[group.codes[0]], group.values[group.codes[1]]) == (MISSING, "x")


# --- numbers ----------------------------------------------------------------------------------------------

NUMBERS = {
    "int": (pa.array([1, 2], pa.int8()), [1, 2]),
    "above 2**53": (pa.array([2**53 + 1, 2**63 - 1]), [float(2**53 + 1), float(2**63 - 1)]),
    "unsigned": (pa.array([2**64 - 1], pa.uint64()), [2.0**64]),
    "single": (pa.array(np.float32([0.1, 0.0])), [float(np.float32(0.1)), 0.0]),
    "half": (pa.array(np.float16([0.1])), [float(np.float16(0.1))]),
    "decimal": (pa.array([Decimal("0.10"), Decimal("12.34")]), [0.1, 12.34]),
    "text": (pa.array(["0.1", "1e-3", "7"]), [0.1, 1e-3, 7.0]),
    "large text": (pa.array(["2"], pa.large_string()), [2.0]),
    "bool": (pa.array([True, False]), [1.0, 0.0]),
    "dictionary": (pa.array([0.5, 2.0, 0.5]).dictionary_encode(), [0.5, 2.0, 0.5]),
    "least and most": (pa.array([1e-50, 1e50, 0.0, -0.0]), [1e-50, 1e50, 0.0, 0.0]),
}


@pytest.mark.parametrize(("column", "values"), NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("role", ["weight", "bytes"])
def test_numbers_of_every_type(column, values, role):
    found = getattr(facts({"x": column}, **{role: "x"}), role)
    assert found.dtype == np.float64
    assert found.tolist() == values


@pytest.mark.parametrize("bad", [-1.0, -1e-300, nan, inf, -inf, 1.01e50])
@pytest.mark.parametrize(("role", "slug"), [("weight", "bad-weight"), ("bytes", "bad-bytes")])
def test_numbers_that_are_no_amount(bad, role, slug):
    error = fault(lambda: facts({"x": [1.0, 0.0, bad, -5.0]}, first_row=30, **{role: "x"}))
    assert place(error) == (slug, "f", 32, "x")
    assert str(error.value) == str(bad)


def test_weights_whose_squares_would_be_lost():
    assert fault(lambda: facts({"x": [1.0, 0.99e-50]}, weight="x")).row == 1
    assert facts({"x": [0.99e-50]}, bytes="x").bytes.tolist() == [0.99e-50]


WORDS = {
    "text": (pa.array(["1", "2", "three", "four"]), 2, "'three'"),
    "empty": (pa.array(["1", ""]), 1, "''"),
    "dictionary": (pa.array(["1", "x", "1"]).dictionary_encode(), 1, "'x'"),
    "dates": (pa.array([1, 2], pa.date32()), 0, "datetime.date(1970, 1, 2)"),
    "bytes": (pa.array([b"1", b"\xff"]), 1, "b'\\xff'"),
}


@pytest.mark.parametrize(("column", "row", "value"), WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("role", ["weight", "bytes"])
def test_what_is_no_number(column, row, value, role):
    error = fault(lambda: facts({"x": column}, first_row=10, **{role: "x"}))
    assert place(error) == ("not-a-number", "f", 10 + row, "x")
    assert error.value == value
    assert str(column.type) in error.problem


# --- class codes ------------------------------------------------------------------------------------------


def test_a_label_without_a_class():
    table = {"y": ["b", "a", "z", "x", "z"]}
    error = fault(lambda: facts(table, ("a", "b"), first_row=5, label="y"))
    assert place(error) == ("unknown-label", "f", 7, "y")
    assert error.value == "z"
    assert error.problem.endswith("the classes are a, b")
    mine = facts(table, ("a", "b"), label="y", unknown_label="zero")
    assert mine.labels.tolist() == [1, 0, UNKNOWN, UNKNOWN, UNKNOWN]
    assert mine.labels.dtype == np.int64
    assert mine.label_text.values == ("b", "a", "z", "x")


@pytest.mark.parametrize(("count", "text"), [(8, "6, 7"), (9, "6, 7, … (9 in all)")])
def test_many_classes_are_cut(count, text):
    error = fault(lambda: facts({"y": ["x"]}, [str(i) for i in range(count)], label="y"))
    assert error.problem.endswith(text)


def test_a_value_of_a_dictionary_that_no_row_has_is_no_label():
    column = pa.DictionaryArray.from_arrays(pa.array([2, 0]), pa.array(["a", "never", "b"]))
    assert facts({"y": column}, ("a", "b"), label="y").labels.tolist() == [1, 0]


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize(
    ("column", "classes", "codes"),
    [
        (pa.array([True, False, True]), ("False", "True"), [1, 0, 1]),
        (pa.array([3, -1, 3], pa.int8()), ("-1", "003"), [1, 0, 1]),
        (pa.array([3.0, 0.5]), ("0.5", "3"), [1, 0]),
        (pa.array(["x", "y"]), ("y", "x"), [1, 0]),
        (pa.array([1, 2], pa.date32()), ("1970-01-03", "1970-01-02"), [1, 0]),
    ],
)
def test_codes_of_labels(column, classes, codes, encoded):
    column = column.dictionary_encode() if encoded else column
    assert facts({"y": column}, classes, label="y").labels.tolist() == codes


# --- the class that a single column does not name ---------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "positive", "other"),
    [
        (["on", "late", "off"], "late", "on"),
        (["late", "late", "on"], "late", "on"),
        ([None, None, "on"], "late", "on"),
        (["late", "late"], "late", "not late"),
        ([None], "late", "not late"),
        ([1, 1, 0], "1", "0"),
        ([7, 3], "007", "3"),
        ([1.0, 0.0], "1", "0"),
        ([True, True], "1", "0"),
        ([True], "0", "1"),
        ([True], "true", "false"),
        ([False], "False", "True"),
        ([False], "yes", "not yes"),
        (["1", "01"], "1", "01"),
    ],
)
@pytest.mark.parametrize("encoded", [False, True])
def test_the_other_class(labels, positive, other, encoded):
    column = pa.array(labels)
    found = other_class(positive, source({"y": column.dictionary_encode() if encoded else column}), "y", ())
    assert found == other


def test_the_other_class_is_looked_for_in_the_rows_that_count():
    one = source({"y": ["a", "b", "c"], "s": ["x", "x", "y"]}, {"y": ["d"], "s": ["y"]})
    assert other_class("a", one, "y", ()) == "b"
    assert other_class("a", one, "y", (Condition("s", "y"),)) == "c"
    assert other_class("c", one, "y", (Condition("s", "y"),)) == "d"
    assert other_class("a", one, "y", (Condition("y", "d"), Condition("s", "y"))) == "d"
    assert other_class("a", one, "y", (Condition("s", "z"),)) == "not a"
    assert [asked for asked, _, _ in one.asked] == [["y"], ["y", "s"], ["y", "s"], ["y", "s"], ["y", "s"]]
