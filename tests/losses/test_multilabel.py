"""Losses of several labels a row: definitions in many digits, peers, limits, what is refused."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize_scalar
from scipy.special import expit

from crossent.errors import DataError, UsageError
from crossent.losses.multilabel import Asymmetric, SigmoidFocal, SigmoidLogLoss

torch = pytest.importorskip("torch")
INF = np.inf
LOSSES = [
    SigmoidLogLoss(),
    SigmoidFocal(),
    SigmoidFocal(0.5, None),
    SigmoidFocal(1.0, 0.9),
    Asymmetric(),
    Asymmetric(0.0, 2.5, 0.2),
    Asymmetric(2.0, 0.5, 0.0),
]
METHODS = ("value", "gradient", "hessian_diagonal")
by_loss = pytest.mark.parametrize("loss", LOSSES, ids=str)


def definition_of(loss):
    """Of one label, as (p, 1 − p, y) → loss."""
    if isinstance(loss, SigmoidLogLoss):
        return lambda p, rest, y: -mp.log(p) if y else -mp.log(rest)
    if isinstance(loss, SigmoidFocal):
        alpha = (1, 1) if loss.alpha is None else (1 - mp.mpf(loss.alpha), mp.mpf(loss.alpha))
        return lambda p, rest, y: (
            -alpha[y] * (rest**loss.gamma * mp.log(p) if y else p**loss.gamma * mp.log(rest))
        )
    m = mp.mpf(loss.clip)

    def asymmetric(p, rest, y):
        if y:
            return -(rest**loss.gamma_pos) * mp.log(p)
        return -((p - m) ** loss.gamma_neg) * mp.log(rest + m) if p > m else mp.mpf(0)

    return asymmetric


def by_logits(loss):
    one = definition_of(loss)
    return lambda row, y: mp.fsum(
        one(1 / (1 + mp.exp(-z)), 1 / (1 + mp.exp(z)), int(k)) for z, k in zip(row, y, strict=True)
    )


def by_probability(loss):
    one = definition_of(loss)
    return lambda row, y: mp.fsum(one(p, 1 - p, int(k)) for p, k in zip(row, y, strict=True))


# --- truth ------------------------------------------------------------------------------------------------

CONFIDENT = [0.3, -1.0, 4.0, -5.0, 17.0, -17.0, 38.0, -38.0, 60.0, -60.0]


@by_loss
@pytest.mark.parametrize("label", [0, 1])
def test_from_logits(loss, label, exact):
    z = np.array(CONFIDENT)[:, None]
    exact(loss, by_logits(loss), np.full(z.shape, label), z, "logits", rtol=1e-13)


@by_loss
@pytest.mark.parametrize("label", [0, 1])
def test_from_probabilities(loss, label, exact):
    p = np.array([1e-12, 1e-6, 0.01, 0.3, 0.5, 0.96, 1.0 - 2**-30])[:, None]
    exact(loss, by_probability(loss), np.full(p.shape, label), p, "probs", rtol=1e-12)


@pytest.mark.parametrize("above", [1.1e-9, 1.3e-3])
@pytest.mark.parametrize("loss", [Asymmetric(), Asymmetric(0.0, 0.5, 0.2)], ids=str)
def test_just_above_the_clip(loss, above, exact):
    p = np.array([[loss.clip + above]])
    exact(loss, by_probability(loss), np.zeros((1, 1)), p, "probs", rtol=1e-13)


@by_loss
def test_a_row_is_the_sum_of_its_labels(loss, exact):
    z = np.array([[0.3, -2.0, 5.0, 1.0], [-0.5, 0.25, 8.0, -9.0]])
    exact(loss, by_logits(loss), np.array([[1, 0, 0, 1], [0, 0, 1, 1]]), z, "logits", rtol=1e-13)


@pytest.mark.parametrize("z", [60.0, -60.0, 700.0, -700.0])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_sigmoid_log_loss_of_confident_logits_to_the_last_digits(z, y):
    with mp.workdps(700):
        p = 1 / (1 + mp.exp(-mp.mpf(z)))
        value, gradient = -mp.log(p if y else 1 - p), p - y
    labels, prediction = np.array([[y]]), np.array([[z]])
    assert SigmoidLogLoss().value(labels, prediction, "logits")[0] == pytest.approx(
        float(value), rel=1e-15, abs=0
    )
    got = SigmoidLogLoss().gradient(labels, prediction, "logits")[0, 0]
    assert got == pytest.approx(float(gradient), rel=1e-15, abs=0)


@pytest.mark.parametrize(
    ("loss", "kind", "y", "x", "want"),
    [
        (SigmoidLogLoss(), "logits", 1, INF, (0.0, 0.0, 0.0)),
        (SigmoidLogLoss(), "logits", 0, INF, (INF, 1.0, 0.0)),
        (SigmoidLogLoss(), "probs", 1, 0.0, (INF, -INF, INF)),
        (SigmoidLogLoss(), "probs", 0, 0.0, (0.0, 1.0, 1.0)),
        (SigmoidLogLoss(), "probs", 0, 1e-300, (1e-300, 1.0, 1.0)),
        (SigmoidLogLoss(), "probs", 1, 1e-300, (300 * math.log(10), -1e300, INF)),
        (SigmoidLogLoss(), "probs", 0.5, 1.0, (INF, INF, INF)),
        (SigmoidFocal(), "logits", 0, INF, (INF, 0.75, 0.0)),
        (SigmoidFocal(), "logits", 1, INF, (0.0, 0.0, 0.0)),
        (SigmoidFocal(1.0), "probs", 1, 1.0, (0.0, 0.0, 0.5)),
        # what is absent but certain costs a finite −0.95⁴ log 0.05, and has no slope left by logit
        (Asymmetric(), "logits", 0, INF, (-(0.95**4) * math.log(0.05), 0.0, 0.0)),
        (Asymmetric(), "probs", 0, 0.05, (0.0, 0.0, 0.0)),
        (Asymmetric(), "probs", 0, 0.01, (0.0, 0.0, 0.0)),
        (Asymmetric(), "logits", 0, -INF, (0.0, 0.0, 0.0)),
        (Asymmetric(gamma_neg=0.0), "probs", 0, 0.04, (0.0, 0.0, 0.0)),
        (Asymmetric(gamma_neg=0.0), "logits", 0, -4.0, (0.0, 0.0, 0.0)),
        (Asymmetric(), "probs", 1, 1.0, (0.0, 0.0, 2.0)),
    ],
    ids=str,
)
def test_limits(loss, kind, y, x, want):
    for name, expected in zip(METHODS, want, strict=True):
        (got,) = getattr(loss, name)(np.array([[y]]), np.array([[x]]), kind).ravel()
        assert got == pytest.approx(expected, rel=1e-14, abs=0), name


# --- peers ------------------------------------------------------------------------------------------------


@pytest.fixture
def many():
    rng = np.random.default_rng(0)
    return rng.integers(0, 2, (60, 7)).astype(float), rng.normal(scale=5, size=(60, 7))


def torch_focal(z, y, alpha=0.25, gamma=2.0):
    p = torch.sigmoid(z)
    p_t = p * y + (1 - p) * (1 - y)
    log_loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y, reduction="none")
    return (alpha * y + (1 - alpha) * (1 - y)) * log_loss * (1 - p_t) ** gamma


def torch_asymmetric(z, y, gamma_pos=1.0, gamma_neg=4.0, clip=0.05):
    p = torch.sigmoid(z)
    absent = (1 - p + clip).clamp(max=1)
    focus = (1 - p * y - absent * (1 - y)) ** (gamma_pos * y + gamma_neg * (1 - y))
    return -focus * (y * torch.log(p) + (1 - y) * torch.log(absent))


def torch_log_loss(z, y):
    return torch.nn.functional.binary_cross_entropy_with_logits(z, y, reduction="none")


@pytest.mark.parametrize(
    ("loss", "theirs"),
    [(SigmoidLogLoss(), torch_log_loss), (SigmoidFocal(), torch_focal), (Asymmetric(), torch_asymmetric)],
    ids=lambda v: getattr(v, "name", ""),
)
def test_value_and_gradient_are_those_of_torch(loss, theirs, many):
    y, z = many
    tensor = torch.tensor(z, requires_grad=True)
    values = theirs(tensor, torch.tensor(y)).sum(dim=1)
    values.sum().backward()
    assert np.allclose(loss.value(y, z, "logits"), values.detach().numpy(), rtol=1e-12, atol=1e-13)
    assert np.allclose(loss.gradient(y, z, "logits"), tensor.grad.numpy(), rtol=1e-11, atol=1e-12)


def test_soft_indicators_are_those_of_torch_and_optax(many):
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    _, z = many
    y = np.random.default_rng(1).random(z.shape)
    mine = SigmoidLogLoss().value(y, z, "logits")
    with jax.enable_x64(True):
        theirs = np.asarray(optax.losses.sigmoid_binary_cross_entropy(z, y)).sum(axis=1)
    assert np.allclose(mine, theirs, rtol=1e-13, atol=0)
    assert np.allclose(
        mine, torch_log_loss(torch.tensor(z), torch.tensor(y)).sum(dim=1).numpy(), rtol=1e-13, atol=0
    )
    assert np.allclose(SigmoidLogLoss().gradient(y, z, "logits"), expit(z) - y, rtol=0, atol=1e-15)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.5, None), (3.0, 0.75)])
def test_focal_is_that_of_optax(gamma, alpha, many):
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    y, z = many
    with jax.enable_x64(True):
        theirs = np.asarray(optax.losses.sigmoid_focal_loss(z, y, alpha=alpha, gamma=gamma)).sum(axis=1)
    assert np.allclose(SigmoidFocal(gamma, alpha).value(y, z, "logits"), theirs, rtol=1e-12, atol=1e-14)


# --- relations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "factor"),
    [(Asymmetric(0.0, 0.0, 0.0), 1.0), (SigmoidFocal(0.0, None), 1.0), (SigmoidFocal(0.0, 0.5), 0.5)],
)
@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_parameters_at_which_it_is_sigmoid_log_loss(loss, factor, kind, many):
    y, z = many
    x = z if kind == "logits" else expit(z)
    for name in METHODS:
        mine, plain = (getattr(v, name)(y, x, kind) for v in (loss, SigmoidLogLoss()))
        assert np.allclose(mine, factor * plain, rtol=1e-14, atol=0.0), name


wide = st.floats(-800, 800)
some_labels = st.integers(1, 20).flatmap(
    lambda k: st.tuples(
        arrays(np.float64, (2, k), elements=wide),
        arrays(np.float64, (2, k), elements=st.sampled_from([0.0, 1.0])),
    )
)


@settings(max_examples=50, deadline=None)
@given(row=some_labels)
def test_there_and_absent_are_mirror_images(row):
    """For losses that treat both sides alike, bit for bit."""
    z, y = row
    for loss in (SigmoidLogLoss(), SigmoidFocal(2.0, None)):
        for name, sign in zip(METHODS, (1, -1, 1), strict=True):
            mine = getattr(loss, name)(y, z, "logits")
            assert np.array_equal(mine, sign * getattr(loss, name)(1 - y, -z, "logits")), name


@settings(max_examples=50, deadline=None)
@given(row=some_labels, cut=st.integers(0, 20))
def test_labels_add_up_and_do_not_see_each_other(row, cut):
    z, y = row
    for loss in (SigmoidLogLoss(), SigmoidFocal(), Asymmetric()):
        whole = loss.value(y, z, "logits")
        parts = loss.value(y[:, :cut], z[:, :cut], "logits") + loss.value(y[:, cut:], z[:, cut:], "logits")
        assert np.allclose(whole, parts, rtol=1e-14, atol=0)
        gradients = [loss.gradient(y[:, s], z[:, s], "logits") for s in (slice(cut), slice(cut, None))]
        assert np.array_equal(np.hstack(gradients), loss.gradient(y, z, "logits"))


def test_more_rows_than_a_block_are_each_their_own(many):
    y, z = (np.tile(x, (100, 1)) for x in many)
    for name in METHODS:
        method = getattr(Asymmetric(), name)
        assert np.array_equal(method(y, z, "logits"), np.concatenate([method(*many, "logits")] * 100))


@by_loss
def test_indicators_of_any_type(loss, many):
    y, z = many
    want = loss.value(y, z, "logits")
    for other in (bool, np.int8, np.int64, np.float32):
        assert np.array_equal(loss.value(y.astype(other), z, "logits"), want)


@by_loss
def test_no_rows_no_labels_one_label_a_million(loss):
    assert loss.value(np.empty((0, 3)), np.empty((0, 3)), "logits").shape == (0,)
    assert loss.value(np.empty((2, 0)), np.empty((2, 0)), "logits").tolist() == [0.0, 0.0]
    rng = np.random.default_rng(2)
    z, y = rng.normal(size=(1, 1_000_000)), rng.integers(0, 2, (1, 1_000_000))
    one_by_one = loss.value(y.T, z.T, "logits")
    assert one_by_one.shape == (1_000_000,)
    assert loss.value(y, z, "logits")[0] == pytest.approx(math.fsum(one_by_one), rel=1e-13)


# --- what they do to probabilities ------------------------------------------------------------------------


def best_probability(loss, truth):
    def expected(z):
        values = loss.value(np.array([[0.0], [1.0]]), np.full((2, 1), z), "logits")
        return (1 - truth) * values[0] + truth * values[1]

    return expit(minimize_scalar(expected, bounds=(-12, 12), method="bounded", options={"xatol": 1e-9}).x)


@pytest.mark.parametrize("truth", [0.001, 0.02, 0.3, 0.5, 0.9])
def test_what_minimises_them(truth):
    assert best_probability(SigmoidLogLoss(), truth) == pytest.approx(truth, rel=1e-6)
    flat = best_probability(SigmoidFocal(2.0, None), truth)
    assert abs(flat - 0.5) <= abs(truth - 0.5) + 1e-6, "γ pulls towards ½"
    assert best_probability(SigmoidFocal(0.0, 0.25), truth) == pytest.approx(
        truth / (3 - 2 * truth), rel=1e-6
    )


def test_the_asymmetric_loss_overstates_what_is_seldom_there_and_understates_what_nearly_always_is():
    assert best_probability(Asymmetric(), 0.9) < 0.9
    odds = [best_probability(Asymmetric(), t) / t for t in (0.001, 0.01, 0.1, 0.5)]
    assert odds == sorted(odds, reverse=True)
    assert odds[0] > 50 and odds[-1] > 1.1


# --- refusals ---------------------------------------------------------------------------------------------


@by_loss
@pytest.mark.parametrize("value", [2.0, -1.0, np.nan, 1e-300 - 1])
def test_what_is_no_indicator_is_named(loss, value):
    y = np.zeros((3, 4))
    y[1, 2] = y[2, 0] = value
    with pytest.raises(DataError, match=r"row 1, column 2, value .*\[not-an-indicator\]"):
        loss.gradient(y, np.zeros((3, 4)), "logits")


def test_only_the_log_loss_takes_soft_indicators():
    y, z = np.array([[1.0, 0.25]]), np.zeros((1, 2))
    assert SigmoidLogLoss().value(y, z, "logits")[0] == pytest.approx(2 * math.log(2), rel=1e-15, abs=0)
    for loss in (SigmoidFocal(), Asymmetric()):
        with pytest.raises(DataError, match=r"column 1, value 0.25.*\[not-an-indicator\]"):
            loss.value(y, z, "logits")


def test_shapes_that_do_not_belong_together():
    with pytest.raises(DataError, match=r"indicators \(2, 3\) and logits \(2, 4\).*\[shape-mismatch\]"):
        SigmoidLogLoss().value(np.zeros((2, 3)), np.zeros((2, 4)), "logits")


@pytest.mark.parametrize(
    "options",
    [
        (SigmoidFocal, {"gamma": -1.0}),
        (SigmoidFocal, {"gamma": np.nan}),
        (SigmoidFocal, {"alpha": 1.5}),
        (Asymmetric, {"gamma_pos": -0.1}),
        (Asymmetric, {"gamma_neg": INF}),
        (Asymmetric, {"clip": 1.0}),
    ],
    ids=str,
)
def test_parameters_out_of_range(options):
    loss, given = options
    with pytest.raises(UsageError, match=rf"{next(iter(given))} is .*\[bad-option\]"):
        loss(**given)
