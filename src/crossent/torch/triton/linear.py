"""Linear cross-entropy by Triton: losses and gradients of hidden states, a chunk of rows at a time.

By the offset of the target's logit (see `linear_kernels`): a chunk's E takes 2 bytes a logit in bfloat16, is
written once, and both gradients are plain products with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor

from crossent.errors import UsageError
from crossent.torch.options import Options
from crossent.torch.triton import linear_kernels as kernels
from crossent.torch.triton.available import LAUNCH, interpreted
from crossent.torch.triton.rows import ClassWeights, loss_rows
from crossent.torch.triton.sums import Sums, wide_product

METHODS = ("stream", "fused", "logits")
SCRATCH = 1 << 30
"""Bytes of a chunk's logits unless said: 4096 rows of 128256 classes in bfloat16, 2048 in float32.

Each chunk reads and writes the gradient of W once, which takes as long as its product with 500 rows."""


@dataclass(frozen=True)
class Blocking:
    """How `kernels.product` is cut: tiles of rows, classes, columns; tiles that share W; warps, stages."""

    rows: int
    classes: int
    columns: int
    group: int
    warps: int
    stages: int


# By major compute capability. Fixed, not tuned when run: tiles decide the order of sums, and two runs are to
# give the same bits. The first is taken, the others are for a benchmark; none has been measured.
# Compiled, none spills registers, nor does the last of each with softcap or smoothing.
BLOCKINGS = {
    9: (Blocking(128, 256, 64, 8, 8, 3), Blocking(256, 128, 64, 8, 8, 3), Blocking(128, 128, 64, 8, 8, 4)),
    8: (Blocking(128, 256, 32, 8, 8, 3), Blocking(128, 128, 64, 8, 8, 3), Blocking(128, 128, 32, 8, 8, 4)),
}
SMALL = Blocking(32, 32, 32, 4, 4, 1)
"""For the interpreter."""


class LinearFound(NamedTuple):
    """losses and lse (N,) float32, 0 where ignored; gradients (N, D), (V, D), (V,), or None."""

    losses: Tensor
    lse: Tensor
    input: Tensor | None = None
    weight: Tensor | None = None
    bias: Tensor | None = None


@dataclass(frozen=True)
class _Call:
    """What stays the same for every chunk of rows."""

    weight: Tensor
    bias: Tensor | None
    class_weight: Tensor | None
    v: ClassWeights
    options: Options
    blocking: Blocking

    @property
    def classes(self) -> int:
        return len(self.weight)

    @property
    def softcap(self) -> float:
        return self.options.softcap or 1.0

    @property
    def switches(self) -> dict[str, bool]:
        return {
            "CAPPED": self.options.softcap is not None,
            "SMOOTHED": self.options.label_smoothing > 0,
            "WEIGHTED": self.class_weight is not None,
        }


class _Chunk(NamedTuple):
    """Some rows: hidden states, labels (−1 where ignored), factors of loss and lse²."""

    x: Tensor
    labels: Tensor
    factor: Tensor
    square: Tensor


class _Rows(NamedTuple):
    """What the kernels say of a chunk: the gradient by a row's logits is scale·E − shift·v."""

    e: Tensor
    loss: Tensor
    lse: Tensor
    scale: Tensor
    shift: Tensor
    redo: Tensor


