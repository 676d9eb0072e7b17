"""Finding the same rows in models whose ids run in different orders, and what is wrong where they cannot be
found: ids that are missing, extra or there twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crossent.data.alignment import Model, fact_mismatch, label_mismatch
from crossent.data.conditions import Condition
from crossent.data.identity import Keys, keys_of, normalised
from crossent.data.labels import key_text
from crossent.data.partitions import (
    FACTS,
    ID_RECORD,
    Partitions,
    Records,
    file_and_row,
    in_all,
    keys_only,
    needed,
    partitions_for,
    place,
    repeated,
)
from crossent.data.pieces import Piece
from crossent.errors import DataError

EXAMPLES = 5
_ID_ROWS = 1 << 17


def places_of(model: Model, piece: Piece) -> NDArray[np.int64]:
    """File and row number of each row of a piece."""
    numbers = (
        np.arange(piece.first_row, piece.first_row + len(piece)) if piece.numbers is None else piece.numbers
    )
    return numbers + place(model.file_number(piece.file), 0)


def _ids_only(model: Model, where: Sequence[Condition]) -> Iterator[Piece]:
    extra = tuple(dict.fromkeys(condition.column for condition in where))
    layout = replace(model.layout, predictions=(), label=None, extra=extra)
    yield from replace(model, layout=layout).stream(where, _ID_ROWS)


def _id_partitions(
    model: Model, name: str, where: Sequence[Condition], folder: Path, count: int
) -> Partitions:
    assert model.layout.id is not None and model.id_type is not None
    partitions = Partitions(folder, name, count, id_record(model))
    for records in id_records(model, where):
        partitions.write(records)
    return partitions


def id_record(model: Model) -> np.dtype[np.void]:
    """What is kept of a row of which only the id matters."""
    assert model.id_type is not None
    return needed(ID_RECORD, whole=model.id_type.whole, facts=())


def id_records(model: Model, where: Sequence[Condition]) -> Iterator[Records]:
    """The record of every row's id."""
    assert model.layout.id is not None and model.id_type is not None
    for piece in _ids_only(model, where):
        column = piece.table.column(model.layout.id)
        ids = normalised(column, model.id_type, piece, model.layout.id)
        yield keyed_records(model, piece, ids, id_record(model))


def keyed_records(model: Model, piece: Piece, ids: pa.Array, dtype: np.dtype[np.void]) -> Records:
    """Records of rows with their keys and places."""
    records: Records = np.zeros(len(piece), dtype)
    if "lo" in (dtype.names or ()):
        keys = keys_of(ids)
        records["hi"], records["lo"] = keys["hi"], keys["lo"]
    else:
        records["hi"] = ids.to_numpy(zero_copy_only=False).view(np.uint64)
    records["at"] = places_of(model, piece)
    return records


def estimated_rows(model: Model) -> int:
    """Rows where known, else a guess."""
    return model.source.estimated_rows


def check_unique(model: Model, where: Sequence[Condition], folder: Path, memory: int) -> None:
    """DataError if a row id of the model occurs twice."""
    count = partitions_for(estimated_rows(model) * ID_RECORD.itemsize, memory)
    _no_duplicates(model, _id_partitions(model, "unique", where, folder, count), 0)


def _no_duplicates(model: Model, partitions: Partitions, first: int) -> None:
    """DataError if ids are repeated in the partitions from the first one on."""
    total = 0
    places: list[int] = []
    for index in range(first, partitions.count):
        records = partitions.read(index)
        again = repeated(records)
        total += int(again.sum())
        places = sorted([*places, *records["at"][again].tolist()])[:EXAMPLES]
        partitions.discard(index)
    if total:
        raise duplicate_ids(model, total, places)


def duplicate_ids(model: Model, total: int, places: Sequence[int]) -> DataError:
    """The error for row ids that occur twice; `places` are the first rows that repeat one."""
    file, row = file_and_row(places[0])
    return DataError(
        "duplicate-ids",
        f"{total} rows repeat a row id, such as {', '.join(ids_at(model, places))}",
        file=model.source.files[file].path,
        row=row,
        column=model.layout.id,
        cure="every row needs an id of its own: remove the copies, or name another column with --id",
    )


def ids_at(model: Model, places: Sequence[int]) -> list[str]:
    """The ids of some rows, read again from the data."""
    wanted: dict[str, set[int]] = {}
    for at in sorted(places)[:EXAMPLES]:
        file, row = file_and_row(at)
        wanted.setdefault(model.source.files[file].path, set()).add(row)
    found: list[str] = []
    for piece in _ids_only(replace(model, left_out={}), ()):
        rows = wanted.get(piece.file, set())
        inside = [r - piece.first_row for r in sorted(rows) if 0 <= r - piece.first_row < len(piece)]
        found.extend(key_text(piece.table.column(0)[i].as_py()) for i in inside)
        if len(found) == sum(len(r) for r in wanted.values()):
            break
    return found


