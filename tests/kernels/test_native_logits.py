"""The compiled kernels of logits: each instruction set against exact arithmetic, and one another."""

from __future__ import annotations

from importlib import import_module

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent import kernels
from crossent.errors import DataError, UsageError
from crossent.kernels import reference, row_losses

_native = pytest.importorskip("crossent.kernels._native", reason="this installation has no compiled core")
SETS = _native.available()
INF, NAN = np.inf, np.nan
FLOAT32_ULP, FLOAT64_ULPS = 1.0, 4.0
CLASSES = [1, 2, 3, 4, 7, 10, 64, 128, 129, 200, 1000, 1037, 3000]
TYPES = [np.float32, np.float64]
of_the_core = pytest.mark.skipif(kernels.choice().native is None, reason="about the core, and NumPy computes")


def run(name, labels, z, *, gradient=None, scale=None, temperature=1.0, threads=1):
    loss = np.empty(len(z))
    labels = np.ascontiguousarray(labels, np.int64)
    bad = _native.find(name).losses_from_logits(z, labels, loss, gradient, scale, temperature, threads)
    return loss if bad < 0 else bad


def exact(row, label):
    """The loss, and what the label's probability leaves to the others."""
    with mp.workdps(60):
        x = [mp.mpf(float(v)) - mp.mpf(float(row[label])) for j, v in enumerate(row) if j != label]
        others = mp.fsum(mp.exp(v) for v in x if v > -2000)
        return mp.log1p(others), others / (1 + others)


def ulps(got, want, dtype):
    """Distance in units in the last place that numbers of the type have at the exact value."""
    spacing = float(np.spacing(np.abs(np.asarray(float(want), dtype)))) or 5e-324
    return abs(float((mp.mpf(float(got)) - want) / mp.mpf(spacing)))


def rows_of(classes, dtype, margin, seed=0, rows=6):
    """The label leads by `margin`, or trails by it in every other row."""
    rng = np.random.default_rng([classes, int(margin * 10), seed])
    z = rng.normal(scale=2.0, size=(rows, classes))
    labels = rng.integers(0, classes, rows)
    z[np.arange(rows), labels] += np.where(np.arange(rows) % 2, -margin, margin)
    return labels, z.astype(dtype)


