"""Sums by key against a dictionary of fractions, whatever the keys, batches, masks, merges and files."""

from __future__ import annotations

import base64
import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.accumulators.tables import (
    Cells,
    KeyedSums,
    pack_integer,
    pack_limbs,
    unpack_integer,
    unpack_limbs,
)
from crossent.exact import LimbSums, cut_for_sums, to_fraction
from crossent.testing.accumulator import Keys

FEW = settings(max_examples=50, deadline=None)
KEYS = ("", "a", "B", "é", "e\u0301", "日本", "10", "9", "a\x00", "🦆", " a", "nan")
VALUES = st.one_of(st.floats(-100, 100), st.sampled_from([0.0, -0.0, 5e-324, 1e300, -1e300, 0.1]))
ROWS = st.lists(st.tuples(st.sampled_from(KEYS), VALUES, st.booleans()), max_size=25)


def column(keys) -> Keys:
    """As a reader gives it: the values that occur, in order of appearance."""
    values = tuple(dict.fromkeys(keys))
    return Keys(values, np.array([values.index(k) for k in keys], np.int64))


def filled(rows, *, masked=False, sliced=False) -> KeyedSums:
    table = KeyedSums(["n", "x"])
    values = np.array([v for _, v, _ in rows], np.float64)
    mask = np.array([m for *_, m in rows], bool)
    cells = table.cells(column([k for k, *_ in rows]), mask if masked else None)
    kept = values[mask] if masked else values
    table.count("n", cells)
    table.add("x", cells, cut_for_sums(kept) if sliced else kept)
    return table


def truth(rows, *, masked=False):
    sums: dict[str, list[Fraction]] = {}
    for key, value, kept in rows:
        if kept or not masked:
            count, total = sums.get(key, (Fraction(0), Fraction(0)))
            sums[key] = (count + 1, total + Fraction(value))
    return sums


def held(table: KeyedSums):
    assert {c.cells for c in table.columns.values()} == {len(table.keys)}
    return {
        key: (to_fraction(table.columns["n"].integer(i)), to_fraction(table.columns["x"].integer(i)))
        for key, i in table.keys.items()
    }


@FEW
@given(ROWS, st.booleans(), st.booleans())
def test_every_key_holds_the_sum_of_its_rows(rows, masked, sliced):
    table = filled(rows, masked=masked, sliced=sliced)
    assert held(table) == truth(rows, masked=masked), "of masked rows no key is taken up"
    assert table.sorted_keys() == tuple(sorted(truth(rows, masked=masked)))


@FEW
@given(ROWS, ROWS, st.booleans())
def test_merging_adds_by_name(one, two, other_way):
    left, right = filled(one), filled(two)
    before = json.dumps(right.state())
    left.merge(right)
    assert json.dumps(right.state()) == before
    assert held(left) == truth(one + two)
    swapped = filled(two)
    swapped.merge(filled(one))
    assert swapped.state() == left.state() == filled(one + two).state()


@FEW
@given(ROWS, ROWS)
def test_saved_and_loaded_it_goes_on(one, two):
    saved = json.loads(json.dumps(filled(one).state(), allow_nan=False))
    table = KeyedSums(["n", "x"])
    table.load(saved)
    assert table.state() == saved
    table.merge(filled(two))
    assert held(table) == truth(one + two)


@FEW
@given(ROWS)
def test_floats_follow_the_sorted_keys(rows):
    rows = [(k, v, m) for k, v, m in rows if 1e-100 < abs(v) < 1e100]
    table = filled(rows)
    expected = truth(rows)
    found = table.floats("x").tolist()
    size = float(sum(abs(Fraction(v)) for _, v, _ in rows))
    for key, value in zip(table.sorted_keys(), found, strict=True):
        assert value == pytest.approx(float(expected[key][1]), rel=5e-16, abs=1e-300 * size)
    assert table.floats("n").tolist() == [float(expected[k][0]) for k in sorted(expected)]


