"""The same rows give the same bits: any batches, threads, files, row order, road and merges."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossent import Evaluation, evaluate, select
from crossent.engines import passes

ROOT = Path(__file__).parents[2]
FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
OPTIONS = {
    "plain": {},
    "weighted": {"weight": "weight"},
    "clustered": {"cluster": "day"},
    "everything": {"weight": "weight", "cluster": "day", "groups": ("region", "day"), "bytes": "text"},
    "brier": {"loss": "brier", "weight": "weight", "cluster": "day"},
    "floor": {"floor": 1e-7, "renormalise": True, "groups": "region"},
    "some rows": {"where": {"region": "south"}, "cluster": "day"},
}
kinds = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())


def bits(evaluation: Evaluation) -> str:
    """Everything an evaluation knows but the files it was read from."""
    data = evaluation.to_dict()
    del data["setup"]["sources"]
    return json.dumps(data, allow_nan=False)


def run(models, **options) -> str:
    return bits(select(models, **options).evaluation)


@pytest.fixture
def batch_rows(monkeypatch):
    """batch_rows(n): at most n rows a batch."""

    def limit(rows: int) -> None:
        monkeypatch.setattr(passes, "BATCH_ROWS", rows)
        monkeypatch.setattr(passes.Job, "batch_rows", lambda job, models: rows)

    return limit


@kinds
def test_batches_and_threads(models, options, batch_rows):
    tables = models(150, 3)
    expected = run(tables, threads=1, **options)
    for rows, threads in ((150, 4), (149, 2), (31, 1), (31, 4), (7, 3), (1, 2)):
        batch_rows(rows)
        assert run(tables, threads=threads, **options) == expected, (rows, threads)


@pytest.mark.parametrize("classes", [2, 3, 17, 40])
def test_batches_of_many_classes(models, classes, batch_rows):
    tables = models(300, 2, tuple(f"c{k:02d}" for k in range(classes)))
    expected = run(tables)
    for rows in (1, 13, 256):
        batch_rows(rows)
        assert run(tables) == expected, rows


@kinds
def test_order_of_rows(models, options):
    """In another order in all files (a zip), and in another one in each (a join on disk)."""
    tables = models(400, 3)
    expected = run(tables, **options)
    rng = np.random.default_rng(1)
    order = rng.permutation(400)
    assert run({n: t.take(order) for n, t in tables.items()}, **options) == expected
    for _ in range(2):
        assert run({n: t.take(rng.permutation(400)) for n, t in tables.items()}, **options) == expected


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("partitions", [1, 7, 64])
def test_partitions_of_the_join(models, partitions, text, monkeypatch):
    """Whole-number and text ids, negative ones too, through any number of partitions."""
    tables = models(300, 2)
    if text:
        ids = pa.array([f"r{i}" for i in tables["a"].column("row_id").to_pylist()])
        tables = {n: t.set_column(0, "row_id", ids) for n, t in tables.items()}
    expected = run(tables, weight="weight")
    monkeypatch.setattr(passes, "partitions_for", lambda size, memory: partitions)
    shuffled = {"a": tables["a"], "b": tables["b"].take(np.arange(300)[::-1])}
    assert run(shuffled, weight="weight") == expected


def test_a_small_memory_limit_makes_more_partitions(models, monkeypatch):
    counts = []
    honest = passes.partitions_for

    def counted(size, memory):
        counts.append(honest(size, memory))
        return counts[-1]

    monkeypatch.setattr(passes, "partitions_for", counted)
    tables = models(60_000, 2)
    tables["b"] = tables["b"].take(np.arange(60_000)[::-1])
    assert run(tables, memory=1 << 20) == run(tables, memory=1 << 30)
    assert counts[0] > 4 * counts[1] == 4


@kinds
def test_one_file_or_many(models, options, write, tmp_path):
    tables = models(500, 2)
    expected = run(write(tables), **options)
    assert run(write(tables, "groups", row_group_size=33), **options) == expected
    for shards in (2, 9):
        folders = {}
        for name, table in tables.items():
            folders[name] = tmp_path / f"{shards}{name}"
            folders[name].mkdir()
            for k, part in enumerate(np.array_split(np.arange(500), shards)):
                pq.write_table(table.take(part), folders[name] / f"part{k:02d}.parquet")
        assert run({n: str(f) for n, f in folders.items()}, **options) == expected, shards


@kinds
def test_merging(models, options, write):
    """Parts evaluated apart, saved or not, added up in any order."""
    tables = models(600, 2)
    expected = run(write(tables), **options)
    parts = []
    for k, index in enumerate(np.array_split(np.random.default_rng(2).permutation(600), 4)):
        files = write({n: t.take(np.sort(index)) for n, t in tables.items()}, f"part{k}")
        parts.append(select(files, **options).evaluation)
    a, b, c, d = parts
    assert bits(a.merge(b).merge(c).merge(d)) == expected
    assert bits(d.merge(b).merge(a.merge(c))) == expected
    again = [Evaluation.from_dict(json.loads(json.dumps(p.to_dict()))) for p in parts]
    assert bits(again[1].merge(again[3]).merge(again[2]).merge(again[0])) == expected


def test_saved_files_of_equal_sums_are_equal_bytes(models, write, tmp_path):
    files = write(models(200, 2))
    saved = [tmp_path / "one.json.gz", tmp_path / "two.json.gz"]
    for path, threads in zip(saved, (1, 4), strict=True):
        select(files, threads=threads, cluster="day").evaluation.save(path)
    assert saved[0].read_bytes() == saved[1].read_bytes()
    assert bits(Evaluation.load(saved[0])) == run(files, cluster="day")


@FEW
@given(st.data())
def test_any_split_any_order_any_threads(models, write, monkeypatch, data):
    """Everything at once, drawn at random."""
    rows = data.draw(st.integers(2, 60), "rows")
    tables = models(rows, 2, seed=data.draw(st.integers(0, 3), "seed"))
    options = {"weight": "weight", "cluster": "day", "groups": ("region",)}
    tables = {n: t.set_column(2, "weight", pa.array(np.arange(1.0, rows + 1) / 7)) for n, t in tables.items()}
    expected = run(tables, **options)
    order = np.random.default_rng(data.draw(st.integers(0, 99), "order")).permutation(rows)
    cut = data.draw(st.integers(1, rows - 1), "cut")
    batch = data.draw(st.integers(1, rows), "batch")
    threads = data.draw(st.integers(1, 4), "threads")
    monkeypatch.setattr(passes.Job, "batch_rows", lambda job, models: batch)
    parts = []
    for k, index in enumerate((order[:cut], order[cut:])):
        back = slice(None, None, -1) if data.draw(st.booleans(), "back") else slice(None)
        part = {"a": tables["a"].take(index), "b": tables["b"].take(index[back])}
        parts.append(select(write(part, f"p{k}"), threads=threads, **options).evaluation)
    assert bits(parts[1].merge(parts[0])) == expected


@pytest.mark.parametrize("name", ["logistic", "knn15"])
def test_flights_one_model(name, batch_rows):
    path = str(ROOT / "examples" / "flights" / f"{name}.parquet")
    expected = bits(evaluate(path, cluster="day", threads=1).evaluation)
    batch_rows(10_007)
    assert bits(evaluate(path, cluster="day", threads=3).evaluation) == expected


def test_flights(write, batch_rows, tmp_path):
    """Real data: batches and threads; rows in another order in one file; shards; parts merged."""
    folder = ROOT / "examples" / "flights"
    names = ("knn15", "gbdt", "random_forest")
    files = {n: str(folder / f"{n}.parquet") for n in names}
    expected = run(files, cluster="day")
    batch_rows(20_011)
    assert run(files, cluster="day", threads=2) == expected
    rows = pq.read_metadata(files["gbdt"]).num_rows
    rng = np.random.default_rng(5)
    tables = {n: pq.read_table(f) for n, f in files.items()}
    shuffled = {"knn15": tables["knn15"].take(rng.permutation(rows)), "gbdt": tables["gbdt"]}
    shuffled["random_forest"] = tables["random_forest"].take(rng.permutation(rows))
    assert run(write(shuffled), cluster="day") == expected
    parts = []
    for k, index in enumerate(np.array_split(np.arange(rows), 3)):
        part = write({n: t.take(index) for n, t in tables.items()}, f"part{k}")
        parts.append(select(part, cluster="day").evaluation)
    assert bits(parts[2].merge(parts[0]).merge(parts[1])) == expected
    shards = {n: [str(tmp_path / f"part{k}" / f"{n}.parquet") for k in (1, 0, 2)] for n in names}
    assert run(shards, cluster="day") == expected
