"""Row ids: how those of several models are compared, and the keys and runs made of them."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.data.identity import (
    KEY,
    IdType,
    Run,
    common_id_type,
    keys_of,
    normalised,
    run_of,
    strictly_increasing,
)
from crossent.data.layout import understand
from crossent.data.options import ReadOptions

from .helpers import fault, piece, place, source

WHOLE, TEXT = IdType(True), IdType(False)
INT64 = st.integers(-(2**63), 2**63 - 1)
NUMBERS = (pa.int8(), pa.uint64(), pa.float32(), pa.dictionary(pa.int8(), pa.int32()))
TEXTS = (pa.string(), pa.large_string(), pa.bool_(), pa.date32(), pa.dictionary(pa.int8(), pa.string()))


def type_of(*types: pa.DataType | None):
    """The common type of ids of these types; None is a model without ids, "csv" a text format."""
    sources = []
    for i, type_ in enumerate(types):
        ids = {} if type_ is None else {"id": pa.array([], pa.string() if type_ == "csv" else type_)}
        empty = {"label": pa.array([], pa.string()), "p_a": pa.array([], pa.float64())}
        sources.append(source(pa.table({**ids, **empty}), name=f"m{i}", text=type_ == "csv"))
    return common_id_type([understand(s, ReadOptions()) for s in sources], sources)


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        *(((t,), WHOLE) for t in NUMBERS),
        *(((t,), TEXT) for t in TEXTS),
        (NUMBERS, WHOLE),
        (TEXTS, TEXT),
        ((None,), None),
        ((None, None), None),
        (("csv",), TEXT),
        (("csv", "csv"), TEXT),
        (("csv", pa.int64()), WHOLE),
        ((pa.int64(), "csv", pa.int8()), WHOLE),
        (("csv", pa.string()), TEXT),
    ],
    ids=str,
)
def test_the_type_of_the_ids_of_all_models(types, expected):
    assert type_of(*types) == expected


@pytest.mark.parametrize(
    ("types", "file", "words"),
    [
        ((pa.int64(), pa.string()), "m1", "text here and numbers in m0"),
        ((pa.string(), pa.int64()), "m1", "numbers here and text in m0"),
        (("csv", pa.int64(), pa.string()), "m2", "text here and numbers in m1"),
        ((pa.int64(), pa.int8(), "csv", pa.date32()), "m3", "text here and numbers in m0"),
    ],
)
def test_numbers_and_texts(types, file, words):
    error = fault(lambda: type_of(*types))
    assert (error.slug, error.file) == ("id-types-differ", file)
    assert words in error.problem


@pytest.mark.parametrize(
    "types", [(None, pa.int64()), (pa.int64(), None), (pa.int8(), pa.int8(), None), ("csv", None)]
)
def test_ids_of_some_models_only(types):
    error = fault(lambda: type_of(*types))
    assert (error.slug, error.file) == ("id-only-in-some", f"m{types.index(None)}")
    assert error.problem == f"no row id column, but m{next(i for i, t in enumerate(types) if t)} has id"


# --- one type ---------------------------------------------------------------------------------------------

NORMALISED = {
    "int64": (pa.array([3, -1]), WHOLE, [3, -1]),
    "int8": (pa.array([3, -1], pa.int8()), WHOLE, [3, -1]),
    "uint64": (pa.array([2**63 - 1], pa.uint64()), WHOLE, [2**63 - 1]),
    "double": (pa.array([3.0, -0.0, 2.0**53]), WHOLE, [3, 0, 2**53]),
    "dictionary": (pa.array([3, 4, 3]).dictionary_encode(), WHOLE, [3, 4, 3]),
    "text of CSV": (pa.array(["3", "-04"]), WHOLE, [3, -4]),
    "text": (pa.array(["3", "ü"]), TEXT, ["3", "ü"]),
    "large text": (pa.array(["3"], pa.large_string()), TEXT, ["3"]),
    "encoded text": (pa.array(["b", "a", "b"]).dictionary_encode(), TEXT, ["b", "a", "b"]),
    "view": (pa.array(["b", "a"], pa.string_view()), TEXT, ["b", "a"]),
    "bool": (pa.array([True, False]), TEXT, ["true", "false"]),
    "date": (pa.array([0], pa.date32()), TEXT, ["1970-01-01"]),
    "bytes of text": (pa.array(["ü".encode()]), TEXT, ["ü"]),
}


@pytest.mark.parametrize(("ids", "type_", "expected"), NORMALISED.values(), ids=NORMALISED)
def test_ids_of_one_type(ids, type_, expected):
    found = normalised(ids, type_, piece({"id": ids}), "id")
    assert found.type == (pa.int64() if type_.whole else pa.string())
    assert found.to_pylist() == expected


@pytest.mark.parametrize(
    ("ids", "type_"),
    [
        (pa.array([1.5]), WHOLE),
        (pa.array([float("inf")]), WHOLE),
        (pa.array([2**63], pa.uint64()), WHOLE),
        (pa.array(["x1"]), WHOLE),
        (pa.array(["1.0"]), WHOLE),
        (pa.array([b"\xff"]), TEXT),
    ],
    ids=str,
)
def test_ids_that_are_not_of_the_type(ids, type_):
    error = fault(lambda: normalised(ids, type_, piece({"key": ids}, file="x.csv"), "key"))
    assert place(error) == ("id-type", "x.csv", None, "key")
    assert str(ids.type) in error.problem
    assert ("whole numbers" if type_.whole else "text") in error.problem


# --- keys -------------------------------------------------------------------------------------------------


@given(st.lists(INT64, max_size=20))
@settings(max_examples=50)
def test_keys_of_numbers_are_the_numbers(numbers):
    keys = keys_of(pa.array(numbers, pa.int64()))
    assert keys.dtype == KEY
    assert keys["hi"].astype(object).tolist() == [n % 2**64 for n in numbers]
    assert not keys["lo"].any()


@given(st.lists(st.text(max_size=5), max_size=20))
@settings(max_examples=50)
def test_keys_of_texts_are_their_hashes(texts):
    keys = keys_of(pa.array(texts, pa.string()))
    digests = [hashlib.blake2b(t.encode(), digest_size=16).digest() for t in texts]
    found = [int(k["hi"]).to_bytes(8, "little") + int(k["lo"]).to_bytes(8, "little") for k in keys]
    assert found == digests
    assert len(set(found)) == len(set(texts))


def test_keys_of_a_part():
    ids = pa.array(["a", "b", "c", "d"])
    assert keys_of(ids[1:3]).tolist() == keys_of(ids).tolist()[1:3]
    assert keys_of(pa.array([5, 6, 7])[1:]).tolist() == [(6, 0), (7, 0)]


# --- runs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "increasing"),
    [
        ([5], True),
        ([1, 2], True),
        ([-5, 0, 7], True),
        ([1, 1], False),
        ([1, 3, 2], False),
        ([2, 1], False),
        ([-(2**63), 2**63 - 1], True),
        (["a"], True),
        (["", "a", "b"], True),
        (["10", "9"], True),
        (["a", "B"], False),
        (["z", "ä", "\uffff", "\U00010000"], True),
        (["a", "a"], False),
    ],
)
def test_a_run(ids, increasing):
    assert run_of(3, pa.array(ids)) == Run(3, ids[0], ids[-1], increasing)


@given(st.lists(st.one_of(st.integers(-5, 30)), min_size=1, max_size=30), st.data())
@settings(max_examples=100)
def test_runs_tell_whether_all_ids_increase(ids, data):
    if data.draw(st.booleans(), "sorted"):
        ids = sorted(set(ids)) if data.draw(st.booleans(), "unique") else sorted(ids)
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(ids) - 1))), "cuts") - {len(ids)})
    parts = [ids[a:b] for a, b in zip([0, *cuts], [*cuts, len(ids)], strict=True)]
    runs = [run_of(i, pa.array(part)) for i, part in enumerate(parts)]
    expected = all(a < b for a, b in itertools.pairwise(ids))
    assert strictly_increasing(data.draw(st.permutations(runs), "order of threads")) == expected
    texts = [f"{i + 5:03}" for i in ids]
    runs = [
        run_of(i, pa.array(texts[a:b]))
        for i, (a, b) in enumerate(zip([0, *cuts], [*cuts, len(ids)], strict=True))
    ]
    assert strictly_increasing(runs) == expected


def test_no_runs_increase():
    assert strictly_increasing([])
    assert np.dtype(KEY).itemsize == 16
