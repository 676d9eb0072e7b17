"""Rows of models in any order are found by their ids; what is missing, extra or there twice is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossent.data.conditions import Condition
from crossent.data.identity import keys_of
from crossent.data.joining import (
    check_unique,
    common_rows,
    estimated_rows,
    ids_at,
    joined,
    places_of,
)
from crossent.data.partitions import RECORD, Partitions, file_and_row, place
from crossent.data.pieces import pieces
from crossent.data.readers.contract import FileInfo

from .helpers import Toy, fault, models, source
from .helpers import place as found_at

MUCH = 1 << 30
ROOMS = pytest.mark.parametrize("memory", [MUCH, 700], ids=["one partition", "many partitions"])


def table(ids, **more) -> dict:
    rows = len(ids)
    half = np.full(rows, 0.5)
    return {"id": ids, "label": ["a"] * rows, "p_a": half, "p_b": half, **more}


def model(*ids, name="m", cuts=()):
    """A model of one file for each list of ids."""
    (made,) = models(source(*(table(i) for i in ids), name=name, cuts=cuts))
    return made


def several(*ids):
    """Models a, b, … of one file each."""
    return models(*(source(table(i), name="abcd"[k], cuts=(3, 5)) for k, i in enumerate(ids)))


def written(made, folder, count, **facts):
    """The records of a model's rows in partitions, with one fact of some ids changed."""
    partitions = Partitions(folder, made.name, count, RECORD)
    for piece in pieces(made.source, made.layout, (), 4):
        ids = piece.table.column(made.layout.id)
        records = np.zeros(len(piece), RECORD)
        keys = keys_of(ids)
        records["hi"], records["lo"] = keys["hi"], keys["lo"]
        records["at"] = places_of(made, piece)
        for name, changed in facts.items():
            records[name] = [changed.get(i, 0) for i in ids.to_pylist()]
        partitions.write(records)
    return partitions


def join(made, folder, count, facts=None):
    parts = [written(m, folder, count, **(facts or {}).get(m.name, {})) for m in made]
    return list(joined(made, parts))


# --- places -----------------------------------------------------------------------------------------------


def test_the_place_of_every_row():
    made = model([5, 6, 7], [8], [9, 4], cuts=(2,))
    found = [places_of(made, p).tolist() for p in pieces(made.source, made.layout, (), 9)]
    assert found == [[place(0, 0), place(0, 1)], [place(0, 2)], [place(1, 0)], [place(2, 0), place(2, 1)]]
    (part, *_) = pieces(made.source, made.layout, (), 9)
    kept = part.keep(np.array([False, True]))
    assert [file_and_row(at) for at in places_of(made, kept)] == [(0, 1)]


@pytest.mark.parametrize("ids", [list(range(20)), [f"id {i}" for i in range(20)]], ids=["numbers", "texts"])
def test_ids_are_read_again_from_their_places(ids):
    made = model(ids[:8], ids[8:9], ids[9:], cuts=(3,))
    at = [place(0, 7), place(2, 0), place(0, 0), place(2, 10), place(1, 0)]
    assert ids_at(made, at) == [str(ids[i]) for i in (0, 7, 8, 9, 19)]
    assert ids_at(made, []) == []
    assert ids_at(made, [place(0, i) for i in range(8)]) == [str(i) for i in ids[:5]], "five of them"


@pytest.mark.parametrize(
    ("rows", "sizes", "expected"), [(70, (10**6,), 70), (None, (160, 320), 30), (None, (3,), 1)]
)
def test_estimated_rows(rows, sizes, expected):
    made = model([1])
    infos = tuple(FileInfo(f"m/{i}", size, rows, "") for i, size in enumerate(sizes))
    object.__setattr__(made, "source", Toy("m", made.source.schema, infos))
    assert estimated_rows(made) == expected


# --- repeated ids -----------------------------------------------------------------------------------------


@ROOMS
def test_ids_that_are_there_once(tmp_path, memory):
    check_unique(model(np.random.default_rng(0).permutation(500)), (), tmp_path, memory)
    check_unique(model(["", "a", "A", "ä", "a "], ["b"]), (), tmp_path, memory)
    check_unique(model([-1, 1, 2**63 - 1, -(2**63)]), (), tmp_path, memory)
    assert not list(tmp_path.iterdir()), "the disk is free again"


