"""The loss of Hugging Face's causal language models from their hidden states, without building the logits.

Nothing is patched and the library is not imported: a model is asked for its output embeddings and for what
its configuration says is done to the logits, and that is checked once on a few tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

from crossent.errors import UsageError
from crossent.torch.linear import linear_cross_entropy
from crossent.torch.options import IGNORED

CHECKED_TOKENS = 8
_checked: WeakSet[nn.Module] = WeakSet()


def causal_lm_loss(
    model: nn.Module,
    inputs: Mapping[str, Any],
    *,
    num_items_in_batch: Tensor | float | None = None,
    **options: Any,
) -> Tensor:
    """Mean loss of the next token, equal to the model's own, from hidden states and output embeddings.

    Parameters
    ----------
    model : a causal language model of Hugging Face's transformers, also with adapters of PEFT, also
        wrapped for training on several devices. Scales and softcaps of its configuration are honoured;
        tied embeddings are, and frozen ones cost no gradient.
    inputs : what the model is called with: input_ids, attention_mask, …, and labels (B, T), −100 where
        a token does not count.
    num_items_in_batch : what the sum of the losses is divided by, as the Trainer gives it: the tokens of all
        batches that are accumulated. Without it, the tokens of this one.
    options : those of `linear_cross_entropy`: z_loss, label_smoothing, memory_budget, ….

    Raises `UsageError` (unknown-head, no-labels) where the logits are made in a way that is not known here.

    Source: the default loss of transformers, ForCausalLMLoss (logits of token t against label t + 1).
    """
    if inputs.get("labels") is None:
        raise UsageError("no-labels", "the batch has no labels", cure="use a collator that adds labels")
    given = {name: value for name, value in inputs.items() if name != "labels"}
    inner = _unwrapped(model)
    weight, bias = _head(inner)
    scale = _logit_options(inner.config)
    if inner not in _checked:
        _check(inner, given, weight, bias, scale)
        _checked.add(inner)
    hidden = _hidden_states(model, inner, given)
    target = nn.functional.pad(inputs["labels"][:, 1:], (0, 1), value=IGNORED).to(hidden.device)
    if num_items_in_batch is not None:
        each = torch.as_tensor(1.0 / num_items_in_batch, device=hidden.device, dtype=torch.float32)
        options = {**options, "reduction": "sum", "token_weight": each.expand(target.shape)}
    loss = linear_cross_entropy(hidden, weight, target, linear_bias=bias, **{**scale, **options})
    assert isinstance(loss, Tensor)
    return loss


class LinearLossMixin:
    """For a Trainer: `class Mine(LinearLossMixin, Trainer)` trains on `causal_lm_loss`.

    Options of the loss stand in `loss_options`; label_smoothing_factor of the arguments is honoured.
    Evaluation that asks for logits goes the Trainer's own way.
    """

    loss_options: Mapping[str, Any] = {}
    args: Any

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | None = None,
    ) -> Any:
        if return_outputs or inputs.get("labels") is None:
            own: Any = super()
            return own.compute_loss(model, inputs, return_outputs, num_items_in_batch)
        options = {"label_smoothing": self.args.label_smoothing_factor, **self.loss_options}
        return causal_lm_loss(model, inputs, num_items_in_batch=num_items_in_batch, **options)


def _unwrapped(model: nn.Module) -> Any:
    """The causal model inside wrappers of several devices and of adapters."""
    while isinstance(getattr(model, "module", None), nn.Module) and not hasattr(
        model, "get_output_embeddings"
    ):
        model = model.module  # type: ignore[assignment]
    inner: Any = model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]
    if not hasattr(inner, "get_output_embeddings") or not hasattr(inner, "base_model"):
        raise _unknown("the model has no get_output_embeddings()")
    return inner


def _head(inner: Any) -> tuple[Tensor, Tensor | None]:
    head = inner.get_output_embeddings()
    # modules that an adapter trains as a whole stand behind a wrapper
    if hasattr(head, "modules_to_save") and hasattr(head, "active_adapter"):
        head = head.modules_to_save[head.active_adapter]
    if not isinstance(head, nn.Linear) or hasattr(head, "lora_A"):
        raise _unknown(f"the output embeddings are a {type(head).__name__}")
    if head.weight.numel() == 0:
        raise _unknown("the output embeddings are sharded and empty here (ZeRO-3)")
    return head.weight, head.bias


def _logit_options(config: Any) -> dict[str, Any]:
    """What the configuration says is done to the logits, as options of the loss."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    softcap = getattr(text, "final_logit_softcapping", None)
    times = getattr(text, "logit_scale", None) or 1.0
    over = getattr(text, "logits_scaling", None) or 1.0
    if softcap is not None and times != over:
        raise _unknown("logits are both scaled and capped")
    if getattr(text, "output_router_logits", False):
        raise _unknown("the model adds a loss of its router")
    return {"softcap": softcap, "temperature": float(over / times)}


def _check(
    inner: Any, given: Mapping[str, Any], weight: Tensor, bias: Tensor | None, scale: Mapping[str, Any]
) -> None:
    """That the model's logits of a few tokens are those of its hidden states and head."""
    training = inner.training
    tokens = {"input_ids": given["input_ids"][:1, :CHECKED_TOKENS]}
    inner.eval()
    try:
        with torch.no_grad():
            own = inner(**tokens).logits.float()
            hidden = inner.base_model(**tokens).last_hidden_state
            z = nn.functional.linear(hidden, weight, bias).float() / scale["temperature"]
    finally:
        inner.train(training)
    cap = scale["softcap"]
    z = z if cap is None else cap * torch.tanh(z / cap)
    if not torch.allclose(own, z, rtol=0.02, atol=0.02 * float(own.abs().max())):
        raise _unknown(f"{type(inner).__name__} does something else to its logits")


def _hidden_states(model: nn.Module, inner: Any, given: Mapping[str, Any]) -> Tensor:
    """(B, T, D) last hidden states, by a call of the outermost module: what wraps the model sees it called.

    Where the model can, it makes the logits of one token only.
    """
    if "logits_to_keep" not in signature(inner.forward).parameters:
        hidden: Tensor = inner.base_model(**given).last_hidden_state
        return hidden
    with _listening(inner.base_model) as heard:
        model(**given, logits_to_keep=1)
    return heard[-1]


@contextmanager
def _listening(module: nn.Module) -> Iterator[list[Tensor]]:
    heard: list[Tensor] = []
    hook = module.register_forward_hook(lambda _module, _inputs, output: heard.append(output[0]))
    try:
        yield heard
    finally:
        hook.remove()


def _unknown(why: str) -> UsageError:
    return UsageError(
        "unknown-head",
        why,
        cure="train this model on its own loss, or call linear_cross_entropy with what makes its logits",
    )
