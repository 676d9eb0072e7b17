"""Some columns of the logits of some rows: what they add to the rows' statistics, and their gradient."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossent.kernels import blocks as kernels
from crossent.torch.targets import Rows


@dataclass
class Statistics:
    """What is known of M rows of logits so far, in float64.

    top, others : largest logit but the label's, and Σ exp(z_j − top) over all but the label. own : the
    label's logit. Where asked for, None otherwise: sum_z = Σ v_j z_j with class weights v; sum_ez =
    Σ exp(z_j − top)(z_j − top) over all but the label; best, best_at : largest logit and its class. dot,
    given : Σ q_j v_j z_j and Σ q_j v_j of targets q; at : (M, k) the logits of the classes of a teacher's
    top k.
    """

    top: Tensor
    others: Tensor
    own: Tensor
    sum_z: Tensor | None = None
    sum_ez: Tensor | None = None
    best: Tensor | None = None
    best_at: Tensor | None = None
    dot: Tensor | None = None
    given: Tensor | None = None
    at: Tensor | None = None

    @classmethod
    def empty(
        cls, rows: Rows, count: int, *, sum_z: bool, entropy: bool, argmax: bool, device: torch.device
    ) -> Statistics:
        def full(value: float, *shape: int) -> Tensor:
            return torch.full((count, *shape), value, dtype=torch.float64, device=device)

        dense = rows.probs is not None and rows.ids is None
        return cls(
            full(-torch.inf),
            full(0.0),
            full(torch.nan),
            full(0.0) if sum_z else None,
            full(0.0) if entropy else None,
            full(-torch.inf) if argmax else None,
            torch.full((count,), -1, device=device) if argmax else None,
            full(0.0) if dense else None,
            full(0.0) if dense else None,
            full(0.0, rows.ids.shape[1]) if rows.ids is not None else None,
        )

    def part(self, rows: slice) -> Statistics:
        """Views of some rows: what is written there stands in the whole."""
        return Statistics(**_cut(self, rows))


@dataclass(frozen=True)
class Slopes:
    """(M,) float64 of every row: how its gradient by the logits is made of its terms p_j = exp(z_j − lse).

    g_j = p_j·(scale + slope·(z_j − lse)) − shift·v_j, but for the label's, which is entry. Of distributions q
    dot·q_j·v_j is taken off, of a teacher's top k at (M, k) is added.
    """

    lse: Tensor
    scale: Tensor
    entry: Tensor
    slope: Tensor | None = None
    shift: Tensor | None = None
    dot: Tensor | None = None
    at: Tensor | None = None

    def part(self, rows: slice) -> Slopes:
        return Slopes(**_cut(self, rows))


def _cut(whole: Statistics | Slopes, rows: slice) -> dict[str, Any]:
    found = {field.name: getattr(whole, field.name) for field in fields(whole)}
    return {name: None if x is None else x[rows] for name, x in found.items()}


def add_statistics(s: Statistics, z: Tensor, first: int, rows: Rows, weight: Tensor | None) -> None:
    """Add the columns from `first` on, logits z (M, B), to the statistics of their rows."""
    if _for_the_core(z):
        _add_by_the_core(s, z, first, rows, weight)
    else:
        _add_by_formulas(s, z, first, rows, weight)
    _add_targets(s, z, first, rows, weight)


def _for_the_core(z: Tensor) -> bool:
    return z.device.type == "cpu" and z.dtype == torch.float32


def _add_by_the_core(s: Statistics, z: Tensor, first: int, rows: Rows, weight: Tensor | None) -> None:
    kernels.block_statistics(
        z.numpy(),
        _labels(rows, z),
        s.top.numpy(),
        s.others.numpy(),
        s.own.numpy(),
        first=first,
        weights=None if weight is None or s.sum_z is None else _doubles(weight),
        sum_z=_numbers(s.sum_z),
        sum_ez=_numbers(s.sum_ez),
        best=_numbers(s.best),
        best_at=None if s.best_at is None else s.best_at.numpy(),
        threads=torch.get_num_threads(),
    )


def _labels(rows: Rows, z: Tensor) -> NDArray[np.int64]:
    if rows.labels is None:
        return np.full(len(z), -1)
    found: NDArray[np.int64] = rows.labels.contiguous().numpy()
    return found


def _numbers(x: Tensor | None) -> NDArray[np.float64] | None:
    return None if x is None else x.numpy()


def _doubles(x: Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = x.detach().double().contiguous().numpy()
    return found


def _add_by_formulas(s: Statistics, z: Tensor, first: int, rows: Rows, weight: Tensor | None) -> None:
    columns = z.shape[1]
    if rows.labels is not None:
        here = (rows.labels >= first) & (rows.labels < first + columns)
        at = torch.where(here, rows.labels - first, 0)[:, None]
        own = z.gather(1, at)[:, 0]
        s.own.copy_(torch.where(here, own.double(), s.own))
        others = z.scatter(1, at, torch.where(here, -torch.inf, own)[:, None])
    else:
        others = z
    _add_powers(s, others)
    v = None if weight is None else weight[first : first + columns].to(z.dtype)
    if s.sum_z is not None:
        s.sum_z += (z if v is None else torch.where(v == 0, 0, v * z)).sum(1, dtype=torch.float64)
    if s.best is not None and s.best_at is not None:
        best, at_ = z.max(1)
        more = best > s.best
        s.best_at.copy_(torch.where(more, at_ + first, s.best_at))
        s.best.copy_(torch.where(more, best.double(), s.best))


def _add_targets(s: Statistics, z: Tensor, first: int, rows: Rows, weight: Tensor | None) -> None:
    columns = z.shape[1]
    v = None if weight is None else weight[first : first + columns].to(z.dtype)
    if s.dot is not None and s.given is not None and rows.probs is not None:
        q = rows.probs[:, first : first + columns].to(z.dtype)
        mass = q if v is None else q * v
        s.dot += torch.where(mass == 0, 0, mass * z).sum(1, dtype=torch.float64)
        s.given += mass.sum(1, dtype=torch.float64)
    if s.at is not None and rows.ids is not None:
        inside = (rows.ids >= first) & (rows.ids < first + columns)
        s.at.copy_(torch.where(inside, z.gather(1, torch.where(inside, rows.ids - first, 0)).double(), s.at))


def _add_powers(s: Statistics, z: Tensor) -> None:
    top = torch.maximum(s.top, z.max(1).values.double())
    # rows of nothing but −inf so far: their sums stay 0
    base = torch.where(top == -torch.inf, 0.0, top)
    before = torch.exp(s.top - base)
    apart = z - base[:, None].to(z.dtype)
    terms = torch.exp(apart)
    if s.sum_ez is not None:
        moved = torch.where(s.others == 0, 0, s.sum_ez + s.others * (s.top - base))
        s.sum_ez.copy_(before * moved + torch.where(terms == 0, 0, terms * apart).sum(1, dtype=torch.float64))
    s.others.copy_(s.others * before + terms.sum(1, dtype=torch.float64))
    s.top.copy_(top)


def gradient(
    g: Slopes, z: Tensor, first: int, rows: Rows, weight: Tensor | None, cap: float, out: Tensor
) -> None:
    """Write the gradient by the logits z (M, B) from column `first` on to `out`, which may be z.

    cap : bound of logits that were capped softly, 0 for none: then the gradient is that by the logits before.
    """
    if _for_the_core(z) and g.dot is None and g.at is None:
        _write_by_the_core(g, z, first, rows, weight, cap, out)
    else:
        out.copy_(_by_formulas(g, z, first, rows, weight, cap))


def _write_by_the_core(
    g: Slopes, z: Tensor, first: int, rows: Rows, weight: Tensor | None, cap: float, out: Tensor
) -> None:
    # NumPy has no bfloat16: its bits
    given = out.view(torch.uint16) if out.dtype == torch.bfloat16 else out
    kernels.block_gradient(
        z.numpy(),
        _labels(rows, z),
        g.lse.numpy(),
        g.scale.numpy(),
        g.entry.numpy(),
        given.numpy(),
        first=first,
        slope=_numbers(g.slope),
        shift=_numbers(g.shift),
        weights=None if weight is None or g.shift is None else _doubles(weight),
        cap=cap,
        threads=torch.get_num_threads(),
    )


def _by_formulas(g: Slopes, z: Tensor, first: int, rows: Rows, weight: Tensor | None, cap: float) -> Tensor:
    columns = z.shape[1]
    apart = z - g.lse[:, None].to(z.dtype)
    slope = torch.exp(apart) * g.scale[:, None].to(z.dtype)
    if g.slope is not None:
        p = torch.exp(apart)
        slope = slope + torch.where(p == 0, 0, p * apart * g.slope[:, None].to(z.dtype))
    v = None if weight is None else weight[first : first + columns].to(z.dtype)
    if g.shift is not None:
        shift = g.shift[:, None].to(z.dtype)
        slope = slope - (shift if v is None else shift * v)
    if g.dot is not None and rows.probs is not None:
        q = rows.probs[:, first : first + columns].to(z.dtype)
        slope = slope - g.dot[:, None].to(z.dtype) * (q if v is None else q * v)
    if rows.labels is not None:
        here = (rows.labels >= first) & (rows.labels < first + columns)
        at = torch.where(here, rows.labels - first, 0)[:, None]
        entry = torch.where(here, g.entry.to(z.dtype), slope.gather(1, at)[:, 0])
        slope.scatter_(1, at, entry[:, None])
    if g.at is not None and rows.ids is not None:
        inside = (rows.ids >= first) & (rows.ids < first + columns)
        slope.scatter_add_(
            1, torch.where(inside, rows.ids - first, 0), torch.where(inside, g.at, 0).to(z.dtype)
        )
    return slope * (1 - (z / cap).square()) if cap else slope
