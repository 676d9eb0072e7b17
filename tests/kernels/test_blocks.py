"""Kernels of blocks of logits, NumPy's and the core's, against float64 formulas of whole rows."""

from __future__ import annotations

import numpy as np
import pytest

from crossent.errors import UsageError
from crossent.kernels import instruction_sets
from crossent.kernels.blocks import block_gradient, block_statistics
from crossent.kernels.choice import VARIABLE, choice
from crossent.kernels.narrow import BFLOAT16, widened

pytestmark = pytest.mark.usefixtures("kernels")
CLASSES = (1, 2, 15, 64, 100, 1024, 1025, 2500, 5000)
ROWS = 9
CASES = ("random", "flat", "peaked", "far", "large", "huge", "masked")


@pytest.fixture(params=(*instruction_sets(), "reference"), autouse=True)
def kernels(request, monkeypatch):
    monkeypatch.setenv(VARIABLE, request.param)
    choice.cache_clear()
    yield request.param
    monkeypatch.undo()
    choice.cache_clear()


def logits(case, classes, rows=ROWS, seed=0):
    """Logits and labels; labels of some rows are −1."""
    rng = np.random.default_rng([seed, classes])
    z = rng.normal(size=(rows, classes)) * 3.0
    labels = rng.integers(0, classes, rows)
    margin = np.geomspace(1.0, 700.0, rows)
    if case == "flat":
        z = np.where(np.arange(classes) == classes // 3, 3.1415, -8.2) * np.ones((rows, 1))
    elif case == "peaked":
        z[np.arange(rows), labels] = margin
    elif case == "far":
        z[:, -1] = margin
    elif case == "large":
        z = z * 20.0 + np.where(np.arange(rows) % 2, 1e4, -1e4)[:, None]
    elif case == "huge":
        z *= 1e30
    elif case == "masked":
        z[rng.random(z.shape) < 0.6] = -np.inf
        z[:, 0] = 0.0
        z[1, : min(classes, 2000)] = -np.inf
        z[1, -1] = 1.0
    labels[::4] = -1
    return z.astype(np.float32), labels


def gathered(z, labels, cut=None, weights=None, threads=None):
    """All statistics, from blocks of `cut` columns."""
    rows, classes = z.shape
    s = {name: np.zeros(rows) for name in ("others", "sum_z", "sum_ez")}
    s |= {"top": np.full(rows, -np.inf), "own": np.full(rows, np.nan), "best": np.full(rows, -np.inf)}
    s["best_at"] = np.full(rows, -1)
    for first in range(0, classes, cut or classes):
        block = z[:, first : first + (cut or classes)]
        block_statistics(block, labels, first=first, weights=weights, threads=threads, **s)
    return s


def truth(z, labels, weights=1.0):
    z = z.astype(np.float64)
    rest, own = z.copy(), np.full(len(z), np.nan)
    here = np.flatnonzero(labels >= 0)
    own[here] = z[here, labels[here]]
    rest[here, labels[here]] = -np.inf
    top = rest.max(axis=1)
    with np.errstate(all="ignore"):
        away = rest - np.where(np.isfinite(top), top, 0.0)[:, None]
        term = np.exp(away)
        sum_z = np.where(np.broadcast_to(weights, z.shape) == 0.0, 0.0, weights * z).sum(axis=1)
        sum_ez = np.where(term == 0.0, 0.0, term * away).sum(axis=1)
    best = {"best": z.max(axis=1), "best_at": z.argmax(axis=1)}
    return {"top": top, "others": term.sum(axis=1), "own": own, "sum_z": sum_z, "sum_ez": sum_ez, **best}


def same_bits(a, b):
    return all(a[name].tobytes() == b[name].tobytes() for name in a)


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("case", CASES)
def test_statistics(case, classes):
    z, labels = logits(case, classes)
    expected = truth(z, labels)
    # where all but the label are −inf, or all
    expected["best_at"][expected["best"] == -np.inf] = -1
    found = gathered(z, labels, 1024)
    for name in ("top", "own", "best", "best_at"):
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    np.testing.assert_allclose(found["others"], expected["others"], rtol=1.5e-7)
    np.testing.assert_allclose(found["sum_ez"], expected["sum_ez"], rtol=3e-7, atol=1e-35)
    size = np.where(np.isfinite(z), np.abs(z), 0.0).sum(axis=1, dtype=np.float64)
    assert (np.isneginf(found["sum_z"]) == np.isneginf(expected["sum_z"])).all()
    finite = np.isfinite(expected["sum_z"])
    error = np.abs(found["sum_z"][finite] - expected["sum_z"][finite])
    assert (error <= 1e-14 * size[finite]).all()


def test_typical_sums_are_closer():
    z, labels = logits("random", 5000, rows=40)
    error = gathered(z, labels, 1024)["others"] / truth(z, labels)["others"] - 1.0
    assert np.abs(error).max() < 7e-8


@pytest.mark.parametrize("case", ["random", "large", "masked"])
def test_weights_of_the_sum(case):
    z, labels = logits(case, 2500)
    weights = np.random.default_rng(1).uniform(0.0, 2.0, 2500)
    weights[np.isneginf(z).any(axis=0)] = 0.0
    expected = truth(z, labels, weights)["sum_z"]
    found = gathered(z, labels, 1024, weights)["sum_z"]
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-9)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("case", CASES)
def test_statistics_depend_on_no_cut_no_thread_and_no_neighbour(case):
    z, labels = logits(case, 5000, rows=37)
    whole = gathered(z, labels, threads=1)
    for cut, threads in ((1024, 1), (1024, 3), (3072, 2), (4096, 1)):
        assert same_bits(gathered(z, labels, cut, threads=threads), whole)
    one = gathered(z[5:6], labels[5:6], 2048)
    assert same_bits(one, {name: x[5:6] for name, x in whole.items()})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("at", [0, 1500, 2499])
