"""Reads rows once more into a RowTable: each model by itself, then put side by side by row id.

Where there are more rows than asked for, a row is taken or left by a hash of its id: every model gives the
same rows in whatever order it has them, and the same seed gives the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crossent.data.alignment import Model
from crossent.data.batch import Batch, build
from crossent.data.facts import Facts
from crossent.data.identity import keys_of, normalised
from crossent.data.labels import Keyed
from crossent.data.pieces import Piece
from crossent.deep.table import Predictions, RowTable
from crossent.engines.passes import Job
from crossent.engines.scoring import score
from crossent.errors import DataError
from crossent.statistics.hashing import ALL, Hashes, mixed

T = TypeVar("T", bound=np.generic)


def gather(job: Job, total: int, limit: int, seed: int = 0) -> RowTable | None:
    """About `limit` of the `total` rows of the job's models side by side; None where rows do not correspond.

    Raises DataError where the data are not what they were when they were counted.
    """
    if job.options.unit is not None:
        return None
    width = sum(model.layout.width + 2 for model in job.models)
    limit = min(limit, max(1, job.memory // (8 * width)))
    threshold = ALL if total <= limit else int(ALL * (limit / total))
    columns = [_Column.read(job, model, threshold, seed) for model in job.models]
    return _side_by_side(job, total, columns)


@dataclass
class _Column:
    """The chosen rows of one model, in the order of its data."""

    keys: list[Hashes] = field(default_factory=list)
    losses: list[NDArray[np.float64]] = field(default_factory=list)
    predictions: list[NDArray[np.generic]] = field(default_factory=list)
    facts: list[Facts] = field(default_factory=list)
    positions: list[NDArray[np.int64]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, job: Job, model: Model, threshold: int, seed: int) -> _Column:
        column = cls()
        first = model is job.models[0]
        for piece, keys, positions in _chosen(job, model, threshold, seed):
            facts = job.facts(model, piece)
            batch = build(piece, model.layout, facts, model.order, job.options)
            rows = score(batch, job.scorings[model.name])
            column.keys.append(keys)
            column.losses.append(rows.loss)
            column.predictions.append(_kept(batch))
            if first:
                column.facts.append(facts)
                column.positions.append(positions)
                column.names += rows.names.names(np.arange(len(piece)))
        return column


def _kept(batch: Batch) -> NDArray[np.generic]:
    if batch.kind == "samples":
        return np.empty((len(batch), 0))
    return np.array(batch.prediction)  # a copy: the batch it is part of shall go


def _chosen(
    job: Job, model: Model, threshold: int, seed: int
) -> Iterator[tuple[Piece, Hashes, NDArray[np.int64]]]:
    """The chosen rows of every piece of a model with their keys and their places in its data."""
    place = 0
    for piece in model.stream(job.options.where, job.batch_rows([model])):
        positions = np.arange(place, place + len(piece))
        place += len(piece)
        keys = row_keys(model, piece, positions, seed)
        if threshold < ALL:
            taken = keys < np.uint64(threshold)
            if not taken.any():
                continue
            piece, keys, positions = piece.keep(taken), keys[taken], positions[taken]
        yield piece, keys, positions


def row_keys(model: Model, piece: Piece, positions: NDArray[np.int64], seed: int) -> Hashes:
    """A hash of each row's id, or of its place in the data where rows have none."""
    return mixed(_keys(model, piece, positions), seed)


def _keys(model: Model, piece: Piece, positions: NDArray[np.int64]) -> Hashes:
    """64 bits that stand for each row: of 200,000 ids two share them with probability 10⁻⁹."""
    if model.layout.id is None or model.id_type is None:
        return positions.view(np.uint64)
    ids: pa.Array = normalised(piece.table.column(model.layout.id), model.id_type, piece, model.layout.id)
    return np.ascontiguousarray(keys_of(ids)["hi"])


def _side_by_side(job: Job, total: int, columns: Sequence[_Column]) -> RowTable | None:
    first = columns[0]
    if not first.keys:
        return None
    keys = np.concatenate(first.keys)
    orders = [_order(job.models[i], keys, column) for i, column in enumerate(columns)]
    facts = first.facts
    scoring = [job.scorings[model.name] for model in job.models]
    return RowTable(
        names=tuple(model.name for model in job.models),
        total=total,
        losses=np.column_stack(
            [np.concatenate(c.losses)[order] for c, order in zip(columns, orders, strict=True)]
        ),
        predictions=tuple(
            Predictions(m.layout.kind, m.layout.shape, np.concatenate(c.predictions)[order], s.positive)
            for m, c, order, s in zip(job.models, columns, orders, scoring, strict=True)
        ),
        classes=None if job.classes is None else job.classes.names,
        labels=_joined([f.labels for f in facts]),
        y=_joined([f.y for f in facts]),
        weight=_joined([f.weight for f in facts]),
        cluster=_keyed([f.cluster for f in facts]),
        groups=tuple(_one_column([f.groups[i] for f in facts]) for i in range(len(facts[0].groups))),
        position=np.concatenate(first.positions),
        row_names=tuple(first.names),
    )


def _order(model: Model, keys: Hashes, column: _Column) -> NDArray[np.int64] | slice:
    """Where the rows of the first model stand in another's."""
    mine = np.concatenate(column.keys) if column.keys else np.empty(0, np.uint64)
    if np.array_equal(mine, keys):
        return slice(None)
    ascending = np.argsort(mine)
    places = np.searchsorted(mine, keys, sorter=ascending)
    if mine.size != keys.size or not np.array_equal(mine[ascending[np.minimum(places, mine.size - 1)]], keys):
        raise DataError(
            "file-changed",
            "the rows are not those that were read before",
            file=model.source.name,
            cure="leave the files as they are until the command is done",
        )
    found: NDArray[np.int64] = ascending[places]
    return found


def _joined(parts: Sequence[NDArray[T] | None]) -> NDArray[T] | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known else None


def _keyed(parts: Sequence[Keyed | None]) -> Keyed | None:
    known = [part for part in parts if part is not None]
    return _one_column(known) if known else None


def _one_column(parts: Sequence[Keyed]) -> Keyed:
    """One column of keys from those of the pieces."""
    codes: dict[str, int] = {}
    found = []
    for part in parts:
        table = np.array([codes.setdefault(value, len(codes)) for value in part.values], np.int64)
        found.append(table[part.codes])
    return Keyed(tuple(codes), np.concatenate(found))
