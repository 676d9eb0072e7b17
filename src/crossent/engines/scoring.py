"""From a validated batch to loss columns: the only place where predictions meet losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crossent import kernels
from crossent.accumulators.contract import Event, Ints, Rows
from crossent.accumulators.floors import clip_loss
from crossent.data.batch import Batch
from crossent.data.facts import UNKNOWN
from crossent.data.labels import Keyed, key_text
from crossent.data.layout import UNSEEN_MASS
from crossent.data.pieces import Piece
from crossent.engines.numbers import score_numbers
from crossent.losses import Loss

Floats = NDArray[np.float64]
Reals = NDArray[Any]

TOP_LABEL = "top label"


@dataclass(frozen=True)
class Scoring:
    """What to compute of each row: the headline loss, its companions and the events of reliability."""

    loss: Loss
    companions: tuple[Loss, ...]
    classes: tuple[str, ...] | None
    positive: int
    """Class whose probability a single column holds."""
    events: tuple[int, ...]
    """Classes whose reliability is followed, besides the top label."""
    floor: float | None = None
    renormalise: bool = False
    levels: tuple[float, ...] = ()
    """Of quantiles."""
    figures: tuple[str, ...] = ()
    """Columns beside the loss that only this model has."""


@dataclass(frozen=True)
class _Names:
    """Names rows by their id, or by file and row number where there is none."""

    piece: Piece
    ids: pa.Array | None

    def sort_keys(self, index: Ints) -> Ints | list[str]:
        if self.ids is None:
            return [f"{self.piece.file}\0{self.piece.row(i):020d}" for i in index.tolist()]
        if pa.types.is_integer(self.ids.type):
            keys: Ints = self.ids.take(pa.array(index)).to_numpy(zero_copy_only=False)
            return keys
        return self.names(index)

    def names(self, index: Ints) -> list[str]:
        if self.ids is None:
            return [f"row {self.piece.row(i)} of {self.piece.file}" for i in index.tolist()]
        return [key_text(v) for v in self.ids.take(pa.array(index)).to_pylist()]


def score(batch: Batch, scoring: Scoring) -> Rows:
    """The loss columns and facts of a batch, for the accumulators."""
    facts = batch.facts
    rows = Rows(
        loss=np.empty(0),
        names=_Names(batch.piece, facts.ids),
        weight=facts.weight,
        label_text=facts.label_text,
        cluster=facts.cluster,
        groups=facts.groups,
        bytes=facts.bytes,
    )
    if facts.y is not None:
        return score_numbers(rows, batch, facts.y, (scoring.loss, *scoring.companions), scoring.levels)
    if batch.shape == "scalar":
        loss = 0.0 - np.asarray(batch.prediction, np.float64)
        return _with_loss(_with_unseen(rows, batch), loss, scoring, {})
    assert facts.labels is not None
    return _score_classes(rows, batch, facts.labels, scoring)


def _with_unseen(rows: Rows, batch: Batch) -> Rows:
    if batch.unseen is None:
        return rows
    unseen = np.asarray(batch.unseen, np.float64)
    extremes = {UNSEEN_MASS: (float(unseen.min()), float(unseen.max()))}
    return replace(rows, companions={UNSEEN_MASS: unseen}, extremes=extremes)


def _with_loss(rows: Rows, loss: Floats, scoring: Scoring, counts: Mapping[str, int]) -> Rows:
    """The rows with their headline loss; labels given 0 or 1 are counted before a floor hides them."""
    nats = rows.companions.get("log_loss", loss)
    zero, one = int(np.count_nonzero(np.isposinf(nats))), int(np.count_nonzero(nats == 0.0))
    if scoring.floor is not None:
        loss = clip_loss(loss, scoring.floor)
    return replace(rows, loss=loss, counts={**counts, "label_zero": zero, "label_one": one})


def _score_classes(rows: Rows, batch: Batch, labels: Ints, scoring: Scoring) -> Rows:
    prediction: Reals = batch.prediction
    kind = batch.kind
    if batch.shape == "single":
        prediction = _both_columns(prediction, scoring.positive)
    probabilities = _probabilities(prediction, kind)
    counts, extremes = _quality(probabilities) if kind != "logits" else ({}, {})
    if scoring.renormalise and kind != "logits":
        prediction, kind, without_sum = _renormalised(probabilities)
        probabilities, counts = prediction, {**counts, "rows_without_sum": without_sum}
    top, confidence, ties = kernels.top(probabilities)
    events = [Event(TOP_LABEL, confidence, top == labels)]
    assert scoring.classes is not None
    events += [
        Event(scoring.classes[k], np.asarray(probabilities[:, k], np.float64), labels == k)
        for k in scoring.events
    ]
    unknown = labels == UNKNOWN
    counts = {
        **counts,
        "top_ties": int(np.count_nonzero(ties)),
        "unknown_labels": int(np.count_nonzero(unknown)),
    }
    codes, keys = labels, Keyed(scoring.classes, labels)
    if unknown.any():
        prediction, codes = _with_unknown(prediction, kind, labels)
        keys = Keyed((*scoring.classes, "(unknown)"), np.where(unknown, len(scoring.classes), labels))
    companions = {c.name: c.value(codes, prediction, kind) for c in scoring.companions}
    loss = _loss(batch, codes, prediction, kind, scoring)
    scored = replace(
        rows,
        companions=companions,
        label=keys,
        events=tuple(events),
        predicted=Keyed(scoring.classes, top),
        extremes=extremes,
    )
    return _with_loss(scored, loss, scoring, counts)


def _loss(batch: Batch, labels: Ints, prediction: Reals, kind: str, scoring: Scoring) -> Floats:
    """The headline loss; for log loss of a single column, a tiny probability keeps its full precision."""
    if batch.shape == "single" and scoring.loss.name == "log_loss" and not scoring.renormalise:
        loss = kernels.binary_log_loss(labels == scoring.positive, batch.prediction)
        unknown = labels > 1
        return np.where(unknown, np.inf, loss) if unknown.any() else loss
    return scoring.loss.value(labels, prediction, kind)


def _both_columns(p: Reals, positive: int) -> Floats:
    """(N, 2) probabilities, each class contiguous."""
    both = np.empty((2, p.size))
    both[positive] = p
    np.subtract(1.0, both[positive], out=both[1 - positive])
    return both.T


def _probabilities(prediction: Reals, kind: str) -> Reals:
    if kind == "logits":
        return kernels.softmax(prediction)
    return np.exp(np.asarray(prediction, np.float64)) if kind == "log_probs" else prediction


def _quality(p: Reals) -> tuple[dict[str, int], dict[str, tuple[float, float]]]:
    total, least, most = kernels.row_sum_and_extremes(p)
    off = np.abs(total - 1.0)
    counts = {
        "entries_below_zero": int(np.count_nonzero(p < 0.0)) if least < 0.0 else 0,
        "entries_above_one": int(np.count_nonzero(p > 1.0)) if most > 1.0 else 0,
        "rows_off_1e6": int(np.count_nonzero(off > 1e-6)),
        "rows_off_1e3": int(np.count_nonzero(off > 1e-3)),
    }
    return counts, {"row_sum": (float(total.min()), float(total.max()))}


def _renormalised(p: Reals) -> tuple[Floats, str, int]:
    """Rows divided by their sums; a row that sums to 0 stays 0 (its loss is infinite) and is counted."""
    total, _, _ = kernels.row_sum_and_extremes(p)
    empty = total <= 0.0
    divided = np.asarray(p, np.float64) / np.where(empty, 1.0, total)[:, None]
    return divided, "probs", int(np.count_nonzero(empty))


def _with_unknown(prediction: Reals, kind: str, labels: Ints) -> tuple[Reals, Ints]:
    """One more class, of probability 0, for the labels that no class has the name of."""
    zero = 0.0 if kind == "probs" else -np.inf
    widened = np.column_stack([prediction, np.full(len(prediction), zero, prediction.dtype)])
    return widened, np.where(labels == UNKNOWN, prediction.shape[1], labels)
