"""From a validated batch to loss columns: the only place where predictions meet losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
OFF = 1e-6
"""From here on a sum of probabilities counts as another one than 1."""
IN_ONE_VISIT = {"log_loss", "brier", "zero_one"}
"""Losses that `kernels.score` computes."""


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
    """The loss columns and facts of a batch, for the accumulators; its caller has threads of its own.

    What a file stores as float32 gives the same figures stored as float64.
    """
    with kernels.using(threads=1, precise=True):
        return _score(batch, scoring)


def _score(batch: Batch, scoring: Scoring) -> Rows:
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


@dataclass(frozen=True)
class _Scored:
    """What is known of rows about classes before it is put into columns."""

    prediction: Reals
    kind: str
    codes: Ints
    """Labels: columns of `prediction`, or UNKNOWN."""
    unknown: NDArray[np.bool_] | None
    """Rows whose label is no column; None for none."""
    known: Mapping[str, Floats]
    """Losses of classes by name that need not be computed any more."""
    top: Ints
    confidence: Floats
    hit: NDArray[np.bool_]
    event: Callable[[int], Floats]
    """The probabilities of a class."""
    counts: Mapping[str, int]
    extremes: Mapping[str, tuple[float, float]]


def _score_classes(rows: Rows, batch: Batch, labels: Ints, scoring: Scoring) -> Rows:
    unknown = labels == UNKNOWN
    unknowns = int(np.count_nonzero(unknown))
    if _one_visit_is_enough(batch, scoring, unknowns):
        scored = _in_one_visit(batch, labels, scoring)
    else:
        scored = _step_by_step(batch, labels, unknown if unknowns else None, scoring)
    assert scoring.classes is not None
    keys = Keyed(scoring.classes, labels)
    if unknowns:
        keys = Keyed((*scoring.classes, "(unknown)"), np.where(unknown, len(scoring.classes), labels))
    events = [Event(TOP_LABEL, scored.confidence, scored.hit)]
    events += [Event(scoring.classes[k], scored.event(k), labels == k) for k in scoring.events]
    columns = replace(
        rows,
        companions={c.name: _value(c, scored) for c in scoring.companions},
        label=keys,
        events=tuple(events),
        predicted=Keyed(scoring.classes, scored.top),
        extremes=scored.extremes,
    )
    counts = {**scored.counts, "unknown_labels": unknowns}
    loss = _headline(batch, scored, scoring)
    if _divided_too(scored, scoring):
        columns = replace(columns, renormalised=_if_divided(loss, scored, scoring))
    return _with_loss(columns, loss, scoring, counts)


def _divided_too(scored: _Scored, scoring: Scoring) -> bool:
    """Whether the loss of rows divided by their sum is another one that may be of interest."""
    of_probability = scoring.loss.name == "log_loss" and scored.kind != "logits"
    return of_probability and not scoring.renormalise and scored.counts["rows_off_1e6"] > 0


def _if_divided(loss: Floats, scored: _Scored, scoring: Scoring) -> Floats:
    """The loss with every row that is off by more than 1e-6 divided by its sum."""
    total, _, _ = kernels.row_sum_and_extremes(_probabilities(scored.prediction, scored.kind))
    off = (np.abs(total - 1.0) > OFF) & (total > 0.0)
    divided = loss.copy()
    divided[off] += np.log(total[off])
    return divided if scoring.floor is None else clip_loss(divided, scoring.floor)


def _value(loss: Loss, scored: _Scored) -> Floats:
    known = scored.known.get(loss.name)
    if known is not None:
        return known
    if scored.unknown is None:
        return loss.value(scored.codes, scored.prediction, scored.kind)
    # apart, so that a row has the same bits whatever stands in its batch
    values = np.empty(len(scored.codes))
    for rows, widened in ((~scored.unknown, False), (scored.unknown, True)):
        prediction, codes = scored.prediction[rows], scored.codes[rows]
        if widened:
            prediction, codes = _with_unknown(prediction, scored.kind)
        values[rows] = loss.value(codes, prediction, scored.kind)
    return values


def _one_visit_is_enough(batch: Batch, scoring: Scoring, unknowns: int) -> bool:
    """Probabilities as they are. Of a single column the loss that keeps its digits is the headline alone."""
    plain = batch.kind == "probs" and not scoring.renormalise and not unknowns and len(batch) > 0
    if batch.shape != "single":
        return plain
    return plain and scoring.loss.name == "log_loss" and {c.name for c in scoring.companions} <= IN_ONE_VISIT


def _in_one_visit(batch: Batch, labels: Ints, scoring: Scoring) -> _Scored:
    p: Reals = batch.prediction
    if batch.shape == "single":
        scores = kernels.score_single(labels, p, scoring.positive)
    else:
        scores = kernels.score(labels, p)
    return _Scored(
        p,
        "probs",
        labels,
        None,
        {"log_loss": scores.log_loss, "brier": scores.brier, "zero_one": scores.zero_one},
        scores.top,
        scores.confidence,
        scores.hit,
        lambda k: _event_of_single(p, k, scoring) if p.ndim == 1 else np.asarray(p[:, k], np.float64),
        {**_counts(scores.quality), "top_ties": scores.ties},
        _extremes(scores.quality),
    )


def _event_of_single(p: Reals, k: int, scoring: Scoring) -> Floats:
    return np.asarray(p, np.float64) if k == scoring.positive else np.subtract(1.0, p, dtype=np.float64)


def _step_by_step(batch: Batch, labels: Ints, unknown: NDArray[np.bool_] | None, scoring: Scoring) -> _Scored:
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
    counts["top_ties"] = int(np.count_nonzero(ties))
    return _Scored(
        prediction,
        kind,
        labels,
        unknown,
        {},
        top,
        confidence,
        top == labels,
        lambda k: np.asarray(probabilities[:, k], np.float64),
        counts,
        extremes,
    )


def _headline(batch: Batch, scored: _Scored, scoring: Scoring) -> Floats:
    """The headline loss; for log loss of a single column, a tiny probability keeps its full precision."""
    of_single = batch.shape == "single" and scoring.loss.name == "log_loss"
    if scored.known or scoring.renormalise or not of_single:
        return _value(scoring.loss, scored)
    loss = kernels.binary_log_loss(scored.codes == scoring.positive, batch.prediction)
    return loss if scored.unknown is None else np.where(scored.unknown, np.inf, loss)


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
    found = kernels.quality(p)
    return _counts(found), _extremes(found)


def _counts(found: kernels.Quality) -> dict[str, int]:
    return {
        "entries_below_zero": found.below_zero,
        "entries_above_one": found.above_one,
        "rows_off_1e6": found.off_1e6,
        "rows_off_1e3": found.off_1e3,
    }


def _extremes(found: kernels.Quality) -> dict[str, tuple[float, float]]:
    return {"row_sum": (found.least_sum, found.most_sum)}


def _renormalised(p: Reals) -> tuple[Floats, str, int]:
    """Rows divided by their sums; a row that sums to 0 stays 0 (its loss is infinite) and is counted."""
    total, _, _ = kernels.row_sum_and_extremes(p)
    empty = total <= 0.0
    divided = np.asarray(p, np.float64) / np.where(empty, 1.0, total)[:, None]
    return divided, "probs", int(np.count_nonzero(empty))


def _with_unknown(prediction: Reals, kind: str) -> tuple[Reals, Ints]:
    """One more class, of probability 0, and that as the label: for labels that no class has the name of."""
    zero = 0.0 if kind == "probs" else -np.inf
    rows, classes = prediction.shape
    return np.column_stack([prediction, np.full(rows, zero, prediction.dtype)]), np.full(rows, classes)