@ROOMS
@pytest.mark.parametrize("text", [False, True])
def test_ids_that_are_there_twice(tmp_path, memory, text):
    ids = [f"{i:03}" for i in range(100)] if text else list(range(100))
    made = model(ids, ids[40:50] + ids[40:42], cuts=(7,))
    error = fault(lambda: check_unique(made, (), tmp_path, memory))
    assert (error.slug, error.column) == ("duplicate-ids", "id")
    assert error.problem.startswith("12 rows repeat a row id, such as ")
    named = error.problem.removeprefix("12 rows repeat a row id, such as ").split(", ")
    assert len(named) == 5
    assert set(named) <= {str(i) for i in ids[40:50]}
    assert error.file == "m/1"
    assert 0 <= error.row < 12


def test_the_first_repeat_is_the_place_of_the_error(tmp_path):
    error = fault(lambda: check_unique(model([1, 2, 3, 2, 1]), (), tmp_path, MUCH))
    assert found_at(error) == ("duplicate-ids", "m", 3, "id")
    assert error.problem == "2 rows repeat a row id, such as 2, 1"


@ROOMS
def test_repeats_in_rows_that_do_not_count(tmp_path, memory):
    ids = [1, 2, 2, 3, 1]
    one = source(table(ids, fold=["x", "x", "y", "y", "y"]))
    (made,) = models(one, where=(Condition("fold", "x"),))
    check_unique(made, (Condition("fold", "x"),), tmp_path, memory)
    check_unique(made, (Condition("fold", "y"),), tmp_path, memory)
    assert fault(lambda: check_unique(made, (), tmp_path, memory)).row == 2
    columns, _, _ = one.asked[0]
    assert columns == ["id", "fold"], "predictions are not read for this"


# --- rows that all have -----------------------------------------------------------------------------------


def kept(made) -> list[int]:
    return [i for p in made.stream((), 4) for i in p.table.column("id").to_pylist()]