def test_nan_and_infinity_are_seen(bad, at):
    z, labels = logits("random", 2500)
    z[1, at] = bad
    # a nan whose low bits are not 0
    z.view(np.uint32)[2, at] = 0x7FC00155
    labels[2] = 1200
    found, clean = gathered(z, labels, 1024), gathered(*logits("random", 2500), 1024)
    for name in ("others", "sum_z", "sum_ez"):
        assert np.isnan(found[name][1:3]).all()
        np.testing.assert_array_equal(found[name][3:], clean[name][3:])
    assert not np.isnan(found["best"]).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_label_is_seen(bad):
    z, labels = logits("random", 2500)
    z[1, labels[1]] = bad
    found = gathered(z, labels, 1024)
    assert np.isnan([found[name][1] for name in ("others", "sum_z", "sum_ez")]).all()
    np.testing.assert_array_equal(found["own"][1], np.float64(bad))


def test_nothing_but_minus_infinity():
    z, labels = np.full((2, 2100), -np.inf, np.float32), np.array([-1, 2050])
    found = gathered(z, labels, 1024)
    assert (found["top"] == -np.inf).all() and (found["others"] == 0.0).all()
    assert (found["best_at"] == -1).all() and (found["sum_ez"] == 0.0).all()
    z[:, 1500] = np.nan
    assert np.isnan(gathered(z, labels, 1024)["others"]).all()


def test_the_lowest_of_equal_ones_is_best():
    z = np.zeros((2, 3000), np.float32)
    z[:, [7, 1030, 2999]] = 5.0
    assert (gathered(z, np.array([1030, -1]), 1024)["best_at"] == 7).all()


# --- gradients --------------------------------------------------------------------------------------------


def row_numbers(rows, seed=3):
    rng = np.random.default_rng(seed)
    names = ("scale", "entry", "slope", "shift")
    return dict(zip(names, rng.uniform(-2.0, 2.0, (4, rows)), strict=True))


def log_sum_exp(z):
    z = z.astype(np.float64)
    most = z.max(axis=1)
    return most + np.log(np.exp(z - most[:, None]).sum(axis=1))


def parts_of_gradient(z, labels, lse, scale, entry, slope=None, shift=None, weights=1.0, cap=0.0):
    """The two terms of each entry, whose sum is the gradient."""
    zeros = np.zeros(len(z))
    slope, shift = zeros if slope is None else slope, zeros if shift is None else shift
    z = z.astype(np.float64)
    with np.errstate(all="ignore"):
        away = z - lse[:, None]
        term = np.where(away < -87.0, 0.0, np.exp(away))
        by_z = np.where(term == 0.0, 0.0, slope[:, None] * away)
        spread, constant = term * (scale[:, None] + by_z), -shift[:, None] * weights * np.ones_like(z)
        here = np.flatnonzero(labels >= 0)
        spread[here, labels[here]], constant[here, labels[here]] = entry[here], 0.0
        factor = 1.0 - (z / cap) ** 2 if cap else np.ones_like(z)
    return spread * factor, constant * factor


def written(z, labels, lse, cut, out=None, **given):
    out = np.full_like(z, 7.0) if out is None else out
    for first in range(0, z.shape[1], cut):
        some = slice(first, first + cut)
        block_gradient(z[:, some], labels, lse, out=out[:, some], first=first, **given)
    return out


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("case", [c for c in CASES if c != "huge"])
def test_plain_gradients_are_close_term_by_term(case, classes):
    z, labels = logits(case, classes)
    lse, given = log_sum_exp(z), row_numbers(ROWS)
    del given["slope"], given["shift"]
    expected, _ = parts_of_gradient(z, labels, lse, **given)
    found = written(z, labels, lse, 1024, **given)
    np.testing.assert_allclose(found, expected, rtol=2e-7, atol=1e-37)
    out_of_reach = np.isneginf(z)
    out_of_reach[np.arange(ROWS), labels] = False
    assert (found[out_of_reach] == 0.0).all()


