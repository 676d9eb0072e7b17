"""Rows that are cut and filtered still know where they stood."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.data.conditions import Condition, parse_condition
from crossent.data.labels import MISSING
from crossent.data.layout import understand
from crossent.data.options import ReadOptions
from crossent.data.pieces import no_rows, pieces, selected, values_of
from crossent.data.readers.contract import Chunk

from .helpers import batch_of, fault, piece, source

FIRST = 10**12


def numbered(rows: int, first_row: int = FIRST):
    """A piece whose column `at` holds each row's number in the file."""
    return piece({"at": np.arange(first_row, first_row + rows)}, first_row)


def assert_true_rows(part) -> None:
    """Every row is where its piece says."""
    assert [part.row(i) for i in range(len(part))] == part.table.column("at").to_pylist()
    assert all(type(part.row(i)) is int for i in range(len(part)))
    assert part.numbers is None or part.numbers.dtype == np.int64


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("keep"), st.integers(0, 2**32 - 1), st.sampled_from([0.2, 0.7, 1.0])),
        st.tuples(st.just("slice"), st.integers(0, 40), st.integers(0, 40)),
    ),
    max_size=5,
)


@given(st.integers(1, 40), STEPS)
@settings(max_examples=100)
def test_row_numbers_survive_cuts_and_filters_in_any_order(rows, steps):
    part, expected = numbered(rows), np.arange(FIRST, FIRST + rows)
    for what, a, b in steps:
        if what == "slice":
            part, expected = part.slice(a % (len(part) + 1), b), expected[a % (len(part) + 1) :][:b]
        else:
            mask = np.random.default_rng(a).random(len(part)) < b
            part, expected = part.keep(mask), expected[mask]
        assert part.table.column("at").to_pylist() == expected.tolist()
        assert_true_rows(part)
        assert part.file == "f"


def test_a_filter_that_keeps_all_copies_nothing():
    part = numbered(5)
    assert part.keep(np.ones(5, bool)) is part
    twice = part.keep(np.array([True, False, True, True, False])).keep(np.ones(3, bool))
    assert twice.numbers.tolist() == [FIRST, FIRST + 2, FIRST + 3]


def test_a_slice_shares_memory():
    part = numbered(100).slice(10, 20)
    whole = numbered(100)
    assert len(part) == 20
    values = whole.slice(10, 20).table.column("at").to_numpy()
    assert np.shares_memory(values, whole.table.column("at").to_numpy())


# --- conditions -------------------------------------------------------------------------------------------

WIDE = pa.DictionaryArray.from_arrays(pa.array([200] * 3, pa.uint8()), [str(i) for i in range(201)])
CONDITIONS = {
    "text": (pa.array(["a", "b", "a", None, "A", ""]), "a", [0, 2]),
    "empty text": (pa.array(["a", "", None]), "", [1]),
    "missing": (pa.array(["a", None, MISSING]), MISSING, [1, 2]),
    "missing number": (pa.array([1, None]), MISSING, [1]),
    "numbers": (pa.array([1, 10, -1, 1]), "1", [0, 3]),
    "whole floats": (pa.array([1.0, 1.5, 2.0, np.nan]), "1", [0]),
    "floats": (pa.array([1.0, 1.5]), "1.5", [1]),
    "nan": (pa.array([np.nan, 1.0]), "nan", [0]),
    "bools": (pa.array([True, False, None]), "false", [1]),
    "dates": (pa.array([dt.date(2024, 2, 29), dt.date(2024, 3, 1)]), "2024-03-01", [1]),
    "encoded": (pa.array(["a", "b", None, "b"]).dictionary_encode(), "b", [1, 3]),
    "encoded missing": (pa.array(["a", None]).dictionary_encode(), MISSING, [1]),
    "null value": (pa.DictionaryArray.from_arrays([0, 1, 0], ["a", None]), MISSING, [1]),
    "twice encoded": (pa.DictionaryArray.from_arrays([0, 1, 2], ["a", "b", "a"]), "a", [0, 2]),
    "value without rows": (pa.DictionaryArray.from_arrays([0, 0], ["a", "b"]), "b", []),
    "unsigned index": (WIDE, "200", [0, 1, 2]),
    "no value": (pa.array(["a", "b"]), "c", []),
    "no number like it": (pa.array([1, 2]), "1.0", []),
}  # fmt: skip


