"""Matrix products whose sums are float32 or wider, by the fastest routine the device has for a call."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from crossent.torch.reference import wide


def logits_of(x: Tensor, weight: Tensor) -> Tensor:
    """(M, V) x Wᵀ, rounded to float32 once; float64 for float64.

    bfloat16 logits would lose the loss of confident rows: at z = 27 they are 0.05 apart.
    """
    if x.device.type == "cuda" and x.dtype in (torch.bfloat16, torch.float16):
        return torch.mm(x, weight.t(), out_dtype=torch.float32)
    return linear(x.to(wide(x)), weight.to(wide(weight)))


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
