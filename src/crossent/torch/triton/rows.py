"""Cross-entropy of rows of logits by Triton: losses, what else is asked for, and gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor

from crossent.errors import UsageError
from crossent.torch.options import Options
from crossent.torch.triton import rows_kernels as kernels
from crossent.torch.triton import team
from crossent.torch.triton.available import LAUNCH

ONE_VISIT = 32768
"""Classes of the longest row that stays in the registers of one program; a quarter with `heavy` options.

Compiled for sm_90: 64 logits a thread at 128 registers, or 16 with the options, none spilled.
"""

WALK = 16384
"""Logits that a program of `walk` holds at a time, half with `heavy` options.

32 warps of 48 registers a thread: one program runs on a multiprocessor at a time, so that its row stays in
the cache."""

LATE = 8192
"""Logits of a program of `late_gradient`."""


class RowsFound(NamedTuple):
    """(N,) float32 of every row, 0 where it is ignored.

    loss : with class weights and smoothing. lse : log Σ exp z. nll : −log p of the label. entropy, argmax
    (int64; of ignored rows too) and gradient (N, V) where asked for.
    """

    loss: Tensor
    lse: Tensor
    nll: Tensor
    entropy: Tensor | None = None
    argmax: Tensor | None = None
    gradient: Tensor | None = None


class Derivatives(NamedTuple):
    """(N,) derivatives of what is differentiated by what is known of a row; None is 0."""

    loss: Tensor
    lse: Tensor | None = None
    logprob: Tensor | None = None
    entropy: Tensor | None = None


@dataclass(frozen=True)
class ClassWeights:
    """(V,) float32 and their sum, which stays on the device: None where all are 1."""

    each: Tensor | None
    sum: Tensor | None

    @classmethod
    def of(cls, weight: Tensor | None) -> ClassWeights:
        if weight is None:
            return cls(None, None)
        each = weight.float().contiguous()
        return cls(each, each.sum(dtype=torch.float64).float())


def loss_rows(
    z: Tensor,
    labels: Tensor,
    options: Options,
    *,
    weight: Tensor | None = None,
    factors: tuple[Tensor, Tensor] | None = None,
    entropy: bool = False,
    argmax: bool = False,
    out: Tensor | None = None,
    ignored: int = -1,
    implementation: str = "triton",
) -> RowsFound:
    """What is known of rows of logits z (N, V), before softcap and temperature, with labels (N,) int64.

    weight : (V,) class weights. factors : where they are given, the gradient of Σ factor·loss + square·lse²
    by z is formed while the logits are at hand, into `out` (which may be z itself), else into a new tensor.
    ignored : the label of rows that are left out. A label that is no class makes its row nan.
    implementation : "triton", or "triton-team" where several programs share a long row (not measured; it
        gives neither entropy nor argmax).
    """
    if implementation == "triton-team" and (entropy or argmax):
        raise UsageError(
            "bad-option", "entropy or argmax from implementation 'triton-team'", cure="ask 'triton' for them"
        )
    z, labels = _rows(z), labels.long().contiguous()
    count, classes = z.shape
    found = _room(z, entropy, argmax)
    gradient = None if factors is None else torch.empty_like(z) if out is None else out
    v = ClassWeights.of(weight)
    factor, square = (None, None) if factors is None else (f.float().contiguous() for f in factors)
    arguments: tuple[Any, ...] = (
        z, gradient, labels, factor, square, v.each, v.sum,
        found.loss, found.lse, found.nll, found.entropy, found.argmax,
        count, classes, z.stride(0), 0 if gradient is None else gradient.stride(0), ignored,
        options.label_smoothing, options.softcap or 1.0, 1.0 / options.temperature,
    )  # fmt: skip
    switches = {
        "CAPPED": options.softcap is not None,
        "SMOOTHED": options.label_smoothing > 0,
        "WEIGHTED": weight is not None,
        "GRADIENT": gradient is not None,
        "ENTROPY": entropy,
        "ARGMAX": argmax,
    }
    if count:
        if implementation == "triton-team":
            team.start(arguments, switches, count, classes, z.device)
        else:
            _start(arguments, switches, count, classes)
    return found._replace(gradient=gradient)


def _start(arguments: tuple[Any, ...], switches: dict[str, bool], count: int, classes: int) -> None:
    # what needs the logits, their slopes and weights at once
    heavy = any(switches[name] for name in ("CAPPED", "SMOOTHED", "ENTROPY", "ARGMAX"))
    if classes > (ONE_VISIT // 4 if heavy else ONE_VISIT):
        block = WALK // 2 if heavy else WALK
        kernels.walk[(count,)](*arguments, **switches, ROWS=1, BLOCK=block, num_warps=32, **LAUNCH)
        return
    block = max(16, triton.next_power_of_2(classes))
    # 512 logits a warp at least, so that rows of few classes share a program
    rows = max(1, min(triton.next_power_of_2(count), 512 // block))
    warps = block * rows // (512 if heavy or block < 8192 else 2048)
    kernels.one_visit[(triton.cdiv(count, rows),)](
        *arguments, **switches, ROWS=rows, BLOCK=block, num_warps=max(1, min(16, warps)), **LAUNCH
    )


def late_gradient(
    z: Tensor,
    labels: Tensor,
    found: RowsFound,
    up: Derivatives,
    options: Options,
    *,
    weight: Tensor | None = None,
    out: Tensor | None = None,
    ignored: int = -1,
) -> Tensor:
    """The gradient by z, for derivatives that come after the losses: a second kernel, which reads z again.

    `found` is what `loss_rows` gave, with the entropy where there is a derivative by it.
    """
    z, labels = _rows(z), labels.long().contiguous()
    count, classes = z.shape
    gradient = torch.empty_like(z) if out is None else out
    if not z.numel():
        return gradient
    v = ClassWeights.of(weight)
    scale, entry, slope, shift = _late_slopes(labels, found, up, options, v, classes)
    blocks = triton.cdiv(classes, LATE)
    block = min(LATE, triton.next_power_of_2(classes))
    kernels.late_gradient[(count * blocks,)](
        z, gradient, labels, found.lse, scale, entry, slope, shift, v.each,
        classes, blocks, z.stride(0), gradient.stride(0), ignored,
        options.softcap or 1.0, 1.0 / options.temperature,
        CAPPED=options.softcap is not None, ENTROPY=slope is not None,
        SMOOTHED=shift is not None, WEIGHTED=weight is not None, BLOCK=block, num_warps=8, **LAUNCH,
    )  # fmt: skip
    return gradient


def times(gradient: Tensor, up: Tensor) -> Tensor:
    """A contiguous gradient times a number on the device, in its place; the host does not wait for it."""
    count = gradient.numel()
    if count:
        block = min(4096, triton.next_power_of_2(count))
        kernels.times[(triton.cdiv(count, block),)](gradient, up, count, BLOCK=block, **LAUNCH)
    return gradient


def _late_slopes(
    labels: Tensor, found: RowsFound, up: Derivatives, options: Options, v: ClassWeights, classes: int
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """(N,) scale, entry, slope and shift of `kernels.late_gradient`.

    The entry is what a probability of 1 would leave, plus expm1(−nll) of what the probability stands before.
    """
    nll = found.nll
    of_loss, of_lse, of_logprob, of_entropy = (torch.zeros_like(nll) if x is None else x.float() for x in up)
    h = torch.zeros_like(nll) if found.entropy is None else found.entropy
    w = torch.ones_like(nll) if v.each is None else v.each[labels.clamp(0, classes - 1)]
    total = w.new_tensor(float(classes)) if v.sum is None else v.sum
    shift = of_loss * (options.label_smoothing / classes)
    mass = of_loss * (1 - options.label_smoothing) * w + shift * total
    scale = mass + of_lse - of_logprob - of_entropy * h
    certain = of_lse + of_entropy * (torch.where(nll < torch.inf, nll, 0) - h) + shift * (total - w)
    at_one = scale + of_entropy * torch.where(nll < torch.inf, nll, 0)
    return (
        scale,
        certain + torch.expm1(-nll) * at_one,
        None if up.entropy is None else -of_entropy,
        shift if options.label_smoothing else None,
    )


def _rows(z: Tensor) -> Tensor:
    return z if z.stride(1) == 1 or z.shape[1] == 1 else z.contiguous()


def _room(z: Tensor, entropy: bool, argmax: bool) -> RowsFound:
    def room(dtype: torch.dtype = torch.float32) -> Tensor:
        return z.new_empty(len(z), dtype=dtype)

    return RowsFound(
        room(), room(), room(), room() if entropy else None, room(torch.int64) if argmax else None
    )
