"""Label smoothing, class weights in it, and soft targets of float32 logits, against float64.

The loss is W·L_c + Σ t_k (z_c − z_k) of one class c, the gradient that of c made over; each regime is one in
which a class that suits the others would lose digits.
"""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent import kernels
from crossent.errors import DataError
from crossent.kernels import row_losses
from crossent.kernels.narrow import BFLOAT16, narrowed, widened

from .operations import computing

native = pytest.importorskip("crossent.kernels._native", reason="this installation has no compiled core")
SETS = native.available()
INF, NAN = np.inf, np.nan
EPS = float(np.finfo(np.float32).eps)
LOSS_ULP = 1.0
"""Of the loss as a float32; 0.97 is reached."""
CLASSES = [2, 3, 10, 127, 128, 129, 1000, 4099]


def led(rng, labels, classes, which, margin):
    """Normal logits of which the class `which` behind the label leads."""
    z = rng.normal(size=(len(labels), classes))
    z[np.arange(len(labels)), (labels + which) % classes] += margin
    return z


REGIMES = {
    "normal": lambda rng, y, k: rng.normal(size=(len(y), k)) * 3,
    "wide": lambda rng, y, k: rng.normal(size=(len(y), k)) * 20,
    "label leads by 20": lambda rng, y, k: led(rng, y, k, 0, 20),
    "another leads by 20": lambda rng, y, k: led(rng, y, k, 1, 20),
    "another leads by 75": lambda rng, y, k: led(rng, y, k, 1, 75),
    "offset": lambda rng, y, k: rng.normal(size=(len(y), k)) + 70,
    "offset beyond the reach": lambda rng, y, k: rng.normal(size=(len(y), k)) + 1e4,
    "equal": lambda rng, y, k: np.full((len(y), k), 1.7),
    "huge": lambda rng, y, k: rng.normal(size=(len(y), k)) * 1e4,
    "half of them far below": lambda rng, y, k: np.where(
        np.arange(k) % 2, -200.0, rng.normal(size=(len(y), k))
    ),
    "the first ruled out": lambda rng, y, k: np.where(np.arange(k) == 0, -1e9, rng.normal(size=(len(y), k))),
}


def targets_of(z, labels):
    """Calls that spread the target, each with that target: (N, K)."""
    rows, classes = z.shape
    rng = np.random.default_rng(classes)
    hard = np.eye(classes)[labels]
    for smoothing, weights in ((0.1, None), (0.9, None), (1.0, None), (0.2, "some"), (0.2, "one")):
        w = {None: np.ones(classes), "some": rng.uniform(0, 2, classes), "one": np.eye(classes)[0]}[weights]
        options = {"smoothing": smoothing, "class_weights": None if weights is None else w}
        target = (1 - smoothing) * w[labels, None] * hard + smoothing / classes * w
        yield f"smoothing {smoothing}, weights {weights}", target, options
    p = row_losses.softmax(z.astype(np.float64))
    drawn = rng.dirichlet(np.ones(classes), rows)
    for name, target in (
        ("drawn", drawn),
        ("drawn, float32", drawn.astype(np.float32)),
        ("the softmax", p.astype(np.float32)),
        ("the largest", np.eye(classes)[z.argmax(axis=1)]),
        ("mass of 3", 3 * drawn),
        ("nothing", np.zeros(z.shape)),
    ):
        yield name, target, None


def loss_and_gradient(kernel, target, options, labels, z, **more):
    if options is None:
        return kernel.soft_loss_and_gradient_from_logits(target, z, **more)
    return kernel.loss_and_gradient_from_logits(labels, z, **options, **more)


