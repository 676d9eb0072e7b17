"""The public functions: arguments to a pass over this rank's columns, and rows to the loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributed import ProcessGroup

from crossent.errors import DataError, UsageError
from crossent.torch.linear import in_one_type, result
from crossent.torch.options import IGNORED, CrossEntropyOutput, Options, check_outputs
from crossent.torch.parallel.passes import LinearPass, LogitsPass, row_values
from crossent.torch.parallel.placements import local, local_target, sharded
from crossent.torch.parallel.shards import Shard, all_class_weights, by_rows, find_shard, read_shard_targets
from crossent.torch.projection import Asked
from crossent.torch.reference import wide
from crossent.torch.targets import RowFactors, Rows, Target, row_factors


def vocab_parallel_cross_entropy(
    input: Tensor,
    target: Target,
    *,
    group: ProcessGroup | None = None,
    first_class: int | None = None,
    classes: int | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int = IGNORED,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    token_weight: Tensor | None = None,
    softcap: float | None = None,
    temperature: float = 1.0,
    outputs: Sequence[str] = (),
) -> Tensor | CrossEntropyOutput:
    """Cross-entropy of logits whose classes are spread over the ranks of torch.distributed.

    Equal to `cross_entropy` of all columns. A rank sees its own columns, and from each other rank a few
    numbers a row: one gathering in the forward pass, nothing in the backward pass. All ranks call it with the
    same targets and options (this is not checked) and get the same bits.

    Parameters
    ----------
    input : (…, V_r) this rank's logits, classes last; any number of columns, also none. Or a DTensor (…, V)
        that is Shard(−1) on a mesh of one dimension, which says group, first_class and classes.
    target : (…) class indices among all classes, (…, V) probabilities or (…, V_r) those of this rank's
        columns, or `TopK` of a teacher.
    group : the ranks that hold a part of the classes; all if nothing is said. Without torch.distributed this
        is the only one.
    first_class : the class of the first column; without it the classes stand in the order of the ranks.
    classes : how many there are; columns beyond are padding, of no weight and gradient 0. Where first_class
        and classes are given, the numbers of columns are not exchanged first, nor checked.
    weight : (V,) a weight for each class, or (V_r,) for this rank's columns, which costs an exchange.
    outputs : more to return, of "losses", "lse", "logprob", "entropy", "argmax", "correct"; then the
        result is a `CrossEntropyOutput`. All but the last two are differentiable.
    All others as in `cross_entropy`.

    Returns the loss in nats, float32 (float64 for float64), a plain tensor on every rank. Call `backward` on
    every rank; the gradient of a DTensor is one. It can be differentiated once.

    Raises `DataError` (shape-mismatch, label-out-of-range, label-type) and `UsageError` (bad-option,
    bad-placement).

    >>> import torch
    >>> z = torch.tensor([[2.0, 0.0, 0.0]], requires_grad=True)  # the one rank there is holds all classes
    >>> loss = vocab_parallel_cross_entropy(z, torch.tensor([0]), label_smoothing=0.1)
    >>> round(loss.item(), 4)
    0.3729

    Source: the sum over shards: Shoeybi et al., Megatron-LM, arXiv:1909.08053, section 3.
    """
    options = Options(reduction, ignore_index, label_smoothing, z_loss, softcap, temperature)
    wanted = check_outputs(outputs)
    if input.ndim < 1:
        raise _shapes("input ()", "input (…, V_r)")
    z, place = sharded(input, input.ndim - 1, "input", group, first_class, classes)
    with torch.autocast(z.device.type, enabled=False):
        shard = find_shard(z.shape[-1], place.group, place.first, place.classes, z.device)
        call = _Call(shard, tuple(z.shape[:-1]), target, weight, token_weight, options, wanted)
        found = row_values(LogitsPass(*call.arguments()), by_rows(z))
        return result(found, call.factors(wide(z)), call.rows, options, wanted)


def vocab_parallel_linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Target,
    *,
    linear_bias: Tensor | None = None,
    group: ProcessGroup | None = None,
    first_class: int | None = None,
    classes: int | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int = IGNORED,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    token_weight: Tensor | None = None,
    softcap: float | None = None,
    temperature: float = 1.0,
    outputs: Sequence[str] = (),
    reduce_input_gradient: bool = True,
    memory_budget: int | None = None,
) -> Tensor | CrossEntropyOutput:
    """Cross-entropy of hidden states under a linear map whose classes are spread over ranks.

    Equal to `linear_cross_entropy` with all rows of the weight, which are never brought together, nor are
    logits held but for some rows and classes at a time. The ranks exchange a few numbers a row in the forward
    pass, and add up the gradient of the input in the backward pass.

    Parameters
    ----------
    input : (…, D) hidden states, the same on all ranks; may be a DTensor that is Replicate().
    linear_weight : (V_r, D) this rank's rows; any number of them, also none. Or a DTensor (V, D) that is
        Shard(0) on a mesh of one dimension, which says group, first_class and classes.
    linear_bias : (V_r,) this rank's, or a DTensor (V,) that is Shard(0).
    reduce_input_gradient : False leaves the input's gradient as this rank's summand, for callers that add it
        up themselves (reduce-scatter of sequence parallelism); that of a DTensor is then Partial().
    memory_budget : bytes for logits at a time, as in `linear_cross_entropy`.
    All others as in `vocab_parallel_cross_entropy`.

    Returns, raises: as `vocab_parallel_cross_entropy`. Ignored rows cost nothing; frozen tensors cost no
    product.

    >>> import torch
    >>> x, w = torch.eye(2, requires_grad=True), torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    >>> loss = vocab_parallel_linear_cross_entropy(x, w, torch.tensor([0, 1]))
    >>> loss.backward()
    >>> round(loss.item(), 4), [round(g, 4) for g in x.grad[0].tolist()]
    (0.3955, [-0.213, 0.0533])

    Source: Shoeybi et al., Megatron-LM, arXiv:1909.08053, section 3.
    """
    options = Options(reduction, ignore_index, label_smoothing, z_loss, softcap, temperature)
    wanted = check_outputs(outputs)
    w, place = sharded(linear_weight, 0, "linear_weight", group, first_class, classes)
    x = local(input, "input", partial=not reduce_input_gradient)
    bias = local(linear_bias, "linear_bias", 0)
    assert x is not None
    _check(x, w, bias)
    x, w, bias = in_one_type(x, w, bias)
    with torch.autocast(x.device.type, enabled=False):
        shard = find_shard(len(w), place.group, place.first, place.classes, w.device)
        call = _Call(shard, tuple(x.shape[:-1]), target, weight, token_weight, options, wanted)
        work = LinearPass(*call.arguments(), memory_budget, reduce_input_gradient)
        found = row_values(work, by_rows(x), w, bias)
        return result(found, call.factors(wide(x)), call.rows, options, wanted)


class _Call:
    """What both have in common: the targets, and what rows and classes weigh."""

    def __init__(
        self,
        shard: Shard,
        shape: tuple[int, ...],
        target: Target,
        weight: Tensor | None,
        token_weight: Tensor | None,
        options: Options,
        wanted: Sequence[str],
    ) -> None:
        self.shard, self.options, self.wanted = shard, options, wanted
        self.rows = read_shard_targets(local_target(target), shape, shard, options)
        self.weight = all_class_weights(local(weight, "weight", 0), shard)
        self.token_weight = local(token_weight, "token_weight")
        if torch.is_grad_enabled() and any(
            t is not None and t.requires_grad for t in (self.rows.probs, self.weight)
        ):
            raise UsageError(
                "bad-option",
                "the target or the class weights require a gradient",
                cure="detach them: over several ranks they get none",
            )

    def arguments(self) -> tuple[Rows, Tensor | None, Tensor | None, Options, Shard, Asked]:
        """Of a `Pass`: the rows that count, and how."""
        rows, valid = self.rows, self.rows.valid
        keep = None if bool(valid.all()) else valid.nonzero()[:, 0]
        if keep is not None and rows.labels is not None:
            rows = Rows((len(keep),), rows.labels[keep])
        asked = Asked(entropy="entropy" in self.wanted, argmax=bool({"argmax", "correct"} & set(self.wanted)))
        return rows, keep, self.weight, self.options, self.shard, asked

    def factors(self, dtype: torch.dtype) -> RowFactors:
        return row_factors(self.rows, self.weight, self.token_weight, self.options, dtype)


def _check(x: Tensor, w: Tensor, bias: Tensor | None) -> None:
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[1]:
        raise _shapes(f"input {tuple(x.shape)} and linear_weight {tuple(w.shape)}", "(…, D) and (V_r, D)")
    if bias is not None and tuple(bias.shape) != (len(w),):
        raise _shapes(f"linear_bias {tuple(bias.shape)} for {len(w)} columns", "linear_bias (V_r,)")


def _shapes(found: str, wanted: str) -> DataError:
    return DataError("shape-mismatch", f"{found} do not fit", cure=f"give {wanted}")
