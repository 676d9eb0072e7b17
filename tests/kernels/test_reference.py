"""The kernels against 120-digit arithmetic, and rows that give the same bits wherever they stand."""

from __future__ import annotations

import math
from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent import kernels
from crossent.errors import DataError
from crossent.kernels import reference

INF, NAN = np.inf, np.nan
ULPS = 4


def ulps(got, want) -> float:
    """Largest distance in units in the last place of the exact value."""
    worst = 0.0
    for g, w in zip(np.ravel(got), np.ravel(want), strict=True):
        spacing = mp.mpf(float(np.spacing(abs(float(w)))))
        worst = max(worst, float(abs(mp.mpf(float(g)) - w) / spacing))
    return worst


def exact_softmax(z, k):
    """(p_k, 1 − p_k), each without cancellation."""
    e = [mp.exp(mp.mpf(float(x)) - mp.mpf(float(z[k]))) for x in z]
    rest = mp.fsum(v for j, v in enumerate(e) if j != k)
    return 1 / (1 + rest), rest / (1 + rest), mp.log1p(rest)


def confident(rng, rows, classes, margin):
    """The label leads by about `margin`; every other row has it trailing."""
    z = rng.normal(size=(rows, classes))
    labels = rng.integers(0, classes, rows)
    z[np.arange(rows), labels] += np.where(np.arange(rows) % 2, margin, -margin)
    return labels, z


ADVERSARIAL = {
    "equal": [0.1] * 5,
    "±1e4": [1e4, -1e4, 3.0, 1e4, -3.0],
    "label far below": [-1e4, 1e4, 0.0],
    "label far above": [700.0, 0.1, -0.3],
    "impossible classes": [0.3, -INF, 0.7, -INF],
    "one possible class": [0.3, -INF, -INF],
    "opposite huge": [1e300, -1e300],
    "odd offset": [1e6 + 1 / 3, 1e6 - 20.7, 1e6 - 1e-3],
    "close to the top": [1.0, 1.0 - 2**-53, -40.0],
    "subnormal": [5e-324, -5e-324, 0.0],
    "subnormal loss": [0.0, -740.0, -741.5],
    "17 classes": list(np.linspace(-30, 7, 17)),
    "300 classes": list(np.sin(np.arange(300)) * 25),
}


@pytest.fixture(autouse=True)
def digits():
    with mp.workdps(120):
        yield


@pytest.mark.parametrize("z", ADVERSARIAL.values(), ids=ADVERSARIAL)
def test_log_loss_from_adversarial_logits(z):
    for label in {0, 1, len(z) - 1, int(np.argmax(z))}:
        got = kernels.log_loss_from_logits(np.array([label]), np.array([z]))
        if z[label] == -INF:
            assert got[0] == INF
        else:
            assert ulps(got, [exact_softmax(z, label)[2]]) <= ULPS


@pytest.mark.parametrize("classes", [2, 3, 16, 17, 90])
@pytest.mark.parametrize("margin", [0.0, 5.0, 20.0, 60.0, 600.0])
def test_logits_of_random_rows(classes, margin):
    labels, z = confident(np.random.default_rng(classes), 12, classes, margin)
    exact = [exact_softmax(row, k) for k, row in zip(labels, z, strict=True)]
    assert ulps(kernels.log_loss_from_logits(labels, z), [loss for _, _, loss in exact]) <= ULPS
    # the label's gradient is 1 − p with all its digits: z − max is rounded once, which exp multiplies by |z|
    own = kernels.softmax_minus_label(labels, z)[np.arange(12), labels]
    assert np.allclose(own, [-float(rest) for _, rest, _ in exact], rtol=2e-13, atol=0)
    p = kernels.softmax(z)[np.arange(12), labels]
    assert np.allclose(p, [float(p) for p, _, _ in exact], rtol=2e-13, atol=0)


def test_a_margin_that_float32_loses():
    """At a margin of 60 the loss is 8.8e-27; subtracting from a log-sum-exp gives 0."""
    z = np.array([[60.0, 0.0]], np.float32)
    got = kernels.log_loss_from_logits(np.array([0]), z)
    assert got[0] == pytest.approx(math.exp(-60), rel=1e-15)
    assert math.log(math.exp(60.0) + 1) - 60.0 == 0.0


@pytest.mark.parametrize(
    ("z", "want"),
    [
        ([-INF, 0.0], INF),
        ([0.0, -INF], 0.0),
        ([-INF, -INF], NAN),
        ([INF, 0.0], NAN),
        ([0.0, INF], NAN),
        ([NAN, 0.0], NAN),
        ([0.0, NAN], NAN),
        ([-1.7e308, 1.7e308], INF),
        ([1.7e308, -1.7e308], 0.0),
    ],
)
@pytest.mark.parametrize("padding", [0, 20])
def test_infinite_and_undefined_logits(z, want, padding):
    row = np.array([z + [-INF] * padding])
    for kernel in (kernels.log_loss_from_logits, lambda y, z: -np.log(kernels.softmax(z)[:, 0])):
        with np.errstate(divide="ignore"):
            assert np.array_equal(kernel(np.array([0]), row), [want], equal_nan=True)


