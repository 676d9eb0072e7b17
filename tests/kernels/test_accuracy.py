"""How near to exact the losses of logits are, on every instruction set and by NumPy, with `mpmath` as judge.

Row losses: 4 units in the last place of float64 from float64 logits, one of float32 from float32 logits.
"""

from __future__ import annotations

from functools import cache

import mpmath as mp
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from crossent import kernels
from crossent.kernels import reference
from crossent.kernels.choice import _core

NATIVE = _core()
PATHS = ["reference", *(() if NATIVE is None else NATIVE.available())]
ULPS = {np.float32: 1.0, np.float64: 4.0}
INF = np.inf
MARGINS = np.array([1.0, 2.0, 5.0, 10.0, 17.0, 20.0, 36.0, 38.0, 60.0, 100.0, 300.0, 600.0, 690.0, 700.0])


def computed(path, labels, z):
    """Row losses and gradients."""
    if path == "reference":
        return reference.log_loss_from_logits(labels, z), reference.softmax_minus_label(labels, z)
    loss, gradient = np.empty(len(z)), np.empty_like(z)
    assert NATIVE.find(path).losses_from_logits(z, labels, loss, gradient, None, 1.0, 1) < 0
    return loss, gradient


def exact(row, label):
    """Σ_{j≠label} exp(z_j − z_label), of which the loss is log1p."""
    gaps = [mp.mpf(float(v)) - mp.mpf(float(row[label])) for j, v in enumerate(row) if j != label]
    return mp.fsum(mp.exp(gap) for gap in gaps if gap > -1500)


def confident(classes, lead):
    rng = np.random.default_rng(classes)
    z, labels = rng.normal(size=(len(MARGINS), classes)), rng.integers(0, classes, len(MARGINS))
    rows = np.arange(len(z))
    z[rows, labels] = np.where(lead, z.max(axis=1) + MARGINS, z.min(axis=1) - MARGINS)
    return labels, z


def adversarial(classes):
    k = np.arange(classes)
    rows = [
        np.zeros(classes),
        np.full(classes, 79.7),
        np.linspace(-1e4, 1e4, classes),
        1e4 + np.sin(k),
        -1e4 + np.cos(k),
        np.where(k % 3 == 1, -INF, np.cos(k) * 9.0),
        np.where(k == classes - 1, 50.0, np.sin(k)),
        np.where(k < 2, 30.0, np.cos(k)),
        k * 1e-45,
        k * 5e-324,
        np.where(k == 0, 1e38, -1e38),
        np.where(k == 0, 1e19, -1e19),
    ]
    labels = [0, classes // 2, classes - 1]
    return np.repeat(labels, len(rows)), np.tile(rows, (len(labels), 1))


def fitted(load):
    x, y = load(return_X_y=True)
    z = LogisticRegression(C=100.0, max_iter=300).fit(x := StandardScaler().fit_transform(x), y)
    z = z.decision_function(x)
    return y[::25], (np.column_stack([-z / 2, z / 2]) if z.ndim == 1 else z)[::25]


def random(classes, scale):
    rng = np.random.default_rng(int(scale) + classes)
    return rng.integers(0, classes, 12), rng.normal(scale=scale, size=(12, classes))


INPUTS = {
    **{f"random {k} × {s:g}": (random, k, s) for k in (2, 10, 17, 130, 1000) for s in (0.01, 1.0, 30.0)},
    **{f"sure of {k}": (confident, k, True) for k in (2, 3, 10, 64, 129, 1000)},
    **{f"sure and wrong of {k}": (confident, k, False) for k in (2, 10, 129)},
    **{f"adversarial {k}": (adversarial, k) for k in (2, 10, 129)},
    "digits": (fitted, load_digits),
    "breast cancer": (fitted, load_breast_cancer),
}


@cache
def case(name, dtype):
    """Labels, logits of the type, and for each row the exact Σ exp (z − z_label) of the others."""
    make, *arguments = INPUTS[name]
    labels, z = make(*arguments)
    z = np.ascontiguousarray(z.astype(dtype))
    finite = np.isfinite(z[np.arange(len(z)), labels])
    labels, z = np.ascontiguousarray(labels[finite], np.int64), z[finite]
    with mp.workdps(50):
        return labels, z, [exact(row, label) for row, label in zip(z, labels, strict=True)]


def distances(got, want, dtype):
    """In units in the last place that the type has at the exact value."""
    with mp.workdps(50):
        spacing = [float(np.spacing(np.abs(dtype(float(w))))) or 5e-324 for w in want]
        return [abs(float((mp.mpf(float(g)) - w) / s)) for g, w, s in zip(got, want, spacing, strict=True)]


by_path = pytest.mark.parametrize("path", PATHS)
by_input = pytest.mark.parametrize("name", INPUTS)
by_type = pytest.mark.parametrize("dtype", ULPS, ids=lambda dtype: dtype.__name__)


@by_path
@by_type
@by_input
def test_losses_and_the_gradients_of_labels(path, dtype, name):
    labels, z, others = case(name, dtype)
    loss, gradient = computed(path, labels, z)
    with mp.workdps(50):
        want = [mp.log1p(s) for s in others]
        assert max(distances(loss, want, dtype)) <= ULPS[dtype]
        # where the type has the number at all, and not as a subnormal
        rest = [s / (1 + s) for s in others]
        held = [i for i, r in enumerate(rest) if r > np.finfo(dtype).tiny]
        own = -gradient[np.arange(len(z)), labels]
        assert max(distances(own[held], [rest[i] for i in held], dtype), default=0.0) <= 2 * ULPS[dtype]


@by_path
@by_type
@by_input
def test_gradients_sum_to_zero(path, dtype, name):
    labels, z, _ = case(name, dtype)
    gradient = computed(path, labels, z)[1].astype(np.float64)
    steps = z.shape[1] * np.finfo(dtype).smallest_subnormal
    assert (np.abs(gradient.sum(axis=1)) <= 1e-6 * np.abs(gradient).sum(axis=1) + steps).all()


@by_path
@by_input
def test_never_worse_than_the_naive_formula_in_float64(path, name):
    labels, z, others = case(name, np.float64)
    largest = z.max(axis=1)
    naive = np.log(np.exp(z - largest[:, None]).sum(axis=1)) + largest - z[np.arange(len(z)), labels]
    loss = computed(path, labels, z)[0]
    with mp.workdps(50):
        want = [mp.log1p(s) for s in others]
    mine, theirs = distances(loss, want, np.float64), distances(naive, want, np.float64)
    assert all(m <= max(t, ULPS[np.float64]) for m, t in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("classes", [2, 10, 300])
def test_precise_kernels_forget_the_type_numbers_are_stored_in(classes):
    labels, z = random(classes, 3.0)
    z = z.astype(np.float32)
    with kernels.using(precise=True):
        narrow = kernels.log_loss_from_logits(labels, z)
    with mp.workdps(50):
        want = [mp.log1p(exact(row, label)) for row, label in zip(z, labels, strict=True)]
    assert max(distances(narrow, want, np.float64)) <= ULPS[np.float64]
