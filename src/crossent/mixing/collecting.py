"""What the weights of a mixture are made from: a few numbers a row, in memory or, beyond it, on disk.

The files are read once. Of each row are kept the log-probabilities that the models gave to what happened, its
weight, and a hash of its id or cluster; whoever looks for weights goes through these many times.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from crossent.data.alignment import Aligned, zipped
from crossent.data.facts import Facts
from crossent.data.identity import Run, keys_of, run_of, strictly_increasing
from crossent.data.joining import check_unique
from crossent.data.labels import fingerprints
from crossent.engines.local import run
from crossent.engines.passes import Job, shared_facts
from crossent.statistics.hashing import Hashes
from crossent.statistics.log_scores import Ints, LogScores, folds_of, impossible, in_blocks, log_scores
from crossent.statistics.summary import Floats

ARRAYS = 3
"""Of the size of the log-probabilities, that a block in memory has at most."""


@dataclass(frozen=True)
class Collected:
    """All rows, in the order of the first model's data; can be gone through again and again."""

    blocks: Sequence[LogScores | OnDisk]
    units: int
    """Rows, or clusters."""
    count: int
    """Rows."""

    def __iter__(self) -> Iterator[LogScores]:
        for block in self.blocks:
            yield block if isinstance(block, LogScores) else block.read()

    @property
    def spilled(self) -> bool:
        """Whether there were more rows than memory was given for."""
        return any(isinstance(block, OnDisk) for block in self.blocks)


@dataclass(frozen=True)
class OnDisk:
    """A block whose log-probabilities are in a file."""

    path: Path
    weight: Floats | None
    unit: Ints
    fold: Ints

    def read(self) -> LogScores:
        """The block."""
        return log_scores(np.load(self.path), self.weight, self.unit, self.fold)


@dataclass(frozen=True)
class _Batch:
    rows: int
    log_p: Floats | Path
    weight: Floats | None
    key: Hashes | None
    """Of the cluster or the row id; None where rows have neither."""
    run: Run | None


@dataclass
class _Store:
    """Batches by number, from any thread."""

    memory: int
    folder: Path
    batches: dict[int, _Batch] = field(default_factory=dict)
    used: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def kept(self, number: int, log_p: Floats) -> Floats | Path:
        """The numbers, or the file they are in where memory is full."""
        with self.lock:
            self.used += ARRAYS * log_p.nbytes
            room = self.used <= self.memory
        if room:
            return log_p
        path = self.folder / f"scores-{number}.npy"
        np.save(path, log_p)
        return path


def collect(job: Job, folder: Path, folds: int, seed: int) -> Collected:
    """The rows of models whose ids run in the same order; `folder` takes what memory does not.

    Raises OrderDiffers where they do not, and DataError for a row that every model gave probability 0.
    """
    store = _Store(job.memory, folder)

    def update(store: _Store, aligned: Aligned) -> None:
        facts = shared_facts(job, aligned)
        log_p = _log_p(job, aligned, facts)
        batch = _Batch(
            len(log_p),
            store.kept(aligned.number, log_p),
            facts[0].weight,
            _keys(facts[0]),
            None if facts[0].ids is None else run_of(aligned.number, facts[0].ids),
        )
        with store.lock:
            store.batches[aligned.number] = batch
        job.progress(len(log_p) * len(job.models))

    run(zipped(job.models, job.options.where, job.batch_rows(job.models)), lambda: store, update, job.threads)
    batches = [store.batches[number] for number in sorted(store.batches)]
    runs = [batch.run for batch in batches if batch.run is not None]
    if runs and not strictly_increasing(runs):
        check_unique(job.models[0], job.options.where, folder, job.memory)
    return _dealt(batches, job.options.cluster_column is not None, folds, seed)


def _log_p(job: Job, aligned: Aligned, facts: Sequence[Facts]) -> Floats:
    """(n, K)"""
    rows = [
        job.rows(model, piece, mine)
        for model, piece, mine in zip(job.models, aligned.pieces, facts, strict=True)
    ]
    log_p = -np.column_stack([scored.loss for scored in rows])
    none = np.flatnonzero(np.isneginf(log_p.max(axis=1)))
    if none.size:
        piece = aligned.pieces[0]
        raise impossible(piece.row(int(none[0])), piece.file)
    return log_p


def _keys(facts: Facts) -> Hashes | None:
    if facts.cluster is not None:
        return fingerprints(facts.cluster)
    return None if facts.ids is None else np.ascontiguousarray(keys_of(facts.ids)["hi"])


def _dealt(batches: Sequence[_Batch], clustered: bool, folds: int, seed: int) -> Collected:
    """The batches with their units and folds: of rows by a hash of the id, of clusters one after another."""
    first = 0
    blocks: list[LogScores | OnDisk] = []
    clusters = _clusters(batches) if clustered else None
    if clusters is not None:
        of_cluster = folds_of(clusters, np.arange(clusters.size), folds, seed)
    for batch in batches:
        number = first + np.arange(batch.rows)
        key = number.astype(np.uint64) if batch.key is None else batch.key
        if clusters is None:
            unit, fold = number, folds_of(key, None, folds, seed)
        else:
            unit = np.searchsorted(clusters, key)
            fold = of_cluster[unit]
        if isinstance(batch.log_p, Path):
            blocks.append(OnDisk(batch.log_p, batch.weight, unit, fold))
        else:
            blocks += in_blocks(log_scores(batch.log_p, batch.weight, unit, fold))
        first += batch.rows
    return Collected(blocks, first if clusters is None else int(clusters.size), first)


def _clusters(batches: Sequence[_Batch]) -> Hashes:
    """The different clusters, ascending."""
    found = np.empty(0, np.uint64)
    for batch in batches:
        if batch.key is not None:
            found = np.union1d(found, batch.key)
    return found
