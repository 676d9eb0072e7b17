"""What the tests of readers share: a table, files of given bytes, and a read that checks every promise."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from crossent.data.readers import Source, open_source

Write = Callable[[str, bytes | str], Path]
Writer = Callable[[pa.Table, Path], None]


def _csv(delimiter: str) -> Writer:
    options = arrow_csv.WriteOptions(delimiter=delimiter)
    return lambda table, path: arrow_csv.write_csv(table, path, options)


def _jsonl(table: pa.Table, path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))


def _npz(table: pa.Table, path: Path) -> None:
    columns = {name: table[name].to_numpy() for name in table.column_names}
    np.savez(path, **{name: c.astype(str) if c.dtype.kind == "O" else c for name, c in columns.items()})


def _arrow(table: pa.Table, path: Path) -> None:
    with ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=17)


WRITERS: dict[str, Writer] = {
    "parquet": lambda table, path: pq.write_table(table, path, row_group_size=13),
    "arrow": _arrow,
    "csv": _csv(","),
    "tsv": _csv("\t"),
    "jsonl": _jsonl,
    "npz": _npz,
}


# Formats with columns of their own: a table of those columns, and how a tool would have logged it.


def _words(rng: np.random.Generator, rows: int) -> list[str]:
    return [["a", "Straße", "猫", '"', " 007", "\\x"][i] for i in rng.integers(0, 6, rows).tolist()]


def _texts(rows: int, seed: int) -> pa.Table:
    """Documents with one log-probability each."""
    rng = np.random.default_rng([seed, rows])
    label = [hashlib.sha256(f"text {i}".encode()).hexdigest()[:16] for i in range(rows)]
    size = rng.integers(0, 2**62, rows)
    what = {"doc_hash": _words(rng, rows), "task": [None] * rows, "filter": _words(rng, rows)}
    text = {"label": label, "bytes": size, "words": size // 5, "logprob": -rng.exponential(1e3, rows)}
    types = {name: pa.string() for name in ("doc_hash", "task", "filter", "label")}
    columns = {"row_id": rng.integers(-(2**62), 2**62, rows), **what, **text}
    return pa.table({name: pa.array(values, types.get(name)) for name, values in columns.items()})


def _choices(rows: int, seed: int) -> pa.Table:
    """Documents with two to four choices."""
    table, rng = (
        _texts(rows, seed).select(["row_id", "doc_hash", "task", "filter"]),
        np.random.default_rng(seed),
    )
    logits = -rng.exponential(5, (rows, 4))
    logits[:, 2:][rng.random((rows, 2)).cumsum(axis=1) > 0.8] = -np.inf
    logits[:1, :] = -1.0  # so that every file has the same number of choices
    names = {"classes": json.dumps(["0", "1", "2", "3"])}
    lists = pa.FixedSizeListArray.from_arrays(logits.reshape(-1), 4)
    field = pa.field("logits", lists.type, metadata=names)
    label = pa.array(rng.integers(0, 2, rows))
    return table.append_column("label", label).append_column(field, lists) if rows else pa.table({})


def _write_samples(table: pa.Table, path: Path) -> None:
    """As lm-evaluation-harness writes samples: every answer as text, arguments as objects."""
    lines = []
    for i, row in enumerate(table.to_pylist()):
        found = row["logits"] if "logits" in row else [row["logprob"]]
        answers = [value for value in found if value != -math.inf]
        if "logits" in row:
            asked = [{"arg_0": "Question", "arg_1": f" answer {k}"} for k in range(len(answers))]
            log = {"target": str(row["label"]), "filtered_resps": [[str(v), "False"] for v in answers]}
        else:
            asked = [{"arg_0": f"text {i}"}]
            counts = {"bits_per_byte": [0.0, row["bytes"]], "word_perplexity": [0.0, row["words"]]}
            log = {"target": "?", "filtered_resps": [str(v) for v in answers], **counts}
        arguments = {f"gen_args_{k}": request for k, request in enumerate(asked)}
        what = {"doc_id": row["row_id"], "doc_hash": row["doc_hash"], "filter": row["filter"]}
        lines.append(json.dumps({**what, "arguments": arguments, **log}))
    path.write_text("".join(line + "\n" for line in lines))


def _tokens(rows: int, seed: int) -> pa.Table:
    """Tokens of chats of seven tokens each."""
    rng = np.random.default_rng([seed, rows])
    label, logprob = _words(rng, rows), -rng.exponential(2, rows)
    return pa.table(
        {
            "row_id": pa.array([f"{i // 7}/{i % 7}" for i in range(rows)], pa.string()),
            "document": pa.array([str(i // 7) for i in range(rows)], pa.string()),
            "part": pa.array(["completion"] * rows, pa.string()),
            "position": np.arange(rows) % 7,
            "label": pa.array(label, pa.string()),
            "token_bytes": pa.array([len(text.encode()) for text in label], pa.int64()),
            "logprob": logprob,
            "unseen_mass": pa.array([1.0 - math.exp(v) for v in logprob.tolist()], pa.float64()),
        }
    )


def _write_responses(table: pa.Table, path: Path) -> None:
    """Chat completions with the log-probability of each token and of no other."""
    rows = table.to_pylist()
    with path.open("w") as file:
        for start in range(0, len(rows) or 1, 7):
            content = [
                {"token": r["label"], "logprob": r["logprob"], "bytes": list(r["label"].encode())}
                for r in rows[start : start + 7]
            ]
            file.write(json.dumps({"choices": [{"index": 0, "logprobs": {"content": content}}]}) + "\n")


LOGS: dict[str, list[tuple[Writer, Callable[[int, int], pa.Table]]]] = {
    "lm-eval": [(_write_samples, _texts), (_write_samples, _choices)],
    "openai-logprobs": [(_write_responses, _tokens)],
}


def _make_table(rows: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "label": [f"class {i}, “{i}”" for i in rng.integers(0, 3, rows)],
            "row_id": rng.permutation(rows),
            "p_a": rng.random(rows) ** 9,
            "z": np.ldexp(rng.standard_normal(rows), rng.integers(-300, 300, rows)),
        }
    )


def _read(
    source: Source,
    columns: list[str] | None = None,
    batch_rows: int = 7,
    types: dict[str, pa.DataType] | None = None,
) -> pa.Table:
    columns = source.schema.names if columns is None else columns
    tables, next_row = [], {info.path: 0 for info in source.files}
    for chunk in source.batches(columns, batch_rows, types):
        assert chunk.table.num_rows <= batch_rows
        assert chunk.table.schema.names == columns
        assert chunk.first_row == next_row[chunk.file]
        next_row[chunk.file] += chunk.table.num_rows
        tables.append(pa.Table.from_batches([chunk.table]))
    for info in source.files:
        assert info.rows in (None, next_row[info.path])
    return pa.concat_tables(tables) if tables else source.schema.empty_table().select(columns)


@pytest.fixture(scope="session")
def writers() -> dict[str, Writer]:
    """What writes any table without nulls as a file, for each format of this version that can hold it."""
    return WRITERS


@pytest.fixture(scope="session")
def logs() -> dict[str, list[tuple[Writer, Callable[[int, int], pa.Table]]]]:
    """For each format with columns of its own, writers and the tables that they write."""
    return LOGS


@pytest.fixture(scope="session")
def make_table() -> Callable[..., pa.Table]:
    """Rows, seed → labels with delimiters and quotes, integers, and floats of every size, without nulls."""
    return _make_table


@pytest.fixture(scope="session")
def read() -> Callable[..., pa.Table]:
    """A source as one table, having checked names, sizes and row numbers of every chunk."""
    return _read


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Bytes under a name → path; a string is compressed where the name ends in .gz."""

    def writing(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data) if isinstance(content, str) and name.endswith(".gz") else data)
        return path

    return writing


@pytest.fixture
def open_text(write: Write) -> Callable[[str, bytes | str], Source]:
    return lambda name, content: open_source(write(name, content))
