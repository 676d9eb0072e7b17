"""Rows of a query give what the same rows of a file give."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crossent
from crossent import DataError, UsageError, sql
from crossent.data.readers import Query, open_source

from .conftest import Fill, into_file
from .server import Server

MODELS = {
    "p": "row_id, label, p_late, p_ontime",
    "q": "row_id, label, q_late AS p_late, q_ontime AS p_ontime",
}


def numbers(report: crossent.Report) -> dict[str, Any]:
    """Everything of a saved evaluation but where the rows came from."""
    document = json.loads(json.dumps(report.to_dict()))
    document.pop("provenance", None)
    for source in document["data"]["sources"]:
        source.pop("files")
    document.pop("created", None)
    return document


def files(table: pa.Table, folder: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in MODELS:
        renamed = {"label": table["label"], "row_id": table["row_id"]}
        renamed |= {f"p_{c}": table[f"{name}_{c}"] for c in ("late", "ontime")}
        pq.write_table(pa.table(renamed).select(["row_id", "label", "p_late", "p_ontime"]), folder / name)
        found[name] = str(folder / name)
    return found


def queries(uri: str, order: str = "") -> dict[str, object]:
    return {name: sql(f"SELECT {columns} FROM logs {order}", uri) for name, columns in MODELS.items()}


def test_one_model(fill: Fill, predictions: pa.Table) -> None:
    uri = fill("logs", predictions)
    columns = ["row_id", "label", "p_late", "p_ontime", "weight", "day"]
    query = sql(f"SELECT {', '.join(columns)} FROM logs", uri)
    options: dict[str, Any] = {"weight": "weight", "cluster": "day", "name": "p"}
    found = crossent.evaluate(query, **options)
    assert numbers(found) == numbers(crossent.evaluate(predictions.select(columns), **options))
    (file,) = found.results.data.sources[0].files
    assert file.path == query.name and file.rows is None
    assert "0 bytes" not in found.to_markdown()


@pytest.mark.parametrize("order", ["", "ORDER BY row_id", "ORDER BY p_late"])
def test_models_of_queries(fill: Fill, predictions: pa.Table, tmp_path: Path, order: str) -> None:
    expected = numbers(crossent.select(files(predictions, tmp_path), format="parquet"))
    uri = fill("logs", predictions)
    given = queries(uri) | {"q": queries(uri, order)["q"]}
    assert numbers(crossent.select(given)) == expected


def test_a_query_beside_a_file(fill: Fill, predictions: pa.Table, tmp_path: Path) -> None:
    given = files(predictions, tmp_path)
    expected = numbers(crossent.select(given, format="parquet"))
    given["q"] = queries(fill("logs", predictions))["q"]
    assert numbers(crossent.select(given, format="parquet")) == expected


@pytest.mark.parametrize("order", ["", "ORDER BY p_late"])
def test_fragments_are_whole_queries(fill: Fill, predictions: pa.Table, tmp_path: Path, order: str) -> None:
    uri = fill("logs", predictions)
    given = queries(uri) | {"q": queries(uri, order)["q"]}
    in_parts = crossent.select(given, checkpoint=tmp_path / "kept")
    assert numbers(in_parts) == numbers(crossent.select(given))
    assert crossent.select(given, checkpoint=tmp_path / "kept", resume=True).to_dict() == in_parts.to_dict()


def test_processes_connect_by_themselves(server: Server, predictions: pa.Table) -> None:
    server.put("logs", predictions)
    given = queries(server.uri()) | {"q": queries(server.uri(), "ORDER BY p_late")["q"]}
    in_parts = crossent.select(given, engine="processes", threads=2)
    assert numbers(in_parts) == numbers(crossent.select(given))


def test_rows_that_not_all_models_have(fill: Fill, predictions: pa.Table, tmp_path: Path) -> None:
    uri = fill("logs", predictions)
    fewer = {
        name: sql(f"SELECT {columns} FROM logs WHERE row_id % 7 <> {k}", uri)
        for k, (name, columns) in enumerate(MODELS.items())
    }
    with pytest.raises(DataError, match="rows-differ"):
        crossent.select(fewer)
    found = crossent.select(fewer, on_missing="intersect")
    kept = predictions.filter([row % 7 > 1 for row in range(predictions.num_rows)])
    expected = numbers(crossent.select(files(kept, tmp_path), format="parquet"))
    assert numbers(found)["models"] == expected["models"]


def test_columns_of_one_query_are_paired_by_row_id(fill: Fill, predictions: pa.Table) -> None:
    uri = fill("logs", predictions)
    options: dict[str, Any] = {"columns": ["p_late", "q_late"], "positive": "late"}
    found = crossent.select([sql("SELECT row_id, label, p_late, q_late FROM logs", uri)], **options)
    expected = crossent.select([predictions.select(["row_id", "label", "p_late", "q_late"])], **options)
    assert numbers(found) == numbers(expected)
    with pytest.raises(UsageError, match="rows-without-order"):
        crossent.select([sql("SELECT label, p_late, q_late FROM logs", uri)], **options)


def test_an_error_that_is_kept_keeps_no_connection(server: Server, predictions: pa.Table) -> None:
    server.put("logs", predictions)
    given = queries(server.uri()) | {
        "q": sql(f"SELECT {MODELS['q']} FROM logs WHERE row_id > 9", server.uri())
    }
    with pytest.raises(DataError) as kept:
        crossent.select(given)
    others = (
        "SELECT count(*) AS n FROM pg_stat_activity "
        "WHERE query LIKE '%FROM logs%' AND pid <> pg_backend_pid()"
    )
    source = open_source(sql(others, server.uri()))
    assert [chunk.table["n"].to_pylist() for chunk in source.batches(["n"], 1)] == [[0]]
    assert kept.value.slug == "rows-differ"


def test_rows_of_queries_are_not_paired_by_position(fill: Fill, predictions: pa.Table) -> None:
    uri = fill("logs", predictions)
    without = {name: sql(f"SELECT {columns[8:]} FROM logs", uri) for name, columns in MODELS.items()}
    with pytest.raises(UsageError, match=r"have no order.*--id"):
        crossent.select(without)
    assert crossent.evaluate(without["p"]).results.data.rows == predictions.num_rows


def test_advice_about_the_labels_of_a_query(fill: Fill, predictions: pa.Table) -> None:
    query = sql("SELECT label FROM logs", fill("logs", predictions))
    assert (
        crossent.advise(query, label="label").to_dict()["facts"]
        == (crossent.advise(predictions.select(["label"]), label="label").to_dict()["facts"])
    )


@pytest.mark.parametrize(
    "text", ["SELECT 1 AS a;", " select 1 as a ; ", "select 1 as a -- why", "values (1)"]
)
def test_queries_as_people_write_them(fill: Fill, text: str) -> None:
    source = open_source(sql(text, fill("logs", pa.table({"a": [1]}))))
    (name,) = source.schema.names
    assert [chunk.table.to_pydict() for chunk in source.batches([name], 10)] == [{name: [1]}]
    assert source.estimated_rows == 1


def test_batches_are_as_small_as_asked(fill: Fill, predictions: pa.Table) -> None:
    query = sql("SELECT day, row_id FROM logs", fill("logs", predictions))
    source = open_source(query)
    chunks = list(source.batches(["row_id", "day"], 700))
    assert {chunk.table.num_rows <= 700 for chunk in chunks} == {True}
    assert [chunk.first_row for chunk in chunks] == [
        sum(c.table.num_rows for c in chunks[:i]) for i in range(len(chunks))
    ]
    read = pa.Table.from_batches([chunk.table for chunk in chunks])
    assert read.column_names == ["row_id", "day"]
    assert open_source(query).estimated_rows == predictions.num_rows
    assert read.sort_by("row_id").equals(predictions.select(["row_id", "day"]))


def test_a_source_is_pickled_without_a_connection(fill: Fill, predictions: pa.Table) -> None:
    source = open_source(sql("SELECT row_id FROM logs", fill("logs", predictions)))
    stream = source.batches(["row_id"], 100)
    next(stream)
    again = pickle.loads(pickle.dumps(source))
    assert sum(c.table.num_rows for c in again.batches(["row_id"], 1000)) == predictions.num_rows
    assert list(replace(again, files=()).batches(["row_id"], 1000)) == []


def test_an_address_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into_file("sqlite", tmp_path / "a b.db", "t", pa.table({"a": [1]}))
    monkeypatch.chdir(tmp_path)
    query = sql("select a from t", "sqlite:///a b.db")
    assert query.name == "sqlite:///a b.db: select a from t"
    monkeypatch.chdir("/")
    assert open_source(query).schema.names == ["a"]


def test_long_queries_are_shown_in_part() -> None:
    query = sql("select " + ", ".join(f"column_{i}" for i in range(100)), "sqlite:///a.db")
    assert isinstance(query, Query)
    assert len(query.name) < 250 and query.name.endswith("…")
