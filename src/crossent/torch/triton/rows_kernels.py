"""Kernels of cross-entropy over rows of logits. `rows` starts them.

Offsets are 64-bit: a batch of logits is easily larger than 2³¹. Sums go in a fixed order, without atomics.
"""

from __future__ import annotations

import triton
import triton.language as tl

from crossent.torch.triton.arithmetic import (
    entropy_of,
    finite,
    loss_of,
    shaped,
    slopes_of,
    smoothed,
    weights_of,
)


@triton.jit
def one_visit(
    z_ptr, out_ptr, label_ptr, factor_ptr, square_ptr, weight_ptr, weight_sum_ptr,
    loss_ptr, lse_ptr, nll_ptr, entropy_ptr, argmax_ptr,
    rows, classes, z_stride, out_stride, ignore_index, smoothing, softcap, inverse_temperature,
    CAPPED: tl.constexpr, SMOOTHED: tl.constexpr, WEIGHTED: tl.constexpr,
    GRADIENT: tl.constexpr, ENTROPY: tl.constexpr, ARGMAX: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Rows that fit a program's registers: logits are read once, and the gradient written once."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    there = row < rows
    y = tl.load(label_ptr + row, mask=there, other=ignore_index)
    valid = there & (y != ignore_index)
    named = valid & (y >= 0) & (y < classes)
    raw_own = tl.load(z_ptr + row * z_stride + y, mask=named, other=float("nan")).to(tl.float32)
    own, _own_slope = shaped(raw_own, softcap, inverse_temperature, CAPPED)

    column = tl.arange(0, BLOCK)[None, :]
    inside = (column < classes) & there[:, None]
    # ignored rows cost no reading
    read = inside if ARGMAX else inside & valid[:, None]
    raw = tl.load(z_ptr + row[:, None] * z_stride + column, mask=read, other=0.0).to(tl.float32)
    z, slope = shaped(raw, softcap, inverse_temperature, CAPPED)
    z = tl.where(inside, z, float("-inf"))
    label = column == y[:, None]
    others = tl.where(label, float("-inf"), z)
    top = tl.max(others, 1)
    apart = others - finite(top)[:, None]
    e = tl.exp(apart)
    total = tl.sum(e, 1)
    nll, lse, rest, each = loss_of(own, top, total)

    w, sum_v, loss = tl.zeros_like(nll) + 1.0, classes * 1.0, nll
    if WEIGHTED:
        w = tl.load(weight_ptr + y, mask=named, other=0.0)
        sum_v = tl.load(weight_sum_ptr)
        loss = w * nll
    if SMOOTHED:
        v = weights_of(weight_ptr, column, column < classes, WEIGHTED)
        sum_vz = tl.sum(tl.where(v != 0.0, v * (z - own[:, None]), 0.0), 1)
        loss = smoothed(nll, w, sum_v, sum_vz, smoothing, classes)
    tl.store(loss_ptr + row, tl.where(valid, loss, 0.0), mask=there)
    tl.store(lse_ptr + row, tl.where(valid, lse, 0.0), mask=there)
    tl.store(nll_ptr + row, tl.where(valid, nll, 0.0), mask=there)
    if ENTROPY:
        sum_ez = tl.sum(tl.where(e > 0, e * apart, 0.0), 1)
        entropy = entropy_of(nll, lse, rest, each, top, total, sum_ez)
        tl.store(entropy_ptr + row, tl.where(valid, entropy, 0.0), mask=there)
    if ARGMAX:
        tl.store(argmax_ptr + row, tl.argmax(z, 1).to(tl.int64), mask=there)
    if GRADIENT:
        factor = tl.load(factor_ptr + row, mask=there, other=0.0)
        square = tl.load(square_ptr + row, mask=there, other=0.0)
        scale, shift, entry = slopes_of(factor, square, w, sum_v, lse, rest, smoothing, classes)
        g = e * (each * scale)[:, None]
        if SMOOTHED:
            g -= shift[:, None] * v
        g = tl.where(label, entry[:, None], g) * slope
        # in place: every logit was read by now
        tl.debug_barrier()
        to = out_ptr + row[:, None] * out_stride + column
        tl.store(to, tl.where(valid[:, None], g, 0.0).to(out_ptr.dtype.element_ty), mask=inside)


@triton.jit
def walk(
    z_ptr, out_ptr, label_ptr, factor_ptr, square_ptr, weight_ptr, weight_sum_ptr,
    loss_ptr, lse_ptr, nll_ptr, entropy_ptr, argmax_ptr,
    rows, classes, z_stride, out_stride, ignore_index, smoothing, softcap, inverse_temperature,
    CAPPED: tl.constexpr, SMOOTHED: tl.constexpr, WEIGHTED: tl.constexpr,
    GRADIENT: tl.constexpr, ENTROPY: tl.constexpr, ARGMAX: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Longer rows: a program goes over its row, and for the gradient once more, from the cache where it can.

    The rows under way are 132 × 256 KB = 34 MB for 128256 logits in bfloat16 and one program on each
    multiprocessor of an H100, whose second-level cache holds 50 MB.
    """
    row = tl.program_id(0).to(tl.int64)
    y = tl.load(label_ptr + row)
    valid = y != ignore_index
    named = valid & (y >= 0) & (y < classes)
    raw_own = tl.load(z_ptr + row * z_stride + y, mask=named, other=float("nan")).to(tl.float32)
    own, _own_slope = shaped(raw_own, softcap, inverse_temperature, CAPPED)
    # ignored rows cost no reading
    kept = tl.where(valid, classes, 0)
    stop = classes if ARGMAX else kept

    top = tl.full((), float("-inf"), tl.float32)
    total = tl.full((), 0.0, tl.float32)
    best, sum_ez, sum_vz = top, total, total
    best_at = row * 0
    for start in range(0, stop, BLOCK):
        column = start + tl.arange(0, BLOCK)
        inside = column < classes
        raw = tl.load(
            z_ptr + row * z_stride + column, mask=inside, other=0.0, eviction_policy="evict_last"
        ).to(tl.float32)
        z, _slope = shaped(raw, softcap, inverse_temperature, CAPPED)
        z = tl.where(inside, z, float("-inf"))
        others = tl.where(column == y, float("-inf"), z)
        larger = tl.maximum(top, tl.max(others, 0))
        apart = others - finite(larger)
        e = tl.exp(apart)
        before = tl.exp(top - finite(larger))
        if ENTROPY:
            moved = tl.where(total > 0, sum_ez + total * (top - finite(larger)), 0.0)
            sum_ez = before * moved + tl.sum(tl.where(e > 0, e * apart, 0.0), 0)
        if SMOOTHED:
            v = weights_of(weight_ptr, column, inside, WEIGHTED)
            sum_vz += tl.sum(tl.where(v != 0.0, v * (z - own), 0.0), 0)
        if ARGMAX:
            here = tl.max(z, 0)
            best_at = tl.where(here > best, tl.argmax(z, 0) + start, best_at)
            best = tl.maximum(best, here)
        total = total * before + tl.sum(e, 0)
        top = larger
    nll, lse, rest, each = loss_of(own, top, total)

    w, sum_v, loss = tl.zeros_like(nll) + 1.0, classes * 1.0, nll
    if WEIGHTED:
        w = tl.load(weight_ptr + y, mask=named, other=0.0)
        sum_v = tl.load(weight_sum_ptr)
        loss = w * nll
    if SMOOTHED:
        loss = smoothed(nll, w, sum_v, sum_vz, smoothing, classes)
    tl.store(loss_ptr + row, tl.where(valid, loss, 0.0))
    tl.store(lse_ptr + row, tl.where(valid, lse, 0.0))
    tl.store(nll_ptr + row, tl.where(valid, nll, 0.0))
    if ENTROPY:
        entropy = entropy_of(nll, lse, rest, each, top, total, sum_ez)
        tl.store(entropy_ptr + row, tl.where(valid, entropy, 0.0))
    if ARGMAX:
        tl.store(argmax_ptr + row, best_at)
    if GRADIENT:
        factor = tl.load(factor_ptr + row)
        square = tl.load(square_ptr + row)
        scale, shift, entry = slopes_of(factor, square, w, sum_v, lse, rest, smoothing, classes)
        for start in range(0, classes, BLOCK):
            column = start + tl.arange(0, BLOCK)
            inside = column < classes
            raw = tl.load(
                z_ptr + row * z_stride + column, mask=column < kept, other=0.0, eviction_policy="evict_first"
            ).to(tl.float32)
            z, slope = shaped(raw, softcap, inverse_temperature, CAPPED)
            g = tl.exp(z - finite(top)) * (each * scale)
            if SMOOTHED:
                g -= shift * weights_of(weight_ptr, column, inside, WEIGHTED)
            g = tl.where(column == y, entry, g) * slope
            tl.debug_barrier()
            to = out_ptr + row * out_stride + column
            tl.store(to, tl.where(valid, g, 0.0).to(out_ptr.dtype.element_ty), mask=inside)


@triton.jit
def late_gradient(
    z_ptr, out_ptr, label_ptr, lse_ptr, scale_ptr, entry_ptr, slope_ptr, shift_ptr, weight_ptr,
    classes, blocks, z_stride, out_stride, ignore_index, softcap, inverse_temperature,
    CAPPED: tl.constexpr, ENTROPY: tl.constexpr, SMOOTHED: tl.constexpr, WEIGHTED: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradient where lse is known: p_j·(scale + slope·(z_j − lse)) − shift·v_j, and entry at the label."""
    row = (tl.program_id(0) // blocks).to(tl.int64)
    column = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    inside = column < classes
    y = tl.load(label_ptr + row)
    valid = y != ignore_index
    kept = tl.where(valid, classes, 0)
    raw = tl.load(z_ptr + row * z_stride + column, mask=column < kept, other=0.0).to(tl.float32)
    z, steep = shaped(raw, softcap, inverse_temperature, CAPPED)
    apart = z - tl.load(lse_ptr + row)
    p = tl.exp(apart)
    g = p * tl.load(scale_ptr + row)
    if ENTROPY:
        g += tl.where(p > 0, p * apart * tl.load(slope_ptr + row), 0.0)
    if SMOOTHED:
        g -= tl.load(shift_ptr + row) * weights_of(weight_ptr, column, inside, WEIGHTED)
    g = tl.where(column == y, tl.load(entry_ptr + row), g) * steep
    tl.debug_barrier()
    to = out_ptr + row * out_stride + column
    tl.store(to, tl.where(valid, g, 0.0).to(out_ptr.dtype.element_ty), mask=inside)


@triton.jit
def times(gradient_ptr, up_ptr, count, BLOCK: tl.constexpr):
    """A gradient times a number, in its place; of 1 nothing is read nor written."""
    up = tl.load(up_ptr).to(tl.float32)
    if up != 1.0:
        at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        g = tl.load(gradient_ptr + at, mask=at < count, other=0.0)
        tl.store(gradient_ptr + at, (g.to(tl.float32) * up).to(g.dtype), mask=at < count)