@pytest.mark.parametrize("isa", SETS)
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("classes", CLASSES)
def test_against_float64(classes, regime, isa):
    rng = np.random.default_rng(classes)
    labels = rng.integers(0, classes, 9)
    z = REGIMES[regime](rng, labels, classes).astype(np.float32)
    p = row_losses.softmax(z.astype(np.float64))
    for name, target, options in targets_of(z, labels):
        want, slope = loss_and_gradient(row_losses, target, options, labels, z.astype(np.float64))
        with computing(isa):
            loss, gradient = loss_and_gradient(kernels, target, options, labels, z)
        unit = np.spacing(np.maximum(want, 1e-37).astype(np.float32)).astype(np.float64)
        assert np.all(np.abs(loss - want) <= LOSS_ULP * unit), name
        # in units of what the entry is the difference of; 4.3 reached
        mass = target.sum(axis=1, keepdims=True, dtype=np.float64)
        assert np.all(np.abs(gradient - slope) <= 6 * EPS * np.maximum(mass * p, target) + 1e-37), name
        assert np.all(np.abs(gradient.sum(axis=1, dtype=np.float64)) <= 4 * EPS * mass[:, 0]), name


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("classes", [3, 129])
def test_against_exact_arithmetic(classes, regime):
    rng = np.random.default_rng(classes)
    labels = rng.integers(0, classes, 2)
    z = REGIMES[regime](rng, labels, classes).astype(np.float32)
    for name, target, options in targets_of(z, labels):
        loss = loss_and_gradient(kernels, target, options, labels, z)[0]
        with mp.workdps(60):
            for row, t, got in zip(z, target, loss, strict=True):
                x = [mp.mpf(float(v)) for v in row]
                top = max(x)
                whole = top + mp.log(mp.fsum(mp.exp(v - top) for v in x if v - top > -2000))
                want = mp.fsum(mp.mpf(float(share)) * (whole - v) for share, v in zip(t, x, strict=True))
                unit = float(np.spacing(np.float32(max(float(want), 1e-37))))
                assert abs(float(mp.mpf(float(got)) - want)) <= LOSS_ULP * unit, name


@pytest.mark.parametrize("isa", SETS)
@pytest.mark.parametrize("classes", [10, 128, 129, 1000])
def test_what_is_ruled_out(classes, isa):
    """−inf counts nothing where its share is 0; elsewhere the loss is infinite, and the gradient is not."""
    rng = np.random.default_rng(classes)
    z = rng.normal(size=(6, classes)).astype(np.float32)
    z[:, [0, 3]] = -INF
    z[4], z[5, 1] = -INF, NAN
    labels, weights = np.array([1, 2, 0, 4, 5, 6]), np.ones(classes)
    weights[[0, 3]] = 0.0
    soft = np.where(np.isin(np.arange(classes), [0, 3]), 0.0, 1.0 / (classes - 2)) * np.ones((6, 1))
    soft[2, 0] = 0.5
    for options in ({"smoothing": 0.1, "class_weights": weights}, {"smoothing": 0.1}, None):
        with np.errstate(invalid="ignore"):
            want, slope = loss_and_gradient(row_losses, soft, options, labels, z.astype(np.float64))
        with computing(isa):
            loss, gradient = loss_and_gradient(kernels, soft, options, labels, z)
        assert np.allclose(loss, want, rtol=EPS, atol=0.0, equal_nan=True)
        assert np.allclose(gradient, slope, rtol=4 * EPS, atol=EPS, equal_nan=True)
        assert np.isnan(loss[4:]).all() and np.isfinite(gradient[:4]).all()