@pytest.mark.parametrize("options", ["slope", "shift", "weights", "cap", "all"])
@pytest.mark.parametrize("classes", [3, 1024, 2500])
def test_options_of_gradients(options, classes):
    z, labels = logits("random", classes)
    given = row_numbers(ROWS)
    for name in ("slope", "shift"):
        if options not in (name, "all") and not (name == "shift" and options == "weights"):
            del given[name]
    if options in ("cap", "all"):
        z = np.float32(30.0) * np.tanh(z / np.float32(6.0))
        given["cap"] = 30.0
    if options in ("weights", "all"):
        given["weights"] = np.random.default_rng(5).uniform(0.0, 2.0, classes)
    lse = log_sum_exp(z)
    a, b = parts_of_gradient(z, labels, lse, **given)
    found = written(z, labels, lse, 1024, **given)
    # terms of one size may cancel
    slack = 4e-7 * (np.abs(a) + np.abs(b)) + 3e-7 * np.exp(z - lse[:, None]) * 40.0 * (
        options in ("slope", "all")
    )
    assert (np.abs(found - (a + b)) <= slack + 1e-37).all()


def test_masked_logits_with_every_option():
    z, labels = logits("masked", 2500)
    lse, given = log_sum_exp(z), row_numbers(ROWS)
    for cap in (0.0, 50.0):
        found = written(z, labels, lse, 1024, **given, cap=cap)
        assert np.isfinite(found).all()
    a, b = parts_of_gradient(z, labels, lse, **given)
    np.testing.assert_allclose(written(z, labels, lse, 1024, **given), a + b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint16", "bfloat16"])
def test_types_cuts_threads_and_places(dtype):
    """The same bits into rows of any stride; half precision is rounded from what float32 holds."""
    z, labels = logits("random", 5000, rows=37)
    lse, given = log_sum_exp(z), row_numbers(37)
    exact = written(z, labels, lse, 5000, **given)
    room = np.zeros((37, 5003), BFLOAT16 if dtype == "bfloat16" else dtype)
    found = written(z, labels, lse, 2048, out=room[:, :5000], threads=3, **given)
    if dtype == "float32":
        assert found.tobytes() == exact.tobytes()
    elif dtype == "float16":
        assert found.tobytes() == exact.astype(np.float16).tobytes()
    else:
        import torch

        rounded = torch.from_numpy(exact).bfloat16().float().numpy()
        np.testing.assert_array_equal(widened(np.ascontiguousarray(found).view(BFLOAT16)), rounded)
    assert not room.view(np.uint8)[:, 5000 * room.itemsize :].any()
    over = z.view(room.dtype)[:, :5000]  # where the logits are read
    assert written(z, labels, lse, 2048, out=over, **given).tobytes() == found.tobytes()


def test_ignored_rows_are_zero_whatever_they_hold():
    z, labels = logits("random", 1500)
    z[::2, ::3], z[::2, 1::3] = np.nan, np.inf
    lse, given = np.where(np.arange(ROWS) % 2, 5.0, np.nan), row_numbers(ROWS)
    for numbers in given.values():
        numbers[::2] = 0.0
    found = written(z, labels, lse, 1024, **given, cap=30.0, weights=np.ones(1500))
    assert not found[::2].any()
    assert found[1::2].any(axis=1).all() and np.isfinite(found).all()


@pytest.mark.parametrize("lse", [np.nan, np.inf, -np.inf])
def test_a_row_without_a_sum_has_no_gradient(lse):
    z, labels = logits("random", 100)
    given = row_numbers(ROWS)
    found = written(z, np.full_like(labels, -1), np.full(ROWS, lse), 1024, **given)
    assert np.isnan(found).all()


@pytest.mark.parametrize("rows, classes", [(0, 5), (3, 0), (0, 0)])
def test_nothing_to_do(rows, classes):
    z, labels = np.zeros((rows, classes), np.float32), np.full(rows, -1)
    numbers = np.zeros(rows)
    block_statistics(z, labels, numbers, numbers.copy(), numbers.copy(), first=0)
    block_gradient(z, labels, numbers, numbers, numbers, z, first=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": 5},
        {"first": -1024},
        {"z": np.zeros((2, 4))},
        {"z": np.zeros((2, 8), np.float32)[:, ::2]},
        {"labels": np.zeros(3, np.int64)},
        {"labels": np.zeros(2, np.int32)},
        {"top": np.zeros(1)},
        {"own": np.zeros(2, np.float32)},
        {"weights": np.ones(3)},
        {"best": np.zeros(2)},
        {"best": np.zeros(2), "best_at": np.zeros(1, np.int64)},
    ],
)
def test_arrays_that_do_not_fit(wrong):
    given = {name: np.zeros(2) for name in ("top", "others", "own")}
    given |= {"z": np.zeros((2, 4), np.float32), "labels": np.zeros(2, np.int64), "first": 0}
    with pytest.raises(UsageError, match=r"\[bad-option\]"):
        block_statistics(**(given | wrong))


@pytest.mark.parametrize(
    "wrong", [{"cap": -1.0}, {"out": np.zeros((2, 4))}, {"out": np.zeros((2, 5), np.float32)}]
)
def test_gradients_that_do_not_fit(wrong):
    numbers, z = np.zeros(2), np.zeros((2, 4), np.float32)
    given = {"lse": numbers, "scale": numbers, "entry": numbers, "out": z, "first": 0}
    with pytest.raises(UsageError, match=r"\[bad-option\]"):
        block_gradient(z, np.zeros(2, np.int64), **(given | wrong))
