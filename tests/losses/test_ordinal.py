"""Cumulative link loss and ranked probability score: definitions in many digits, peers, order, refusals."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
import scoringrules
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from crossent.errors import DataError
from crossent.losses.categorical import Brier, LogLoss
from crossent.losses.ordinal import CumulativeLink, RankedProbabilityScore
from crossent.testing.samples import as_kind

INF = np.inf
LINK, RPS = CumulativeLink(), RankedProbabilityScore()
METHODS = ("value", "gradient", "hessian_diagonal")
CUMULATIVE = "cumulative_logits"


# --- truth ------------------------------------------------------------------------------------------------


def survival(row):
    """P(label > k) and P(label ≤ k), k from −1 to K − 1."""
    up = [1, *(1 / (1 + mp.exp(-g)) for g in row), 0]
    down = [0, *(1 / (1 + mp.exp(g)) for g in row), 1]
    return up, down


def link_definition(row, label):
    up, down = survival(row)
    # of the two differences, the one of small numbers
    p = up[label] - up[label + 1] if up[label] < 0.5 else down[label + 1] - down[label]
    return -mp.log(p)


def rps_of_logits(row, label):
    _, down = survival(row)
    return mp.fsum((f - (label <= k)) ** 2 for k, f in enumerate(down[1:-1]))


def rps_of_probs(p, label):
    """By hand, from the end that is not the label's."""
    return mp.fsum(mp.fsum(p[: k + 1] if k < label else p[k + 1 :]) ** 2 for k in range(len(p) - 1))


LOGITS = [
    [1.0, -1.0],
    [0.5, 0.5 - 1e-9],
    [60.0, -60.0],
    [15.0, -15.0],
    [0.3, 0.1],
    [60.0, 59.0],
    [-59.0, -60.5],
    [3.0, -40.0],
    [40.0, -3.0],
]


@pytest.mark.parametrize("label", [0, 1, 2])
def test_cumulative_link(label, exact):
    exact(LINK, link_definition, np.full(len(LOGITS), label), LOGITS, CUMULATIVE, rtol=1e-13)


@pytest.mark.parametrize(
    ("row", "label", "log_of"),
    [
        # −log p = rest to first order, where p rounds to 1
        ([700.0, -700.0], 1, 2 * math.exp(-700)),
        ([-700.0, -700.0], 0, math.exp(-700)),
        ([700.0], 1, math.exp(-700)),
        # one logit apart, far out: p = e^−700 (1 − e^−1)
        ([-700.0, -701.0], 1, 700 - math.log(-math.expm1(-1))),
        ([701.0, 700.0], 1, 700 - math.log(-math.expm1(-1))),
        ([1e4, -1e4], 2, 1e4),
        ([INF, -INF], 1, 0.0),
        ([INF, 0.0], 2, math.log(2)),
        ([INF, 0.0], 0, INF),
        ([INF, INF], 2, 0.0),
        ([INF, INF], 1, INF),
        ([-INF, -INF], 0, 0.0),
        ([0.0, 0.0], 1, INF),
        ([], 0, 0.0),
    ],
    ids=str,
)
def test_cumulative_link_at_the_edges(row, label, log_of):
    (got,) = LINK.value(np.array([label]), np.array([row]), CUMULATIVE)
    assert got == pytest.approx(log_of, rel=1e-15, abs=0)


def test_an_impossible_class_pushes_its_bounds_apart():
    gradient = LINK.gradient(np.array([1]), np.array([[0.0, 0.0]]), CUMULATIVE)
    assert gradient.tolist() == [[-INF, INF]]
    assert LINK.hessian_diagonal(np.array([1]), np.array([[0.0, 0.0]]), CUMULATIVE).tolist() == [[INF, INF]]


@pytest.mark.parametrize("label", [0, 1, 2])
def test_rps_from_cumulative_logits(label, exact):
    exact(RPS, rps_of_logits, np.full(len(LOGITS), label), LOGITS, CUMULATIVE, rtol=1e-13)


