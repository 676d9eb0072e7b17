"""Which classes a rank holds, and what has to be known of those of the others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from crossent.errors import DataError, UsageError
from crossent.torch.options import Options
from crossent.torch.targets import Rows, Target, read_targets

Group = dist.ProcessGroup | None
"""Ranks that hold a part of the classes each; None for all there are."""


@dataclass(frozen=True)
class Shard:
    """This rank's `columns` of logits: classes from `first` on; those beyond the last class are padding."""

    first: int
    columns: int
    classes: int
    group: Group = None

    @property
    def count(self) -> int:
        """Columns that are classes."""
        return min(max(self.classes - self.first, 0), self.columns)

    @property
    def here(self) -> slice:
        """The classes held here."""
        return slice(self.first, self.first + self.count)

    def local(self, rows: Rows) -> Rows:
        """Targets by number of column; a label that stands on another rank is −1."""
        labels, ids = (None if t is None else t - self.first for t in (rows.labels, rows.ids))
        if labels is not None:
            labels = torch.where((labels >= 0) & (labels < self.count), labels, -1)
        return Rows(rows.shape, labels, rows.probs, ids)


def ranks(group: Group) -> int:
    """How many there are; 1 without torch.distributed."""
    if group is None and not (dist.is_available() and dist.is_initialized()):
        return 1
    size = dist.get_world_size(group)
    if size < 1:
        raise UsageError("bad-option", "this rank is not in the group", cure="call it on the group's ranks")
    return size


def gathered(x: Tensor, group: Group) -> Tensor:
    """(R, …) the tensors of all ranks, of one shape."""
    size = ranks(group)
    if size == 1 or not x.numel():
        return x.expand(size, *x.shape)
    every = x.new_empty(size, *x.shape)
    dist.all_gather(list(every.unbind(0)), x.contiguous(), group=group)
    return every


def find_shard(
    columns: int, group: Group, first_class: int | None, classes: int | None, device: torch.device
) -> Shard:
    """The classes of this rank: what was not said is found from the number of columns of each rank.

    Errors: `UsageError` (bad-option) on every rank where columns and classes do not fit.
    """
    if first_class is not None and classes is not None:
        return Shard(first_class, columns, classes, group)
    own = torch.tensor([-1 if first_class is None else first_class, columns], device=device)
    spans = [(int(first), int(size)) for first, size in gathered(own, group).tolist()]
    if all(first < 0 for first, _ in spans):
        ends = [sum(size for _, size in spans[: i + 1]) for i in range(len(spans))]
        spans = [(end - size, size) for end, (_, size) in zip(ends, spans, strict=True)]
    end = 0
    for first, size in sorted(spans):
        if first != end:
            raise _uncovered(spans, classes)
        end += size
    if classes is not None and not 0 < classes <= end:
        raise _uncovered(spans, classes)
    rank = 0 if len(spans) == 1 else dist.get_rank(group)
    return Shard(spans[rank][0], columns, end if classes is None else classes, group)


def _uncovered(spans: list[tuple[int, int]], classes: int | None) -> UsageError:
    held = ", ".join(f"{first} to {first + size - 1}" if size else "none" for first, size in spans)
    wanted = "" if classes is None else f" of {classes}"
    return UsageError(
        "bad-option",
        f"the ranks hold classes {held}{wanted}",
        cure="each class stands on one rank; first_class is given on all ranks or on none",
    )


def read_shard_targets(target: Target, shape: tuple[int, ...], shard: Shard, options: Options) -> Rows:
    """As `read_targets`; distributions may have all classes or this rank's, and keep this rank's."""
    own = (*shape, shard.columns)
    if isinstance(target, Tensor) and target.is_floating_point() and tuple(target.shape) == own:
        return Rows(shape, probs=by_rows(target)[:, : shard.count])
    rows = read_targets(target, shape, shard.classes, options)
    if rows.probs is not None and rows.ids is None:
        return Rows(rows.shape, probs=rows.probs[:, shard.here])
    return rows


def by_rows(x: Tensor) -> Tensor:
    """(M, …) also of no columns, for which reshape(-1, 0) has no answer."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def all_class_weights(weight: Tensor | None, shard: Shard) -> Tensor | None:
    """(classes,) of all of them or of those of this rank's columns; then the other ranks' are fetched."""
    if weight is None or tuple(weight.shape) == (shard.classes,):
        return weight
    if tuple(weight.shape) != (shard.columns,):
        raise DataError(
            "shape-mismatch",
            f"weight {tuple(weight.shape)} for {shard.columns} columns of {shard.classes} classes",
            cure="give a weight for each class, or for each column of this rank",
        )
    every = weight.new_zeros(shard.classes)
    every[shard.here] = weight[: shard.count]
    if ranks(shard.group) > 1:
        # one of the summands is not 0: exact in any order
        dist.all_reduce(every, group=shard.group)
    return every
