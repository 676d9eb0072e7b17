"""Forward and backward pass of a rank: the others' columns enter by the statistics of the rows alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from crossent.torch.blocks import Slopes, Statistics, add_statistics, gradient
from crossent.torch.options import Options
from crossent.torch.parallel.merging import merged
from crossent.torch.parallel.shards import Shard, ranks
from crossent.torch.projection import Asked, Projection, some, tiles_for
from crossent.torch.reference import RowValues, shaped_logits, wide
from crossent.torch.rows import RowLosses, Upstream, row_losses, slopes
from crossent.torch.targets import Rows

Found = tuple[Tensor | None, ...]


@dataclass(frozen=True)
class Pass(ABC):
    """All of a call but the tensors that get gradients.

    rows : targets of the rows that count, `keep` their numbers, None for all. class_weight : (classes,).
    """

    rows: Rows
    keep: Tensor | None
    class_weight: Tensor | None
    options: Options
    shard: Shard
    asked: Asked

    @abstractmethod
    def statistics(self, *tensors: Tensor | None) -> Statistics:
        """Of this rank's columns."""

    @abstractmethod
    def gradients(self, g: Slopes, needed: tuple[bool, ...], *tensors: Tensor | None) -> Found:
        """By each tensor that needs one."""

    @property
    def local_weight(self) -> Tensor | None:
        return None if self.class_weight is None else self.class_weight[self.shard.here]

    @property
    def local_rows(self) -> Rows:
        return self.shard.local(self.rows)

    def values(self, s: Statistics) -> RowLosses:
        return row_losses(s, self.rows, self.class_weight, self.shard.classes, self.options)

    def slopes(self, up: Upstream, values: RowLosses) -> Slopes:
        return slopes(up, values, self.rows, self.class_weight, self.shard.classes, self.options)

    def kept(self, x: Tensor) -> Tensor:
        return x if self.keep is None else x[self.keep]

    def every(self, x: Tensor, count: int) -> Tensor:
        """0 in rows that do not count."""
        if self.keep is None:
            return x
        return x.new_zeros(count, *x.shape[1:]).index_copy_(0, self.keep, x)


