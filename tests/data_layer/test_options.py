"""What can be said about the data, and what is refused at once."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.data.conditions import Condition, conditions, parse_condition
from crossent.data.options import MOST_CLASSES, ReadOptions, parse_classes
from crossent.errors import UsageError

from .helpers import fault

WRONG = {
    "on_missing": ("drop", "", "Error"),
    "unknown_label": ("ignore", "one", ""),
    "kind": ("proba", "Probs", ""),
    "prefix": ("",),
    "floor": (0.0, 0.5, -1e-9, 1.0, math.nan, math.inf),
    "tolerance": (-1e-9, 0.5, math.nan, math.inf),
    "classes": ((), ("a", "b", "a")),
}
RIGHT = {
    "on_missing": ("error", "intersect"),
    "unknown_label": ("error", "zero"),
    "kind": (None, "probs", "logits", "log_probs", "label_logprob"),
    "prefix": (None, "p", " "),
    "floor": (None, 5e-324, 1e-15, 0.4999),
    "tolerance": (0.0, 1e-3, 0.4999),
    "classes": (None, ("a",), ("a", "A", " a", "")),
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in WRONG.items() for v in values])
def test_values_that_are_refused(name, value):
    error = fault(lambda: ReadOptions(**{name: value}), UsageError)
    assert error.slug == "bad-option"
    assert name.replace("_", " ") in error.problem.replace("_", " ")


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in RIGHT.items() for v in values])
def test_values_that_are_taken(name, value):
    options = ReadOptions(**{name: value})
    default = getattr(ReadOptions(), name)
    assert options.described() == ({} if value == default else {name: value})


@pytest.mark.parametrize(
    ("unit", "cluster", "column"),
    [(None, None, None), ("doc", None, "doc"), (None, "day", "day"), ("doc", "doc", "doc")],
)
def test_units_are_clusters(unit, cluster, column):
    options = ReadOptions(unit=unit, cluster=cluster)
    assert options.cluster_column == column
    assert options.row_columns() == ((column,) if column else ())


def test_unit_and_another_cluster():
    error = fault(lambda: ReadOptions(unit="doc", cluster="day"), UsageError)
    assert error.slug == "unit-and-cluster"
    assert "unit is doc and cluster is day" in error.problem


def test_columns_of_the_options_in_a_fixed_order():
    options = ReadOptions(
        where=(Condition("split", "test"), Condition("w", "1"), Condition("split", "x", "!=")),
        bytes="b", groups=("g", "h", "c"), cluster="c", weight="w", label="y", id="i", prob="p",
    )  # fmt: skip
    assert options.row_columns() == ("w", "c", "g", "h", "b", "split")


def test_options_are_values():
    options = ReadOptions(groups=("a",), floor=0.1)
    assert options == ReadOptions(floor=0.1, groups=("a",))
    assert hash(options) == hash(dataclasses.replace(options))
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.floor = None
    assert options.described() == {"groups": ("a",), "floor": 0.1}


# --- conditions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("split=test", ("split", "test", "=")),
        ("label!=255", ("label", "255", "!=")),
        ("a=b!=c", ("a", "b!=c", "=")),
        ("a!=b=c", ("a", "b=c", "!=")),
        ("a=", ("a", "", "=")),
        ("a!!=b", ("a!", "b", "!=")),
        (" a = b ", (" a ", " b ", "=")),
    ],
)
def test_a_condition_is_what_it_says(text, condition):
    assert parse_condition(text) == condition
    assert str(parse_condition(text)) == text


@pytest.mark.parametrize("text", ["", "a", "=1", "!=1", "a!1"])
def test_texts_that_are_no_condition(text):
    error = fault(lambda: parse_condition(text), UsageError)
    assert error.slug == "bad-option"
    assert repr(text) in error.problem


def test_conditions_in_every_form():
    one, two = Condition("fold", "1"), Condition("label", "255", "!=")
    assert conditions({"fold": 1}) == conditions("fold=1") == conditions([("fold", "1")]) == (one,)
    assert conditions(["fold=1", "label!=255"]) == conditions([one, two]) == (one, two)
    assert conditions({}) == conditions(()) == ()
    assert [c.excludes for c in (one, two)] == [False, True]


# --- names of classes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a", ("a",)),
        (" a , b b,ü", ("a", "b b", "ü")),
        ("2,1,0", ("2", "1", "0")),
        ("0..0", ("0",)),
        ("3..5", ("3", "4", "5")),
        (" 08 .. 10 ", ("8", "9", "10")),
        ("..", ("..",)),
        ("a..c", ("a..c",)),
        ("-1..1", ("-1..1",)),
        ("0..2,5", ("0..2", "5")),
        ("0...2", ("0...2",)),
        ("1.5..2", ("1.5..2",)),
    ],
)
def test_class_names(text, names):
    assert parse_classes(text) == names


@pytest.mark.parametrize("text", ["", ",", "a,", ",a", "a,,b", "a, ", "a,a", "a, a", "1..0", "5..3"])
def test_texts_that_name_no_classes(text):
    error = fault(lambda: parse_classes(text), UsageError)
    assert error.slug == "bad-option"
    assert repr(text) in error.problem


def test_the_most_classes_there_can_be(monkeypatch):
    error = fault(lambda: parse_classes(f"1..{MOST_CLASSES + 1}"), UsageError)
    assert str(MOST_CLASSES + 1) in error.problem
    monkeypatch.setattr("crossent.data.options.MOST_CLASSES", 5)
    assert len(parse_classes("1..5")) == 5
    assert "between 1 and 5" in fault(lambda: parse_classes("1..6"), UsageError).cure


@given(st.integers(0, 10**12), st.integers(1, 50))
@settings(max_examples=30)
def test_ranges_hold_both_ends(first, count):
    names = parse_classes(f"{first}..{first + count - 1}")
    assert names == tuple(str(first + i) for i in range(count))
