"""The formulas, written out in PyTorch: differentiable as often as wanted, and the test of every faster path.

Holds all logits, and computes in float32 at least.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from crossent.torch.options import Options
from crossent.torch.targets import RowFactors, Rows


@dataclass(frozen=True)
class RowValues:
    """What is known of each of M rows; 0 where a row is ignored. The loss has its class weights."""

    loss: Tensor
    lse: Tensor
    logprob: Tensor | None
    entropy: Tensor
    argmax: Tensor


def wide(x: Tensor) -> torch.dtype:
    """float64 for float64, else float32."""
    return torch.promote_types(x.dtype, torch.float32)


def shaped_logits(z: Tensor, options: Options) -> Tensor:
    """softcap·tanh(z / softcap) / temperature, in float32 at least."""
    z = z.to(wide(z))
    if options.softcap is not None:
        z = options.softcap * torch.tanh(z / options.softcap)
    return z if options.temperature == 1.0 else z / options.temperature


def linear_logits(x: Tensor, weight: Tensor, bias: Tensor | None, options: Options) -> Tensor:
    """(M, V) logits of x Wᵀ + b, formed in float32 at least."""
    dtype = wide(x)
    z = functional.linear(x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype))
    return shaped_logits(z, options)


def row_values(z: Tensor, rows: Rows, weight: Tensor | None, options: Options) -> RowValues:
    """Of logits z (M, V), shaped already."""
    lse = torch.logsumexp(z, 1)
    entropy = row_entropy(z, lse)
    weight = None if weight is None else weight.to(z.dtype)
    if rows.labels is None:
        loss, logprob = _soft(z, lse, rows, weight, options)
    else:
        loss, logprob = _labelled(z, lse, rows.labels, weight, options)
    valid = rows.valid
    if logprob is not None:
        logprob = torch.where(valid if logprob.ndim == 1 else valid[:, None], logprob, 0)
    return RowValues(
        torch.where(valid, loss, 0),
        torch.where(valid, lse, 0),
        logprob,
        torch.where(valid, entropy, 0),
        z.detach().argmax(1),
    )


def row_entropy(z: Tensor, lse: Tensor) -> Tensor:
    """(M,) −Σ p log p, where a class of probability zero adds nothing."""
    p = torch.exp(z - lse[:, None])
    return lse - torch.where(p > 0, p * z, 0).sum(1)


def _labelled(
    z: Tensor, lse: Tensor, labels: Tensor, weight: Tensor | None, options: Options
) -> tuple[Tensor, Tensor]:
    """(cross-entropy, log p of the label) by log1p(Σ_{j≠y} exp(z_j − z_y)): precise however confident."""
    y = labels.clamp(min=0)
    own = z.gather(1, y[:, None])[:, 0]
    # a number, so that a row whose other logits are all −inf has gradient 0 rather than nan
    least = torch.finfo(z.dtype).min / 2
    others = torch.logsumexp(z.scatter(1, y[:, None], least), 1)
    # the threshold of 20 that softplus has would cut off 2e-9
    negative = functional.softplus(others - own, threshold=60.0)
    chosen = negative if weight is None else negative * weight[y]
    eps = options.label_smoothing
    if eps == 0.0:
        return chosen, -negative
    spread = lse[:, None] - z if weight is None else weight * (lse[:, None] - z)
    return (1 - eps) * chosen + eps / z.shape[1] * spread.sum(1), -negative


def _soft(
    z: Tensor, lse: Tensor, rows: Rows, weight: Tensor | None, options: Options
) -> tuple[Tensor, Tensor | None]:
    """−Σ w q log p of a distribution q, dense or of a teacher's top k."""
    assert rows.probs is not None
    q, logits, w = rows.probs.to(z.dtype), z, weight
    logprob = None
    if rows.ids is not None:
        logits = z.gather(1, rows.ids)
        w = None if weight is None else weight[rows.ids]
        logprob = logits - lse[:, None]
    elif options.label_smoothing:
        q = (1 - options.label_smoothing) * q + options.label_smoothing / z.shape[1]
    mass = q if w is None else q * w
    return torch.where(mass == 0, 0, mass * (lse[:, None] - logits)).sum(1), logprob


def total(values: RowValues, factors: RowFactors) -> Tensor:
    """The sum over the rows of both parts of the loss, each times its factor."""
    return (values.loss * factors.loss).sum() + (values.lse.square() * factors.square).sum()


def per_row(values: RowValues, factors: RowFactors) -> Tensor:
    """(M,) the summands."""
    return values.loss * factors.loss + values.lse.square() * factors.square
