"""Keys of columns as text and codes, the natural order of names, and which label is of which class."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.data.labels import (
    MISSING,
    ClassLookup,
    fingerprints,
    key_text,
    keyed,
    natural_order,
    value_type,
)

UTC = pa.timestamp("s", "UTC")
COLUMNS = {
    "text": (pa.array(["b", "a", "", None, "ü", "b"]), ["b", "a", "", MISSING, "ü", "b"]),
    "large text": (pa.array(["b", None], pa.large_string()), ["b", MISSING]),
    "text view": (pa.array(["b", "b", None], pa.string_view()), ["b", "b", MISSING]),
    "bytes": (pa.array([b"a", b"\xff", None]), ["a", "\\xff", MISSING]),
    "int8": (pa.array([-128, 127, None, 0], pa.int8()), ["-128", "127", MISSING, "0"]),
    "uint64": (pa.array([2**64 - 1, 0], pa.uint64()), [str(2**64 - 1), "0"]),
    "floats": (pa.array([1.0, 1.5, -0.0, 1e22, None]), ["1", "1.5", "0", str(10**22), MISSING]),
    "not finite": (pa.array([np.inf, -np.inf, np.nan]), ["inf", "-inf", "nan"]),
    "half": (pa.array(np.float16([2.0, 0.5])), ["2", "0.5"]),
    "bool": (pa.array([True, False, None, True]), ["true", "false", MISSING, "true"]),
    "decimal": (pa.array([Decimal("1.50"), None]), ["1.50", MISSING]),
    "date": (pa.array([dt.date(2024, 2, 29), None]), ["2024-02-29", MISSING]),
    "instant": (pa.array([0, 60], UTC), ["1970-01-01 00:00:00+00:00", "1970-01-01 00:01:00+00:00"]),
    "time": (pa.array([61], pa.time32("s")), ["00:01:01"]),
    "nothing": (pa.nulls(2), [MISSING, MISSING]),
    "empty": (pa.array([], pa.string()), []),
}


def rows(column: pa.Array) -> list[str]:
    keys = keyed(column)
    assert keys.codes.dtype == np.int64
    assert sorted(set(keys.codes.tolist())) == list(range(len(keys.values))), (
        "each value has a row, and is there"
    )
    assert len(set(keys.values)) == len(keys.values)
    return [keys.values[code] for code in keys.codes]


@pytest.mark.parametrize(("column", "texts"), COLUMNS.values(), ids=COLUMNS)
def test_keys_of_every_type(column, texts):
    assert rows(column) == texts


@pytest.mark.parametrize(("column", "texts"), COLUMNS.values(), ids=COLUMNS)
def test_keys_of_a_part_are_the_part_of_the_keys(column, texts):
    for start in range(len(texts)):
        assert rows(column.slice(start, 2)) == texts[start : start + 2]


ENCODED = {
    n: (c.dictionary_encode(), t) for n, (c, t) in COLUMNS.items() if n not in ("nothing", "text view")
}


@pytest.mark.parametrize(("column", "texts"), ENCODED.values(), ids=ENCODED)
@pytest.mark.parametrize("index", [pa.int8(), pa.uint16(), pa.int64()], ids=str)
def test_keys_of_dictionaries(column, texts, index):
    narrow = column.cast(pa.dictionary(index, column.type.value_type))
    assert rows(narrow) == texts
    assert rows(narrow.slice(1)) == texts[1:], "values without a row are left out"


@pytest.mark.parametrize(
    ("codes", "values", "texts"),
    [
        ([0, 1, 2], ["a", "a", "b"], ["a", "a", "b"]),
        ([2, 0, None], ["a", None, "b"], ["b", "a", MISSING]),
        ([1, None, 0], ["a", None], [MISSING, MISSING, "a"]),
        ([0, 1], [1.0, 1.5], ["1", "1.5"]),
        ([3, 3], ["a", "b", "c", "d"], ["d", "d"]),
        ([], ["a", "b"], []),
    ],
)
def test_dictionaries_of_others(codes, values, texts):
    """Values twice, values without rows, null as a value."""
    assert rows(pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), pa.array(values))) == texts


def test_text_and_numbers_that_read_alike_are_one_key():
    whole = keyed(pa.array([1, 2]))
    for column in (pa.array(["1", "2"]), pa.array([1.0, 2.0])):
        assert keyed(column).values == whole.values == ("1", "2")
    assert rows(pa.array([MISSING, None])) == [MISSING, MISSING]


@given(st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=30))
@settings(max_examples=50)
def test_keys_give_back_the_texts(texts):
    expected = [MISSING if t is None else t for t in texts]
    column = pa.array(texts, pa.string())
    assert rows(column) == expected
    assert rows(column.dictionary_encode()) == expected
    assert keyed(column).values == tuple(dict.fromkeys(expected)) or MISSING in expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, MISSING),
        (True, "true"),
        (False, "false"),
        (np.float64(3.0), "3"),
        (2.5, "2.5"),
        (10**30, str(10**30)),
        (b"\xc3\xbc", "ü"),
        (b"\x00\xfe", "\x00\\xfe"),
    ],
)
def test_one_key_as_text(value, text):
    assert key_text(value) == text


def test_fingerprints_tell_keys_apart_and_are_the_same_everywhere():
    keys = keyed(pa.array([f"key {i}" for i in range(5000)] * 2))
    prints = fingerprints(keys)
    assert prints.dtype == np.uint64
    assert len(np.unique(prints)) == 5000
    np.testing.assert_array_equal(prints[:5000], prints[5000:])
    other = fingerprints(keyed(pa.array(["x", "key 7", "key 0"])))
    assert other[1:].tolist() == [prints[7], prints[0]]
    assert fingerprints(keyed(pa.array([], pa.string()))).size == 0


# --- natural order ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ordered",
    [
        ("9", "10", "a", "b"),
        ("-10", "-9", "0", "1"),
        ("1", "07", "7", "8"),
        ("3", "", "-", "--5", "1.5", "1e3"),
        ("2", "A", "B", "a", "ä"),
        ("1", "²", "٣"),
        ("1", " 0", "+1"),
    ],
)
def test_natural_order(ordered):
    for names in itertools.permutations(ordered[:5]):
        assert natural_order(names) == tuple(n for n in ordered if n in names)
    assert natural_order(ordered[::-1]) == ordered


@given(st.lists(st.one_of(st.text(max_size=3), st.integers(-99, 99).map(str)), unique=True))
@settings(max_examples=50)
def test_natural_order_is_an_order(names):
    ordered = natural_order(names)
    assert sorted(ordered) == sorted(names)
    assert natural_order(names[::-1]) == ordered
    numbers = [int(n) for n in ordered if n.removeprefix("-").isdigit() and n.isascii()]
    assert numbers == sorted(numbers)


# --- labels and classes -----------------------------------------------------------------------------------

INT, FLOAT, BOOL, TEXT = pa.int16(), pa.float32(), pa.bool_(), pa.string()
NO = -1


@pytest.mark.parametrize(
    ("classes", "type_", "codes"),
    [
        (("a", "b"), TEXT, {"a": 0, "b": 1, "A": NO, "a ": NO, "": NO, "0": NO}),
        (("7", "8"), TEXT, {"7": 0, "8": 1, "07": NO, "7.0": NO}),
        (("07", "8"), TEXT, {"07": 0, "7": NO}),
        (("07", "8"), INT, {"7": 0, "8": 1, "0": NO}),
        (("07", "8"), FLOAT, {"7": 0, "8": 1, "7.5": NO}),
        (("07", "7"), INT, {"7": 1}),
        (("07", "007"), INT, {"7": NO}),
        (("-03", "3"), INT, {"-3": 0, "3": 1}),
        (("-0", "1"), INT, {"0": 0}),
        (("07", "x"), INT, {"7": NO}),
        (("--7", "7"), INT, {"7": 1, "-7": NO}),
        (("1.5", "2"), FLOAT, {"1.5": 0, "2": 1}),
        (("true", "false"), BOOL, {"true": 0, "false": 1}),
        (("False", "TRUE"), BOOL, {"true": 1, "false": 0}),
        (("True", "maybe"), BOOL, {"true": 0, "false": NO}),
        (("0", "1"), BOOL, {"true": 1, "false": 0}),
        (("01", "00"), BOOL, {"true": 0, "false": 1}),
        (("1",), BOOL, {"true": 0, "false": NO}),
        (("yes", "no"), BOOL, {"true": NO, "false": NO}),
        (("True", "False"), TEXT, {"True": 0, "true": NO}),
        (("true", "1"), BOOL, {"true": 0, "false": NO}),
        (("true", "TRUE", "false"), BOOL, {"true": 0, "false": 2}),
        (("1", "0"), TEXT, {"true": NO, "1": 0}),
        ((), INT, {"1": NO}),
    ],
)
def test_the_class_of_a_label(classes, type_, codes):
    lookup = ClassLookup(classes)
    assert {label: lookup.code(label, type_) for label in codes} == codes


@given(st.lists(st.integers(-(10**6), 10**6), unique=True, min_size=1), st.integers(0, 3))
@settings(max_examples=50)
def test_whole_numbers_find_the_class_of_their_value(numbers, zeros):
    padded = [("-" if n < 0 else "") + "0" * zeros + str(abs(n)) for n in numbers]
    lookup = ClassLookup(padded)
    assert [lookup.code(str(n), INT) for n in numbers] == list(range(len(numbers)))


def test_the_type_of_values_is_seen_through_a_dictionary():
    assert value_type(pa.dictionary(pa.int8(), pa.float16())) == pa.float16()
    assert value_type(pa.list_(pa.int8())) == pa.list_(pa.int8())


SIGNED, UNSIGNED = (pa.int8(), pa.int16(), pa.int32(), pa.int64()), (pa.uint16(), pa.uint32(), pa.uint64())
NEAR = [(type_, n) for type_ in SIGNED for n in ([3], [0, 1, 1, 0], [7, -7, 7, 5], [-1], [100, 127, -128])]
NEAR += [
    (type_, n) for type_ in UNSIGNED for n in ([3], [1, 0, 1], [0, 4095], [0, 4096, 7], [65_535, 65_000])
]


@pytest.mark.parametrize(("type_", "numbers"), NEAR)
def test_whole_numbers_close_together_are_the_keys_of_their_text(type_, numbers):
    column = pa.array([numbers[0], *numbers], type_).slice(1)
    found = keyed(column)
    assert [found.values[i] for i in found.codes] == [str(n) for n in numbers]
    assert sorted(found.values) == sorted({str(n) for n in numbers})
    assert found.codes.dtype == np.int64


def test_whole_numbers_at_the_ends_of_their_type():
    for type_, ends in ((pa.int64(), [-(2**63), 2**63 - 1]), (pa.uint64(), [2**64 - 1, 2**64 - 2])):
        for numbers in (ends, ends[:1] * 3, ends[::-1]):
            found = keyed(pa.array(numbers, type_))
            assert [found.values[i] for i in found.codes] == [str(n) for n in numbers]
