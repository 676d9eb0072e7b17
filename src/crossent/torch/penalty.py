"""Penalty on the gradient of the loss by the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from crossent.errors import DataError, MissingExtra, UsageError

if TYPE_CHECKING:
    from torch import Tensor

Norm = Literal["squared", "l2", "l1"]


def gradient_penalty(
    losses: Tensor,
    inputs: Tensor | Sequence[Tensor],
    *,
    weight: float = 1.0,
    norm: Norm = "squared",
    reduction: Literal["mean", "none"] = "mean",
) -> Tensor:
    """weight · mean_i ‖∂ℓ_i/∂x_i‖²: asks that a small change of the inputs changes the loss little.

    Add it to the mean loss and call `backward` once: the penalty's own gradient goes through the model twice
    (double backpropagation). Works with every model that PyTorch can differentiate twice.

    Parameters
    ----------
    losses : (N,) one loss a row, from `reduction="none"`, or another number a row whose slope is to be small.
        A mean would divide the slopes by N before they are squared. Row i must depend on the inputs of row i
        alone, which batch normalisation in training mode breaks.
    inputs : (N, …) the tensor the losses were computed from, with `requires_grad_()` called before; or
        several, whose slopes make one vector a row.
    weight : factor of the result.
    norm : "squared" Euclidean norm, "l2" (its root) or "l1" (sum of absolute values).
    reduction : "mean" over the rows, or "none" for (N,).

    Returns a tensor with a graph, in the precision of the inputs, float32 at least. The model's gradients are
    left as they are.

    Raises `UsageError` (no-input-gradient, bad-option), `DataError` (shape-mismatch) and `MissingExtra`.

    >>> import torch
    >>> x = torch.tensor([[3.0, 1.0]], requires_grad=True)
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> penalty = gradient_penalty(x @ w, x)
    >>> penalty.item(), torch.autograd.grad(penalty, w)[0].tolist()
    (5.0, [2.0, 4.0])

    Sources: H. Drucker, Y. Le Cun, Improving generalization performance using double backpropagation, IEEE
    Trans. Neural Netw. 3 (1992) 991–997, doi:10.1109/72.165600; A. S. Ross, F. Doshi-Velez, Improving the
    adversarial robustness and interpretability of deep neural networks by regularizing their input gradients,
    AAAI 2018, doi:10.1609/aaai.v32i1.11504.
    """
    if norm not in ("squared", "l2", "l1") or reduction not in ("mean", "none"):
        raise UsageError(
            "bad-option",
            f"norm is {norm!r}, reduction is {reduction!r}",
            cure='norm is "squared", "l2" or "l1", reduction is "mean" or "none"',
        )
    tensors = [inputs] if not isinstance(inputs, Sequence) else list(inputs)
    slopes = _slopes(losses, tensors)
    order = 1 if norm == "l1" else 2
    import torch

    length = (
        torch.linalg.vector_norm(slopes, order, dim=1) if norm != "squared" else slopes.square().sum(dim=1)
    )
    return weight * (length.mean() if reduction == "mean" else length)


def _slopes(losses: Tensor, inputs: list[Tensor]) -> Tensor:
    """(N, D) derivative of each row's loss by all of its inputs, with a graph."""
    try:
        import torch
    except ImportError:
        raise MissingExtra("torch", "crossent.torch") from None

    wrong = [tuple(x.shape) for x in inputs if x.ndim == 0 or losses.ndim != 1 or len(x) != len(losses)]
    if wrong:
        raise DataError(
            "shape-mismatch",
            f"losses {tuple(losses.shape)} and inputs {wrong[0]} do not belong together",
            cure='give one loss a row, from reduction="none"',
        )
    if not losses.requires_grad or not all(x.requires_grad for x in inputs):
        raise _no_gradient("the losses were computed without recording the gradient by the inputs")
    try:
        found = torch.autograd.grad(losses, inputs, torch.ones_like(losses), create_graph=True)
    except RuntimeError as error:
        if "not have been used" not in str(error):
            raise
        raise _no_gradient("the losses were not computed from these inputs") from None
    wide = torch.promote_types(found[0].dtype, torch.float32)
    return torch.cat([slope.reshape(len(losses), -1).to(wide) for slope in found], dim=1)


def _no_gradient(problem: str) -> UsageError:
    return UsageError(
        "no-input-gradient",
        problem,
        cure="call inputs.requires_grad_() before the model, and pass the same tensors here",
    )
