"""What the tests of the command line share: good predictions, changed copies, files and outcomes."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Columns = dict[str, list[Any]]
Change = Callable[[list[Any]], list[Any]] | Sequence[Any] | None

ROWS = 24
CLASSES = ("a", "b", "c")


def good(rows: int = ROWS, shift: int = 0) -> Columns:
    """Predictions of three classes; another `shift` is another model of the same rows."""
    label = [CLASSES[(i * i + i // 3) % 3] for i in range(rows)]
    parts = [
        [2 + (i * k + shift) % 5 + 6 * (label[i] == c) for k, c in enumerate(CLASSES, 1)] for i in range(rows)
    ]
    columns: Columns = {"row_id": list(range(100, 100 + rows)), "label": label}
    columns |= {f"p_{c}": [p[k] / sum(p) for p in parts] for k, c in enumerate(CLASSES)}
    columns |= {"weight": [1.0 + i % 3 for i in range(rows)], "day": [f"d{i // 4}" for i in range(rows)]}
    return columns | {"region": [("north", "south")[i % 2] for i in range(rows)]}


def tokens(rows: int = ROWS, per_document: int = 4) -> Columns:
    """Log-probabilities of tokens, with their documents and bytes."""
    return {
        "doc_id": [f"t{i // per_document}" for i in range(rows)],
        "token_bytes": [1 + i % 3 for i in range(rows)],
        "logprob": [-0.1 * (1 + i % 7) for i in range(rows)],
    }


def changed(columns: Columns, **changes: Change) -> Columns:
    """Columns replaced by lists or functions of what they were; None leaves one out, a new name adds one."""
    result = dict(columns)
    for name, change in changes.items():
        if change is None:
            del result[name]
        else:
            result[name] = change(result[name]) if callable(change) else list(change)
    return result


def at(row: int, value: object) -> Callable[[list[Any]], list[Any]]:
    """A change of one row."""
    return lambda column: [*column[:row], value, *column[row + 1 :]]


def mean_log_loss(columns: Columns, weight: Sequence[float] | None = None) -> float:
    """The plain definition, exactly summed."""
    weight = weight or [1.0] * len(columns["label"])
    losses = [-math.log(columns[f"p_{c}"][i]) for i, c in enumerate(columns["label"])]
    return math.fsum(w * x for w, x in zip(weight, losses, strict=True)) / math.fsum(weight)


def encoded(columns: Columns, suffix: str) -> bytes:
    """The columns as a file of the format of that suffix."""
    sink = io.BytesIO()
    names = list(columns)
    rows = list(zip(*columns.values(), strict=True))
    if suffix == ".parquet":
        pq.write_table(pa.table(columns), sink)
    elif suffix == ".csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([names, *rows])
        return text.getvalue().encode()
    elif suffix == ".jsonl":
        return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows).encode()
    else:
        np.savez(sink, **{name: np.array(values) for name, values in columns.items()})
    return sink.getvalue()


class Files:
    """Writes files into one folder, which is the current one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str, content: bytes | str | Columns | pa.Table) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
        elif isinstance(content, dict):
            path.write_bytes(encoded(content, path.suffix))
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def names(self) -> set[str]:
        """All files there are."""
        return {str(p.relative_to(self.folder)) for p in self.folder.rglob("*")}


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and how it left."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Mapping[str, Any]:
        """The JSON it printed."""
        document: Mapping[str, Any] = json.loads(self.out)
        return document

    def model(self, name: str) -> Mapping[str, Any]:
        """The result of one model in the JSON."""
        return next(m for m in self.document["models"] if m["name"] == name)

    @property
    def notes(self) -> dict[str, str]:
        return {note["slug"]: note["text"] for note in self.document["notes"]}


Run = Callable[..., Outcome]
