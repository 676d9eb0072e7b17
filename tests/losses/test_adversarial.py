"""Inputs that break careless formulas, for every loss: the limit, infinity or an error; never nan."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

import crossent
from crossent.errors import DataError
from crossent.losses import all_losses, get
from crossent.testing.extremes import extreme_predictions
from crossent.testing.samples import prepared

PAIRS = [(loss, kind) for loss in all_losses() for kind in loss.kinds]
OF_CLASSES = [a for a in all_losses() if {"probs", "logits"} & set(a.kinds)]


def named(pairs):
    return pytest.mark.parametrize(("loss", "kind"), pairs, ids=lambda v: getattr(v, "name", v))


# --- nan -------------------------------------------------------------------------------------------------


@named(PAIRS)
def test_nan_is_refused_and_its_row_named(loss, kind):
    mine, labels, prediction = prepared(loss, kind, rows=5)
    columns = range(prediction.shape[1]) if prediction.ndim == 2 else [...]
    for column in columns:
        spoiled = prediction.copy()
        spoiled[3, column] = np.nan
        with pytest.raises(DataError) as caught:
            crossent.loss(labels, spoiled, mine, kind=kind)
        assert caught.value.row == 3


@named([(a, k) for a, k in PAIRS if a.target in ("real", "positive", "count", "distribution", "indicators")])
def test_nan_in_what_happened_is_refused_and_its_row_named(loss, kind):
    mine, labels, prediction = prepared(loss, kind, rows=5)
    labels = labels.astype(np.float64)
    labels[3, ...] = np.nan
    with pytest.raises(DataError) as caught:
        crossent.loss(labels, prediction, mine, kind=kind)
    assert caught.value.row == 3


# --- a million classes ------------------------------------------------------------------------------------

MILLION = 1_000_000


@pytest.mark.parametrize("loss", OF_CLASSES, ids=lambda loss: loss.name)
def test_a_million_classes_in_one_row(loss):
    """Every class alike: the kinds agree, log loss is log K, and by logit what one gains the others lose."""
    mine = loss.example(MILLION)
    p = 0.5 if loss.target == "indicators" else 1 / MILLION
    rows = {"probs": p, "log_probs": math.log(p), "logits": 0.0}
    rows = {k: np.full((1, MILLION), entry) for k, entry in rows.items() if k in loss.kinds}
    target = np.array([5])
    if loss.target in ("distribution", "indicators"):
        target = np.zeros((1, MILLION))
        target[0, 5] = 1.0
    values = [mine.value(target, row, kind)[0] for kind, row in rows.items()]
    assert np.allclose(values, values[0], rtol=1e-9)
    if loss.name in ("log_loss", "soft_cross_entropy", "label_smoothing", "sigmoid_log_loss"):
        nats = MILLION * math.log(2) if loss.target == "indicators" else math.log(MILLION)
        assert math.isclose(values[0], nats, rel_tol=1e-12)
    kind = "logits" if "logits" in rows else next(iter(rows))
    try:
        slope = mine.gradient(target, rows[kind], kind)
    except NotImplementedError:
        return
    assert slope.shape == (1, MILLION)
    assert np.isfinite(slope).all()


def test_a_million_ordered_classes():
    thresholds = np.linspace(30.0, -30.0, MILLION - 1)[None, :]
    for name in ("cumulative_link", "ranked_probability_score"):
        mine = get(name)
        for label in (0, MILLION // 2, MILLION - 1):
            assert np.isfinite(mine.value(np.array([label]), thresholds, "cumulative_logits")).all()


# --- log losses at the edge, against many digits ----------------------------------------------------------


def log_of(p):
    return mpmath.log(p) if p > 0 else mpmath.mpf("-inf")


def smoothed(loss, p, label):
    shares = [loss.epsilon / len(p) + (1 - mpmath.mpf(loss.epsilon)) * (k == label) for k in range(len(p))]
    return -sum(s * log_of(q) for s, q in zip(shares, p, strict=True))


def adjusted(loss, p, label):
    scaled = [q * mpmath.mpf(c) ** loss.tau for q, c in zip(p, loss.counts, strict=True)]
    return log_of(sum(scaled)) - log_of(scaled[label])


def balanced_weight(loss, label):
    each = [(1 - mpmath.mpf(loss.beta)) / (1 - mpmath.mpf(loss.beta) ** c) for c in loss.counts]
    return len(each) * each[label] / sum(each)


TRUTH = {
    "log_loss": lambda loss, p, label: -log_of(p[label]),
    "soft_cross_entropy": lambda loss, p, label: -log_of(p[label]),
    "weighted_log_loss": lambda loss, p, label: -loss.factors[label] * log_of(p[label]),
    "class_balanced": lambda loss, p, label: -balanced_weight(loss, label) * log_of(p[label]),
    "logit_adjusted": adjusted,
    "label_smoothing": smoothed,
    "poly1": lambda loss, p, label: -log_of(p[label]) + loss.epsilon * (1 - p[label]),
    "focal": lambda loss, p, label: -((1 - p[label]) ** 2) * log_of(p[label]),
    "brier": lambda loss, p, label: sum((q - (k == label)) ** 2 for k, q in enumerate(p)),
}


def probabilities(row, kind):
    """Probabilities of a row of predictions, in as many digits as are asked for."""
    if kind == "probs":
        return [mpmath.mpf(float(x)) for x in row]
    powers = [mpmath.exp(mpmath.mpf(float(x))) for x in row]
    return powers if kind == "log_probs" else [x / sum(powers) for x in powers]


@pytest.mark.parametrize("kind", ["probs", "logits", "log_probs"])
@pytest.mark.parametrize("name", TRUTH)
def test_log_losses_have_their_limits(name, kind):
    loss = get(name)
    for labels, prediction in extreme_predictions(loss, kind):
        if not len(labels):
            continue
        mine = loss.example(prediction.shape[1])
        codes = labels.argmax(axis=1) if labels.ndim == 2 else labels
        value = mine.value(labels, prediction, kind)
        # 1 − p down to the smallest float64
        with mpmath.workdps(400):
            truth = [
                float(TRUTH[name](mine, probabilities(row, kind), label))
                for row, label in zip(prediction, codes, strict=True)
            ]
        assert np.allclose(value, truth, rtol=2e-15, atol=1e-323), (
            prediction,
            value,
            truth,
        )