@pytest.mark.parametrize("p", [1.0, 0.5, 1e-300, 5e-324, np.nextafter(1.0, 0.0), 1.0 + 1e-4])
def test_log_of_a_probability(p):
    (got,) = kernels.label_probability_loss(np.array([p]))
    assert (
        ulps([got], [-mp.log(mp.mpf(p))]) <= 1 if p != 1.0 else math.copysign(1.0, got) == 1.0 and got == 0.0
    )


@pytest.mark.parametrize(("p", "want"), [(0.0, INF), (-0.0, INF), (-1e-4, INF), (NAN, NAN)])
def test_no_probability_is_infinite_loss(p, want):
    """Never clipped, whatever the type."""
    for dtype in (np.float32, np.float64):
        got = kernels.label_probability_loss(np.array([p, 0.5], dtype))
        assert np.array_equal(got, [want, math.log(2)], equal_nan=True)


def test_binary_keeps_the_digits_of_both_sides():
    p = np.array([1e-20, 1e-20, 0.3, 0.3, 1.0, 0.0, 0.0, 1.0, -1e-5, 1.0001, NAN])
    positive = np.array([1, 0, 1, 0, 1, 1, 0, 0, 1, 0, 0], bool)
    want = [-mp.log(mp.mpf(1e-20)), -mp.log1p(-mp.mpf(1e-20)), -mp.log(mp.mpf(0.3)), -mp.log1p(-mp.mpf(0.3))]
    got = kernels.binary_log_loss(positive, p)
    assert ulps(got[:4], want) <= ULPS
    assert np.array_equal(got[4:], [0.0, INF, 0.0, INF, INF, INF, NAN], equal_nan=True)
    assert not np.signbit(got[4:10]).any(), "a loss of −0.0 would print as −0"


@pytest.mark.parametrize("classes", [2, 16, 40])
@pytest.mark.parametrize("margin", [0.0, 3.0, 30.0])
def test_brier_of_each_kind(classes, margin):
    labels, z = confident(np.random.default_rng(7), 8, classes, margin)
    exact = []
    for row, label in zip(z, labels, strict=True):
        parts = [exact_softmax(row, k) for k in range(classes)]
        exact.append(mp.fsum((rest if k == label else p) ** 2 for k, (p, rest, _) in enumerate(parts)))
    assert np.allclose(kernels.brier_from_logits(labels, z), [float(b) for b in exact], rtol=1e-13, atol=0)
    p = kernels.softmax(z)
    want = [
        mp.fsum((mp.mpf(float(x)) - (k == y)) ** 2 for k, x in enumerate(r))
        for r, y in zip(p, labels, strict=True)
    ]
    assert ulps(kernels.brier(labels, p), want) <= ULPS
    log_p = np.log(p)
    want = [
        mp.fsum((mp.expm1(float(x)) if k == y else mp.exp(float(x))) ** 2 for k, x in enumerate(r))
        for r, y in zip(log_p, labels, strict=True)
    ]
    assert ulps(kernels.brier_from_log_probs(labels, log_p), want) <= ULPS


@pytest.mark.parametrize(
    ("row", "want"),
    [
        ([0.2, 0.5, 0.3], (1, 0.5, False)),
        ([0.4, 0.2, 0.4], (0, 0.4, True)),
        ([0.0, 0.0, 0.0], (0, 0.0, True)),
        ([-INF, -2.0, -INF], (1, -2.0, False)),
        ([0.0, -0.0, -1.0], (0, 0.0, True)),
    ],
)
@pytest.mark.parametrize("padding", [0, 15])
def test_top_takes_the_first_of_equals(row, want, padding):
    index, value, tie = kernels.top(np.array([row + [-INF] * padding]))
    assert (index[0], value[0], tie[0]) == want


@pytest.mark.parametrize("classes", [3, 30])
def test_row_sums_and_extremes(classes):
    p = np.random.default_rng(0).dirichlet(np.ones(classes), 9_000).astype(np.float32)
    p[4_321, 1], p[77, 2] = -0.5, 3.0
    total, low, high = kernels.row_sum_and_extremes(p)
    assert (low, high) == (-0.5, 3.0)
    assert np.allclose(total, [math.fsum(map(float, row)) for row in p], rtol=1e-15, atol=1e-15)
    p[5, 0] = NAN
    assert math.isnan(kernels.row_sum_and_extremes(p)[1])


