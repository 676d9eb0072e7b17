"""Matrix products whose sums are float32 or wider, by the fastest routine the device has for a call."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from crossent.kernels import products as core
from crossent.torch.reference import wide


def logits_of(x: Tensor, weight: Tensor) -> Tensor:
    """(M, V) x Wᵀ, rounded to float32 once; float64 for float64.

    bfloat16 logits would lose the loss of confident rows: at z = 27 they are 0.05 apart.
    """
    if x.device.type == "cuda" and x.dtype in (torch.bfloat16, torch.float16):
        return torch.mm(x, weight.t(), out_dtype=torch.float32)
    if _by_the_core(x):
        out = torch.empty(len(x), len(weight), dtype=torch.float32)
        core.product(_bits(x), _bits(weight), out.numpy())
        return out
    return linear(x.to(wide(x)), weight.to(wide(weight)))


def summand(x: Tensor, weight: Tensor) -> Tensor:
    """(M, V) x Wᵀ as one of many to be added up: not rounded to bfloat16 where that costs nothing."""
    return logits_of(x, weight) if _by_the_core(x) else linear(x, weight)


def _by_the_core(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.bfloat16 and core.available()


def _bits(x: Tensor) -> NDArray[np.uint16]:
    """Of bfloat16 numbers, whose rows are made whole if they are not."""
    rows = x if x.stride(-1) == 1 else x.contiguous()
    found: NDArray[np.uint16] = rows.detach().view(torch.uint16).numpy()
    return found


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """(M, V) x Wᵀ in the type of both.

    On the CPU float32 goes to oneDNN: the other library that PyTorch may be built with takes twice as long on
    processors that are not its maker's (two threads of a Zen 5: 200 to 440 GFLOP/s).
    """
    if _one_dnn(x):
        found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
        return found
    return functional.linear(x, weight)


def _one_dnn(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.numel() > 0
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
