"""Kernels of linear cross-entropy by the offset of the target's logit. `linear` starts them.

Of a row with label y and c = z_y: E_j = exp(z_j − c) for the others, S their sum. The loss is log1p(S),
and with r = 1 / (1 + S) the gradient by z_j is r·E_j, and −r·S at the label. So E can be stored in bfloat16
before any sum is known, and products with it are plain.
"""

from __future__ import annotations

import triton
import triton.language as tl

from crossent.torch.triton.arithmetic import log1p, shaped, smoothed, weights_of

LOG2E = tl.constexpr(1.4426950408889634)
CEILING = tl.constexpr(120.0)
"""Of log2 E: bfloat16 and float32 end at 2¹²⁸."""
REDO = tl.constexpr(2.0**100)
"""S from which a row is computed again from its largest logit: a loss above 69 nats, or what is not finite.

Below it r·factor is a normal number of float32 for factors down to 2⁻²⁶.
"""


@triton.jit
def own_logits(
    x_ptr, w_ptr, bias_ptr, label_ptr, own_ptr, slope_ptr,
    rows, classes, width, x_stride, w_stride, softcap, inverse_temperature,
    BIASED: tl.constexpr, CAPPED: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """c = z_y of each row in float32, and the slope that softcap and temperature have there."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    there = row < rows
    y = tl.load(label_ptr + row, mask=there, other=-1)
    named = there & (y >= 0) & (y < classes)
    total = tl.zeros((ROWS, BLOCK), tl.float32)
    for start in range(0, width, BLOCK):
        d = start + tl.arange(0, BLOCK)[None, :]
        inside = named[:, None] & (d < width)
        x = tl.load(x_ptr + row[:, None] * x_stride + d, mask=inside, other=0.0).to(tl.float32)
        w = tl.load(w_ptr + y[:, None] * w_stride + d, mask=inside, other=0.0).to(tl.float32)
        total += x * w
    raw = tl.sum(total, 1)
    if BIASED:
        raw += tl.load(bias_ptr + y, mask=named, other=0.0).to(tl.float32)
    own, slope = shaped(raw, softcap, inverse_temperature, CAPPED)
    # a label that is no class makes its row nan
    own = tl.where(named | (y == -1), own, float("nan"))
    tl.store(own_ptr + row, own, mask=there)
    tl.store(slope_ptr + row, slope, mask=there)


@triton.jit
def exponentials(
    raw, own, y, column, inside, weight_ptr, softcap, inverse_temperature,
    CAPPED: tl.constexpr, SMOOTHED: tl.constexpr, WEIGHTED: tl.constexpr,
):  # fmt: skip
    """(E, E times the slope of softcap, v·(z − c)) of a tile of logits (rows, columns); 0 at the label."""
    z, slope = shaped(raw, softcap, inverse_temperature, CAPPED)
    apart = z - own[:, None]
    e = tl.exp2(tl.minimum(apart * LOG2E, CEILING))
    e = tl.where(inside & (column != y[:, None]) & (y != -1)[:, None], e, 0.0)
    stored = e
    if CAPPED:
        stored = e * (slope * (1.0 / inverse_temperature))
    spread = e
    if SMOOTHED:
        v = weights_of(weight_ptr, column, inside, WEIGHTED)
        spread = tl.where(v != 0.0, v * apart, 0.0)
    return e, stored, spread


@triton.jit
def product(
    x, w, bias_ptr, own_ptr, label_ptr, weight_ptr, e_ptr, sum_ptr, spread_ptr,
    rows, classes, width, x_stride, w_stride, e_stride, softcap, inverse_temperature,
    BIASED: tl.constexpr, CAPPED: tl.constexpr, SMOOTHED: tl.constexpr, WEIGHTED: tl.constexpr,
    DESCRIBED: tl.constexpr, WIDEN: tl.constexpr, PRECISION: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """E of a tile of x Wᵀ, with the sums of its rows: the logits never leave the registers.

    DESCRIBED : x and w are tensor descriptors (Hopper copies tiles by itself), else pointers. WIDEN : the
    interpreter multiplies the bits of bfloat16 as whole numbers, so that it is given float32.
    """
    tiles_m, tiles_n = tl.cdiv(rows, BM), tl.cdiv(classes, BN)
    # GROUP tiles of rows next to each other share the tiles of W in the cache
    pid = tl.program_id(0)
    group = pid // (GROUP * tiles_n)
    height = tl.minimum(tiles_m - group * GROUP, GROUP)
    pid_m = group * GROUP + (pid % (GROUP * tiles_n)) % height
    pid_n = (pid % (GROUP * tiles_n)) // height
    row = pid_m * BM + tl.arange(0, BM)
    column = pid_n * BN + tl.arange(0, BN)
    there, real = row < rows, column < classes
    z = tl.zeros((BM, BN), tl.float32)
    for k in range(0, width, BK):
        if DESCRIBED:
            a = x.load([pid_m * BM, k])
            b = w.load([pid_n * BN, k])
        else:
            d = k + tl.arange(0, BK)
            at = row.to(tl.int64)[:, None] * x_stride + d[None, :]
            a = tl.load(x + at, mask=there[:, None] & (d < width)[None, :], other=0.0)
            at = column.to(tl.int64)[:, None] * w_stride + d[None, :]
            b = tl.load(w + at, mask=real[:, None] & (d < width)[None, :], other=0.0)
        if WIDEN:
            a, b = a.to(tl.float32), b.to(tl.float32)
        z = tl.dot(a, b.T, z, input_precision=PRECISION)
    if BIASED:
        z += tl.load(bias_ptr + column, mask=real, other=0.0).to(tl.float32)[None, :]
    own = tl.load(own_ptr + row, mask=there, other=0.0)
    y = tl.load(label_ptr + row, mask=there, other=-1)
    e, stored, spread = exponentials(
        z, own, y, column[None, :], real[None, :] & there[:, None], weight_ptr, softcap, inverse_temperature,
        CAPPED, SMOOTHED, WEIGHTED,
    )  # fmt: skip
    at = row.to(tl.int64)[:, None] * e_stride + column[None, :]
    tl.store(e_ptr + at, stored.to(e_ptr.dtype.element_ty), mask=there[:, None] & real[None, :])
    tl.store(sum_ptr + pid_n.to(tl.int64) * rows + row, tl.sum(e, 1), mask=there)
    if SMOOTHED:
        tl.store(spread_ptr + pid_n.to(tl.int64) * rows + row, tl.sum(spread, 1), mask=there)


@triton.jit
def finish(
    sum_ptr, spread_ptr, own_ptr, slope_ptr, label_ptr, factor_ptr, square_ptr, weight_ptr, weight_sum_ptr,
    e_ptr, loss_ptr, lse_ptr, scale_ptr, shift_ptr, redo_ptr,
    rows, classes, tiles, e_stride, smoothing, inverse_temperature,
    CAPPED: tl.constexpr, SMOOTHED: tl.constexpr, WEIGHTED: tl.constexpr,
    ROWS: tl.constexpr, TILES: tl.constexpr,
):  # fmt: skip
    """From the sums of the tiles, added in their order, to losses, scales of rows, and E at the label."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    there = row < rows
    total = tl.zeros((TILES, ROWS), tl.float32)
    spread = tl.zeros((TILES, ROWS), tl.float32)
    for start in range(0, tiles, TILES):
        tile = start + tl.arange(0, TILES)[:, None]
        at = tile.to(tl.int64) * rows + row[None, :]
        inside = (tile < tiles) & there[None, :]
        total += tl.load(sum_ptr + at, mask=inside, other=0.0)
        if SMOOTHED:
            spread += tl.load(spread_ptr + at, mask=inside, other=0.0)
    conclude(
        row, there, tl.sum(total, 0), tl.sum(spread, 0), own_ptr, slope_ptr, label_ptr, factor_ptr,
        square_ptr, weight_ptr, weight_sum_ptr, e_ptr, loss_ptr, lse_ptr, scale_ptr, shift_ptr, redo_ptr,
        classes, e_stride, smoothing, inverse_temperature, CAPPED, SMOOTHED, WEIGHTED,
    )  # fmt: skip


@triton.jit
def conclude(
    row, there, s, sum_vz, own_ptr, slope_ptr, label_ptr, factor_ptr, square_ptr, weight_ptr, weight_sum_ptr,
    e_ptr, loss_ptr, lse_ptr, scale_ptr, shift_ptr, redo_ptr,
    classes, e_stride, smoothing, inverse_temperature,
    CAPPED: tl.constexpr, SMOOTHED: tl.constexpr, WEIGHTED: tl.constexpr,
):  # fmt: skip
    """What is known of rows from their S, in the terms of `arithmetic.slopes_of`.

    The gradient is scale·E_j − shift·v_j; the second part is of rank one, and is taken off the products.
    """
    y = tl.load(label_ptr + row, mask=there, other=-1)
    valid = there & (y != -1)
    named = valid & (y >= 0) & (y < classes)
    own = tl.load(own_ptr + row, mask=there, other=0.0)
    factor = tl.load(factor_ptr + row, mask=valid, other=0.0)
    square = tl.load(square_ptr + row, mask=valid, other=0.0)
    nll = log1p(s)
    lse = own + nll
    w, sum_v, loss = tl.zeros_like(nll) + 1.0, classes * 1.0, nll
    if WEIGHTED:
        w = tl.load(weight_ptr + y, mask=named, other=0.0)
        sum_v = tl.load(weight_sum_ptr)
        loss = w * nll
    shift = tl.zeros_like(nll)
    if SMOOTHED:
        shift = factor * smoothing / classes
        loss = smoothed(nll, w, sum_v, sum_vz, smoothing, classes)
    drift = tl.where(square == 0.0, 0.0, 2.0 * square * lse)
    # what p_y = 1 would leave at the label, and what the probabilities are multiplied with
    certain = drift + shift * sum_v
    scale = factor * (1.0 - smoothing) * w + certain
    # E at the label is relative to the scale, which must not vanish beside it
    least = tl.abs(certain) * (1.0 / 1048576)
    scale = tl.where(tl.abs(scale) < least, tl.where(scale < 0, -least, least), scale)
    at_label = tl.where(certain == 0.0, 0.0, certain * (1.0 + s) / scale) - s
    kept = valid & (s < REDO)
    again = valid & (s >= REDO)
    tl.store(redo_ptr + row, again.to(tl.int8), mask=there)
    tl.store(loss_ptr + row, tl.where(valid, loss, 0.0), mask=there)
    tl.store(lse_ptr + row, tl.where(valid, lse, 0.0), mask=there)
    tl.store(scale_ptr + row, tl.where(kept, scale / (1.0 + s) * inverse_temperature, 0.0), mask=there)
    tl.store(shift_ptr + row, tl.where(kept, shift * inverse_temperature, 0.0), mask=there)
    if CAPPED:
        slope = tl.load(slope_ptr + row, mask=there, other=0.0)
        at_label *= slope * (1.0 / inverse_temperature)
    to = e_ptr + row * e_stride + tl.where(named, y, 0)
    tl.store(to, at_label.to(e_ptr.dtype.element_ty), mask=kept & named)


@triton.jit
def stream(
    z_ptr, e_ptr, bias_ptr, own_ptr, slope_ptr, label_ptr, factor_ptr, square_ptr, weight_ptr, weight_sum_ptr,
    loss_ptr, lse_ptr, scale_ptr, shift_ptr, redo_ptr,
    rows, classes, z_stride, e_stride, smoothing, softcap, inverse_temperature,
    BIASED: tl.constexpr, CAPPED: tl.constexpr, SMOOTHED: tl.constexpr, WEIGHTED: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """From float32 logits of a product made elsewhere to E in their place, in one pass.

    bfloat16 E takes the first half of the memory of its row: what is written lies behind what is read, but in
    the first block, where the barrier keeps them apart.
    """
    row = tl.program_id(0).to(tl.int64) + tl.arange(0, 1)
    y = tl.load(label_ptr + row)
    own = tl.load(own_ptr + row)
    total = tl.zeros((1, BLOCK), tl.float32)
    spread = tl.zeros((1, BLOCK), tl.float32)
    for start in range(0, classes, BLOCK):
        column = start + tl.arange(0, BLOCK)[None, :]
        real = column < classes
        raw = tl.load(z_ptr + row[:, None] * z_stride + column, mask=real, other=0.0)
        if BIASED:
            raw += tl.load(bias_ptr + column, mask=real, other=0.0).to(tl.float32)
        e, stored, part = exponentials(
            raw, own, y, column, real, weight_ptr, softcap, inverse_temperature, CAPPED, SMOOTHED, WEIGHTED
        )
        total += e
        if SMOOTHED:
            spread += part
        tl.debug_barrier()
        # the label's entry is written once, at the end
        to = e_ptr + row[:, None] * e_stride + column
        tl.store(to, stored.to(e_ptr.dtype.element_ty), mask=real & (column != y[:, None]))
    tl.debug_barrier()
    s, sum_vz = tl.sum(total, 1), tl.sum(spread, 1)
    conclude(
        row, row < rows, s, sum_vz, own_ptr, slope_ptr, label_ptr, factor_ptr, square_ptr,
        weight_ptr, weight_sum_ptr, e_ptr, loss_ptr, lse_ptr, scale_ptr, shift_ptr, redo_ptr,
        classes, e_stride, smoothing, inverse_temperature, CAPPED, SMOOTHED, WEIGHTED,
    )  # fmt: skip


@triton.jit
def weighted_columns(
    e_ptr, scale_ptr, sum_ptr, rows, classes, e_stride, ROWS: tl.constexpr, BLOCK: tl.constexpr
):
    """Add Σ_i scale_i E_ij to the float32 sums of the columns: the gradient of a bias."""
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[None, :]
    real = column < classes
    total = tl.zeros((ROWS, BLOCK), tl.float32)
    for start in range(0, rows, ROWS):
        row = (start + tl.arange(0, ROWS)).to(tl.int64)
        there = row < rows
        at = e_ptr + row[:, None] * e_stride + column
        e = tl.load(at, mask=there[:, None] & real, other=0.0).to(tl.float32)
        total += e * tl.load(scale_ptr + row, mask=there, other=0.0)[:, None]
    to = sum_ptr + tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK) < classes
    tl.store(to, tl.load(to, mask=mask, other=0.0) + tl.sum(total, 0), mask=mask)