@given(
    st.lists(st.sets(st.integers(0, 30)), min_size=2, max_size=4), st.randoms(), st.sampled_from([MUCH, 300])
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_common_rows_are_the_intersection(tmp_path, sets, random, memory):
    ids = [random.sample(sorted(s | {31}), len(s | {31})) for s in sets]
    made = several(*ids)
    common = set(ids[0]).intersection(*ids[1:])
    cut, dropped = common_rows(made, (), tmp_path, memory)
    for mine, original, after in zip(ids, made, cut, strict=True):
        assert kept(after) == [i for i in mine if i in common], "in the order of the file"
        assert kept(original) == mine
    assert dropped == tuple((m.name, len(i) - len(common)) for m, i in zip(made, ids, strict=True))


@ROOMS
def test_no_common_row(tmp_path, memory):
    error = fault(lambda: common_rows(several([1, 2], [2, 3], [3, 1]), (), tmp_path, memory))
    assert (error.slug, error.file) == ("no-common-rows", "a, b, c")


def test_common_rows_of_several_files_and_conditions(tmp_path):
    where = (Condition("fold", "x"),)
    one = source(table([1, 2], fold=["x", "y"]), table([3, 4, 5], fold=["x"] * 3), name="a")
    other = source(table([5, 4, 2, 1], fold=["x", "y", "x", "x"]), name="b")
    made = models(one, other, where=where)
    cut, dropped = common_rows(made, where, tmp_path, MUCH)
    rows = [[(p.file, p.row(i)) for p in m.stream(where, 9) for i in range(len(p))] for m in cut]
    assert rows == [[("a/0", 0), ("a/1", 2)], [("b", 0), ("b", 3)]]
    assert dropped == (("a", 2), ("b", 1))


# --- side by side -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5, 64])
@pytest.mark.parametrize("text", [False, True])
def test_rows_are_joined_by_their_keys(tmp_path, count, text):
    rng = np.random.default_rng(count)
    ids = [f"x{i}" for i in range(90)] if text else list(range(-45, 45))
    orders = [rng.permutation(90) for _ in range(3)]
    made = several(*([ids[i] for i in order] for order in orders))
    loss = {m.name: {"loss": {i: k + j / 100 for j, i in enumerate(ids)}} for k, m in enumerate(made)}
    found = join(made, tmp_path, count, loss)
    assert not list(tmp_path.iterdir())
    assert sum(len(records[0]) for records in found) == 90
    for records in found:
        first, *others = records
        for k, other in enumerate(others, 1):
            np.testing.assert_allclose(other["loss"], first["loss"] + k, rtol=1e-13)
        for k, mine in enumerate(records):
            rows = mine["at"].tolist()
            np.testing.assert_array_equal(mine["loss"], k + orders[k][rows] / 100)


@pytest.mark.parametrize("count", [1, 16])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_repeats_are_counted_over_all_partitions(tmp_path, count, which):
    ids = [list(range(60)) for _ in range(3)]
    ids[which] = ids[which] + list(range(10, 40)) + [10]
    error = fault(lambda: join(several(*ids), tmp_path, count))
    assert (error.slug, error.file) == ("duplicate-ids", "abc"[which])
    assert error.problem.startswith("31 rows repeat a row id, such as ")
    assert 60 <= error.row < 91


@pytest.mark.parametrize("count", [1, 16])
def test_missing_and_extra_rows_are_counted_over_all_partitions(tmp_path, count):
    made = several(range(0, 50), range(49, 9, -1), range(5, 53))
    error = fault(lambda: join(made, tmp_path, count))
    assert (error.slug, error.file) == ("rows-differ", "a, b, c")
    said = error.problem.split("; ")
    assert len(said) == 2
    assert said[0].startswith("10 rows of a are not in every other file (ids ")
    assert said[1].startswith("8 rows of c are not in every other file (ids ")
    for text, lacking in zip(said, ({*range(10)}, {*range(5, 10), *range(50, 53)}), strict=True):
        examples = [int(i) for i in text.split("(ids ")[1].removesuffix(")").split(", ")]
        assert len(set(examples)) == 5
        assert set(examples) <= lacking


def test_few_missing_rows_are_all_named(tmp_path):
    error = fault(lambda: join(several([1, 2, 3, 4], [4, 2, 9]), tmp_path, 4))
    assert "2 rows of a are not in every other file (ids 1, 3)" in error.problem
    assert "1 rows of b are not in every other file (ids 9)" in error.problem
    assert "--on-missing=intersect" in error.cure


FACTS = {
    "label": ("labels-differ", "label", "not the label"),
    "cluster": ("facts-differ", None, "not the cluster"),
    "groups": ("facts-differ", None, "not the groups"),
    "weight": ("facts-differ", None, "not the weight"),
    "bytes": ("facts-differ", None, "not the bytes"),
}


@pytest.mark.parametrize("fact", FACTS)
@pytest.mark.parametrize("which", ["b", "c"])
def test_facts_of_joined_rows_are_compared(tmp_path, fact, which):
    slug, column, words = FACTS[fact]
    made = several(range(20), range(19, -1, -1), [*range(10, 20), *range(10)])
    same = {m.name: {fact: dict.fromkeys(range(20), 7)} for m in made}
    assert len(join(made, tmp_path, 1, same)) == 1
    other = {**same, which: {fact: {**same[which][fact], 3: 8, 12: 9}}}
    error = fault(lambda: join(made, tmp_path, 1, other))
    row = {"b": 19 - 12, "c": 2}[which]
    assert found_at(error) == (slug, which, row, column)
    assert f"{words} that a has" in error.problem


def test_the_file_of_a_fact_that_differs(tmp_path):
    one = source(table([1, 2, 3, 4]), name="a")
    two = source(table([4, 3]), table([2, 1]), name="b")
    made = models(one, two)
    changed = {"b": {"weight": {1: 0.5}}}
    assert found_at(fault(lambda: join(made, tmp_path, 1, changed))) == ("facts-differ", "b/1", 1, None)


def test_losses_may_differ(tmp_path):
    made = several([1, 2], [2, 1])
    ((first, second),) = join(made, tmp_path, 1, {"b": {"loss": {1: 0.5, 2: np.inf}}})
    assert (first["loss"].tolist(), second["loss"].tolist()) == ([0.0, 0.0], [0.5, np.inf])
