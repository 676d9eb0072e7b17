"""The compiled kernels of probabilities against the reference, exact arithmetic and every layout and set."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

from crossent.errors import DataError
from crossent.kernels import reference, scores
from crossent.kernels.choice import choice, threads, using

native = pytest.importorskip("crossent.kernels._native", reason="this installation has no compiled core")

from crossent.kernels import compiled_probs, layout  # noqa: E402

INF, NAN = math.inf, math.nan
SETS = native.available()
DTYPES = [np.float64, np.float32, np.float16]
CLASSES = [1, 2, 3, 4, 5, 7, 8, 10, 15, 16, 17, 20, 33, 64, 100, 2047, 2048, 2049, 5001]


@pytest.fixture(params=SETS)
def isa(request, monkeypatch, best):
    """Each instruction set of this processor in turn."""
    kernels = native.find(request.param)

    class Chosen:
        native = kernels

    monkeypatch.setattr(compiled_probs, "choice", lambda: Chosen)
    return request.param


@pytest.fixture(autouse=True)
def best(monkeypatch):
    """The compiled kernels are tested also where the package was told to use NumPy."""
    if choice().native is None:
        monkeypatch.setattr(compiled_probs, "choice", lambda: type("Chosen", (), {"native": native.find("")}))


def probabilities(rows, classes, dtype=np.float64, seed=0):
    rng = np.random.default_rng([rows, classes, seed])
    p = rng.dirichlet(np.full(classes, 0.3), rows).astype(dtype)
    return rng.integers(0, classes, rows), p


def as_arrays(found):
    if isinstance(found, scores.Scores):
        return [found.log_loss, found.brier, found.zero_one, found.top, found.confidence, found.hit]
    return [np.asarray(part) for part in found] if isinstance(found, tuple) else [found]


def close(got, want, ulps=4):
    for mine, theirs in zip(as_arrays(got), as_arrays(want), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=ulps * 2.0**-52, atol=1e-300)


ROW_KERNELS = {
    "take_label": lambda k, y, p: k.take_label(y, p),
    "log_loss_from_probs": lambda k, y, p: k.log_loss_from_probs(y, p),
    "brier": lambda k, y, p: k.brier(y, p),
    "top": lambda k, y, p: k.top(p),
    "label_probability_loss": lambda k, y, p: k.label_probability_loss(p[:, 0]),
    "binary_log_loss": lambda k, y, p: k.binary_log_loss(y == 0, p[:, 0]),
    "row_sum_and_extremes": lambda k, y, p: k.row_sum_and_extremes(p),
}
LOG_KERNELS = {
    "softmax": lambda k, y, p: k.softmax(np.log(p + p.dtype.type(1e-3))),
    "brier_from_logits": lambda k, y, p: k.brier_from_logits(y, np.log(p + p.dtype.type(1e-3))),
    "brier_from_log_probs": lambda k, y, p: k.brier_from_log_probs(y, np.log(p + p.dtype.type(1e-3))),
}
ALL = ROW_KERNELS | LOG_KERNELS


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("kernel", ALL)
def test_values_are_those_of_the_reference(isa, kernel, classes, dtype):
    labels, p = probabilities(21 if classes > 100 else 203, classes, dtype)
    # sums of many classes are added in another order, and logits subtracted from a rounded maximum
    ulps = 4 if kernel in ROW_KERNELS and classes <= 100 else 64
    close(ALL[kernel](compiled_probs, labels, p), ALL[kernel](reference, labels, p), ulps)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
@pytest.mark.parametrize("classes", CLASSES)
def test_one_visit_tells_what_many_tell(isa, classes, dtype):
    labels, p = probabilities(21 if classes > 100 else 203, classes, dtype)
    p[3] = 1 / classes
    p[5] *= dtype(0.9)
    p[6] *= dtype(1.00005)
    p[7, 0], p[8, -1] = -0.25, 1.5
    got, want = compiled_probs.score(labels, p), scores.score(labels, p)
    close(got, want, 64)
    assert (got.ties, got.hit.dtype) == (want.ties, np.bool_)
    if classes <= 100:
        assert_same_quality(got.quality, want.quality)
    losses, quality = compiled_probs.checked_log_losses(labels, p)
    assert losses.tobytes() == got.log_loss.tobytes()
    assert quality == got.quality == compiled_probs.quality(p)


def assert_same_quality(got, want):
    for name in ("below_zero", "above_one", "off_1e6", "off_1e3", "least", "most"):
        assert getattr(got, name) == getattr(want, name), name
    assert got.least_sum == pytest.approx(want.least_sum, rel=1e-15)
    assert got.most_sum == pytest.approx(want.most_sum, rel=1e-15)


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
def test_a_single_column(isa, positive, dtype):
    rng = np.random.default_rng(1)
    p = rng.random(301).astype(dtype)
    p[:12] = [0, 1, 0.5, 1e-7, 6e-5, -1e-3, 1.0005, 1, 0, 0.25, 0.75, 0.5]
    labels = rng.integers(0, 2, p.size)
    got, want = (k.score_single(labels, p, positive) for k in (compiled_probs, scores))
    close(got, want)
    assert got.ties == want.ties
    assert_same_quality(got.quality, want.quality)


# --- exactness -------------------------------------------------------------------------------------------


def ulps_off(got, exact):
    return max(
        abs(Fraction(float(g)) - Fraction(str(e))) / Fraction(float(np.spacing(abs(float(e)))))
        for g, e in zip(got, exact, strict=True)
    )


def test_minus_logarithms_are_within_an_ulp(isa):
    rng = np.random.default_rng(2)
    near_one = 1 - 10.0 ** rng.uniform(-16, -0.3, 60)
    tiny = 10.0 ** rng.uniform(-320, 0, 60)
    p = np.concatenate([near_one, tiny, [5e-324, 2.2250738585072014e-308, np.nextafter(1, 2), 1.001]])
    p = p[p != 1.0]
    positive = np.arange(p.size) % 2 == 0
    q = np.where(positive | (p < 1.0), p, 0.5)
    with mp.workdps(400):
        exact = [-mp.log(mp.mpf(x)) for x in p.tolist()]
        sides = [mp.mpf(x) if yes else 1 - mp.mpf(x) for x, yes in zip(q.tolist(), positive, strict=True)]
        assert ulps_off(compiled_probs.label_probability_loss(p), exact) <= 1
        assert ulps_off(compiled_probs.binary_log_loss(positive, q), [-mp.log(x) for x in sides]) <= 1.5


@pytest.mark.parametrize("classes", [2, 10, 30])
@pytest.mark.parametrize("confident", [False, True])
def test_the_sum_of_losses_is_right_to_the_last_digits(isa, classes, confident):
    labels, p = probabilities(20_001, classes)
    p = np.maximum(p, 1e-300)
    if confident:
        p[:] = 1e-13
        p[np.arange(len(p)), labels] = 1 - 1e-12
    total, _ = compiled_probs.checked_log_loss_sum(labels, p)
    own = p[np.arange(len(p)), labels].tolist()
    with mp.workdps(50):
        exact = -mp.fsum(map(mp.log, own))
        assert abs(mp.mpf(total) - exact) <= 2 * math.ulp(float(exact))
    assert total == pytest.approx(
        scores.checked_log_loss_sum(labels, p)[0], rel=1e-15 if not confident else 1e-12
    )


@pytest.mark.parametrize(
    ("extra", "want"), [([0.0], INF), ([-1e-4], INF), ([NAN], NAN), ([5e-324], None), ([0.0, NAN], NAN)]
)
def test_sums_of_unusual_probabilities(isa, extra, want):
    p = np.full((40, 2), 0.5)
    p[7 : 7 + len(extra), 1] = extra
    total, quality = compiled_probs.checked_log_loss_sum(np.ones(40, np.int64), p)
    if want is None:
        want = 39 * math.log(2) - math.log(5e-324)
    assert total == pytest.approx(want, rel=1e-15, nan_ok=True)
    assert math.isnan(quality.least) == math.isnan(quality.most_sum) == any(map(math.isnan, extra))


# --- laws ------------------------------------------------------------------------------------------------


def everything(labels, p):
    found = [compiled_probs.score(labels, p)] + [kernel(compiled_probs, labels, p) for kernel in ALL.values()]
    return b"".join(
        part.tobytes() for one in found for part in as_arrays(one) if part.ndim and len(part) == len(p)
    )


LAYOUTS = {
    "every second row": lambda p: np.repeat(p, 2, axis=0)[::2],
    "every second column": lambda p: np.repeat(p, 2, axis=1)[:, ::2],
    "rows from the last": lambda p: p[::-1].copy()[::-1],
    "columns of a wider table": lambda p: np.hstack([p, p * 3])[:, : p.shape[1]],
    "other byte order": lambda p: p.astype(p.dtype.newbyteorder(">")),
    "columns by themselves": np.asfortranarray,
    "read-only": lambda p: np.frombuffer(p.tobytes(), p.dtype).reshape(p.shape),
    "unaligned": lambda p: np.frombuffer(b"x" + p.tobytes(), "u1")[1:].view(p.dtype).reshape(p.shape),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=lambda d: d.__name__)
@pytest.mark.parametrize("classes", [1, 2, 3, 10, 40])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_changes_no_bit(isa, layout, classes, dtype):
    labels, p = probabilities(43, classes, dtype)
    assert everything(labels, LAYOUTS[layout](p)) == everything(labels, p)


@settings(max_examples=60, deadline=None)
@given(
    classes=st.sampled_from([1, 2, 3, 6, 9, 16, 17, 31, 70, 2050]),
    rows=st.integers(1, 40),
    dtype=st.sampled_from(DTYPES),
    cut=st.integers(0, 40),
)
def test_a_row_gives_the_same_bits_wherever_it_stands(classes, rows, dtype, cut):
    labels, p = probabilities(rows, classes, dtype)
    whole = compiled_probs.score(labels, p)
    parts = [
        compiled_probs.score(labels[s], p[s]) for s in (slice(0, cut), slice(cut, rows)) if len(labels[s])
    ]
    for k, column in enumerate(as_arrays(whole)):
        assert np.concatenate([as_arrays(part)[k] for part in parts]).tobytes() == column.tobytes()
    widened = compiled_probs.score(labels, p.astype(np.float64))
    assert [c.tobytes() for c in as_arrays(widened)] == [c.tobytes() for c in as_arrays(whole)]


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_threads_change_no_bit(monkeypatch, classes):
    labels, p = probabilities(300_000 // classes, classes)
    found = []
    for count in (1, 2, 5):
        monkeypatch.setattr(layout, "threads", lambda count=count: count)
        totals = compiled_probs.checked_log_loss_sum(labels, p)
        found.append((everything(labels, p), totals, compiled_probs.quality(p)))
    assert found[0] == found[1] == found[2]


@pytest.mark.skipif({"avx512", "avx2"} - set(SETS) != set(), reason="this processor lacks one of the sets")
@pytest.mark.parametrize("classes", [2, 10, 300])
def test_avx2_and_avx512_agree_to_the_bit(monkeypatch, classes):
    labels, p = probabilities(100, classes)
    found = []
    for name in ("avx512", "avx2"):
        chosen = type("Chosen", (), {"native": native.find(name)})
        monkeypatch.setattr(compiled_probs, "choice", lambda chosen=chosen: chosen)
        found.append((everything(labels, p), compiled_probs.checked_log_loss_sum(labels, p)))
    assert found[0] == found[1]


def test_callers_with_threads_of_their_own_are_given_one():
    with using(threads=1):
        assert threads() == 1
    assert threads() >= 1


# --- faults ----------------------------------------------------------------------------------------------


LABELLED = [
    "score",
    "checked_log_losses",
    "checked_log_loss_sum",
    "brier",
    "take_label",
    "log_loss_from_probs",
    "brier_from_logits",
    "brier_from_log_probs",
]


@pytest.mark.parametrize("label", [-1, 2, 2**40, 2**62, -(2**63)])
@pytest.mark.parametrize("row", [0, 3, 8, 70_000])
@pytest.mark.parametrize("name", LABELLED)
def test_labels_out_of_range_are_refused(isa, name, label, row):
    labels, p = probabilities(70_009, 2)
    labels[row], labels[-1] = label, 9
    with pytest.raises(DataError, match="label-out-of-range") as caught:
        getattr(compiled_probs, name)(labels, p)
    assert (caught.value.row, caught.value.value) == (row, label)


@pytest.mark.parametrize("classes", [2, 5, 40, 3000])
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_what_is_no_probability_is_told_of(isa, classes, bad):
    labels, p = probabilities(19, classes)
    p[4, classes // 2] = bad
    got, want = compiled_probs.score(labels, p), scores.score(labels, p)
    close(got, want, 64)
    for name in ("least", "most", "least_sum", "most_sum"):
        mine, theirs = getattr(got.quality, name), getattr(want.quality, name)
        assert mine == pytest.approx(theirs, rel=1e-14, nan_ok=True), name
    assert got.quality.below_zero == want.quality.below_zero
    assert got.quality.above_one == want.quality.above_one


@pytest.mark.parametrize(
    ("row", "want"),
    [([0.4, 0.2, 0.4], (0, True)), ([0.0, 0.0, 0.0], (0, True)), ([-INF, -2.0, -INF], (1, False)),
     ([-INF, -INF, -INF], (0, True)), ([0.0, -0.0, -1.0], (0, True))],
)  # fmt: skip
@pytest.mark.parametrize("padding", [0, 13, 2100])
def test_the_first_of_equals(isa, row, want, padding):
    p = np.array([row + [-INF] * padding])
    index, value, tie = compiled_probs.top(p)
    assert (index[0], tie[0], value[0]) == (*want, max(row))


def test_a_later_equal_in_another_block_is_a_tie(isa):
    p = np.zeros((2, 5000))
    p[0, [100, 4000]] = p[1, 4500] = 0.5
    index, _, tie = compiled_probs.top(p)
    assert (index.tolist(), tie.tolist()) == ([100, 4500], [True, False])


def test_nothing_is_read_or_written_beside_the_rows(isa):
    """Rows of a wider table: what stands between them may be anything."""
    for classes in (1, 2, 3, 5, 12, 20, 70):
        table = np.full((9, classes + 4), NAN)
        labels, p = probabilities(9, classes)
        table[:, :classes] = p
        assert everything(labels, table[:, :classes]) == everything(labels, p)


def test_bfloat16_is_its_widened_copy(isa):
    torch = pytest.importorskip("torch")
    labels, p = probabilities(33, 5)
    half = torch.tensor(p).bfloat16()
    found = [np.empty(33), np.empty(33)]
    for out, x in zip(found, (half, half.double().numpy()), strict=True):
        native.find(isa).visit(compiled_probs.CHECKED, x, labels, loss=out, threads=1)
    assert found[0].tobytes() == found[1].tobytes()


def test_the_core_is_what_the_package_uses():
    from crossent import kernels

    chosen = compiled_probs if choice().native is not None else scores
    assert kernels.score is chosen.score