def test_keys_without_rows_are_kept_with_sum_0():
    """A reader's dictionary may name values that no row has: they are listed, with nothing."""
    table = KeyedSums(["n", "x"])
    cells = table.cells(Keys(("b", "unused", "a"), np.array([2, 0, 2])))
    table.count("n", cells)
    table.add("x", cells, np.array([1.0, 2.0, 4.0]))
    assert table.sorted_keys() == ("a", "b", "unused")
    assert table.floats("n").tolist() == [2.0, 1.0, 0.0]
    assert table.floats("x").tolist() == [5.0, 2.0, 0.0]


def test_columns_filled_by_different_rows_have_the_same_cells():
    table = KeyedSums(["all", "few"])
    cells = table.cells(Keys(("a", "b", "c"), np.array([0, 1, 2, 2])))
    table.count("all", cells)
    table.count("few", cells.where(np.array([False, True, False, False])))
    table.count("few", cells.where(np.zeros(4, bool)))
    assert table.floats("few").tolist() == [0.0, 1.0, 0.0]
    state = table.state()
    assert [state["columns"][name]["cells"] for name in ("all", "few")] == [3, 3]


def test_a_sign_takes_back():
    table = filled([("a", 0.1, True), ("b", 3.0, True)])
    table.add("x", table.cells(column(["b", "a"])), np.array([3.0, 0.1]), sign=-1)
    assert table.floats("x").tolist() == [0.0, 0.0]
    assert table.state()["columns"]["x"]["limbs"] == {}


def test_many_keys_in_two_orders():
    rng = np.random.default_rng(0)
    names = np.array([f"user {i:05}" for i in range(20_000)])
    values = rng.exponential(size=names.size)
    states = []
    for order in (np.arange(names.size), rng.permutation(names.size)):
        table = KeyedSums(["x"])
        for part in np.array_split(order, 7):
            table.add("x", table.cells(Keys(tuple(names[part]), np.arange(part.size))), values[part])
        assert table.floats("x").tolist() == values.tolist()
        states.append(table.state())
    assert states[0] == states[1]


def test_cells_of_some_rows():
    cells = Cells(np.array([7, 3]), np.array([0, 1, 1]))
    some = cells.where(np.array([False, True, True]))
    assert (some.index.tolist(), some.codes.tolist()) == ([7, 3], [1, 1])


# --- as text ----------------------------------------------------------------------------------------------


@FEW
@given(st.integers(-(1 << 2200), 1 << 2200), st.integers(0, 2200))
def test_an_integer_as_text_is_itself_and_as_short_as_can_be(value, shift):
    for number in (value, value << shift, -(value << shift)):
        text = pack_integer(number)
        assert unpack_integer(text) == number
        assert text == "0" or text.split("p")[0][-1] in "13579bdf", "the mantissa is odd"


@FEW
@given(st.lists(VALUES, max_size=12))
def test_limbs_as_text_are_the_same_sums(values):
    sums = LimbSums()
    sums.add(np.arange(len(values)), np.array(values, np.float64))
    packed = json.loads(json.dumps(pack_limbs(sums)))
    assert unpack_limbs(packed) == sums
    order = np.arange(sums.cells)[::-1]
    assert unpack_limbs(pack_limbs(sums, order)) == sums.take(order)
    loaded = unpack_limbs(packed)
    loaded.add(np.zeros(1, np.int64), np.ones(1))
    assert unpack_limbs(packed) == sums, "a loaded state does not write into what it was loaded from"


def test_few_full_cells_of_many_take_little_room():
    sums = LimbSums(10_000)
    sums.add(np.array([7, 9_000]), np.array([0.1, -1e300]))
    text = json.dumps(pack_limbs(sums))
    assert len(text) < 1_000
    assert unpack_limbs(json.loads(text)) == sums


def test_limbs_are_little_endian_whatever_the_machine():
    sums = LimbSums()
    sums.add_counts(np.array([1, 258]))
    raw = base64.b64decode(pack_limbs(sums)["limbs"]["0"])
    assert raw == bytes([1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0])
    sums = LimbSums()
    sums.add(np.array([0]), np.array([-1.0]))
    assert base64.b64decode(pack_limbs(sums)["limbs"]["0"]) == b"\xff" * 8
