"""What the weights of a mixture are made from: a few numbers a row, in memory or, beyond it, on disk.

The files are read once. Of each row are kept the log-probabilities that the models gave to what happened, its
weight, and a hash of its id or cluster; whoever looks for weights goes through these many times.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
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
class Deal:
    """Which unit and fold a row belongs to: by a hash of its id, or as its cluster, one after another."""

    folds: int
    seed: int
    clusters: Hashes | None
    """Ascending; None where rows are units of their own."""

    @cached_property
    def _of_cluster(self) -> Ints:
        assert self.clusters is not None
        return folds_of(self.clusters, np.arange(self.clusters.size), self.folds, self.seed)

    def block(self, rows: Rows, first: int) -> LogScores:
        """The rows, the first of which has the number `first`."""
        number = first + np.arange(len(rows.log_p))
        key = number.astype(np.uint64) if rows.key is None else rows.key
        if self.clusters is None:
            return log_scores(rows.log_p, rows.weight, number, folds_of(key, None, self.folds, self.seed))
        unit = np.searchsorted(self.clusters, key)
        return log_scores(rows.log_p, rows.weight, unit, self._of_cluster[unit])


@dataclass(frozen=True)
class Rows:
    """Rows of a batch."""

    log_p: Floats
    """(n, K)"""
    weight: Floats | None
    key: Hashes | None
    """Of the cluster or the row id; None where rows have neither."""

    def save(self, path: Path) -> None:
        """Write what there is."""
        np.savez(path, **{name: column for name, column in vars(self).items() if column is not None})

    @classmethod
    def load(cls, path: Path) -> Rows:
        """What was written."""
        with np.load(path) as saved:
            return cls(saved["log_p"], saved.get("weight"), saved.get("key"))


@dataclass(frozen=True)
class OnDisk:
    """A block that is in a file."""

    path: Path
    first: int
    deal: Deal

    def read(self) -> LogScores:
        """The block."""
        return self.deal.block(Rows.load(self.path), self.first)


@dataclass(frozen=True)
class _Batch:
    count: int
    rows: Rows | Path
    run: Run | None


@dataclass
class _Store:
    """Batches by number, from any thread."""

    memory: int
    folder: Path
    batches: dict[int, _Batch] = field(default_factory=dict)
    clusters: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))
    used: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, number: int, rows: Rows, clustered: bool, run: Run | None) -> None:
        """Keep a batch: in memory, or in a file where that is full."""
        with self.lock:
            self.used += ARRAYS * rows.log_p.nbytes
            room = self.used <= self.memory
            if clustered and rows.key is not None:
                self.clusters = np.union1d(self.clusters, rows.key)
        kept: Rows | Path = rows
        if not room:
            kept = self.folder / f"rows-{number}.npz"
            rows.save(kept)
        with self.lock:
            self.batches[number] = _Batch(len(rows.log_p), kept, run)


def collect(job: Job, folder: Path, folds: int, seed: int) -> Collected:
    """The rows of models whose ids run in the same order; `folder` takes what memory does not.

    Raises OrderDiffers where they do not, and DataError for a row that every model gave probability 0.
    """
    store = _Store(job.memory, folder)
    clustered = job.options.cluster_column is not None

    def update(store: _Store, aligned: Aligned) -> None:
        facts = shared_facts(job, aligned)
        rows = Rows(_log_p(job, aligned, facts), facts[0].weight, _keys(facts[0]))
        ids = facts[0].ids
        store.put(aligned.number, rows, clustered, None if ids is None else run_of(aligned.number, ids))
        job.progress(len(rows.log_p) * len(job.models))

    run(zipped(job.models, job.options.where, job.batch_rows(job.models)), lambda: store, update, job.threads)
    batches = [store.batches[number] for number in sorted(store.batches)]
    runs = [batch.run for batch in batches if batch.run is not None]
    if runs and not strictly_increasing(runs):
        check_unique(job.models[0], job.options.where, folder, job.memory)
    return _dealt(batches, Deal(folds, seed, store.clusters if clustered else None))


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


def _dealt(batches: Sequence[_Batch], deal: Deal) -> Collected:
    """The batches as blocks with their units and folds."""
    first = 0
    blocks: list[LogScores | OnDisk] = []
    for batch in batches:
        if isinstance(batch.rows, Path):
            blocks.append(OnDisk(batch.rows, first, deal))
        else:
            blocks += in_blocks(deal.block(batch.rows, first))
        first += batch.count
    return Collected(blocks, first if deal.clusters is None else deal.clusters.size, first)
