"""Any fragments, orders, losses and retries: always the evaluation of one pass, or its error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent import select
from crossent.distributed.fragments import TASKS

from .helpers import Careless, bits, in_parts, tables, verdict

FEW = settings(max_examples=15, deadline=None)
SOME = settings(max_examples=40, deadline=None)
Draw = Callable[..., Any]


def _write(table: pa.Table, path: Path, form: str, group: int) -> None:
    if form == "parquet":
        pq.write_table(table, path, row_group_size=group)
    elif form == "csv":
        pyarrow.csv.write_csv(table, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))


def written(draw: Draw, made: dict[str, pa.Table], folder: Path, form: str) -> dict[str, Any]:
    """The tables as they are, or each in files of its own numbers of rows."""
    if form == "memory":
        return dict(made)
    sources = {}
    for name, table in made.items():
        rows = table.num_rows
        cuts = sorted(draw(st.lists(st.integers(1, rows - 1), max_size=3, unique=True))) if rows > 1 else []
        (folder / name).mkdir()
        for k, (begin, end) in enumerate(zip([0, *cuts], [*cuts, rows], strict=True)):
            path = folder / name / f"part{k}.{form}"
            _write(table.slice(begin, end - begin), path, form, draw(st.integers(1, rows)))
        sources[name] = str(folder / name)
    return sources


def options_of(draw: Draw) -> dict[str, Any]:
    """Any of what can be asked for."""
    asked: dict[str, Any] = {}
    if draw(st.booleans()):
        asked["weight"] = "weight"
    if draw(st.booleans()):
        asked["bytes"] = "text"
    if draw(st.booleans()):
        asked["position"] = "text"
    asked["cluster"] = draw(st.sampled_from([None, "day", "region"]))
    asked["groups"] = draw(st.sampled_from([(), ("region",), ("day", "region")]))
    asked["where"] = draw(
        st.sampled_from([(), ("region=west",), ("region!=north", "day!=d1"), ("day=d3", "region=west")])
    )
    return asked


def computing(draw: Draw, rows: int) -> dict[str, Any]:
    return {"fragment_rows": draw(st.none() | st.integers(1, rows + 2), "fragment rows")}


def careless(draw: Draw) -> Careless:
    seed, losses, tasks = draw(st.integers(0, 999), "seed"), draw(st.integers(0, 3), "losses"), (1, 4, TASKS)
    return Careless(seed, losses, tasks=draw(st.sampled_from(tasks), "tasks"))


forms = st.sampled_from(["parquet", "parquet", "csv", "jsonl", "memory"])


def with_rows_left_out(draw: Draw, table: pa.Table) -> pa.Table:
    """With some rows that no condition of `options_of` lets through, at a place of the model's own."""
    place, count = draw(st.integers(0, table.num_rows)), draw(st.integers(0, 3))
    rows = table.take(np.zeros(count, np.int64))
    for name, value in (("region", "north"), ("day", "d1"), ("row_id", None)):
        column = table.column_names.index(name)
        values = [value] * count if value else rows.column(name)
        rows = rows.set_column(column, name, pa.array(values, table.schema.field(name).type))
    return pa.concat_tables([table.slice(0, place), rows, table.slice(place)])


@SOME
@given(st.data())
def test_the_same_rows_in_the_same_order(data):
    """With ids or without, in files that are cut at other rows."""
    draw = data.draw
    rows = draw(st.integers(1, 50), "rows")
    made = tables(rows, draw(st.integers(1, 3), "models"), draw(st.integers(0, 9)), draw(st.booleans()))
    options = options_of(draw)
    if options["where"] and draw(st.booleans(), "more rows"):
        made = {name: with_rows_left_out(draw, table) for name, table in made.items()}
    if draw(st.booleans(), "without ids"):
        made = {name: table.drop_columns("row_id") for name, table in made.items()}
    with TemporaryDirectory() as folder:
        sources = written(draw, made, Path(folder), draw(forms, "form"))
        expected = verdict(lambda: select(sources, **options))
        found = verdict(lambda: in_parts(sources, careless(draw), **options, **computing(draw, rows)))
    assert found == expected