@pytest.mark.parametrize(("column", "value", "rows"), CONDITIONS.values(), ids=CONDITIONS)
def test_a_condition(column, value, rows):
    at = np.arange(7, 7 + len(column))
    chunk = Chunk(batch_of(pa.table({"c": column, "at": at})), "f", 7)
    others = [row for row in range(len(column)) if row not in rows]
    for sign, wanted in (("=", rows), ("!=", others)):
        part = selected(chunk, [Condition("c", value, sign)])
        assert [r - 7 for r in part.table.column("at").to_pylist()] == wanted
        assert_true_rows(part)


def test_conditions_hold_together():
    table = pa.table({"a": [1, 1, 2, 2, 1], "b": ["x", "y", "x", "y", "x"], "at": [5, 6, 7, 8, 9]})
    chunk = Chunk(batch_of(table), "f", 5)

    def kept(*where: str) -> list[int]:
        part = selected(chunk, [parse_condition(text) for text in where])
        assert_true_rows(part)
        return part.table.column("at").to_pylist()

    assert kept() == [5, 6, 7, 8, 9]
    assert kept("a=1") == [5, 6, 9]
    assert kept("a=1", "b=x") == kept("b=x", "a=1") == [5, 9]
    assert kept("a=1", "a=2") == []
    assert kept("a=1", "a=1", "b=y") == [6]
    assert kept("a!=1") == kept("a=2") == [7, 8]
    assert kept("a!=1", "a!=2") == kept("a=1", "a!=1") == []
    assert kept("b!=x", "a=1") == [6]


# --- streams ----------------------------------------------------------------------------------------------


def predictions(rows: int, start: int = 0):
    at = np.arange(start, start + rows)
    return {"label": at % 2, "p_0": at / 100, "p_1": 1 - at / 100, "fold": at % 3, "at": np.arange(rows)}


@pytest.mark.parametrize("cuts", [(), (1,), (4, 1, 2)])
def test_a_stream_holds_the_rows_that_meet_the_conditions(cuts):
    one = source(predictions(10), predictions(7, 10), cuts=cuts)
    where = (Condition("fold", "2"),)
    layout = understand(one, ReadOptions(where=where, groups=("at",)))
    found = list(pieces(one, layout, where, 5))
    assert all(0 < len(part) <= 5 for part in found), "pieces without rows are passed over"
    rows = [(part.file, part.row(i)) for part in found for i in range(len(part))]
    assert rows == [("m/0", r) for r in (2, 5, 8)] + [("m/1", r) for r in (1, 4)]
    for part in found:
        assert_true_rows(part)
    ((asked, batch_rows, types),) = one.asked
    assert (asked, batch_rows) == (list(layout.columns), 5)
    assert types == {"p_0": pa.float64(), "p_1": pa.float64()}


def test_lists_are_asked_for_as_lists_of_numbers():
    one = source({"label": ["a"], "probs": [[0.5, 0.5]]})
    list(pieces(one, understand(one, ReadOptions(classes=("a", "b"))), (), 5))
    assert one.asked[0][2] == {"probs": pa.list_(pa.float64())}


# --- no row is left ---------------------------------------------------------------------------------------


def test_values_of_a_column_are_few_and_in_order():
    one = source({"g": [f"v{i % 30}" for i in range(100)]}, cuts=(4,))
    assert values_of(one, "g") == [f"v{i}" for i in range(10)]
    assert values_of(one, "g", limit=3) == ["v0", "v1", "v2"]
    few = source({"g": pa.array(["b", None, "a", "b"]).dictionary_encode(), "x": [1, 2, 3, 4]})
    assert values_of(few, "g") == ["b", MISSING, "a"]


def test_no_rows_at_all():
    def raised(where):
        raise no_rows(source({"g": [1, 2, 1], "h": ["u", "v", "w"]}), where)

    error = fault(lambda: raised(()))
    assert (error.slug, error.file, error.problem) == ("no-rows", "m", "there are no rows")
    error = fault(lambda: raised([parse_condition("h=u"), parse_condition("g!=2")]))
    assert error.problem == "no row has h=u and g!=2; g has 1, 2"
    assert error.cure == "check --where"
