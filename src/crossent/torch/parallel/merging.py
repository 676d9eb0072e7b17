"""What the ranks know of each row, put together: one gathering of a few numbers a row."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor

from crossent.torch.blocks import Statistics
from crossent.torch.parallel.shards import Shard, gathered


def merged(s: Statistics, shard: Shard) -> Statistics:
    """The statistics of all columns from those of each rank's; of `s` classes are counted from its first.

    Every rank gets the numbers of all and adds them in the order of the ranks, so that all hold the same
    bits; a collective sum does not promise that.
    """
    if s.best_at is not None:
        s.best_at.add_(shard.first)
    known = {field.name: getattr(s, field.name) for field in fields(s)}
    known = {name: x if x.ndim == 2 else x[:, None] for name, x in known.items() if x is not None}
    every = gathered(torch.cat([x.double() for x in known.values()], 1), shard.group)
    parts = torch.split(every, [x.shape[1] for x in known.values()], 2)
    names = zip(known, parts, strict=True)
    return _combined(Statistics(**{name: x if name == "at" else x[..., 0] for name, x in names}))


def _combined(r: Statistics) -> Statistics:
    """Of (R, M) statistics those of M rows."""
    top = r.top.amax(0)
    # rows of nothing but −inf
    base = torch.where(top == -torch.inf, 0.0, top)
    share = torch.exp(r.top - base)

    def total(x: Tensor | None) -> Tensor | None:
        return None if x is None else x.sum(0)

    powers = None
    if r.sum_ez is not None:
        # Σ exp(z − top)(z − top) of the largest top
        moved = torch.where(r.others == 0, 0, r.sum_ez + r.others * (r.top - base))
        powers = (share * moved).sum(0)
    best, best_at = r.best, r.best_at
    if best is not None and best_at is not None:
        which = best.argmax(0, keepdim=True)
        best, best_at = best.gather(0, which)[0], best_at.gather(0, which)[0].long()
    return Statistics(
        top=top,
        others=(r.others * share).sum(0),
        own=_held(r.own),
        sum_z=total(r.sum_z),
        sum_ez=powers,
        best=best,
        best_at=best_at,
        dot=total(r.dot),
        given=total(r.given),
        at=total(r.at),
    )


def _held(own: Tensor) -> Tensor:
    """(M,) the label's logit, of the one rank that has it; nan where none has."""
    known = ~own.isnan()
    return torch.where(known.any(0), torch.where(known, own, -torch.inf).amax(0), torch.nan)