@pytest.mark.parametrize("isa", SETS)
@settings(max_examples=20, deadline=None)
@given(
    classes=st.sampled_from([2, 10, 100, 129, 700]),
    rows=st.integers(1, 40),
    regime=st.sampled_from(sorted(REGIMES)),
    seed=st.integers(0, 99),
)
def test_a_row_is_what_it_is_alone_and_in_place(isa, classes, rows, regime, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    z = REGIMES[regime](rng, labels, classes).astype(np.float32)
    z[rng.random(rows) < 0.2] *= 30.0
    row = int(rng.integers(rows))
    one, factors = slice(row, row + 1), rng.uniform(0.5, 2.0, rows)
    with computing(isa):
        for name, target, options in targets_of(z, labels):
            if name == "the softmax":
                continue
            loss, gradient = loss_and_gradient(kernels, target, options, labels, z, scale=factors)
            alone = loss_and_gradient(kernels, target[one], options, labels[one], z[one], scale=factors[one])
            assert alone[0].tobytes() == loss[one].tobytes(), name
            assert alone[1].tobytes() == gradient[one].tobytes(), name
            wide = np.full((rows, classes + 3), NAN, np.float32)
            wide[:, 1:-2] = z
            there = wide[:, 1:-2]
            again = loss_and_gradient(kernels, target, options, labels, there, scale=factors, out=there)
            assert again[0].tobytes() == loss.tobytes() and again[1].tobytes() == gradient.tobytes(), name


def halves(kind, z):
    return narrowed(z) if kind == BFLOAT16 else z.astype(kind)


@pytest.mark.parametrize("kind", [BFLOAT16, np.dtype(np.float16)], ids=["bfloat16", "float16"])
@pytest.mark.parametrize("classes", [2, 10, 129, 5000])
def test_half_precision_is_its_widened_copy(classes, kind):
    rng = np.random.default_rng(classes)
    labels = rng.integers(0, classes, 20)
    z = halves(kind, rng.normal(size=(20, classes)).astype(np.float32) * 4)
    wide = widened(z).astype(np.float32)
    for name, target, options in targets_of(wide, labels):
        want, slope = loss_and_gradient(kernels, target, options, labels, wide)
        loss, gradient = loss_and_gradient(kernels, target, options, labels, z)
        assert loss.tobytes() == want.tobytes(), name
        assert gradient.tobytes() == halves(kind, slope).tobytes(), name
    assert kernels.log_sum_exp(z).tobytes() == kernels.log_sum_exp(wide).tobytes()


def test_bfloat16_has_gradients_in_every_layout():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, 30)
    z = narrowed(rng.normal(size=(30, 6)))
    for options in ({}, {"smoothing": 0.1}, {"temperature": 2.0}, {"ignore_index": 2}):
        loss, gradient = kernels.loss_and_gradient_from_logits(labels, z, **options)
        want, slope = row_losses.loss_and_gradient_from_logits(labels, widened(z), **options)
        assert np.allclose(loss, want, rtol=1e-6, atol=0.0)
        assert np.allclose(widened(gradient), slope, rtol=2.0**-7, atol=0.0)
        other = kernels.loss_and_gradient_from_logits(labels, np.asfortranarray(z), **options)
        assert other[0].tobytes() == loss.tobytes()
        assert np.ascontiguousarray(other[1]).tobytes() == gradient.tobytes()


@pytest.mark.parametrize("classes", [10, 200])
def test_a_target_refused_leaves_the_logits_as_they_are(classes):
    z = np.random.default_rng(0).normal(size=(30, classes)).astype(np.float32)
    y, before = np.full(z.shape, 1.0 / classes), z.copy()
    y[17, 1] = -1.0
    for out in (z, np.empty_like(z)):
        with pytest.raises(DataError) as raised:
            kernels.soft_loss_and_gradient_from_logits(y, z, out=out)
        assert raised.value.row == 17
    assert z.tobytes() == before.tobytes()


def test_log_sum_exp_near_0_keeps_its_digits():
    """Of classes whose sum is about 1: what the first class leaves is far from it."""
    for classes in (10, 129, 3000):
        z = np.full((4, classes), -30.0, np.float32)
        z[np.arange(4), [0, 1, 5, classes - 1]] = np.float32(1e-3)
        want = np.logaddexp.reduce(z.astype(np.float64), axis=1)
        assert np.allclose(kernels.log_sum_exp(z), want, rtol=2 * EPS, atol=0.0)