ADVERSARIAL = {
    "equal": lambda k: np.full(k, 0.3),
    "equal and large": lambda k: np.full(k, 79.7),
    "beyond what float32 holds as exp": lambda k: np.linspace(-1e4, 1e4, k),
    "near the reach of float32": lambda k: 80.0 + np.sin(np.arange(k)),
    "ruled out": lambda k: np.where(np.arange(k) % 3 == 1, -INF, np.cos(np.arange(k)) * 9),
    "one possible": lambda k: np.where(np.arange(k) == k // 2, 0.5, -INF),
    "one dominates": lambda k: np.where(np.arange(k) == k - 1, 50.0, np.sin(np.arange(k))),
    "subnormal": lambda k: np.arange(k) * 1e-45,
    "two that tie": lambda k: np.where(np.arange(k) < 2, 30.0, np.cos(np.arange(k))),
    "far from 0": lambda k: 1e5 + np.sin(np.arange(k)),
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("classes", CLASSES)
def test_random_and_confident_rows(name, dtype, classes):
    allowed = FLOAT32_ULP if dtype is np.float32 else FLOAT64_ULPS
    for margin in (0.0, 1.0, 5.0, 20.0, 60.0, 300.0, 690.0):
        labels, z = rows_of(classes, dtype, margin)
        gradient = np.empty_like(z)
        loss = run(name, labels, z, gradient=gradient)
        assert run(name, labels, z).tobytes() == loss.tobytes(), "with the gradient or without"
        for i, label in enumerate(labels):
            want, rest = exact(z[i], label)
            if classes == 1:
                assert loss[i] == 0.0 and gradient[i, label] == 0.0
                continue
            assert ulps(loss[i], want, dtype) <= allowed, (margin, i)
            if rest > np.finfo(dtype).tiny:
                assert ulps(-gradient[i, label], rest, dtype) <= 2 * allowed, (margin, i)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("classes", [2, 3, 10, 128, 129, 1000])
@pytest.mark.parametrize("case", ADVERSARIAL)
def test_adversarial_rows(name, dtype, classes, case):
    allowed = FLOAT32_ULP if dtype is np.float32 else FLOAT64_ULPS
    row = ADVERSARIAL[case](classes).astype(dtype)
    labels = np.array(sorted({0, 1, classes // 2, classes - 1}))
    z = np.tile(row, (len(labels), 1))
    for label, got in zip(labels, run(name, labels, z), strict=True):
        if row[label] == -INF:
            assert got == INF
        elif (np.delete(row, label) == -INF).all():
            assert got == 0.0
        else:
            assert ulps(got, exact(row, label)[0], dtype) <= allowed, label


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.floats(-2, 2), st.integers(0, 2**31))
def test_never_worse_than_the_naive_formula(classes, log_scale, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(scale=10.0**log_scale, size=(1, classes))
    label = rng.integers(0, classes, 1)
    naive = np.log(np.exp(z - z.max()).sum()) + z.max() - z[0, label[0]]
    want = exact(z[0], label[0])[0]
    for name in SETS:
        mine = run(name, label, z)[0]
        assert abs(mine - want) <= max(abs(naive - want), 4 * np.spacing(float(want)))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("spread", [1.0, 40.0, 400.0])
def test_instruction_sets_agree(dtype, classes, spread):
    rng = np.random.default_rng(classes)
    z = (rng.normal(size=(37, classes)) * spread).astype(dtype)
    labels = rng.integers(0, classes, 37)
    found = {}
    for name in SETS:
        gradient = np.empty_like(z)
        found[name] = run(name, labels, z, gradient=gradient), gradient
    if {"avx2", "avx512"} <= set(SETS):
        for one, other in zip(found["avx2"], found["avx512"], strict=True):
            assert one.tobytes() == other.tobytes()
    best = found[SETS[0]]
    for name in SETS[1:]:
        step = np.finfo(dtype).eps
        assert np.allclose(found[name][0], best[0], rtol=2 * step, atol=0.0)
        # a logit 82 and more below the largest of a row that was clamped in float32 has the gradient 0
        assert np.allclose(found[name][1], best[1], rtol=8 * step * max(1.0, spread), atol=2e-36)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("classes", [1, 2, 3, 10, 50, 128, 129, 1000])
def test_a_row_is_the_same_wherever_it_stands(name, dtype, classes):
    """Beside rows that need other paths, in any split, from any number of threads."""
    rng = np.random.default_rng(classes)
    z = rng.normal(scale=3.0, size=(203, classes)).astype(dtype)
    z[::7] *= 100.0
    z[3::11, 0] = -INF
    z[5::13, -1] = NAN
    labels = rng.integers(0, classes, len(z))
    together = np.empty_like(z)
    loss = run(name, labels, z, gradient=together)
    for step in (1, 5, 16, 100):
        for start in range(0, len(z), step):
            rows = slice(start, start + step)
            part = np.empty_like(z[rows])
            assert run(name, labels[rows], z[rows], gradient=part).tobytes() == loss[rows].tobytes()
            assert part.tobytes() == together[rows].tobytes()
    threaded = np.empty_like(z)
    assert run(name, labels, z, gradient=threaded, threads=4).tobytes() == loss.tobytes()
    assert threaded.tobytes() == together.tobytes()


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("dtype", [*TYPES, np.float16])
@pytest.mark.parametrize("classes", [2, 9, 128, 140, 1000])
def test_undefined_rows(name, dtype, classes):
    for special, where, want in [
        (NAN, 0, NAN), (NAN, 1, NAN), (INF, 0, NAN), (INF, 1, NAN), (-INF, 0, INF), (-INF, slice(None), NAN),
    ]:  # fmt: skip
        z = np.zeros((20, classes), dtype)
        z[7, where] = special
        gradient = np.empty_like(z)
        loss = run(name, np.zeros(20, int), z, gradient=gradient)
        assert np.array_equal(loss[7], want, equal_nan=True), (special, where)
        assert np.isfinite(np.delete(loss, 7)).all() and np.isfinite(np.delete(gradient, 7, axis=0)).all()
        assert np.isnan(gradient[7]).all() == np.isnan(want)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("classes", [1, 2, 5, 10, 33, 129, 1001])
@pytest.mark.parametrize("rows", [1, 15, 16, 17, 100])
def test_nothing_outside_the_rows_is_read_or_written(name, classes, rows):
    """Rows of a wider table: nan beside them must not matter, nor may what is beside the gradient change."""
    rng = np.random.default_rng(rows)
    for dtype in TYPES:
        wide = np.full((rows + 2, classes + 5), NAN, dtype)
        wide[1:-1, 2 : 2 + classes] = rng.normal(size=(rows, classes))
        z, out = wide[1:-1, 2 : 2 + classes], np.full_like(wide, 7.5)
        labels = rng.integers(0, classes, rows)
        loss = run(name, labels, z, gradient=out[1:-1, 2 : 2 + classes])
        want = np.empty(z.shape, dtype)
        assert loss.tobytes() == run(name, labels, np.ascontiguousarray(z), gradient=want).tobytes()
        assert out[1:-1, 2 : 2 + classes].tobytes() == want.tobytes()
        out[1:-1, 2 : 2 + classes] = 7.5
        assert (out == 7.5).all()


@pytest.mark.parametrize("dtype", [*TYPES, np.float16])
@pytest.mark.parametrize("classes", [1, 2, 3, 10, 128, 129, 1000])
def test_in_place_only_when_asked(dtype, classes):
    labels, z = rows_of(classes, dtype, 2.0, rows=300)
    before = z.copy()
    loss, gradient = kernels.loss_and_gradient_from_logits(labels, z)
    assert z.tobytes() == before.tobytes() and gradient.dtype == dtype
    again, same = kernels.loss_and_gradient_from_logits(labels, z, out=z)
    assert same is z and z.tobytes() == gradient.tobytes() and again.tobytes() == loss.tobytes()
    total = np.abs(gradient.astype(np.float64).sum(axis=1))
    mass = np.abs(gradient.astype(np.float64)).sum(axis=1)
    rounding = 1e-6 if dtype is not np.float16 else 1e-3 * classes
    assert (total <= rounding * mass + 1e-30).all()


@pytest.mark.parametrize("name", SETS)
def test_large_gradients_are_the_same_past_the_cache(name):
    """From 2^20 entries on whole cache lines are written past it; rows here begin anywhere in a line."""
    rng = np.random.default_rng(0)
    for rows, classes in ((1200, 1001), (30_011, 37), (400_003, 3)):
        z = rng.normal(size=(rows, classes)).astype(np.float32)
        labels = rng.integers(0, classes, rows)
        out = np.full(rows * classes + 40, 7.5, np.float32)
        for shift in (0, 3):
            large = out[shift : shift + rows * classes].reshape(rows, classes)
            run(name, labels, z, gradient=large, threads=2)
            small = np.empty_like(z[:500])
            run(name, labels[-500:], z[-500:], gradient=small)
            assert large[-500:].tobytes() == small.tobytes()
            assert (out[shift + rows * classes :] == 7.5).all()
            out[:] = 7.5


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("classes", [3, 200])
@pytest.mark.parametrize("wrong", [-1, "K", 2**40])
def test_the_first_bad_label_is_named(name, classes, wrong):
    labels, z = np.zeros(5000, np.int64), np.zeros((5000, classes), np.float32)
    labels[[4321, 4999]] = classes if wrong == "K" else wrong
    assert run(name, labels, z, threads=3) == 4321
    with pytest.raises(DataError, match="4321") as raised:
        kernels.log_loss_from_logits(labels, z)
    assert raised.value.slug == "label-out-of-range"


def bfloat16(x):
    bits = np.asarray(x, np.float32).view(np.uint32)
    return (bits & 0xFFFF0000).view(np.float32)


@of_the_core
@pytest.mark.parametrize("classes", [2, 10, 300])
def test_half_precision_is_its_widened_copy(classes):
    labels, z = rows_of(classes, np.float16, 1.0, rows=100)
    wide = kernels.loss_and_gradient_from_logits(labels, z.astype(np.float32))
    half = kernels.loss_and_gradient_from_logits(labels, z)
    assert (
        half[0].tobytes() == wide[0].tobytes() and half[1].tobytes() == wide[1].astype(np.float16).tobytes()
    )


# --- options, on whichever kernels were chosen, against the reference and the definitions -----------------

OPTIONS = [
    {},
    {"smoothing": 0.1},
    {"class_weights": True},
    {"smoothing": 0.3, "class_weights": True},
    {"ignore_index": 1},
    {"temperature": 2.5},
    {"scale": 0.25},
    {"smoothing": 0.2, "class_weights": True, "ignore_index": 0, "temperature": 0.5, "scale": "rows"},
]


def option_values(options, rows, classes):
    rng = np.random.default_rng(5)
    given = dict(options)
    if "class_weights" in given:
        given["class_weights"] = rng.uniform(0.0, 3.0, classes)
    if given.get("scale") == "rows":
        given["scale"] = rng.uniform(0.0, 2.0, rows)
    return given


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("classes", [2, 10, 150])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "+".join(o) or "none")
def test_options_agree_with_the_reference(options, classes, dtype):
    labels, z = rows_of(classes, dtype, 3.0, rows=60)
    z[4, 0] = -INF
    given = option_values(options, 60, classes)
    loss, gradient = kernels.loss_and_gradient_from_logits(labels, z, **given)
    want, slope = row_losses.loss_and_gradient_from_logits(labels, z, **given)
    step = float(np.finfo(dtype).eps)
    assert np.allclose(loss, want, rtol=20 * step, atol=0.0)
    assert np.allclose(gradient, slope, rtol=40 * step, atol=4 * step)


@pytest.mark.parametrize("kernel", [kernels, row_losses], ids=["chosen", "reference"])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "+".join(o) or "none")
def test_options_are_what_their_definition_says(kernel, options):
    classes = 4
    labels, z = rows_of(classes, np.float64, 1.0, rows=30)
    given = option_values(options, 30, classes)
    loss, gradient = kernel.loss_and_gradient_from_logits(labels, z, **given)

    def definition(z):
        x = z / given.get("temperature", 1.0)
        each = np.log(np.exp(x).sum(axis=1))[:, None] - x
        w, e = given.get("class_weights", np.ones(classes)), given.get("smoothing", 0.0)
        rows = np.arange(len(z))
        value = (1 - e) * w[labels] * each[rows, labels] + e / classes * (each * w).sum(axis=1)
        return np.where(labels == given.get("ignore_index"), 0.0, value * given.get("scale", 1.0))

    assert np.allclose(loss, definition(z), rtol=1e-12)
    for k in range(classes):
        step = np.zeros(classes)
        step[k] = 1e-6
        difference = (definition(z + step) - definition(z - step)) / 2e-6
        assert np.allclose(gradient[:, k], difference, atol=1e-8)


def test_an_ignored_row_counts_nothing_whatever_it_holds():
    z = np.array([[NAN, 0.0], [INF, -INF], [0.0, 0.0]])
    for smoothing in (0.0, 0.1):
        loss, gradient = kernels.loss_and_gradient_from_logits(
            np.array([-100, -100, 1]), z, ignore_index=-100, smoothing=smoothing
        )
        assert loss[:2].tolist() == [0.0, 0.0] and not gradient[:2].any()
        assert loss[2] == pytest.approx(np.log(2.0))


@pytest.mark.parametrize(
    "wrong",
    [
        {"smoothing": 1.5},
        {"temperature": 0.0},
        {"class_weights": [1.0]},
        {"class_weights": [1.0, -1.0, 1.0]},
        {"scale": [1.0, 2.0]},
        {"out": np.empty((3, 2))},
    ],
    ids=lambda o: next(iter(o)),
)
@pytest.mark.parametrize("kernel", [kernels, row_losses], ids=["chosen", "reference"])
def test_wrong_options_are_refused(kernel, wrong):
    with pytest.raises(UsageError):
        kernel.loss_and_gradient_from_logits(np.zeros(4, int), np.zeros((4, 3)), **wrong)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("classes", [1, 2, 7, 8, 9, 40, 300])
def test_soft_targets(dtype, classes):
    rng = np.random.default_rng(classes)
    z = (rng.normal(size=(40, classes)) * 8).astype(dtype)
    y = rng.dirichlet(np.ones(classes), 40) * rng.uniform(0.5, 2.0, (40, 1))
    y[::3] = np.eye(classes)[rng.integers(0, classes, len(y[::3]))]
    loss, gradient = kernels.soft_loss_and_gradient_from_logits(y, z, temperature=1.0)
    want, slope = row_losses.soft_loss_and_gradient_from_logits(y, z)
    step = float(np.finfo(dtype).eps)
    assert np.allclose(loss, want, rtol=20 * step, atol=0.0)
    assert np.allclose(gradient, slope, rtol=40 * step, atol=4 * step)
    assert kernels.soft_cross_entropy_from_logits(y, z).tobytes() == loss.tobytes()
    hard = y.argmax(axis=1)[::3]
    assert np.allclose(loss[::3], reference.log_loss_from_logits(hard, z[::3]), rtol=20 * step, atol=1e-300)
    sums = kernels.log_sum_exp(z)
    assert np.allclose(sums, np.logaddexp.reduce(z.astype(np.float64), axis=1), rtol=20 * step, atol=step)


@pytest.mark.parametrize("kernel", [kernels, row_losses], ids=["chosen", "reference"])
@pytest.mark.parametrize("value", [-0.1, NAN, INF])
def test_targets_that_are_no_mass(kernel, value):
    y, z = np.full((20, 9), 1 / 9), np.zeros((20, 9))
    y[13, 8] = value
    for call in (kernel.soft_cross_entropy_from_logits, kernel.soft_loss_and_gradient_from_logits):
        with pytest.raises(DataError) as raised:
            call(y, z)
        assert raised.value.slug == "not-a-mass" and raised.value.row == 13


@pytest.mark.parametrize("dtype", TYPES)
def test_sigmoid_against_exact_arithmetic(dtype):
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.normal(scale=s, size=50) for s in (0.01, 1.0, 20.0, 300.0)]).astype(dtype)[
        :, None
    ]
    y = (rng.random(z.shape) < 0.5).astype(np.float64)
    loss, gradient = kernels.sigmoid_loss_and_gradient_from_logits(y, z)
    with mp.workdps(40):
        for i, (x, t) in enumerate(zip(z[:, 0], y[:, 0], strict=True)):
            sign = mp.mpf(-1 if t else 1)
            e = mp.exp(sign * mp.mpf(float(x)))
            assert ulps(loss[i], mp.log1p(e), dtype) <= (1.0 if dtype is np.float32 else 4.0)
            slope = e / (1 + e)
            if slope > np.finfo(dtype).tiny:
                assert ulps(sign * mp.mpf(float(gradient[i, 0])), slope, dtype) <= 4.0


@pytest.mark.parametrize("dtype", [*TYPES, np.float16])
@pytest.mark.parametrize("labels", [1, 5, 8, 21])
def test_sigmoid_agrees_with_the_reference(dtype, labels):
    rng = np.random.default_rng(labels)
    z = (rng.normal(size=(50, labels)) * 5).astype(dtype)
    z[3, 0], z[4, 0], z[5, 0] = INF, -INF, NAN
    for y in (rng.random(z.shape) < 0.5, rng.random(z.shape), (rng.random(z.shape) < 0.5).astype(np.float32)):
        loss, gradient = kernels.sigmoid_loss_and_gradient_from_logits(y, z, scale=0.5)
        want, slope = row_losses.sigmoid_loss_and_gradient_from_logits(y, z, scale=0.5)
        step = float(np.finfo(dtype).eps)
        assert np.allclose(loss, want, rtol=20 * step, atol=0.0, equal_nan=True)
        assert np.allclose(gradient, slope, rtol=40 * step, atol=4 * step, equal_nan=True)
    for value in (-0.5, 1.5, NAN):
        bad = np.zeros(z.shape)
        bad[31, labels - 1] = value
        with pytest.raises(DataError) as raised:
            kernels.sigmoid_log_loss_from_logits(bad, z)
        assert raised.value.slug == "not-an-indicator" and raised.value.row == 31


@of_the_core
def test_layouts_are_copied_in_pieces(monkeypatch):
    for module in ("layout", "compiled_logits"):
        monkeypatch.setattr(import_module(f"crossent.kernels.{module}"), "COPIED", 64)
    labels, z = rows_of(6, np.float32, 1.0, rows=200)
    y = np.full(z.shape, 1 / 6)
    for other in (
        np.asfortranarray(z),
        np.repeat(z, 2, axis=1)[:, ::2],
        z.astype(">f4"),
        z[::-1].copy()[::-1],
    ):
        assert (
            kernels.log_loss_from_logits(labels, other).tobytes()
            == kernels.log_loss_from_logits(labels, z).tobytes()
        )
        for call, target in (
            (kernels.loss_and_gradient_from_logits, labels),
            (kernels.soft_loss_and_gradient_from_logits, y),
            (kernels.sigmoid_loss_and_gradient_from_logits, y),
        ):
            for one, two in zip(call(target, other), call(target, z), strict=True):
                assert np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(two).tobytes()


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("start", [0, 1, 5])
def test_gradients_of_two_classes_written_past_the_caches_are_those_of_small_blocks(name, start):
    rng = np.random.default_rng(start)
    rows = (1 << 19) + 13
    z = rng.normal(scale=9.0, size=(rows, 2)).astype(np.float32)
    labels = rng.integers(0, 2, rows)
    together = np.zeros((rows + start, 2), np.float32)[start:]
    losses = run(name, labels, z, gradient=together, threads=2)
    for part in (slice(0, 1000), slice(rows - 1003, rows)):
        alone = np.empty((len(z[part]), 4), np.float32)[:, :2]
        assert run(name, labels[part], z[part], gradient=alone).tobytes() == losses[part].tobytes()
        assert alone.tobytes() == together[part].tobytes()
