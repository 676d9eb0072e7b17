"""What is read from a bucket is what is read from a folder: every format, folders, patterns, partitions."""

from __future__ import annotations

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from crossent.data.readers import Source, open_source, parquet
from crossent.data.readers.contract import Window
from crossent.data.readers.places import place_of
from crossent.errors import DataError

from .conftest import table
from .server import BUCKET, Bucket


def _ipc(data: pa.Table, path: Path, new: Callable[..., ipc.RecordBatchStreamWriter]) -> None:
    with new(path, data.schema) as writer:
        writer.write_table(data, max_chunksize=90)


def _packed(data: pa.Table, path: Path) -> None:
    arrow_csv.write_csv(data, path.with_suffix(""))
    path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
    path.with_suffix("").unlink()


def _tokens(data: pa.Table, path: Path) -> None:
    content = [{"token": label, "logprob": -0.5, "bytes": [97]} for label in data["label"].to_pylist()]
    path.write_text(json.dumps({"choices": [{"index": 0, "logprobs": {"content": content}}]}) + "\n")


def _samples(data: pa.Table, path: Path) -> None:
    lines = [
        {"doc_id": i, "doc_hash": f"{i:x}", "filter": "none", "target": "?"}
        | {"arguments": {"gen_args_0": {"arg_0": "a"}}, "filtered_resps": [str(-p)]}
        | {"bits_per_byte": [0.0, 9], "word_perplexity": [0.0, 2]}
        for i, p in enumerate(data["p_c0"].to_pylist())
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


WRITERS: dict[str, Callable[[pa.Table, Path], object]] = {
    "a.parquet": lambda data, path: pq.write_table(data, path, row_group_size=70),
    "a.arrow": lambda data, path: _ipc(data, path, ipc.new_file),
    "a.arrows": lambda data, path: _ipc(data, path, ipc.new_stream),
    "a.csv": arrow_csv.write_csv,
    "a.csv.gz": _packed,
    "a.tsv": lambda data, path: arrow_csv.write_csv(data, path, arrow_csv.WriteOptions(delimiter="\t")),
    "a.jsonl": lambda data, path: path.write_text("".join(json.dumps(r) + "\n" for r in data.to_pylist())),
    "a.npz": lambda data, path: (
        np.savez(path, **{n: data[n].to_numpy().astype("U9") for n in ("label",)})
        if "p_c0" not in data.column_names
        else np.savez(path, **{n: data[n].to_numpy() for n in ("row_id", "p_c0", "p_c1")})
    ),
    "a.logprobs.jsonl": _tokens,
    "samples_task_2024-01-01T00-00-00.000000.jsonl": _samples,
}


def rows_of(source: Source, batch_rows: int = 64) -> pa.Table:
    chunks = list(source.batches(source.schema.names, batch_rows))
    assert all(0 < chunk.table.num_rows <= batch_rows for chunk in chunks)
    return pa.Table.from_batches([chunk.table for chunk in chunks])


def facts(source: Source) -> list[object]:
    return [(f.bytes, f.rows, f.digest) for f in source.files]


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_reads_the_same(bucket: Bucket, tmp_path: Path, name: str) -> None:
    local = tmp_path / name
    WRITERS[name](table(250, 0), local)
    near, far = open_source(local), open_source(bucket.put(local, f"formats/{name}"))
    assert far.schema.equals(near.schema, check_metadata=True)
    assert rows_of(far).equals(rows_of(near))
    assert facts(far) == facts(near) and far.cuts == near.cuts
    window = [Window(0, 80, 210)]
    assert rows_of(pickle.loads(pickle.dumps(far)).part(window)).equals(rows_of(near.part(window)))


PLACES = [
    "models",
    "models/old/",
    "models/*/day=1",
    "models/old/day=[13]/*.parquet",
    "models/**/*.parquet",
    "models/**",
    "models/old/*/part 1.parquet",
    "models/new/day=2/part 1.parquet",
]


@pytest.mark.parametrize("place", PLACES)
def test_folders_and_patterns_find_the_same_files(bucket: Bucket, models: Path, place: str) -> None:
    near, far = open_source(str(models.parent / place)), open_source(bucket.uri(place))
    assert facts(far) == facts(near)
    assert rows_of(far, 1000).equals(rows_of(near, 1000))
    inside = [f.path.removeprefix(f"s3://{BUCKET}/").removesuffix(bucket.query) for f in far.files]
    assert inside == [Path(f.path).relative_to(models.parent).as_posix() for f in near.files]


def test_places_may_be_mixed_and_bookkeeping_is_left_out(bucket: Bucket, models: Path) -> None:
    old = models / "old"
    for name in ("_SUCCESS", ".crc.parquet", "_temporary/0.parquet"):
        bucket.put(old / "day=1" / "part 0.parquet", f"mixed/{name}")
    bucket.put(old / "day=1" / "part 0.parquet", "mixed/a.parquet")
    source = open_source([bucket.uri("mixed"), str(old / "day=2" / "part 1.parquet")])
    assert [f.rows for f in source.files] == [200, 200]
    assert rows_of(source)["row_id"].to_pylist() == list(range(400))


def test_a_large_row_group_is_read_in_pieces(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "REMOTE_BUFFERS_BYTES", 2 << 20)  # a small file stands for a large one
    local = tmp_path / "wide.parquet"
    rows = 600_000
    values = np.random.default_rng(0).random((rows, 4))
    pq.write_table(pa.table({f"x{i}": values[:, i] for i in range(4)}), local, use_dictionary=False)
    source = open_source(bucket.put(local, "wide.parquet"))
    before, most = pa.total_allocated_bytes(), 0
    for chunk in source.batches(["x0", "x1", "x2", "x3"], 4096):
        assert chunk.table.num_rows <= 4096
        most = max(most, pa.total_allocated_bytes() - before)
    assert local.stat().st_size > 18 << 20 and most < 8 << 20


@pytest.mark.parametrize(
    ("uri", "shown", "name"),
    [
        (
            "s3://key:se%2Fcret@b/a/x y.parquet?region=eu&session_token=abc",
            "s3://b/a/x y.parquet?region=eu",
            "x y",
        ),
        (
            "S3://b/x%20y.csv.gz?endpoint_override=http://u:p@h:1",
            "s3://b/x y.csv.gz?endpoint_override=http://h:1",
            "x y.csv",
        ),
        (
            "abfs://data:pass@acc.dfs.core.windows.net/a.npz",
            "abfs://data@acc.dfs.core.windows.net/a.npz",
            "a",
        ),
        ("gs://anonymous@b/x.arrow?retry_limit_seconds=9", "gs://anonymous@b/x.arrow", "x"),
        ("hdfs://me@host:8020/x/y.jsonl", "hdfs://me@host:8020/x/y.jsonl", "y"),
    ],
)
def test_uris_are_shown_without_secrets(uri: str, shown: str, name: str) -> None:
    place = place_of(uri)
    again = pickle.loads(pickle.dumps(place))
    assert str(place) == str(again) == shown and again == place
    assert place.stem == name
    assert "cret" not in repr(place) and "pass" not in repr(place)


def test_one_object_under_two_names_is_refused(bucket: Bucket, models: Path) -> None:
    uri = bucket.put(models / "old" / "day=1" / "part 0.parquet", "twice/a.parquet")
    with pytest.raises(DataError) as caught:
        open_source([uri, bucket.uri("twice")])
    assert caught.value.slug == "file-twice"