def disordered(draw: Draw, made: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Each model's rows in any order, some of them twice, gone, or with another label."""
    result = {}
    for name, table in made.items():
        rows = table.num_rows
        if draw(st.booleans(), "shuffled"):
            order = np.random.default_rng(draw(st.integers(0, 99))).permutation(rows)
        else:
            order = np.arange(rows)
        if draw(st.integers(0, 5), "gone") == 0:
            order = order[draw(st.integers(0, min(3, rows - 1))) :]
        if draw(st.integers(0, 5), "twice") == 0:
            order = np.append(order, draw(st.integers(0, rows - 1)))
        table = table.take(order)
        if draw(st.integers(0, 5), "other label") == 0:
            labels = table.column("label").to_pylist()
            place = draw(st.integers(0, len(labels) - 1))
            labels[place] = "bee" if labels[place] == "ant" else "ant"
            table = table.set_column(table.column_names.index("label"), "label", pa.array(labels))
        result[name] = table
    return result


@SOME
@given(st.data())
def test_rows_in_any_order_and_faults_of_their_ids(data):
    """Joined through the exchange: the evaluation of one pass, or an error of the same slug."""
    draw = data.draw
    rows = draw(st.integers(2, 50), "rows")
    made = tables(rows, draw(st.integers(2, 3), "models"), draw(st.integers(0, 9)), draw(st.booleans()))
    made = disordered(draw, made)
    options = options_of(draw) | {"on_missing": draw(st.sampled_from(["error", "error", "intersect"]))}
    with TemporaryDirectory() as folder:
        sources = written(draw, made, Path(folder), draw(forms, "form"))
        expected = verdict(lambda: select(sources, **options))
        count = draw(st.sampled_from([1, 3, 8]), "partitions")
        with mock.patch("crossent.distributed.passes.partitions_for", lambda size, memory: count):
            found = verdict(lambda: in_parts(sources, careless(draw), **options, **computing(draw, rows)))
    assert found[0] == expected[0]


@FEW
@given(st.data())
def test_of_several_faults_the_earliest_is_told(data):
    """Whatever comes home first, and whatever is lost before."""
    draw = data.draw
    rows = draw(st.integers(2, 50), "rows")
    (table,) = tables(rows, 1).values()
    p = table.column("p_ant").to_pylist()
    for row in draw(st.sets(st.integers(0, rows - 1), min_size=2, max_size=4), "wrong"):
        p[row] = 7.0 + row
    table = table.set_column(table.column_names.index("p_ant"), "p_ant", pa.array(p))
    expected = verdict(lambda: select({"a": table}))
    found = verdict(lambda: in_parts({"a": table}, careless(draw), **computing(draw, rows)))
    assert found == expected and found[0] == "not-a-probability"


@FEW
@given(st.data())
def test_units_that_are_not_rows(data):
    """Models with other numbers of rows, paired by a column."""
    draw = data.draw
    rows = draw(st.integers(1, 40), "rows")
    made = tables(rows, 2, draw(st.integers(0, 9)))
    more = draw(st.integers(0, 5), "more")
    made["b"] = pa.concat_tables([made["b"], made["b"].slice(0, more)])
    options = {"unit": "day", "groups": ("region",), "bytes": "text" if draw(st.booleans()) else None}
    with TemporaryDirectory() as folder:
        sources = written(draw, made, Path(folder), draw(forms, "form"))
        expected = verdict(lambda: select(sources, **options))
        found = verdict(lambda: in_parts(sources, careless(draw), **options, **computing(draw, rows)))
    assert found == expected


@FEW
@given(st.data())
def test_columns_of_one_table(data):
    draw = data.draw
    rows = draw(st.integers(1, 40), "rows")
    made = tables(rows, 2, draw(st.integers(0, 9)))
    label = ["yes" if text == "ant" else "no" for text in made["a"].column("label").to_pylist()]
    one = made["a"].set_column(1, "label", pa.array(label)).append_column("q", made["b"].column("p_ant"))
    asked = {"columns": ("p_ant", "q"), "positive": "yes", "cluster": draw(st.sampled_from([None, "day"]))}
    with TemporaryDirectory() as folder:
        (source,) = written(draw, {"a": one}, Path(folder), draw(forms, "form")).values()
        expected = verdict(lambda: select({"a": source}, **asked))
        found = verdict(lambda: in_parts({"a": source}, careless(draw), **asked, **computing(draw, rows)))
    assert found == expected


@FEW
@given(st.data())
def test_going_on_from_any_checkpoints(data):
    """Of the files that an evaluation left, some are gone and some damaged: the same evaluation again."""
    draw = data.draw
    rows = draw(st.integers(2, 40), "rows")
    made = tables(rows, 2, draw(st.integers(0, 9)))
    if draw(st.booleans(), "shuffled"):
        made["b"] = made["b"].take(np.random.default_rng(1).permutation(rows))
    options = options_of(draw) | computing(draw, rows)
    with TemporaryDirectory() as folder:
        sources = written(draw, made, Path(folder), "parquet")
        kept = Path(folder) / "kept"
        engine = careless(draw)
        first = verdict(lambda: in_parts(sources, engine, checkpoint=kept, **options))
        assert first == verdict(lambda: select(sources, **{**options, "fragment_rows": None}))
        for path in sorted(kept.rglob("*.state")):
            fate = draw(st.sampled_from(["kept", "kept", "gone", "cut", "changed"]))
            content = path.read_bytes()
            if fate == "gone":
                path.unlink()
            elif fate == "cut":
                path.write_bytes(content[: draw(st.integers(0, len(content) - 1))])
            elif fate == "changed":
                place = draw(st.integers(0, len(content) - 1))
                path.write_bytes(content[:place] + bytes([content[place] ^ 8]) + content[place + 1 :])
        said: list[str] = []
        again = careless(draw)
        again.tasks = engine.tasks
        found = verdict(
            lambda: in_parts(sources, again, checkpoint=kept, resume=True, notify=said.append, **options)
        )
    assert found == first


def test_what_has_checkpoints_is_not_done_again(tmp_path):
    made = tables(30, 2)
    paths = {name: str(tmp_path / f"{name}.parquet") for name in made}
    for name, table in made.items():
        pq.write_table(table, paths[name])
    options = {"checkpoint": tmp_path / "kept", "fragment_rows": 7}
    expected = bits(in_parts(paths, Careless(losses=0), **options).evaluation)
    (tmp_path / "kept" / "rows" / "00000002.state").unlink()
    engine, said = Careless(losses=0), []
    found = in_parts(paths, engine, resume=True, notify=said.append, **options)
    assert bits(found.evaluation) == expected
    assert set(engine.performed) == {("SideBySide", 2)}
    assert "60 rows" in said[-1] and "5 fragments, 4 from the checkpoint" in said[-1]