LABELLED = {
    "log_loss_from_logits": kernels.log_loss_from_logits,
    "log_loss_from_probs": lambda y, z: kernels.log_loss_from_probs(y, np.abs(z)),
    "brier": kernels.brier,
    "brier_from_logits": kernels.brier_from_logits,
    "brier_from_log_probs": lambda y, z: kernels.brier_from_log_probs(y, -np.abs(z)),
    "softmax_minus_label": kernels.softmax_minus_label,
    "softmax": lambda y, z: kernels.softmax(z),
    "sum": lambda y, z: kernels.row_sum_and_extremes(z)[0],
    "top": lambda y, z: np.column_stack(kernels.top(z)),
    "take_label": kernels.take_label,
    "binary_log_loss": lambda y, z: kernels.binary_log_loss(y == 0, np.minimum(np.abs(z[:, 0]), 1)),
    "entropy": lambda y, z: kernels.entropy(np.abs(z)),
    "cross_entropy": lambda y, z: kernels.cross_entropy(np.abs(z), np.abs(z[:, ::-1])),
    "generalised_kl_divergence": lambda y, z: kernels.generalised_kl_divergence(
        np.abs(z), np.abs(z[:, ::-1])
    ),
}


@pytest.mark.parametrize("kernel", LABELLED.values(), ids=LABELLED)
@settings(max_examples=25, deadline=None)
@given(
    classes=st.sampled_from([1, 2, 3, 8, 9, 15, 16, 17, 33, 129, 9_000]),
    single=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_a_row_gives_the_same_bits_wherever_it_stands(kernel, classes, single, seed, data):
    rng = np.random.default_rng(seed)
    rows = 60 if classes < 1_000 else 5
    z = rng.normal(scale=10 ** rng.uniform(-2, 2), size=(rows, classes))
    z = z.astype(np.float32) if single else z
    labels = rng.integers(0, classes, rows)
    labels[::2] = z[::2].argmax(axis=1)
    together = kernel(labels, z)
    cuts = sorted({0, rows, *data.draw(st.lists(st.integers(1, rows - 1), max_size=6))})
    parts = [kernel(labels[a:b], z[a:b]) for a, b in pairwise(cuts)]
    assert np.concatenate(parts).tobytes() == together.tobytes()
    order = rng.permutation(rows)
    assert kernel(labels[order], z[order]).tobytes() == together[order].tobytes()
    widened = kernel(labels, z.astype(np.float64))
    if kernels.choice().native is None or not single:
        assert widened.tobytes() == together.tobytes(), "as if widened"
    assert np.allclose(together, widened, rtol=2.0**-22, atol=0.0), "to float32's own rounding"
    assert kernel(labels, np.asfortranarray(z)).tobytes() == together.tobytes(), "whatever the layout"


@pytest.mark.parametrize("entries", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("classes", [2, 16, 17])
def test_the_size_of_a_block_changes_no_bit(monkeypatch, entries, classes):
    rng = np.random.default_rng(3)
    z, labels = rng.normal(scale=9, size=(500, classes)), rng.integers(0, classes, 500)
    want = kernels.log_loss_from_logits(labels, z)
    monkeypatch.setattr(reference.blocks, "__defaults__", (entries,))
    assert len(list(reference.blocks(z))) == -(-500 // max(1, entries // classes))
    assert kernels.log_loss_from_logits(labels, z).tobytes() == want.tobytes()


@pytest.mark.parametrize(("label", "row"), [(-1, 3), (2, 3), (2**40, 3)])
@pytest.mark.parametrize(
    "kernel",
    [
        kernels.log_loss_from_logits,
        kernels.log_loss_from_probs,
        kernels.brier,
        kernels.brier_from_logits,
        kernels.brier_from_log_probs,
        kernels.softmax_minus_label,
    ],
)
def test_labels_out_of_range_are_refused(kernel, label, row):
    labels = np.array([0, 1, 0, label, 5])
    with pytest.raises(DataError, match="label-out-of-range") as caught:
        kernel(labels, np.full((5, 2), 0.5))
    assert (caught.value.row, caught.value.value) == (row, label)


@pytest.mark.parametrize("kernel", LABELLED.values(), ids=LABELLED)
def test_nothing_is_written_into_the_input(kernel):
    z, labels = np.random.default_rng(0).normal(size=(50, 3)), np.zeros(50, np.int64)
    kept = z.copy()
    z.flags.writeable = labels.flags.writeable = False
    assert len(kernel(labels, z)) == 50
    assert z.tobytes() == kept.tobytes()


@pytest.mark.parametrize("kernel", [k for name, k in LABELLED.items() if name != "sum"])
@pytest.mark.parametrize("classes", [2, 20])
def test_no_rows_give_no_results(kernel, classes):
    assert len(kernel(np.zeros(0, np.int64), np.zeros((0, classes)))) == 0


def test_the_choice_of_kernels_is_explained():
    assert "kernels" in kernels.explain() and "because" in kernels.explain()