@dataclass
class Lacking:
    """Ids that one model has and others lack."""

    total: int = 0
    places: list[int] = field(default_factory=list)

    def add(self, records: Records) -> None:
        self.total += len(records)
        if len(self.places) < EXAMPLES:
            self.places.extend(records["at"][:EXAMPLES].tolist())


def common_rows(
    models: Sequence[Model], where: Sequence[Condition], folder: Path, memory: int
) -> tuple[list[Model], tuple[tuple[str, int], ...]]:
    """The models with the rows left out that not all have, and how many those are for each model."""
    count = partitions_for(sum(estimated_rows(m) for m in models) * ID_RECORD.itemsize, memory)
    parts = [_id_partitions(m, f"common{i}", where, folder, count) for i, m in enumerate(models)]
    dropped: list[list[NDArray[np.int64]]] = [[] for _ in models]
    shared = 0
    for index in range(count):
        records = [p.read(index) for p in parts]
        common = in_all(records)
        shared += len(common)
        for k, mine in enumerate(records):
            dropped[k].append(mine["at"][~has_key(mine, common)])
            parts[k].discard(index)
    if not shared:
        raise DataError(
            "no-common-rows",
            "no row id is in every file",
            file=", ".join(m.source.name for m in models),
            cure="check that --id names the same ids in every file",
        )
    return (
        [_without(model, np.concatenate(places)) for model, places in zip(models, dropped, strict=True)],
        tuple((m.name, sum(len(a) for a in places)) for m, places in zip(models, dropped, strict=True)),
    )


def has_key(records: Records, keys: Keys) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.isin(keys_only(records), keys)
    return found


def _without(model: Model, places: NDArray[np.int64]) -> Model:
    left_out = {}
    for number, file in enumerate(model.source.files):
        rows = np.sort(places[places >> 40 == number]) & ((1 << 40) - 1)
        if rows.size:
            left_out[file.path] = rows
    return replace(model, left_out=left_out)


def joined(
    models: Sequence[Model], parts: Sequence[Partitions], threads: int = 1
) -> Iterator[tuple[Records, ...]]:
    """The records of all models by partition, in the order of their keys, the same keys in each.

    Raises DataError after the last partition if ids were missing, extra or repeated: then nothing that was
    yielded may be used.
    """
    lacking = [Lacking() for _ in models]
    for index in range(parts[0].count):
        records = _read_all(parts, index, threads)
        for model, part, mine in zip(models, parts, records, strict=True):
            if repeated(mine).any():
                _no_duplicates(model, part, index)
        if all(np.array_equal(keys_only(r), keys_only(records[0])) for r in records[1:]):
            _same_facts(models, records)
            yield records
        else:
            common = in_all(records)
            for mine, found in zip(records, lacking, strict=True):
                found.add(mine[~has_key(mine, common)])
        # before the next ones are read, not after
        del records, mine
        for part in parts:
            part.discard(index)
    if any(found.total for found in lacking):
        raise missing_rows(models, lacking)


def _read_all(parts: Sequence[Partitions], index: int, threads: int) -> tuple[Records, ...]:
    """A partition of each model. Sorting takes most of the time, and threads do it side by side."""
    with ThreadPoolExecutor(threads) as pool:
        return tuple(pool.map(lambda part: part.read(index), parts))


def missing_rows(models: Sequence[Model], lacking: Sequence[Lacking]) -> DataError:
    """The error for ids that not every model has."""
    parts = [
        f"{found.total} rows of {model.name} are not in every other file "
        f"(ids {', '.join(ids_at(model, found.places))})"
        for model, found in zip(models, lacking, strict=True)
        if found.total
    ]
    return DataError(
        "rows-differ",
        "; ".join(parts),
        file=", ".join(m.source.name for m in models),
        cure="judge all models on the same rows; --on-missing=intersect compares those that all have and "
        "says so; where rows cannot correspond, such as tokens of two tokenizers, name what can with --unit",
    )


def _same_facts(models: Sequence[Model], records: Sequence[Records]) -> None:
    found = first_mismatch(records)
    if found is not None:
        raise_mismatch(models, found)


@dataclass(frozen=True)
class Mismatch:
    """A row of a model has another fact than the first model's row of the same id."""

    model: int
    fact: str
    at: int


def first_mismatch(records: Sequence[Records]) -> Mismatch | None:
    """The first fact that models do not agree on, of records with the same keys."""
    first = records[0]
    for index, mine in enumerate(records[1:], 1):
        for name, _ in FACTS:
            if name in (first.dtype.names or ()):
                different = mine[name] != first[name]
                if different.any():
                    return Mismatch(index, name, int(mine["at"][different].min()))
    return None


def raise_mismatch(models: Sequence[Model], found: Mismatch) -> NoReturn:
    """Raise: the same row has two labels, or two weights, clusters …"""
    model = models[found.model]
    file, row = file_and_row(found.at)
    path = model.source.files[file].path
    if found.fact == "label":
        label_mismatch(models[0], model, path, row)
    fact_mismatch(models[0], model, found.fact, path, row)
