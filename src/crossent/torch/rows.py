"""From the statistics of rows to their losses, and from the slopes of the losses to those of the logits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from crossent.torch.blocks import Slopes, Statistics
from crossent.torch.options import Options
from crossent.torch.targets import Rows


@dataclass(frozen=True)
class RowLosses:
    """(M,) float64 of every row: loss with class weights, lse, −log p of the label, entropy, likeliest class.

    logprob : (M, k) of a teacher's top k. mass : what the terms of the row's loss sum to, Σ q_j v_j.
    """

    loss: Tensor
    lse: Tensor
    nll: Tensor | None
    mass: Tensor
    entropy: Tensor | None = None
    argmax: Tensor | None = None
    logprob: Tensor | None = None


@dataclass(frozen=True)
class Upstream:
    """(M,) derivatives of what is differentiated by what a row gives; None is 0. logprob may be (M, k)."""

    loss: Tensor
    lse: Tensor | None = None
    logprob: Tensor | None = None
    entropy: Tensor | None = None


def row_losses(s: Statistics, rows: Rows, weight: Tensor | None, classes: int, options: Options) -> RowLosses:
    """What the statistics of all columns say.

    The loss of a label is log1p(Σ_{j≠y} exp(z_j − z_y)), so that confident rows keep their digits; the
    entropy is a sum of terms that are not negative.
    """
    # of sums that are nan the logarithm is nan too
    rest = torch.where(s.others == 0, -torch.inf, torch.log(s.others) + s.top)
    nll, lse = None, rest
    if rows.labels is not None:
        nll = torch.nn.functional.softplus(rest - s.own, threshold=60.0)
        lse = torch.where(s.own == -torch.inf, rest, s.own + nll)
    entropy = None
    if s.sum_ez is not None:
        share = torch.exp(s.top - lse)
        entropy = share * torch.where(s.others == 0, 0, s.others * (lse - s.top) - s.sum_ez)
        if nll is not None:
            entropy = entropy + torch.where(nll < torch.inf, torch.exp(-nll) * nll, 0)
    loss, mass = _loss(s, rows, weight, classes, options, lse, nll)
    logprob = None if s.at is None else s.at - lse[:, None]
    return RowLosses(loss, lse, nll, mass, entropy, s.best_at, logprob)


def _loss(
    s: Statistics,
    rows: Rows,
    weight: Tensor | None,
    classes: int,
    options: Options,
    lse: Tensor,
    nll: Tensor | None,
) -> tuple[Tensor, Tensor]:
    eps, v = options.label_smoothing, None if weight is None else weight.double()
    mass = masses(rows, weight, classes, options, s.given)
    if nll is not None and rows.labels is not None:
        loss = nll if v is None else v[rows.labels] * nll
    elif s.at is not None:
        q = _given(rows, v)
        loss = torch.where(q == 0, 0, q * (lse[:, None] - s.at)).sum(1)
    else:
        assert s.dot is not None and s.given is not None
        loss = s.given * lse - s.dot
    if eps == 0.0 or s.sum_z is None:
        return loss, mass
    every = float(classes) if v is None else v.sum()
    return (1 - eps) * loss + eps / classes * (every * lse - s.sum_z), mass


def masses(
    rows: Rows, weight: Tensor | None, classes: int, options: Options, given: Tensor | None = None
) -> Tensor:
    """(M,) Σ_j of what the row's target, smoothed, gives each class, times the weight of the class.

    given : this sum before smoothing, of distributions, where it is known.
    """
    eps, v = options.label_smoothing, None if weight is None else weight.double()
    if rows.labels is not None:
        mass = (
            torch.ones(rows.labels.shape, dtype=torch.float64, device=rows.labels.device)
            if v is None
            else v[rows.labels]
        )
    else:
        mass = _given(rows, v).sum(1) if given is None else given
    return (
        mass if eps == 0.0 else (1 - eps) * mass + eps / classes * (float(classes) if v is None else v.sum())
    )


def _given(rows: Rows, v: Tensor | None) -> Tensor:
    """(M, V) or (M, k) probabilities times the weights of their classes."""
    assert rows.probs is not None
    q = rows.probs.double()
    if v is None:
        return q
    return q * v if rows.ids is None else q * v[rows.ids]


def slopes(
    up: Upstream,
    values: RowLosses,
    rows: Rows,
    weight: Tensor | None,
    classes: int,
    options: Options,
) -> Slopes:
    """How the gradient by the logits before softcap and temperature is made of the terms of each row.

    The label's entry is formed as a sum without p − 1: −(1 − p) where nothing else is asked for.
    """
    eps = options.label_smoothing
    zero = torch.zeros_like(values.lse)
    late = zero if up.logprob is None else up.logprob
    all_late = late if late.ndim == 1 else late.sum(1)
    entropy, square = (zero if x is None else x for x in (up.entropy, up.lse))
    h = zero if values.entropy is None else values.entropy
    scale = up.loss * values.mass + square - all_late - entropy * h
    shift = up.loss * (eps / classes) if eps else None
    entry, dot, at = zero, None, None
    if rows.labels is not None and values.nll is not None:
        entry = _label_entry(
            up.loss, square, entropy, h, scale, values.nll, rows.labels, weight, classes, eps
        )
    elif values.logprob is None:
        dot = up.loss * (1 - eps)
    else:
        v = None if weight is None else weight.double()
        at = (late if late.ndim == 2 else 0) - up.loss[:, None] * _given(rows, v)
    t = 1.0 / options.temperature
    return Slopes(
        values.lse,
        scale * t,
        entry * t,
        None if up.entropy is None else -up.entropy * t,
        None if shift is None else shift * t,
        None if dot is None else dot * t,
        None if at is None else at * t,
    )


def _label_entry(
    loss: Tensor,
    square: Tensor,
    entropy: Tensor,
    h: Tensor,
    scale: Tensor,
    nll: Tensor,
    labels: Tensor,
    weight: Tensor | None,
    classes: int,
    eps: float,
) -> Tensor:
    """The gradient's entry at the label: what p = 1 would leave, and apart from it what 1 − p takes off."""
    finite = torch.where(nll < torch.inf, nll, 0)
    at_one = scale + entropy * finite
    certain = square + entropy * (finite - h)
    if eps:
        v = None if weight is None else weight.double()
        others = classes - 1 if v is None else v.sum() - v[labels]
        certain = certain + loss * (eps / classes) * others
    return certain + torch.expm1(-nll) * at_one
