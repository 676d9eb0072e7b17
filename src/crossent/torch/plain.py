"""Cross-entropy of logits: torch.nn.functional.cross_entropy with more options, and computed faster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from crossent.errors import DataError
from crossent.torch import core
from crossent.torch.choice import choose
from crossent.torch.options import IGNORED, CrossEntropyOutput, Options, check_outputs
from crossent.torch.reference import per_row, row_entropy, row_values, shaped_logits, total, wide
from crossent.torch.targets import RowFactors, Rows, Target, is_transformed, read_targets, row_factors

KERNELS = ("core", "triton")
Found = dict[str, Tensor | None]


def cross_entropy(
    input: Tensor,
    target: Target,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = IGNORED,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    *,
    z_loss: float = 0.0,
    token_weight: Tensor | None = None,
    softcap: float | None = None,
    temperature: float = 1.0,
    outputs: Sequence[str] = (),
    implementation: str | None = None,
    inplace: bool = False,
) -> Tensor | CrossEntropyOutput:
    """−log softmax(input)[target], averaged over the rows: a drop-in for torch.nn.functional.cross_entropy.

    With ε = label_smoothing and class weights w a row's loss is (1 − ε) w_y L_y + (ε/C) Σ_k w_k L_k, where
    L_k = lse(z) − z_k. The label's entry of the gradient is −Σ_{j≠y} p_j, never p_y − 1: a confident row
    keeps its gradient.

    Parameters
    ----------
    input : (C,), (N, C) or (N, C, d1, …) logits of any floating type.
    target : class indices, shaped as input without its classes; probabilities, shaped as input; or `TopK`.
    weight : (C,) a weight for each class.
    size_average, reduce : deprecated in PyTorch for `reduction`, and understood.
    ignore_index : label of rows that are left out.
    reduction : "mean" divides by the weights of the rows that count, "sum", or "none": one loss a row, whose
        gradient takes a second visit of the logits.
    label_smoothing : ε, from 0 to 1.
    z_loss : λ of a further λ·lse² a row, which keeps logits from drifting; not multiplied by `weight`.
    token_weight : a weight for each row, shaped as input without its classes.
    softcap, temperature : z = softcap·tanh(input / softcap) / temperature.
    outputs : more to return, of "losses", "lse", "logprob", "entropy", "argmax", "correct"; then the result
        is a `CrossEntropyOutput`. All but the last two are differentiable.
    implementation : "triton", "core" or "torch" (the formulas), or None for the best that can; `explain` says
        which. One that is named is never replaced.
    inplace : the logits may be overwritten with their gradient, which saves a tensor of their size; autograd
        refuses a graph that needs them elsewhere. Without it no argument is ever written to.

    Returns the loss in nats, in float32 (float64 for float64). Three things differ from PyTorch's own: it
    returns the type of the input, for half precision a rounded loss; a batch whose rows are all ignored has
    loss 0 and gradient 0 here, nan there; probabilities below 0 are refused. Under autocast the logits are
    taken as they are, and computed with in float32 at least.

    Raises `DataError` (shape-mismatch, label-out-of-range, label-type, not-a-mass) and `UsageError`
    (bad-option, implementation-unavailable).

    >>> import torch
    >>> z = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]], requires_grad=True)
    >>> loss = cross_entropy(z, torch.tensor([0, 1]))
    >>> loss.backward()
    >>> round(loss.item(), 4), [round(g, 4) for g in z.grad[0].tolist()]
    (0.3955, [-0.1065, 0.0533, 0.0533])
    >>> cross_entropy(z, torch.tensor([0, 2]), outputs=("correct",)).correct
    tensor([ True, False])

    Sources: z-loss: Chowdhery et al., PaLM, JMLR 24 (2023) 1–113; soft capping: Gemma Team, Gemma 2,
    arXiv:2408.00118; label smoothing: Szegedy et al., CVPR 2016, doi:10.1109/CVPR.2016.308.
    """
    options = Options(
        _reduction(size_average, reduce, reduction),
        ignore_index,
        label_smoothing,
        z_loss,
        softcap,
        temperature,
    )
    wanted = check_outputs(outputs)
    inplace = inplace and _is_computed(input)
    z, target = _classes_last(input, target, weight)
    shape, classes = z.shape[:-1], z.shape[-1]
    rows = read_targets(target, shape, classes, options)
    if z.ndim != 2:
        z = z.reshape(-1, classes)
    taken = choose(implementation, z.device, z.dtype, _unable(rows, weight, token_weight))
    # the core adds up in float64, and has room for factors of it
    dtype = torch.float64 if taken == "core" else wide(z)
    factors = row_factors(rows, weight, token_weight, options, dtype)
    if taken == "torch":
        loss, found = _by_formulas(z, rows, weight, factors, options)
    elif not wanted and options.reduction != "none":
        return _kernels(taken).summed(z, rows, weight, factors, options, inplace=inplace)  # type: ignore[no-any-return]
    else:
        loss, found = _by_kernels(_kernels(taken), z, rows, weight, factors, options, wanted, inplace)
    return _result(loss.to(wide(z)), found, rows, wanted)


def _kernels(name: str) -> Any:
    """The module with `summed`, `each` and `lse`, as `core` describes them."""
    if name == "core":
        return core
    from crossent.torch import gpu

    return gpu


def _reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def _classes_last(input: Tensor, target: Target, weight: Tensor | None) -> tuple[Tensor, Target]:
    if input.ndim == 0:
        raise DataError("shape-mismatch", "logits of shape ()", cure="give (C,), (N, C) or (N, C, d1, …)")
    at = min(input.ndim - 1, 1)
    if weight is not None and tuple(weight.shape) != (input.shape[at],):
        raise DataError(
            "shape-mismatch",
            f"weight {tuple(weight.shape)} for {input.shape[at]} classes",
            cure="give one weight for each class",
        )
    if input.ndim <= 2:
        return input, target
    if isinstance(target, Tensor) and target.is_floating_point() and target.shape == input.shape:
        target = target.movedim(1, -1)
    return input.movedim(1, -1), target


def _is_computed(input: Tensor) -> bool:
    """Whether the logits lie in no leaf of the graph, which is a parameter, and may not change unseen."""
    return not torch.compiler.is_compiling() and not (input if input._base is None else input._base).is_leaf


def _unable(rows: Rows, weight: Tensor | None, token_weight: Tensor | None) -> dict[str, str]:
    """Why kernels cannot do what only the formulas do."""
    reason = None
    if rows.ids is not None:
        reason = "takes no teacher's top k"
    elif not torch.compiler.is_compiling() and is_transformed():
        reason = "knows no transforms of torch.func"
    elif torch.is_grad_enabled():
        for name, t in (("target", rows.probs), ("weight", weight), ("token_weight", token_weight)):
            if t is not None and t.requires_grad:
                reason = f"gives no gradient by {name}"
    if reason is not None:
        return dict.fromkeys(KERNELS, reason)
    return {} if rows.labels is not None else {"triton": "takes class indices only"}


def _by_formulas(
    z: Tensor, rows: Rows, weight: Tensor | None, factors: RowFactors, options: Options
) -> tuple[Tensor, Found]:
    values = row_values(shaped_logits(z, options), rows, weight, options)
    losses = per_row(values, factors)
    found: Found = {
        "losses": losses,
        "lse": values.lse,
        "logprob": values.logprob,
        "entropy": values.entropy,
        "argmax": values.argmax,
    }
    return losses if options.reduction == "none" else total(values, factors), found


def _by_kernels(
    kernels: Any,
    z: Tensor,
    rows: Rows,
    weight: Tensor | None,
    factors: RowFactors,
    options: Options,
    wanted: Sequence[str],
    inplace: bool,
) -> tuple[Tensor, Found]:
    """The loss, and of the rest what is wanted."""
    found: Found = {}
    if {"argmax", "correct"} & set(wanted):
        found["argmax"] = z.detach().argmax(1)
    if "lse" in wanted or "entropy" in wanted:
        found["lse"] = kernels.lse(z, rows, options)
    if "entropy" in wanted:
        found["entropy"] = _entropy(shaped_logits(z, options), rows)
    if "logprob" in wanted and rows.labels is not None:
        plain = Options("sum", softcap=options.softcap, temperature=options.temperature)
        one = row_factors(rows, None, None, plain, factors.loss.dtype)
        found["logprob"] = -kernels.each(z, rows, None, one, plain)
    if options.reduction != "none" and "losses" not in wanted:
        # no other output may need the logits again
        inplace = inplace and not any(t is not None and t.requires_grad for t in found.values())
        return kernels.summed(z, rows, weight, factors, options, inplace=inplace), found
    losses = found["losses"] = kernels.each(z, rows, weight, factors, options)
    return losses if options.reduction == "none" else losses.sum(), found


def _entropy(z: Tensor, rows: Rows) -> Tensor:
    return torch.where(rows.valid, row_entropy(z, torch.logsumexp(z, 1)), 0)


def _result(loss: Tensor, found: Found, rows: Rows, wanted: Sequence[str]) -> Tensor | CrossEntropyOutput:
    if loss.ndim:
        loss = loss.reshape(rows.shape)
    if not wanted:
        return loss
    shaped: Found = {
        name: None if t is None else t.reshape((*rows.shape, *t.shape[1:])) for name, t in found.items()
    }
    argmax = shaped.get("argmax")
    if argmax is not None and rows.labels is not None:
        shaped["correct"] = argmax == rows.labels.reshape(rows.shape)
    for name in ("losses", "lse", "logprob", "entropy"):
        t = shaped.get(name)
        shaped[name] = None if t is None else t.to(loss.dtype)
    return CrossEntropyOutput(loss, **{name: shaped.get(name) for name in wanted})