@dataclass(frozen=True)
class LogitsPass(Pass):
    """Of logits (M, columns)."""

    def _parts(self, rows: int) -> list[slice]:
        if not self.shard.count:
            return []
        # 4 MiB of logits in float32: they stay in a cache
        step = max(16, (1 << 20) // self.shard.count)
        return [slice(i, min(i + step, rows)) for i in range(0, rows, step)]

    def _logits(self, x: Tensor, part: slice) -> Tensor:
        z = x[part] if self.keep is None else x[self.keep[part]]
        return shaped_logits(z[:, : self.shard.count], self.options)

    def statistics(self, *tensors: Tensor | None) -> Statistics:
        (x,) = tensors
        assert x is not None
        rows, count = self.local_rows, len(x) if self.keep is None else len(self.keep)
        found = self._nothing(count, x.device)
        for part in self._parts(count):
            add_statistics(found.part(part), self._logits(x, part), 0, some(rows, part), self.local_weight)
        return found

    def _nothing(self, count: int, device: torch.device) -> Statistics:
        return Statistics.empty(
            self.rows,
            count,
            sum_z=self.options.label_smoothing > 0,
            entropy=self.asked.entropy,
            argmax=self.asked.argmax,
            device=device,
        )

    def gradients(self, g: Slopes, needed: tuple[bool, ...], *tensors: Tensor | None) -> Found:
        (x,) = tensors
        assert x is not None
        rows, columns = self.local_rows, slice(0, self.shard.count)
        whole = self.keep is None and self.shard.count == self.shard.columns
        out = torch.empty_like(x) if whole else torch.zeros_like(x)
        for part in self._parts(len(g.lse)):
            z = self._logits(x, part)
            to = torch.empty_like(z) if self.keep is not None else out[part, columns]
            gradient(g.part(part), z, 0, some(rows, part), self.local_weight, self.options.cap, to)
            if self.keep is not None:
                out[self.keep[part], columns] = to.to(out.dtype)
        return (out,)


@dataclass(frozen=True)
class LinearPass(Pass):
    """Of hidden states (M, D), the same on all ranks, with this rank's rows of weight and bias.

    Logits are made twice, some rows and classes at a time: 8·M·D·columns operations.
    """

    budget: int | None = None
    reduce: bool = True

    def _projection(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Projection:
        x, count = self.kept(x), self.shard.count
        return Projection(
            x,
            weight[:count],
            None if bias is None else bias[:count],
            self.local_rows,
            self.local_weight,
            self.options,
            tiles_for(len(x), max(count, 1), x.dtype, x.device, self.budget),
        )

    def statistics(self, *tensors: Tensor | None) -> Statistics:
        x, weight, bias = tensors
        assert x is not None and weight is not None
        return self._projection(x, weight, bias).statistics(self.asked)

    def gradients(self, g: Slopes, needed: tuple[bool, ...], *tensors: Tensor | None) -> Found:
        x, weight, bias = tensors
        assert x is not None and weight is not None
        by_input, by_weight, by_bias = needed
        if self.shard.count:
            asked = Asked(input=by_input, weight=by_weight, bias=by_bias, partial=True)
            found = self._projection(x, weight, bias).gradients_by(g, asked)
            own, of_weight, of_bias = found.input, found.weight, found.bias
        else:
            own = x.new_zeros(len(g.lse), x.shape[1], dtype=wide(x)) if by_input else None
            of_weight, of_bias = weight[:0], None if bias is None else bias[:0]
        return (
            self._summed(own, x) if by_input and own is not None else None,
            _padded(of_weight, weight) if by_weight else None,
            _padded(of_bias, bias) if by_bias else None,
        )

    def _summed(self, own: Tensor, x: Tensor) -> Tensor:
        if self.reduce and ranks(self.shard.group) > 1:
            dist.all_reduce(own, group=self.shard.group)
        return self.every(own.to(x.dtype), len(x))


def _padded(part: Tensor | None, like: Tensor | None) -> Tensor | None:
    """0 for columns that are no class."""
    if part is None or like is None or part.shape == like.shape:
        return part
    out = torch.zeros_like(like)
    out[: len(part)] = part
    return out


class _Rows(torch.autograd.Function):
    """(loss, lse, log p of the target, entropy, argmax) of every row in float64; None where not asked for."""

    @staticmethod
    def forward(ctx: Any, call: Pass, *tensors: Tensor | None) -> Found:
        v = call.values(merged(call.statistics(*tensors), call.shard))
        ctx.call, ctx.count = call, len(tensors)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, v.loss, v.lse, v.nll, v.mass, v.entropy, v.argmax, v.logprob)
        assert tensors[0] is not None
        rows = len(tensors[0])
        logprob = -v.nll if v.nll is not None else v.logprob
        found = [None if t is None else call.every(t, rows) for t in (v.loss, v.lse, logprob, v.entropy)]
        argmax = None if v.argmax is None else call.every(v.argmax, rows)
        if argmax is not None:
            ctx.mark_non_differentiable(argmax)
        return *found, argmax

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *ups: Tensor | None) -> Found:
        call: Pass = ctx.call
        tensors, values = ctx.saved_tensors[: ctx.count], RowLosses(*ctx.saved_tensors[ctx.count :])
        loss, *others = (None if up is None else call.kept(up) for up in ups[:4])
        up = Upstream(torch.zeros_like(values.loss) if loss is None else loss, *others)
        with torch.autocast(tensors[0].device.type, enabled=False):
            return None, *call.gradients(call.slopes(up, values), ctx.needs_input_grad[1:], *tensors)


def row_values(call: Pass, *tensors: Tensor | None) -> RowValues:
    """What is known of every row, the same on all ranks and differentiable once."""
    loss, lse, logprob, entropy, argmax = _Rows.apply(call, *tensors)  # type: ignore[no-untyped-call]
    return RowValues(loss, lse, logprob, entropy, argmax)
