"""Rows too long for one program, shared by a team of programs that exchange their sums through memory.

Every logit is read once. Not measured yet, so it is taken only by name: implementation="triton-team".
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

from crossent.torch.triton.arithmetic import finite, loss_of, shaped, slopes_of, smoothed, weights_of
from crossent.torch.triton.available import LAUNCH

SHARE = 16384
"""Logits that one program keeps in its registers; half, and twice the warps, with softcap or smoothing."""


def start(
    arguments: tuple[Any, ...], switches: dict[str, bool], count: int, classes: int, device: torch.device
) -> None:
    """Run `team` with the arguments of `rows_kernels.walk`."""
    heavy = switches["CAPPED"] or switches["SMOOTHED"]
    block = min(SHARE // 2 if heavy else SHARE, triton.next_power_of_2(classes))
    members = triton.cdiv(classes, block)
    # a ticket counter, and for each row how many members have written their sums
    counters = torch.zeros(1 + count, dtype=torch.int32, device=device)
    sums = torch.empty(count * members * 3, dtype=torch.float32, device=device)
    names = ("CAPPED", "SMOOTHED", "WEIGHTED", "GRADIENT")
    team[(count * members,)](
        *arguments, counters, sums, **{name: switches[name] for name in names},
        MEMBERS=members, SLOTS=triton.next_power_of_2(members), BLOCK=block,
        num_warps=16 if heavy else 8, **LAUNCH,
    )  # fmt: skip


@triton.jit
def team(
    z_ptr, out_ptr, label_ptr, factor_ptr, square_ptr, weight_ptr, weight_sum_ptr,
    loss_ptr, lse_ptr, nll_ptr, entropy_ptr, argmax_ptr,
    rows, classes, z_stride, out_stride, ignore_index, smoothing, softcap, inverse_temperature,
    counter_ptr, sums_ptr,
    CAPPED: tl.constexpr, SMOOTHED: tl.constexpr, WEIGHTED: tl.constexpr, GRADIENT: tl.constexpr,
    MEMBERS: tl.constexpr, SLOTS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One share of one row. Tickets are drawn in the order of starting, so that whoever waits, waits for
    programs that run already or start next: fewer than MEMBERS wait when all is full."""
    ticket = tl.atomic_add(counter_ptr, 1, sem="relaxed")
    row = (ticket // MEMBERS).to(tl.int64)
    member = ticket % MEMBERS
    y = tl.load(label_ptr + row)
    valid = y != ignore_index
    named = valid & (y >= 0) & (y < classes)
    raw_own = tl.load(z_ptr + row * z_stride + y, mask=named, other=float("nan")).to(tl.float32)
    own, _own_slope = shaped(raw_own, softcap, inverse_temperature, CAPPED)

    column = member * BLOCK + tl.arange(0, BLOCK)
    inside = column < classes
    kept = tl.where(valid, classes, 0)
    raw = tl.load(z_ptr + row * z_stride + column, mask=column < kept, other=0.0).to(tl.float32)
    z, slope = shaped(raw, softcap, inverse_temperature, CAPPED)
    label = column == y
    others = tl.where(inside & (column != y), z, float("-inf"))
    mine = tl.max(others, 0)
    e = tl.exp(others - finite(mine))
    v = weights_of(weight_ptr, column, inside, WEIGHTED)
    sum_vz = tl.sum(tl.where(v != 0.0, v * (z - own), 0.0), 0) if SMOOTHED else 0.0
    at = sums_ptr + (row * MEMBERS + member) * 3
    tl.store(at, mine)
    tl.store(at + 1, tl.sum(e, 0))
    tl.store(at + 2, sum_vz)
    tl.debug_barrier()
    written = tl.atomic_add(counter_ptr + 1 + row, 1, sem="acq_rel") + 1
    while written < MEMBERS:
        written = tl.atomic_add(counter_ptr + 1 + row, 0, sem="acquire")

    slot = tl.arange(0, SLOTS)
    all_at = sums_ptr + (row * MEMBERS + slot) * 3
    tops = tl.load(all_at, mask=slot < MEMBERS, other=float("-inf"), cache_modifier=".cg")
    parts = tl.load(all_at + 1, mask=slot < MEMBERS, other=0.0, cache_modifier=".cg")
    top = tl.max(tops, 0)
    total = tl.sum(parts * tl.exp(tops - finite(top)), 0)
    nll, lse, rest, each = loss_of(own, top, total)
    w, sum_v, loss = tl.zeros_like(nll) + 1.0, classes * 1.0, nll
    if WEIGHTED:
        w = tl.load(weight_ptr + y, mask=named, other=0.0)
        sum_v = tl.load(weight_sum_ptr)
        loss = w * nll
    if SMOOTHED:
        found = tl.load(all_at + 2, mask=slot < MEMBERS, other=0.0, cache_modifier=".cg")
        loss = smoothed(nll, w, sum_v, tl.sum(found, 0), smoothing, classes)
    first = member == 0
    tl.store(loss_ptr + row, tl.where(valid, loss, 0.0), mask=first)
    tl.store(lse_ptr + row, tl.where(valid, lse, 0.0), mask=first)
    tl.store(nll_ptr + row, tl.where(valid, nll, 0.0), mask=first)
    if GRADIENT:
        factor = tl.load(factor_ptr + row)
        square = tl.load(square_ptr + row)
        scale, shift, entry = slopes_of(factor, square, w, sum_v, lse, rest, smoothing, classes)
        g = e * (tl.exp(mine - finite(top)) * each * scale)
        if SMOOTHED:
            g -= shift * v
        g = tl.where(label, entry, g) * slope
        to = out_ptr + row * out_stride + column
        tl.store(to, tl.where(valid, g, 0.0).to(out_ptr.dtype.element_ty), mask=inside)
