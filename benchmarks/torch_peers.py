"""Whom `torch_losses.py` measures: losses from hidden states and from logits, all called in the same way.

A contender is a function of (x, weight, target) or (logits, target) that gives a mean loss one can call
`backward` of; None where it is not installed or does not run on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import torch
from torch.nn import functional

from crossent.torch import cross_entropy, linear_cross_entropy

Contender = Callable[..., Any]


def linear_contenders(device: str, dtype: torch.dtype, compiles: bool) -> Iterator[tuple[str, Contender]]:
    """Mean cross-entropy of x Wᵀ."""
    yield "crossent", linear_cross_entropy
    yield "PyTorch, logits", lambda x, w, y: functional.cross_entropy(functional.linear(x, w), y)
    if dtype != torch.float32:
        yield (
            "PyTorch, logits in float32",
            lambda x, w, y: functional.cross_entropy(functional.linear(x, w).float(), y),
        )
    if compiles:
        yield (
            "PyTorch, logits, compiled",
            torch.compile(lambda x, w, y: functional.cross_entropy(functional.linear(x, w), y)),
        )
    if hasattr(functional, "linear_cross_entropy"):
        yield from _torch_chunked(dtype)
    if device == "cuda":
        yield from _gpu_only()
    if find_spec("cut_cross_entropy") is not None:
        from cut_cross_entropy import linear_cross_entropy as cut

        impl = "cce" if device == "cuda" else "torch_compile"
        if device == "cuda" or compiles:
            yield f"cut-cross-entropy, {impl}", lambda x, w, y: cut(x, w, y, impl=impl)


def _torch_chunked(dtype: torch.dtype) -> Iterator[tuple[str, Contender]]:
    rows = 1024 if dtype == torch.bfloat16 else 512
    choices = {"auto": {}, f"{rows} rows": {"batch_chunk_size": rows}, "accurate": {"acc_policy": "accurate"}}
    for name, choice in choices.items():
        options = torch.nn.LinearCrossEntropyOptions(**choice)
        yield (
            f"F.linear_cross_entropy, {name}",
            lambda x, w, y, options=options: functional.linear_cross_entropy(x, w, y, options=options),
        )


def _gpu_only() -> Iterator[tuple[str, Contender]]:
    if find_spec("liger_kernel") is not None:
        from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

        liger = LigerFusedLinearCrossEntropyLoss()
        yield "Liger", lambda x, w, y: liger(w, x, y)
    if find_spec("quack") is not None:
        from quack.linear_cross_entropy import chunked_linear_cross_entropy

        yield "QuACK", lambda x, w, y: chunked_linear_cross_entropy(x, w, y)


def plain_contenders(device: str, compiles: bool) -> Iterator[tuple[str, Contender]]:
    """Mean cross-entropy of logits."""
    yield "crossent", cross_entropy
    yield "PyTorch", functional.cross_entropy
    if compiles:
        yield "PyTorch, compiled", torch.compile(functional.cross_entropy)
    if device == "cuda" and find_spec("liger_kernel") is not None:
        from liger_kernel.transformers import LigerCrossEntropyLoss

        yield "Liger", LigerCrossEntropyLoss()
    if device == "cuda" and find_spec("quack") is not None:
        from quack.cross_entropy import cross_entropy as quack

        yield "QuACK", quack
