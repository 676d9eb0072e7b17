"""Labelled predictions of one model in memory: all of them, or a sample by a hash of the row id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crossent.calibration.given import Rows, floored, logits
from crossent.data.batch import Batch, build
from crossent.data.facts import UNKNOWN
from crossent.deep.gathering import row_keys
from crossent.deep.table import Predictions
from crossent.engines.passes import Job
from crossent.errors import DataError, UsageError
from crossent.statistics.hashing import Hashes

ALL = 1 << 64


@dataclass(frozen=True)
class Labelled:
    """Rows that a map is fitted to."""

    rows: Rows
    keys: Hashes
    """(N,) hashes of the row ids."""
    cluster: NDArray[np.int64] | None
    """(N,) codes."""
    total: int
    """Rows of the data; where these are more, the others were left out by chance."""
    counts: NDArray[np.float64]
    """(K, K) weight of the rows of each label (columns) by the likeliest class (rows), over all rows read."""

    def floored(self, floor: float) -> Labelled:
        """With smaller probabilities raised to the floor."""
        if floor == 0.0:
            return self
        rows = Rows(floored(self.rows.logits, floor), self.rows.labels, self.rows.weight)
        return Labelled(rows, self.keys, self.cluster, self.total, self.counts)


def stream(job: Job, seed: int) -> Iterator[tuple[Batch, Rows, Hashes]]:
    """The rows of the job's first model in batches, with hashes of their ids.

    Raises UsageError (calibrate-needs-classes) where not every class has a probability.
    """
    model, place = job.models[0], 0
    check_kind(model.layout.kind)
    for piece in model.stream(job.options.where, job.batch_rows([model])):
        positions = np.arange(place, place + len(piece))
        place += len(piece)
        facts = job.facts(model, piece)
        batch = build(piece, model.layout, facts, model.order, job.options)
        z = logits_of(batch, job.scorings[model.name].positive)
        assert facts.labels is not None
        unknown = np.flatnonzero(facts.labels == UNKNOWN)
        if unknown.size:
            raise DataError(
                "label-impossible",
                "no class has the name of this label, so that no map can give it a probability",
                file=piece.file,
                row=piece.row(int(unknown[0])),
                column=model.layout.label,
                cure="leave such rows out with --where",
            )
        yield batch, Rows(z, facts.labels, facts.weight), row_keys(model, piece, positions, seed)


def check_kind(kind: str) -> None:
    """Raise unless predictions of this kind are whole distributions over classes."""
    if kind not in ("probs", "logits", "log_probs"):
        raise UsageError(
            "calibrate-needs-classes",
            f"maps are for probabilities of all classes, and these predictions are {kind}",
            cure="give a column p_<class> (or z_<class>, lp_<class>) for every class",
        )


def logits_of(batch: Batch, positive: int) -> NDArray[np.float32] | NDArray[np.float64]:
    """(N, K) logits of a batch, −∞ where a probability is 0."""
    if batch.kind == "probs":
        return Predictions(batch.kind, batch.shape, batch.prediction, positive).log_probabilities
    return logits(np.array(batch.prediction), kind="logits")


def labelled(job: Job, limit: int, seed: int) -> Labelled:
    """About `limit` rows at most, by one pass: those with the smallest hashes, half as many as often as there
    are too many."""
    kept = _Kept(job.options.cluster_column is not None)
    threshold = ALL
    for batch, rows, keys in stream(job, seed):
        kept.count(rows)
        kept.add(batch, rows, keys, threshold)
        while kept.size > limit:
            threshold //= 2
            kept.thin(threshold)
    return kept.found()


@dataclass
class _Kept:
    clustered: bool
    parts: list[tuple[Rows, Hashes, NDArray[np.int64] | None]] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    total: int = 0
    counts: NDArray[np.float64] | None = None

    @property
    def size(self) -> int:
        return sum(len(keys) for _, keys, _ in self.parts)

    def count(self, rows: Rows) -> None:
        k = rows.classes
        cells = rows.logits.argmax(axis=1) * k + rows.labels
        found = np.bincount(cells, rows.weights, k * k).reshape(k, k).astype(np.float64)
        self.counts = found if self.counts is None else self.counts + found
        self.total += len(rows)

    def add(self, batch: Batch, rows: Rows, keys: Hashes, threshold: int) -> None:
        cluster = None
        if batch.facts.cluster is not None:
            codes = [self.names.setdefault(name, len(self.names)) for name in batch.facts.cluster.values]
            cluster = np.array(codes, np.int64)[batch.facts.cluster.codes]
        self.parts.append(_below((rows, keys, cluster), threshold))

    def thin(self, threshold: int) -> None:
        self.parts = [_below(part, threshold) for part in self.parts]

    def found(self) -> Labelled:
        weights = [rows.weight for rows, _, _ in self.parts]
        rows = Rows(
            np.concatenate([rows.logits for rows, _, _ in self.parts]),
            np.concatenate([rows.labels for rows, _, _ in self.parts]),
            np.concatenate([w for w in weights if w is not None]) if weights[0] is not None else None,
        )
        if rows.weight is not None and not rows.weight.any():
            raise DataError("no-weight", "all weights are 0", cure="at least one row must count")
        cluster = None
        if self.clustered:
            cluster = np.concatenate([codes for _, _, codes in self.parts if codes is not None])
        assert self.counts is not None
        return Labelled(
            rows,
            np.concatenate([keys for _, keys, _ in self.parts]),
            cluster,
            self.total,
            self.counts,
        )


Part = tuple[Rows, Hashes, NDArray[np.int64] | None]


def _below(part: Part, threshold: int) -> Part:
    if threshold == ALL:
        return part
    rows, keys, cluster = part
    taken = keys < np.uint64(threshold)
    return rows.keep(taken), keys[taken], None if cluster is None else cluster[taken]
