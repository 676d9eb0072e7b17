"""Gradients of a linear map as chunks of rows are added to them: products with what the kernels leave."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from crossent.torch.triton import linear_kernels as kernels
from crossent.torch.triton.available import LAUNCH

SLICE = 8192
"""Classes of the weight that are turned to float32 at a time."""


class Sums:
    """Gradients by input x (N, D), weight W (V, D) and bias (V,), where wanted.

    That of the weight is added to `into` where it is given, else summed in `dtype`. v : (V,) class weights,
    None for 1, which matter where labels are smoothed.
    """

    def __init__(
        self,
        x: Tensor,
        weight: Tensor,
        v: Tensor | None,
        wanted: tuple[bool, bool, bool],
        into: Tensor | None,
        dtype: torch.dtype,
    ) -> None:
        by_input, by_weight, by_bias = wanted
        self.any = any(wanted)
        self.w, self.v, self.into = weight, v, into
        self.input = torch.zeros_like(x) if by_input else None
        room = torch.empty_like(weight, dtype=dtype) if into is None and by_weight else into
        self.weight = room if by_weight else None
        # nothing stands in it yet: the first chunk is written over, which saves a visit
        self.fresh = into is None
        self.bias = x.new_zeros(len(weight), dtype=torch.float32) if by_bias else None
        # Σ shift·x and Σ shift: what label smoothing takes from every class
        self.shifted: Tensor | None = None
        self._blend: Tensor | None = None

    def add(
        self,
        at: slice | Tensor,
        x: Tensor,
        e: Tensor,
        scale: Tensor | None = None,
        shift: Tensor | None = None,
    ) -> None:
        """A chunk whose gradient by the logits is scale·e − shift·v; scale None is 1, shift None is 0."""
        if self.input is not None:
            found = wide_product(e, self.w)
            found = found if scale is None else found * scale[:, None]
            if shift is not None:
                found -= shift[:, None] * self.blend()
            self.input[at] = found.to(x.dtype)
        if self.weight is not None:
            scaled = x if scale is None else (x * scale[:, None]).to(x.dtype)
            add_product(self.weight, e.t(), scaled, 0 if self.fresh else 1)
            self.fresh = False
        if self.bias is not None:
            ones = torch.ones(len(x), dtype=torch.float32, device=x.device) if scale is None else scale
            kernels.weighted_columns[(triton.cdiv(e.shape[1], 128),)](
                e, ones, self.bias, len(e), e.shape[1], e.stride(0), ROWS=32, BLOCK=128, **LAUNCH
            )
        if shift is not None:
            part = torch.cat((shift @ x.float(), shift.sum()[None]))
            self.shifted = part if self.shifted is None else self.shifted + part

    def blend(self) -> Tensor:
        """(D,) Σ_j v_j W_j in float32."""
        if self._blend is None:
            parts = [
                self.w[part].sum(0, dtype=torch.float32)
                if self.v is None
                else self.v[part] @ self.w[part].float()
                for part in slices(len(self.w))
            ]
            self._blend = torch.stack(parts).sum(0)
        return self._blend

    def finish(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """By input, weight (None where it went elsewhere) and bias; the last in float32."""
        if self.weight is not None and self.fresh:
            self.weight.zero_()
        if self.shifted is not None:
            v = torch.ones(len(self.w), device=self.w.device) if self.v is None else self.v
            if self.weight is not None:
                for part in slices(len(v)):
                    self.weight[part] -= (v[part, None] * self.shifted[:-1]).to(self.weight.dtype)
            if self.bias is not None:
                self.bias -= v * self.shifted[-1]
        own = None if self.weight is None or self.into is not None else self.weight.to(self.w.dtype)
        return self.input, own, self.bias


def slices(classes: int) -> list[slice]:
    return [slice(i, i + SLICE) for i in range(0, classes, SLICE)]


def wide_product(a: Tensor, b: Tensor) -> Tensor:
    """a b in float32, rounded once."""
    if a.dtype == torch.float32:
        return a @ b.float()
    if a.device.type == "cuda":
        return torch.mm(a, b, out_dtype=torch.float32)
    return a.float() @ b.float()


def add_product(to: Tensor, a: Tensor, b: Tensor, times: int) -> None:
    """to = times·to + a b for 0 or 1 times, of the type of the operands or wider."""
    if to.dtype == a.dtype:
        to.addmm_(a, b, beta=times)
        return
    for part in slices(len(a)):
        found = wide_product(a[part], b)
        to[part] = to[part] + found if times else found
