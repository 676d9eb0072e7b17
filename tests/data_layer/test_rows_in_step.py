"""Streams of several models cut to the same lengths, and the check that they hold the same rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.data.alignment import Aligned, OrderDiffers, check_same_rows, zipped
from crossent.data.conditions import Condition
from crossent.data.facts import Classes, facts_of
from crossent.data.identity import normalised
from crossent.data.options import ReadOptions

from .helpers import fault, models, place, source


def table(rows: int, start: int = 0, **changes) -> dict:
    at = np.arange(start, start + rows)
    common = {"id": at, "label": [f"c{i % 2}" for i in at], "p_c0": at * 0 + 0.5, "p_c1": at * 0 + 0.5}
    return {k: v for k, v in {**common, **changes}.items() if v is not None}


# --- one model --------------------------------------------------------------------------------------------


def stream_rows(model, where=(), batch_rows=4):
    return [(p.file, p.row(i)) for p in model.stream(where, batch_rows) for i in range(len(p))]


def test_rows_left_out_of_each_file():
    one = source(table(10), table(10, 10), table(3, 20), cuts=(3,))
    (model,) = models(one)
    left_out = {"m/0": np.array([0, 4, 5, 9]), "m/2": np.array([0, 1, 2])}
    kept = stream_rows(replace(model, left_out=left_out))
    assert kept == [("m/0", i) for i in (1, 2, 3, 6, 7, 8)] + [("m/1", i) for i in range(10)]


def test_rows_left_out_and_conditions():
    fold = np.arange(12) % 3
    (model,) = models(source(table(12, fold=fold), cuts=(5,)), where=(Condition("fold", "1"),))
    assert stream_rows(model, (Condition("fold", "1"),)) == [("m", i) for i in (1, 4, 7, 10)]
    less = replace(model, left_out={"m": np.array([3, 4, 5, 10])})
    assert stream_rows(less, (Condition("fold", "1"),)) == [("m", 1), ("m", 7)]


def test_no_row_left():
    (model,) = models(source(table(5, fold=[0, 0, 1, 1, 1])), where=(Condition("fold", "2"),))
    assert place(fault(lambda: stream_rows(model, (Condition("fold", "2"),)))) == ("no-rows", "m", None, None)
    everything = replace(model, left_out={"m": np.arange(5)})
    assert fault(lambda: stream_rows(everything)).slug == "no-rows"
    (empty,) = models(source(pa.table(table(5)).slice(0, 0)))
    assert "no rows" in fault(lambda: stream_rows(empty)).problem


def test_file_numbers():
    (model,) = models(source(table(1), table(1), table(1)))
    assert [model.file_number(f"m/{i}") for i in range(3)] == [0, 1, 2]


# --- in step ----------------------------------------------------------------------------------------------

CUTS = st.lists(st.integers(1, 9), max_size=3).map(tuple)


@given(st.integers(1, 40), st.lists(CUTS, min_size=1, max_size=3), st.integers(1, 12), st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_two_streams_of_the_same_rows_are_cut_alike(rows, cuts, batch_rows, in_files):
    parts = [source(table(rows), name=f"m{i}", cuts=cut) for i, cut in enumerate(cuts)]
    if in_files and rows > 1:
        parts[-1] = source(table(rows // 2), table(rows - rows // 2, rows // 2), name="last", cuts=cuts[-1])
    aligned = list(zipped(models(*parts), (), batch_rows))
    assert [a.number for a in aligned] == list(range(len(aligned)))
    for k in range(len(parts)):
        ids = [i for a in aligned for i in a.pieces[k].table.column("id").to_pylist()]
        assert ids == list(range(rows))
    for a in aligned:
        assert len({len(p) for p in a.pieces}) == 1
        assert 0 < len(a.pieces[0]) <= batch_rows
        last = a.pieces[-1]
        offset = rows // 2 if last.file == "last/1" else 0
        assert last.table.column("id")[0].as_py() == last.row(0) + offset


@pytest.mark.parametrize(("first", "second"), [(9, 10), (10, 9), (4, 8), (8, 4)])
@pytest.mark.parametrize("batch_rows", [1, 4, 100])
def test_streams_of_other_lengths(first, second, batch_rows):
    pair = models(source(table(first), name="a"), source(table(second), name="b"))
    with pytest.raises(OrderDiffers):
        list(zipped(pair, (), batch_rows))


def test_conditions_are_met_before_rows_are_counted():
    folds = [np.arange(12) % 2, np.arange(6) * 0]
    pair = models(
        source(table(12, fold=folds[0]), name="a", cuts=(5,)),
        source(table(6, fold=folds[1]), name="b"),
        where=(Condition("fold", "0"),),
    )
    aligned = list(zipped(pair, (Condition("fold", "0"),), 100))
    rows = [
        [part.row(i) for a in aligned for part in [a.pieces[k]] for i in range(len(part))] for k in (0, 1)
    ]
    assert rows == [[0, 2, 4, 6, 8, 10], [0, 1, 2, 3, 4, 5]]


# --- the same rows ----------------------------------------------------------------------------------------


def check(*tables, known=True, unknown_label="error", **options) -> None:
    """check_same_rows over models of one batch each, first rows 0."""
    made = models(*(source(t, name="abc"[i]) for i, t in enumerate(tables)), **options)
    pieces = tuple(next(iter(model.stream((), 100))) for model in made)
    classes = Classes(("c0", "c1"), unknown_label) if known else None
    read = ReadOptions(unknown_label=unknown_label, **options)
    facts = [facts_of(p, m.layout, read, classes) for m, p in zip(made, pieces, strict=True)]
    for model, part, mine in zip(made, pieces, facts, strict=True):
        if mine.ids is not None:
            object.__setattr__(mine, "ids", normalised(mine.ids, model.id_type, part, model.layout.id))
    check_same_rows(made, Aligned(0, pieces), facts)


FULL = {"w": [1.0, 0.5, 0.0, 2.0], "d": ["x", "y", "x", "z"], "g": ["u", None, "v", "u"], "n": [1, 2, 3, 4]}
NAMED = {"weight": "w", "cluster": "d", "groups": ("g", "d"), "bytes": "n"}


def test_equal_facts_in_other_types():
    other = {
        "id": pa.array(range(4), pa.int8()),
        "w": pa.array(FULL["w"], pa.float32()),
        "d": pa.array(["z", "y", "x"]).take(pa.array([2, 1, 2, 0])).dictionary_encode(),
        "g": pa.DictionaryArray.from_arrays([1, 2, 0, 1], ["v", "u", None]),
        "n": [1.0, 2.0, 3.0, 4.0],
        "label": pa.array(["c0", "c1", "c0", "c1"]).dictionary_encode(),
    }
    check(table(4, **FULL), table(4, **{**FULL, **other}), table(4, **FULL), **NAMED)
    check(table(4, **FULL), table(4, **{**FULL, **other}), known=False, **NAMED)


DIFFERENCES = {
    "weight": ("w", [1.0, 0.5, 0.25, 9.0], "weight"),
    "weight of a row that does not count": ("w", [1.0, 0.5, 1e-9, 2.0], "weight"),
    "cluster": ("d", ["x", "y", "X", "z"], "cluster"),
    "group": ("g", ["u", None, None, "u"], "groups"),
    "missing group": ("g", ["u", None, "", "u"], "groups"),
    "bytes": ("n", [1, 2, 4, 4], "bytes"),
}


@pytest.mark.parametrize(("column", "values", "what"), DIFFERENCES.values(), ids=DIFFERENCES)
@pytest.mark.parametrize("with_ids", [True, False])
def test_facts_that_differ(column, values, what, with_ids):
    ids = {} if with_ids else {"id": None}
    good, bad = table(4, **FULL, **ids), table(4, **{**FULL, column: values}, **ids)
    for tables, file in (((good, bad), "b"), ((good, good, bad), "c"), ((bad, good), "b")):
        error = fault(lambda t=tables: check(*t, **NAMED))
        assert place(error) == ("facts-differ", file, 2, None)
        assert error.problem.startswith(f"not the {what} that a has")
        assert error.cure.endswith(f"every file of a and {file}")
    check(good, bad)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("with_ids", [True, False])
def test_labels_that_differ(known, with_ids):
    ids = {} if with_ids else {"id": None}
    other = table(4, label=["c0", "c1", "c0", "c0"], **ids)
    error = fault(lambda: check(table(4, **ids), table(4, **ids), other, known=known))
    assert place(error) == ("labels-differ", "c", 3, "label" if with_ids else None)
    if with_ids:
        assert "a has for the same row id, c0 for c1" in error.problem
    else:
        assert "label c0 where a has c1" in error.problem
        assert "position" in error.problem


@pytest.mark.parametrize("ids", [[0, 1, 3, 2], [0, 1, 2, 4], [1, 2, 3, 4]])
def test_ids_that_differ_are_no_error_yet(ids):
    """Even where facts differ too: they are of other rows."""
    with pytest.raises(OrderDiffers):
        check(table(4), table(4, id=ids, label=["c1"] * 4))


def test_labels_are_compared_as_classes():
    """007 and 7 are one class; without classes they are two texts."""
    made = [
        {"label": pa.array([0, 1]), "p_00": [0.5] * 2, "p_01": [0.5] * 2},
        {"label": ["00", "01"], "p_00": [0.5] * 2, "p_01": [0.5] * 2},
    ]
    pair = models(*(source(t, name=n) for t, n in zip(made, "ab", strict=True)))
    aligned = Aligned(0, tuple(next(iter(m.stream((), 9))) for m in pair))
    for classes in (Classes(("00", "01"), "error"), None):
        facts = [
            facts_of(p, m.layout, ReadOptions(), classes) for m, p in zip(pair, aligned.pieces, strict=True)
        ]
        if classes is None:
            assert fault(lambda f=facts: check_same_rows(pair, aligned, f)).slug == "labels-differ"
        else:
            check_same_rows(pair, aligned, facts)