def linear_cross_entropy_tlo(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    target: Tensor,
    row_weight: Tensor,
    *,
    options: Options,
    class_weight: Tensor | None = None,
    square: Tensor | None = None,
    ignored: int = -1,
    gradients: tuple[bool, bool, bool] = (True, True, True),
    into: Tensor | None = None,
    sum_dtype: torch.dtype | None = None,
    rows_at_once: int | None = None,
    method: str = "stream",
    blocking: Blocking | None = None,
) -> LinearFound:
    """Losses of x (N, D) under W (V, D), and the gradients of Σ row_weight·loss + square·lse².

    x and weight are float32 or bfloat16, target (N,) int64 with `ignored` where a row is left out.
    gradients : whether those by x, weight and bias are wanted. into : what the gradient by the weight is
    added to. sum_dtype : of its sum over the chunks, that of weight unless said. method : "stream", logits of
    a chunk in float32 by torch.mm, turned to E in their place; "fused", E straight from `kernels.product`;
    "logits", by `rows`, also taken for softcap with label smoothing, whose gradient has no part of rank one.

    Rows whose loss is above 69 nats, where exp(z − z_y) could overflow, are found at the end (the one time
    that the host waits for the device) and computed again from their largest logit.
    """
    if method not in METHODS:
        raise UsageError("bad-option", f"method is {method!r}", cure=f"choose one of: {', '.join(METHODS)}")
    if options.softcap is not None and options.label_smoothing > 0:
        method = "logits"
    v = ClassWeights.of(class_weight)
    call = _Call(weight, bias, class_weight, v, options, blocking or _blocking(x.device, options))
    labels = torch.where(target == ignored, -1, target.long())
    factor = row_weight.float()
    square = torch.zeros_like(factor) if square is None else square.float()
    whole = _Chunk(x, labels, factor, square)
    wanted = (*gradients[:2], gradients[2] and bias is not None)
    sums = Sums(x, weight, v.each, wanted, into, sum_dtype or weight.dtype)
    rows_at_once = rows_at_once or _rows_at_once(x, call.classes, method)
    losses = x.new_zeros(len(x), dtype=torch.float32)
    lse, redo = torch.zeros_like(losses), torch.zeros_like(losses, dtype=torch.int8)
    for start in range(0, len(x), rows_at_once):
        part = slice(start, start + rows_at_once)
        chunk = _Chunk(*(t[part] for t in whole))
        if method == "logits":
            losses[part], lse[part] = _by_logits(call, chunk, part, sums)
            continue
        found = _stream(call, chunk) if method == "stream" else _fused(call, chunk)
        losses[part], lse[part], redo[part] = found.loss, found.lse, found.redo
        smoothed = call.switches["SMOOTHED"]
        sums.add(part, chunk.x, found.e, found.scale, found.shift if smoothed else None)
        del found
    for again in torch.split(redo.nonzero()[:, 0], max(1, rows_at_once // 4)):
        if len(again):
            losses[again], lse[again] = _by_logits(call, _Chunk(*(t[again] for t in whole)), again, sums)
    by_input, by_weight, by_bias = sums.finish()
    by_bias = None if by_bias is None or bias is None else by_bias.to(bias.dtype)
    return LinearFound(losses, lse, by_input, by_weight, by_bias)


# --- a chunk's E


def _fused(call: _Call, chunk: _Chunk) -> _Rows:
    """By a product that ends in exponentials."""
    b, classes, rows = call.blocking, call.classes, len(chunk.x)
    found = _room(chunk.x, classes)
    own, slope = _own_logits(call, chunk)
    tiles = triton.cdiv(classes, b.classes)
    sums = torch.empty(tiles, rows, dtype=torch.float32, device=chunk.x.device)
    spread = torch.empty_like(sums) if call.switches["SMOOTHED"] else None
    x, w = _tight(chunk.x), _tight(call.weight)
    described = _described(x, w)
    wide = interpreted()
    inverse = 1.0 / call.options.temperature
    kernels.product[(triton.cdiv(rows, b.rows) * tiles,)](
        _descriptor(x, b.rows, b.columns) if described else x,
        _descriptor(w, b.classes, b.columns) if described else w,
        call.bias, own, chunk.labels, call.v.each, found.e, sums, spread,
        rows, classes, x.shape[1], x.stride(0), w.stride(0), found.e.stride(0), call.softcap, inverse,
        BIASED=call.bias is not None, **call.switches, DESCRIBED=described, WIDEN=wide,
        # float32 in three products of tensor cores: as precise as its own
        PRECISION="ieee" if wide else "tf32x3",
        BM=b.rows, BN=b.classes, BK=b.columns, GROUP=b.group,
        num_warps=b.warps, num_stages=b.stages, **LAUNCH,
    )  # fmt: skip
    kernels.finish[(triton.cdiv(rows, 32),)](
        sums, spread, own, slope, chunk.labels, chunk.factor, chunk.square, call.v.each, call.v.sum,
        found.e, found.loss, found.lse, found.scale, found.shift, found.redo,
        rows, classes, tiles, found.e.stride(0), call.options.label_smoothing, inverse,
        **call.switches, ROWS=32, TILES=32, **LAUNCH,
    )  # fmt: skip
    return found


def _stream(call: _Call, chunk: _Chunk) -> _Rows:
    """By float32 logits, which E takes the place of."""
    own, slope = _own_logits(call, chunk)
    z = wide_product(chunk.x, call.weight.t())
    e = z if chunk.x.dtype == torch.float32 else z.view(chunk.x.dtype)[:, : call.classes]
    found = _room(chunk.x, call.classes, e)
    kernels.stream[(len(z),)](
        z, e, call.bias, own, slope, chunk.labels, chunk.factor, chunk.square, call.v.each, call.v.sum,
        found.loss, found.lse, found.scale, found.shift, found.redo,
        len(z), call.classes, z.stride(0), e.stride(0), call.options.label_smoothing, call.softcap,
        1.0 / call.options.temperature,
        BIASED=call.bias is not None, **call.switches,
        BLOCK=min(4096, triton.next_power_of_2(call.classes)), num_warps=8, **LAUNCH,
    )  # fmt: skip
    return found


def _own_logits(call: _Call, chunk: _Chunk) -> tuple[Tensor, Tensor]:
    x, w = _tight(chunk.x), _tight(call.weight)
    own = torch.empty_like(chunk.factor)
    slope = torch.empty_like(own)
    kernels.own_logits[(triton.cdiv(len(x), 4),)](
        x, w, call.bias, chunk.labels, own, slope,
        len(x), call.classes, x.shape[1], x.stride(0), w.stride(0), call.softcap,
        1.0 / call.options.temperature,
        BIASED=call.bias is not None, CAPPED=call.switches["CAPPED"], ROWS=4, BLOCK=512, **LAUNCH,
    )  # fmt: skip
    return own, slope


def _by_logits(call: _Call, chunk: _Chunk, at: slice | Tensor, sums: Sums) -> tuple[Tensor, Tensor]:
    """Losses and lse by float32 logits and the kernels over rows; the gradient takes their place."""
    z = wide_product(chunk.x, call.weight.t())
    if call.bias is not None:
        z += call.bias.float()
    wanted = (chunk.factor, chunk.square) if sums.any else None
    found = loss_rows(
        z, chunk.labels, call.options, weight=call.class_weight, factors=wanted, out=z if sums.any else None
    )
    if sums.any:
        sums.add(at, chunk.x, z.to(chunk.x.dtype))
    return found.loss, found.lse


def _room(x: Tensor, classes: int, e: Tensor | None = None) -> _Rows:
    if e is None:
        # rows that begin at multiples of 128 bytes
        e = x.new_empty(len(x), triton.cdiv(classes, 64) * 64)[:, :classes]
    loss, lse, scale, shift = (x.new_empty(len(x), dtype=torch.float32) for _ in range(4))
    return _Rows(e, loss, lse, scale, shift, x.new_empty(len(x), dtype=torch.int8))


# --- how the product is run


def _blocking(device: torch.device, options: Options) -> Blocking:
    if interpreted() or device.type != "cuda":
        return SMALL
    major = torch.cuda.get_device_capability(device)[0]
    heavy = options.softcap is not None or options.label_smoothing > 0
    return BLOCKINGS[min(max(major, 8), 9)][-1 if heavy else 0]


def _rows_at_once(x: Tensor, classes: int, method: str) -> int:
    """As few chunks as `SCRATCH` allows, as even as multiples of 128 rows can be."""
    size = x.element_size() if method == "fused" else 4
    most = max(128, SCRATCH // (size * max(classes, 1)) // 128 * 128)
    chunks = -(-len(x) // most) or 1
    return -(-len(x) // chunks // 128) * 128 or 128


def _tight(t: Tensor) -> Tensor:
    return t if t.stride(1) == 1 else t.contiguous()


def _described(x: Tensor, w: Tensor) -> bool:
    """Whether Hopper's copy engine can fetch tiles: rows have to begin at multiples of 16 bytes."""
    if interpreted() or torch.cuda.get_device_capability(x.device)[0] < 9:
        return False
    return all(t.data_ptr() % 16 == 0 and t.stride(0) * t.element_size() % 16 == 0 for t in (x, w))


def _descriptor(t: Tensor, rows: int, columns: int) -> Any:
    from triton.tools.tensor_descriptor import TensorDescriptor

    return TensorDescriptor.from_tensor(t, [rows, columns])