@pytest.mark.parametrize("label", [0, 1, 3])
def test_rps_from_distributions(label, exact, softmax):
    z = np.array(
        [[0.3, -1.0, 2.0, 0.0], [-3.0, 40.0, 1.0, 0.5], [38.0, 0.0, -2.0, -30.0], [0.0, 0.0, 0.0, 60.0]]
    )
    labels = np.full(len(z), label)
    exact(RPS, lambda row, y: rps_of_probs(softmax(row), y), labels, z, "logits", rtol=1e-12, atol=1e-15)
    log_p = -np.array([[1.0, 2.0, 0.5, 3.0], [30.0, 1e-9, 25.0, 50.0]])
    exact(
        RPS, lambda row, y: rps_of_probs([mp.exp(x) for x in row], y), labels[:2], log_p, "log_probs", 1e-13
    )
    p = np.array([[0.1, 0.2, 0.3, 0.4], [1e-20, 1.0, 1e-18, 0.0]])
    exact(RPS, rps_of_probs, labels[:2], p, "probs", rtol=1e-13, atol=1e-15)


def test_rps_by_the_formula_it_is_known_by():
    """With F added up from below, as everywhere else; on distributions it is the same."""
    rng = np.random.default_rng(0)
    for classes in (2, 5, 30):
        p, labels = rng.dirichlet(np.ones(classes), 80), rng.integers(0, classes, 80)
        happened = np.arange(classes) >= labels[:, None]
        want = ((np.cumsum(p, axis=1) - happened) ** 2)[:, :-1].sum(axis=1)
        assert np.allclose(RPS.value(labels, p, "probs"), want, rtol=1e-12, atol=1e-14)
        assert RPS.value(labels, p, "probs").max() <= classes - 1


def test_rps_is_that_of_scoringrules():
    rng = np.random.default_rng(1)
    p, labels = rng.dirichlet(np.ones(6), 100), rng.integers(0, 6, 100)
    theirs = scoringrules.rps_score(labels + 1, p)
    assert np.allclose(RPS.value(labels, p, "probs"), theirs, rtol=1e-12, atol=1e-14)


# --- relations --------------------------------------------------------------------------------------------

thresholds = st.lists(st.floats(-40, 40), min_size=1, max_size=20).map(lambda g: sorted(g, reverse=True))


@settings(max_examples=50, deadline=None)
@given(g=thresholds)
def test_the_probabilities_of_all_classes_sum_to_one(g):
    classes = len(g) + 1
    loss = LINK.value(np.arange(classes), np.tile(g, (classes, 1)), CUMULATIVE)
    assert math.fsum(np.exp(-loss)) == pytest.approx(1.0, rel=1e-14)
    assert (loss >= 0.0).all()


@settings(max_examples=50, deadline=None)
@given(g=thresholds, label=st.integers(0, 20))
def test_the_order_may_be_reversed(g, label):
    label = min(label, len(g))
    there, back = np.array([label]), np.array([len(g) - label])
    forward, mirrored = np.array([g]), -np.array([g])[:, ::-1]
    for loss in (LINK, RPS):
        for name, sign in zip(METHODS, (1, -1, 1), strict=True):
            mine, other = (
                getattr(loss, name)(y, x, CUMULATIVE) for y, x in ((there, forward), (back, mirrored))
            )
            other = other if name == "value" else sign * other[:, ::-1]
            assert np.allclose(mine, other, rtol=1e-13, atol=0), (loss.name, name)


def test_cumulative_link_is_the_log_loss_of_the_same_distribution():
    rng = np.random.default_rng(2)
    p, labels = rng.dirichlet(np.ones(7), 200), rng.integers(0, 7, 200)
    g = as_kind(CUMULATIVE, np.log(p), labels)
    assert np.allclose(
        LINK.value(labels, g, CUMULATIVE), LogLoss().value(labels, p, "probs"), rtol=1e-9, atol=0
    )


def test_rps_of_two_classes_is_half_the_brier_score():
    rng = np.random.default_rng(3)
    p, labels = rng.dirichlet(np.ones(2), 50), rng.integers(0, 2, 50)
    assert np.allclose(
        RPS.value(labels, p, "probs"), Brier().value(labels, p, "probs") / 2, rtol=1e-13, atol=0
    )


