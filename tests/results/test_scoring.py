"""From a batch to loss columns: every kind, shape and choice against the formula written out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from crossent import losses
from crossent.accumulators.contract import Rows
from crossent.data.batch import Batch
from crossent.data.facts import UNKNOWN, Facts
from crossent.data.labels import keyed
from crossent.data.pieces import Piece
from crossent.engines.scoring import TOP_LABEL, Scoring, score

Array = np.ndarray[Any, Any]
CLASSES = ("ant", "bee", "cat")
INF = math.inf
LOG_LOSS, BRIER, ZERO_ONE = (losses.get(name) for name in ("log_loss", "brier", "zero_one"))


def facts(labels: Array | None, ids: pa.Array | None = None, **more: Any) -> Facts:
    text = None if labels is None else keyed(pa.array([f"label {k}" for k in labels]))
    given = {"weight": None, "cluster": None, "groups": (), "bytes": None} | more
    return Facts(labels, text, ids=ids, **given)


def batch(prediction: Array, labels: Array | None, kind: str, shape: str = "columns", **more: Any) -> Batch:
    piece = Piece(pa.record_batch({"x": np.zeros(len(prediction))}), "folder/a.parquet", 70)
    return Batch(facts(labels, **more), kind, shape, prediction, piece)


def scoring(classes: tuple[str, ...] | None = CLASSES, **changes: Any) -> Scoring:
    return replace(Scoring(LOG_LOSS, (BRIER, ZERO_ONE), classes, 1, ()), **changes)


def distributions(rows: int = 40, classes: int = 3) -> tuple[Array, Array]:
    """(probabilities, labels) with zeros, ones, ties and rows that miss the sum 1."""
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.ones(classes), rows)
    p[:3] = np.eye(classes)[0]
    p[3:5] = 1 / classes
    p[5:9] *= [[0.99], [1.0001], [1 + 1e-5], [0.5]]
    return p, rng.integers(0, classes, rows)


def stored(p: Array, kind: str, dtype: type) -> Array:
    with np.errstate(divide="ignore"):
        return (p if kind == "probs" else np.log(p)).astype(dtype)


def formula(x: Array, labels: Array, kind: str, renormalise: bool) -> tuple[Array, Array, Array]:
    """(log loss, Brier score, zero-one loss) of wide numbers, term by term."""
    nats, brier, wrong = [], [], []
    for row, k in zip(x.astype(np.float64).tolist(), labels.tolist(), strict=True):
        p = row if kind == "probs" else [math.exp(v) for v in row]
        if renormalise or kind == "logits":
            p = [v / math.fsum(p) for v in p]
        nats.append(-math.log(p[k]) if p[k] > 0 else INF)
        brier.append(math.fsum((v - (i == k)) ** 2 for i, v in enumerate(p)))
        wrong.append(float(row.index(max(row)) != k))
    return np.array(nats), np.array(brier), np.array(wrong)


kinds = pytest.mark.parametrize("kind", ["probs", "logits", "log_probs"])
dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@kinds
@dtypes
@pytest.mark.parametrize("renormalise", [False, True])
def test_losses_of_distributions(kind: str, dtype: type, renormalise: bool) -> None:
    p, labels = distributions()
    x = stored(p, kind, dtype)
    rows = score(batch(x, labels, kind), scoring(renormalise=renormalise))
    nats, brier, wrong = formula(x, labels, kind, renormalise)
    assert rows.loss.dtype == np.float64
    np.testing.assert_allclose(rows.loss, nats, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(rows.companions["brier"], brier, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(rows.companions["zero_one"], wrong)
    assert list(rows.companions) == ["brier", "zero_one"]
    assert rows.counts["label_zero"] == np.isinf(nats).sum() > 0
    assert rows.counts["unknown_labels"] == 0


@kinds
def test_headlines_other_than_log_loss(kind: str) -> None:
    p, labels = distributions()
    x = stored(p, kind, np.float64)
    nats, brier, wrong = formula(x, labels, kind, False)
    rows = score(batch(x, labels, kind), scoring(loss=BRIER, companions=(LOG_LOSS, ZERO_ONE)))
    np.testing.assert_allclose(rows.loss, brier, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(rows.companions["log_loss"], nats, rtol=1e-12, atol=1e-15)
    assert rows.counts["label_zero"] == np.isinf(nats).sum()
    assert rows.counts["label_one"] == (nats == 0).sum()
    rows = score(batch(x, labels, kind), scoring(loss=ZERO_ONE, companions=()))
    np.testing.assert_array_equal(rows.loss, wrong)


@pytest.mark.parametrize("positive", [0, 1])
@dtypes
def test_a_single_column(positive: int, dtype: type) -> None:
    p = np.array([0.0, 1e-30, 0.3, 0.5, 1.0], dtype)
    p = np.concatenate([p, p])
    labels = np.repeat([0, 1], 5)
    rows = score(batch(p, labels, "probs", "single"), scoring(("no", "yes"), positive=positive))
    wide = p.astype(np.float64)
    with np.errstate(divide="ignore"):
        expected = np.where(labels == positive, -np.log(wide), -np.log1p(-wide))
    np.testing.assert_allclose(rows.loss, expected, rtol=1e-14)
    # the loss of the other label at 1e-30 is 1e-30, and not 0
    assert rows.loss[5 * (1 - positive) + 1] == pytest.approx(1e-30, rel=1e-6)
    np.testing.assert_allclose(rows.companions["brier"], 2 * ((labels == positive) - wide) ** 2, atol=1e-30)
    top = np.where(wide == 0.5, 0, np.where(wide > 0.5, positive, 1 - positive))
    assert [rows.predicted.values[k] for k in rows.predicted.codes] == [("no", "yes")[k] for k in top]
    assert (rows.counts["top_ties"], rows.counts["label_zero"], rows.counts["label_one"]) == (2, 2, 2)
    assert rows.extremes["row_sum"] == (1.0, 1.0)


def test_the_log_probability_of_the_label_alone() -> None:
    logprob = np.array([0.0, -0.0, -2.5, -INF], np.float32)
    rows = score(batch(logprob, None, "label_logprob", "scalar"), scoring(None, companions=()))
    np.testing.assert_array_equal(rows.loss, [0.0, 0.0, 2.5, INF])
    assert not np.signbit(rows.loss).any()
    assert (rows.loss.dtype, dict(rows.companions), rows.events) == (np.float64, {}, ())
    assert (rows.label, rows.label_text, rows.predicted) == (None, None, None)
    assert rows.counts == {"label_zero": 1, "label_one": 2}


@kinds
@pytest.mark.parametrize("floor", [1e-15, 0.01, 0.4])
def test_a_floor_clips_the_headline_alone(kind: str, floor: float) -> None:
    p, labels = distributions()
    p = p / p.sum(axis=1, keepdims=True)
    x = stored(p, kind, np.float64)
    free = score(batch(x, labels, kind), scoring())
    rows = score(batch(x, labels, kind), scoring(floor=floor))
    at = p[np.arange(len(labels)), labels]
    np.testing.assert_allclose(rows.loss, -np.log(np.clip(at, floor, 1 - floor)), rtol=1e-9)
    assert np.isfinite(rows.loss).all()
    assert rows.counts == free.counts
    for name, values in free.companions.items():
        np.testing.assert_array_equal(rows.companions[name], values)


@kinds
@pytest.mark.parametrize("renormalise", [False, True])
def test_labels_without_a_class_have_probability_zero(kind: str, renormalise: bool) -> None:
    p, labels = distributions(20)
    unknown = np.arange(20) % 4 == 0
    x = stored(p, kind, np.float64)
    known = score(batch(x, labels, kind), scoring(renormalise=renormalise, events=(1,)))
    rows = score(
        batch(x, np.where(unknown, UNKNOWN, labels), kind), scoring(renormalise=renormalise, events=(1,))
    )
    np.testing.assert_array_equal(rows.loss, np.where(unknown, INF, known.loss))
    # what the model gave to the other classes was all wrong, and 1 is missing
    sums = formula(x, labels * 0, kind, renormalise)[1] - known_brier_of_first(x, kind, renormalise)
    expected = np.where(unknown, sums, known.companions["brier"])
    np.testing.assert_allclose(rows.companions["brier"], expected, rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(
        rows.companions["zero_one"], np.where(unknown, 1.0, known.companions["zero_one"])
    )
    assert rows.counts["unknown_labels"] == 5
    keys = [rows.label.values[k] for k in rows.label.codes]
    assert keys == ["(unknown)" if u else CLASSES[k] for u, k in zip(unknown, labels, strict=True)]
    for mine, theirs in zip(rows.events, known.events, strict=True):
        np.testing.assert_array_equal(mine.confidence, theirs.confidence)
        np.testing.assert_array_equal(mine.happened, theirs.happened & ~unknown)


def known_brier_of_first(x: Array, kind: str, renormalise: bool) -> Array:
    """(p₀ − 1)² − p₀² − 1: from the Brier score of a first label to Σp² + 1."""
    p = x if kind == "probs" else np.exp(x)
    p = p / p.sum(axis=1, keepdims=True) if renormalise or kind == "logits" else p
    return np.asarray((p[:, 0] - 1) ** 2 - p[:, 0] ** 2 - 1)


@pytest.mark.parametrize("renormalise", [False, True])
def test_unknown_labels_beside_a_single_column(renormalise: bool) -> None:
    p = np.array([0.9, 0.9, 0.9])
    labels = np.array([1, 0, UNKNOWN])
    rows = score(batch(p, labels, "probs", "single"), scoring(("no", "yes"), renormalise=renormalise))
    np.testing.assert_allclose(rows.loss, [-math.log(0.9), -math.log(0.1), INF], rtol=1e-14)
    np.testing.assert_allclose(rows.companions["brier"], [0.02, 1.62, 1.82], rtol=1e-14)


def test_what_is_counted_of_the_probabilities() -> None:
    p = np.array(
        [
            [0.2, 0.3, 0.5],
            [-1e-4, 0.5, 0.5],
            [1.0005, -0.0005, 0.0],
            [0.5, 0.5, 0.0011],
            [0.2, 0.3, 0.5 + 2e-6],
            [0.2, 0.3, 0.5 - 5e-7],
            [1 / 3, 1 / 3, 1 / 3],
            [0.0, 1.0, 0.0],
        ]
    )
    rows = score(batch(p, np.array([0, 1, 0, 2, 1, 1, 2, 1]), "probs"), scoring())
    assert rows.counts == {
        "entries_below_zero": 2,
        "entries_above_one": 1,
        "rows_off_1e6": 3,
        "rows_off_1e3": 1,
        "top_ties": 3,
        "unknown_labels": 0,
        "label_zero": 0,
        "label_one": 1,
    }
    assert rows.extremes["row_sum"] == (pytest.approx(0.9999), pytest.approx(1.0011))
    assert rows.loss[2] < 0


def test_logits_have_no_sum_and_are_never_renormalised() -> None:
    x = np.array([[1.0, 2.0, 3.0], [5.0, 5.0, -INF]])
    rows = [
        score(batch(x, np.array([2, 0]), "logits"), scoring(renormalise=choice)) for choice in (True, False)
    ]
    np.testing.assert_array_equal(rows[0].loss, rows[1].loss)
    for mine in rows:
        assert mine.extremes == {}
        assert mine.counts == {"top_ties": 1, "unknown_labels": 0, "label_zero": 0, "label_one": 0}


def test_rows_that_cannot_be_renormalised_are_counted() -> None:
    p = np.array([[0.0, 0.0, 0.0], [1.0, 0.5, 0.5], [0.5, 0.25, 0.25]], np.float32)
    rows = score(batch(p, np.array([1, 0, 0]), "probs"), scoring(renormalise=True))
    np.testing.assert_allclose(rows.loss, [INF, math.log(2), math.log(2)], rtol=1e-15)
    assert rows.counts["rows_without_sum"] == 1
    assert rows.counts["rows_off_1e3"] == 2
    assert rows.extremes["row_sum"] == (0.0, 2.0)


@kinds
def test_events(kind: str) -> None:
    p, labels = distributions()
    p = p / p.sum(axis=1, keepdims=True)
    rows = score(batch(stored(p, kind, np.float64), labels, kind), scoring(events=(2, 0)))
    assert [e.name for e in rows.events] == [TOP_LABEL, "cat", "ant"]
    top, cat, ant = rows.events
    np.testing.assert_allclose(top.confidence, p.max(axis=1), rtol=1e-13)
    np.testing.assert_array_equal(top.happened, p.argmax(axis=1) == labels)
    for event, k in ((cat, 2), (ant, 0)):
        np.testing.assert_allclose(event.confidence, p[:, k], rtol=1e-13, atol=1e-300)
        np.testing.assert_array_equal(event.happened, labels == k)
        assert event.confidence.dtype == np.float64


def test_the_facts_of_a_row_pass_through() -> None:
    p, labels = (part[:4] for part in distributions())
    more = {
        "weight": np.arange(4.0),
        "cluster": keyed(pa.array(["x", "x", "y", "y"])),
        "groups": (keyed(pa.array([1, 2, 3, 4])),),
        "bytes": np.arange(4.0) + 9,
    }
    rows = score(batch(p, labels, "probs", **more), scoring())
    assert {name: getattr(rows, name) for name in more} == more
    assert (
        rows.label_text is not None
        and rows.label_text.values[rows.label_text.codes[3]] == f"label {labels[3]}"
    )


# --- the names of rows --------------------------------------------------------------------------------------


def named(ids: pa.Array | None) -> Rows:
    p, labels = distributions(12)
    return score(batch(p, labels, "probs", ids=ids), scoring())


def test_rows_are_named_by_file_and_place() -> None:
    names = named(None).names
    assert names.names(np.array([0, 11, 3])) == [f"row {k} of folder/a.parquet" for k in (70, 81, 73)]
    keys = names.sort_keys(np.array([0, 3, 11]))
    assert keys == sorted(keys) and len(set(keys)) == 3


def test_places_sort_as_numbers() -> None:
    """Row 9 comes before row 10, and every row of a file before those of the next."""
    p, labels = distributions(12)
    later = batch(p, labels, "probs")
    early = replace(later, piece=replace(later.piece, first_row=0))
    other = replace(later, piece=replace(later.piece, file="folder/b.parquet", first_row=0))
    keys = [k for b in (early, later, other) for k in score(b, scoring()).names.sort_keys(np.arange(12))]
    assert keys == sorted(keys) and len(set(keys)) == 36


@pytest.mark.parametrize(
    ("ids", "keys", "names"),
    [
        (pa.array(range(-5, 7)), [-5, 4], ["-5", "4"]),
        (pa.array(range(2**63, 2**63 + 12), pa.uint64()), [2**63, 2**63 + 9], None),
        (pa.array([f"ü{k}" for k in range(12)]), ["ü0", "ü9"], ["ü0", "ü9"]),
    ],
    ids=["numbers", "beyond int64", "text"],
)
def test_rows_are_named_by_id(ids: pa.Array, keys: list[object], names: list[str] | None) -> None:
    rows = named(ids)
    index = np.array([0, 9])
    assert list(rows.names.sort_keys(index)) == keys
    assert rows.names.names(index) == (names or [str(k) for k in keys])
