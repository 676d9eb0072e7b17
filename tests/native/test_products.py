"""Products of bfloat16 in float32: against float64, and the same to the bit however the work is cut."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from crossent.kernels import instruction_sets
from crossent.kernels.choice import choice, using
from crossent.kernels.products import FEW_PRODUCTS, available, product

from .guarded import AVAILABLE, Guarded
from .operations import computing

pytestmark = pytest.mark.skipif(
    not available(), reason="these kernels, or this processor, have no AVX512-BF16 to multiply with"
)

SIZES = [
    (1, 1, 1),
    (1, 3, 17),
    (3, 2, 5),
    (5, 33, 31),
    (12, 64, 32),
    (13, 65, 33),
    (29, 1023, 49),
    (17, 1024, 48),
    (16, 1025, 257),
    (40, 2049, 300),
    (7, 3000, 16),
]
"""(N, D, V) around every boundary: lanes, tiles, blocks of columns and of depth."""


def made(rows: int, depth: int, seed: int = 0) -> Any:
    """Bits of bfloat16 numbers of both signs and many sizes."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, depth)) * np.exp2(rng.integers(-8, 8, size=(rows, depth)))
    return (numbers.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def numbers(bits: Any) -> Any:
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def multiplied(x: Any, w: Any, bias: Any = None, threads: int = 1) -> Any:
    out = np.full((len(x), len(w)), np.nan, np.float32)
    row = None if bias is None else bias[None]
    choice().native.product_of_bfloat16(x, w, out, row, threads, False)
    return out


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize(("rows", "depth", "columns"), SIZES)
def test_products_are_as_exact_as_float32_sums(rows: int, depth: int, columns: int, with_bias: bool) -> None:
    x, w = made(rows, depth), made(columns, depth, seed=1)
    bias = np.random.default_rng(2).normal(size=columns).astype(np.float32) if with_bias else None
    truth, size = numbers(x) @ numbers(w).T, np.abs(numbers(x)) @ np.abs(numbers(w)).T
    if bias is not None:
        truth, size = truth + bias, size + np.abs(bias)
    out = np.full((rows, columns), np.nan, np.float32)
    product(x, w, out, bias)
    assert (np.abs(out - truth) <= (depth + 1) * 2.0**-24 * size).all()


def test_nothing_is_rounded_to_bfloat16() -> None:
    """Sums of few bits come out exactly, which bfloat16 cannot hold; the bias is added last, whole."""
    one, bias = np.full((2, 1000), 0x3F80, np.uint16), np.array([2.0**-10, -1000], np.float32)
    assert (multiplied(one, one) == 1000).all()
    assert (multiplied(one, one, bias) == [1000 + 2.0**-10, 0]).all()


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize(("rows", "depth", "columns"), [(29, 1025, 613), (13, 2050, 90), (50, 77, 1200)])
def test_bits_depend_on_the_two_rows_alone(rows: int, depth: int, columns: int, threads: int) -> None:
    x, w = made(rows, depth), made(columns, depth, seed=1)
    bias = made(1, columns, seed=2).astype(np.float32)[0]
    whole = multiplied(x, w, bias, threads)
    for some in (slice(0, 1), slice(1, 5), slice(3, None), slice(None, None, 2)):
        assert multiplied(x[some], w, bias).tobytes() == whole[some].tobytes()
    for some in (slice(0, 1), slice(1, 18), slice(31, None), slice(None, None, 3)):
        part = multiplied(x, w[some], np.ascontiguousarray(bias[some]))
        assert part.tobytes() == np.ascontiguousarray(whole[:, some]).tobytes()
    for n, v in ((0, 0), (rows - 1, columns - 1), (rows // 2, columns // 2)):
        alone = multiplied(x[n : n + 1], w[v : v + 1], bias[v : v + 1])
        assert alone.tobytes() == whole[n, v].tobytes()
    turned = np.full_like(whole, np.nan)
    with using(threads=threads):
        product(x, np.asfortranarray(w), turned, bias)
    assert turned.tobytes() == whole.tobytes()


def test_rows_lie_anywhere() -> None:
    x, w = made(14, 41), made(35, 41, seed=1)
    expected = multiplied(x, w)
    wide = np.full((14, 50), 0x7FC0, np.uint16)  # nan around the numbers, which begin at an odd place
    wide[:, 3:44] = x
    frozen = np.repeat(w, 2, axis=0)
    frozen.flags.writeable = False
    room = np.full((28, 40), -1, np.float32)
    product(wide[:, 3:44], frozen[::2], room[::2, 2:37])
    assert (room[::2, 2:37] == expected).all()
    room[::2, 2:37] = -1
    assert (room == -1).all()
    assert multiplied(x[::-1], w[::-1]).tobytes() == expected[::-1, ::-1].tobytes()


@pytest.mark.skipif(not AVAILABLE, reason="pages are guarded on Linux and macOS")
@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize(
    ("rows", "depth", "columns"), [(1, 1, 1), (13, 37, 17), (12, 1027, 33), (5, 64, 270)]
)
def test_nothing_beside_the_arrays_is_touched(rows: int, depth: int, columns: int, at_end: bool) -> None:
    x, w, bias = made(rows, depth), made(columns, depth, seed=1), np.ones(columns, np.float32)
    held = [Guarded(a, at_end=at_end) for a in (x, w, np.zeros((rows, columns), np.float32), bias)]
    product(held[0].array, held[1].array, held[2].array, held[3].array)
    assert held[2].array.tobytes() == multiplied(x, w, bias).tobytes()
    turned = Guarded(np.ascontiguousarray(w.T), at_end=at_end)
    product(held[0].array, turned.array.T, held[2].array)
    assert held[2].array.tobytes() == multiplied(x, w).tobytes()


def test_special_numbers() -> None:
    """inf and nan spread to their row and column only; subnormal numbers count as zeros."""
    x, w = np.full((13, 33), 0x3F80, np.uint16), np.full((40, 33), 0x3F80, np.uint16)
    x[2, 32], x[12, 5], w[39, 0] = 0x7F80, 0x7FC0, 0xFF80
    out = multiplied(x, w)
    assert (out[2, :39] == np.inf).all()
    assert (out[[0, 1, *range(3, 12)], 39] == -np.inf).all()
    assert np.isnan(out[12]).all()
    assert np.isnan(out[2, 39])
    assert (np.delete(out, [2, 12], axis=0)[:, :39] == 33).all()
    tiny, large = np.full((1, 4), 0x0001, np.uint16), np.full((1, 4), 0x7F00, np.uint16)
    assert multiplied(tiny, large) == 0


@pytest.mark.parametrize(("rows", "depth", "columns"), [(0, 5, 3), (4, 0, 3), (4, 5, 0)])
def test_nothing_to_multiply(rows: int, depth: int, columns: int) -> None:
    out = multiplied(made(rows, depth), made(columns, depth))
    assert out.shape == (rows, columns)
    assert (out == 0).all()


X, W, OUT, BIAS = made(4, 6), made(5, 6), np.zeros((4, 5), np.float32), np.zeros(5, np.float32)


@pytest.mark.parametrize(
    ("x", "w", "out", "bias", "error"),
    [
        (X[:, :5], W, OUT, None, ValueError),
        (X, W[:4], OUT, None, ValueError),
        (X[:3], W, OUT, None, ValueError),
        (X, W, OUT, BIAS[:4], ValueError),
        (X[:, ::2], W[:, :3], OUT, None, ValueError),
        (X, W, np.zeros((5, 4), np.float32).T, None, ValueError),
        (X, W, OUT, BIAS.astype(np.float64), TypeError),
        (X, W, OUT.astype(np.float64), None, TypeError),
        (X.astype(np.float32), W, OUT, None, TypeError),
        (X, W.astype(np.float16), OUT, None, TypeError),
        (X[0], W, OUT, None, TypeError),
    ],
)
def test_what_does_not_fit_is_refused(x: Any, w: Any, out: Any, bias: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        choice().native.product_of_bfloat16(x, w, out, None if bias is None else bias[None], 1, False)


def test_a_result_that_must_not_be_written_is_refused() -> None:
    frozen = OUT.copy()
    frozen.flags.writeable = False
    with pytest.raises(TypeError):
        product(X, W, frozen)


def test_other_sets_have_no_product() -> None:
    for name in {*instruction_sets(), "reference"} - {"avx512"}:
        with computing(name):
            assert not available()
            if name != "reference":
                with pytest.raises(TypeError, match="no product"):
                    product(X, W, OUT)


def test_calls_side_by_side() -> None:
    x, w = made(40, 200), made(1100, 200, seed=1)
    assert x.size * len(w) > FEW_PRODUCTS
    expected = multiplied(x, w)
    results = [np.zeros_like(expected) for _ in range(4)]

    def call(out: Any) -> None:
        with using(threads=3):
            product(x, w, out)

    callers = [threading.Thread(target=call, args=(out,)) for out in results]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all(out.tobytes() == expected.tobytes() for out in results)
