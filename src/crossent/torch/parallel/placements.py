"""Tensors that know how they are spread over a mesh of ranks (DTensor), as the parts this rank holds."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from crossent.errors import UsageError
from crossent.torch.parallel.shards import Group
from crossent.torch.targets import Target, TopK


@dataclass(frozen=True)
class Place:
    """Where the classes of a rank stand: what `group`, `first_class` and `classes` say of plain tensors."""

    group: Group
    first: int | None
    classes: int | None


def sharded(
    x: Tensor, dim: int, name: str, group: Group, first_class: int | None, classes: int | None
) -> tuple[Tensor, Place]:
    """The part of x here, its classes along `dim`.

    Errors: `UsageError` (bad-placement; bad-option where the mesh is contradicted).
    """
    if not is_distributed(x):
        return x, Place(group, first_class, classes)
    if group is not None or first_class is not None:
        raise UsageError(
            "bad-option",
            f"{name} is a DTensor, and group or first_class is given",
            cure="leave them out: the mesh of the DTensor says both",
        )
    part, mesh = _local(x, dim, name), x.device_mesh  # type: ignore[attr-defined]
    every = x.shape[dim]
    # as torch.chunk: all parts but the last have one size
    size = -(-every // mesh.size())
    first = min(mesh.get_local_rank() * size, every)
    if part.shape[dim] != min(size, every - first):
        raise _misplaced(name, x, f"Shard({dim}) in the parts that distribute_tensor makes")
    return part, Place(mesh.get_group(), first, every if classes is None else classes)


def local(x: Tensor | None, name: str, dim: int | None = None, partial: bool = False) -> Tensor | None:
    """This rank's part of a tensor that is replicated, or spread over its classes along `dim`.

    partial : its gradient is returned as this rank's summand, for the mesh to add up.
    """
    if x is None or not is_distributed(x):
        return x
    if dim is not None and _is_shard(x, dim):
        return _local(x, dim, name)
    if not all(placement.is_replicate() for placement in x.placements):  # type: ignore[attr-defined]
        raise _misplaced(name, x, "Replicate()" if dim is None else f"Replicate() or Shard({dim})")
    if not partial:
        return _to_local(x)
    from torch.distributed.tensor import Partial

    return _to_local(x, grad_placements=[Partial()] * x.device_mesh.ndim)  # type: ignore[attr-defined]


def local_target(target: Target) -> Target:
    """Labels and a teacher's top k replicated, distributions replicated or spread over their classes."""
    if isinstance(target, TopK):
        ids, probs = (local(t, "target") for t in target)
        assert ids is not None and probs is not None
        return TopK(ids, probs)
    part = local(target, "target", target.ndim - 1 if target.is_floating_point() else None)
    assert part is not None
    return part


def is_distributed(x: Tensor) -> bool:
    """Whether x is a DTensor: there is none before their module was loaded."""
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(x, module.DTensor)


def _local(x: Tensor, dim: int, name: str) -> Tensor:
    if not _is_shard(x, dim):
        raise _misplaced(name, x, f"Shard({dim}) on a mesh of one dimension")
    return _to_local(x)


def _is_shard(x: Any, dim: int) -> bool:
    if x.device_mesh.ndim != 1:
        return False
    placement = x.placements[0]
    return placement.is_shard() and placement.dim in (dim, dim - x.ndim)


def _to_local(x: Any, **how: Any) -> Tensor:
    part: Tensor = x.to_local(**how)
    return part


def _misplaced(name: str, x: Any, wanted: str) -> UsageError:
    return UsageError(
        "bad-placement",
        f"{name} is placed {x.placements} on a mesh of {x.device_mesh.ndim} dimension(s)",
        cure=f"redistribute it to {wanted}, or give the local tensor with group=",
    )
