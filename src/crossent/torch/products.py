"""Matrix products whose sums are float32 or wider, by the fastest routine the device has for a call."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from crossent.kernels import products as core
from crossent.torch.reference import wide


class Room:
    """Memory for one tile of logits after another: to have it fresh from the system costs time."""

    def __init__(self) -> None:
        self._numbers: Tensor | None = None

    def of(self, rows: int, columns: int) -> Tensor:
        """(rows, columns) float32, where the last tile was."""
        if self._numbers is None or self._numbers.numel() < rows * columns:
            self._numbers = torch.empty(rows * columns, dtype=torch.float32)
        return self._numbers[: rows * columns].view(rows, columns)


def logits_of(x: Tensor, weight: Tensor, room: Room | None = None) -> Tensor:
    """(M, V) x Wᵀ, rounded to float32 once; float64 for float64. With `room` they may stand there.

    bfloat16 logits would lose the loss of confident rows: at z = 27 they are 0.05 apart.
    """
    if x.device.type == "cuda" and x.dtype in (torch.bfloat16, torch.float16):
        return torch.mm(x, weight.t(), out_dtype=torch.float32)
    if _by_the_core(x):
        out = (room or Room()).of(len(x), len(weight))
        # of W either may be neighbours: the entries of a row or of a column
        w = weight if weight.stride(0) == 1 else _whole(weight)
        core.product(_bits(_whole(x)), _bits(w), out.numpy())
        return out
    return linear(x.to(wide(x)), weight.to(wide(weight)))


def summand(x: Tensor, weight: Tensor) -> Tensor:
    """(M, V) x Wᵀ as one of many to be added up: not rounded to bfloat16 where that costs nothing."""
    return logits_of(x, weight) if _by_the_core(x) else linear(x, weight)


def _by_the_core(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.bfloat16 and core.available()


def _bits(x: Tensor) -> NDArray[np.uint16]:
    found: NDArray[np.uint16] = x.detach().view(torch.uint16).numpy()
    return found


def _whole(x: Tensor) -> Tensor:
    return x if x.stride(-1) == 1 else x.contiguous()


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
