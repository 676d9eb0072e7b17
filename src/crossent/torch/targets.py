"""Targets of three kinds (class indices, distributions, a teacher's top k) as rows, and what rows weigh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from crossent.errors import DataError, UsageError
from crossent.torch.options import Options


class TopK(NamedTuple):
    """The classes a teacher found most probable, and their probabilities: a sparse target for distillation.

    ids : (…, k) class indices, different within a row. probs : (…, k) their probabilities; what they leave
    to one is left out of the loss.
    """

    ids: Tensor
    probs: Tensor


Target = Tensor | TopK


@dataclass(frozen=True)
class Rows:
    """The targets of M rows; exactly one of labels and probs is there.

    labels : (M,) int64, −1 where the row is ignored. probs : (M, V), or (M, k) with ids (M, k).
    shape : of the target without its classes, for what is returned a row.
    """

    shape: tuple[int, ...]
    labels: Tensor | None = None
    probs: Tensor | None = None
    ids: Tensor | None = None

    @property
    def valid(self) -> Tensor:
        """(M,) bool: rows that count."""
        if self.labels is not None:
            return self.labels >= 0
        assert self.probs is not None
        return torch.ones(self.probs.shape[0], dtype=torch.bool, device=self.probs.device)


class RowFactors(NamedTuple):
    """(M,) what a row's cross-entropy and its lse² are multiplied with in the loss."""

    loss: Tensor
    square: Tensor


def read_targets(target: Target, shape: Sequence[int], classes: int, options: Options) -> Rows:
    """Targets as rows; `shape` is that of the predictions without their classes, which stand last.

    Errors: `DataError` (shape-mismatch, label-out-of-range, label-type), `UsageError` (bad-option).
    """
    shape = tuple(shape)
    if isinstance(target, TopK):
        return _read_top_k(target, shape, options)
    if target.is_floating_point():
        if tuple(target.shape) != (*shape, classes):
            raise _mismatch(target, (*shape, classes))
        return Rows(shape, probs=target.reshape(-1, classes))
    if tuple(target.shape) != shape:
        raise _mismatch(target, shape)
    return Rows(shape, labels=_labels(target, classes, options.ignore_index))


def _read_top_k(target: TopK, shape: tuple[int, ...], options: Options) -> Rows:
    ids, probs = target
    if ids.shape != probs.shape or tuple(ids.shape[:-1]) != shape:
        raise _mismatch(ids, (*shape, "k"))
    if options.label_smoothing:
        raise UsageError(
            "bad-option", "label_smoothing with a teacher's top k", cure="smooth the teacher's probabilities"
        )
    k = ids.shape[-1]
    return Rows(shape, probs=probs.reshape(-1, k), ids=ids.reshape(-1, k).long())


def is_transformed() -> bool:
    """Whether this runs under vmap, grad or another transform of `torch.func`."""
    return bool(torch._C._are_functorch_transforms_active())


def _labels(target: Tensor, classes: int, ignore_index: int) -> Tensor:
    """(M,) int64 with −1 where ignored.

    Inside a compiled graph and under `torch.func` values cannot be looked at: what computes the loss makes
    nan of a label that is no class.
    """
    if target.dtype == torch.bool:
        raise DataError("label-type", "the target is of type bool", cure="give class indices: target.long()")
    labels = target.reshape(-1).long()
    ignored = labels == ignore_index
    if not (torch.compiler.is_compiling() or is_transformed()):
        bad = ((labels < 0) | (labels >= classes)) & ~ignored
        if bad.device.type == "cpu" and bool(bad.any()):
            row = int(bad.nonzero()[0, 0])
            raise DataError(
                "label-out-of-range",
                f"there are classes 0 to {classes - 1}",
                row=row,
                value=int(labels[row]),
                cure=f"number classes from 0; a label that is to be left out is ignore_index={ignore_index}",
            )
    return torch.where(ignored, -1, labels)


def row_factors(
    rows: Rows,
    weight: Tensor | None,
    token_weight: Tensor | None,
    options: Options,
    dtype: torch.dtype,
) -> RowFactors:
    """What each row counts: token weights t, over Σ t·w_label (mean; Σ t for distributions); 0 where ignored.

    The z-loss is divided by Σ t. Where nothing is left to divide by, factors are 0: a batch whose rows are
    all ignored has loss 0 and gradient 0.
    """
    t = rows.valid.to(dtype)
    if token_weight is not None:
        if tuple(token_weight.shape) != rows.shape:
            raise _mismatch(token_weight, rows.shape)
        t = t * torch.where(rows.valid, token_weight.reshape(-1).to(dtype), 0)
    square = t * options.z_loss
    if options.reduction != "mean":
        return RowFactors(t, square)
    share = _inverse(t.sum())
    if rows.labels is None or weight is None:
        return RowFactors(t * share, square * share)
    own = t * weight.to(dtype)[rows.labels.clamp(min=0)]
    return RowFactors(t * _inverse(own.sum()), square * share)


def _inverse(x: Tensor) -> Tensor:
    return torch.where(x == 0, 0, 1 / x)


def _mismatch(found: Tensor, wanted: Sequence[object]) -> DataError:
    expected = ", ".join(str(size) for size in wanted)
    return DataError(
        "shape-mismatch",
        f"a tensor of shape {tuple(found.shape)} where ({expected}) is needed",
        cure="give one target (and one token weight) for each row of the input",
    )