def test_a_miss_by_one_class_costs_less_than_by_two():
    p = np.tile([0.8, 0.1, 0.1, 0.0], (4, 1))
    assert (np.diff(RPS.value(np.arange(4), p, "probs")) > 0).all()


@pytest.mark.parametrize("loss", [LINK, RPS], ids=str)
def test_the_best_thresholds_are_the_truth(loss):
    """Minimised over thresholds, either gives back the distribution the labels come from."""
    truth = np.array([0.15, 0.4, 0.25, 0.2])

    def expected(steps):
        g = np.array([steps[0], *(steps[0] - np.cumsum(np.exp(steps[1:])))])
        return truth @ loss.value(np.arange(4), np.tile(g, (4, 1)), CUMULATIVE), g

    best = minimize(lambda s: expected(s)[0], [1.0, 0.0, 0.0], method="BFGS", options={"gtol": 1e-9}).x
    up = np.array([1.0, *expit(expected(best)[1]), 0.0])
    assert np.allclose(-np.diff(up), truth, atol=1e-5)


# --- edges and refusals -----------------------------------------------------------------------------------


def test_no_rows_one_class_a_million_classes():
    for loss, kind, width in ((LINK, CUMULATIVE, 2), (RPS, CUMULATIVE, 2), (RPS, "probs", 3)):
        assert loss.value(np.empty(0, np.int64), np.empty((0, width)), kind).shape == (0,)
        assert loss.gradient(np.empty(0, np.int64), np.empty((0, width)), kind).shape == (0, width)
    zeros = np.zeros(2, np.int64)
    for name in METHODS:
        assert not getattr(RPS, name)(zeros, np.ones((2, 1)), "probs").any()
        assert not getattr(RPS, name)(zeros, np.empty((2, 0)), CUMULATIVE).any()
    k = 1_000_000
    z = np.random.default_rng(4).normal(size=(1, k))
    (got,) = RPS.value(np.array([k // 2]), z, "logits")
    p = np.exp(z[0] - np.log(np.exp(z[0]).sum()))
    want = math.fsum(np.cumsum(p)[: k // 2] ** 2) + math.fsum(np.cumsum(p[::-1])[: k - 1 - k // 2] ** 2)
    assert got == pytest.approx(want, rel=1e-11)
    g = np.linspace(20, -20, k - 1)[None]
    p_label = expit(-g[0, 10]) - expit(-g[0, 9])
    assert LINK.value(np.array([10]), g, CUMULATIVE)[0] == pytest.approx(-math.log(p_label), rel=1e-12)


@pytest.mark.parametrize("loss", [LINK, RPS], ids=str)
@pytest.mark.parametrize("name", METHODS)
def test_crossing_logits_are_refused(loss, name):
    """Also where the label's own class is not the one with a negative probability."""
    g = np.array([[2.0, 1.0, 0.0], [2.0, 2.0, -1.0], [1.0, 0.0, 0.5]])
    with pytest.raises(
        DataError, match=r"row 2, column 2, value 0.5: .*class 2 has .*\[crossing-cumulative\]"
    ):
        getattr(loss, name)(np.array([0, 1, 0]), g, CUMULATIVE)


@pytest.mark.parametrize("loss", [LINK, RPS], ids=str)
def test_labels_are_of_one_class_more_than_there_are_columns(loss):
    g = np.array([[1.0, 0.0]])
    assert np.isfinite(loss.value(np.array([2]), g, CUMULATIVE)).all()
    for label in (3, -1):
        with pytest.raises(DataError, match=rf"value {label}: .* 3 classes 0\.\.2 .*\[label-out-of-range\]"):
            loss.value(np.array([label]), g, CUMULATIVE)


def test_labels_out_of_range_of_a_distribution():
    with pytest.raises(DataError, match="label-out-of-range"):
        RPS.gradient(np.array([3]), np.full((1, 3), 1 / 3), "probs")
