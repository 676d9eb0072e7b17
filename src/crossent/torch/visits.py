"""Visits of logits (M, C) in main memory by the compiled core: tensors as NumPy views, without a copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossent import kernels
from crossent.kernels.narrow import BFLOAT16
from crossent.torch.options import Options
from crossent.torch.targets import Rows

Floats = NDArray[np.float64]
LARGE = 1 << 22
"""Bytes from which memory is asked of NumPy, which takes large pages: 120 ms a visit of 0.5 GB for 460."""


@dataclass(frozen=True)
class Visit:
    """Arguments that every operator of `core` takes: tensors, then numbers.

    labels : (M,) int64, −1 where ignored. probs : (M, C). weight : (C,), of labels. factor : (M,).
    """

    z: Tensor
    labels: Tensor | None
    probs: Tensor | None
    weight: Tensor | None
    factor: Tensor
    smoothing: float
    temperature: float

    @property
    def rows(self) -> Rows:
        return Rows((len(self.z),), self.labels, self.probs)

    @property
    def options(self) -> Options:
        return Options(label_smoothing=self.smoothing, temperature=self.temperature)

    def losses(self) -> Floats:
        """(M,) each times its factor."""
        if self.labels is None or self.temperature != 1.0 or (self.smoothing and self.weight is not None):
            return self.losses_and_gradient(room_like(self.z))
        y, factor = self._labels(), array(self.factor)
        loss = kernels.smoothed_log_loss_from_logits(y, array(self.z), self.smoothing)
        if self.weight is not None:
            factor = factor * array(self.weight)[y]
        return counted(loss, factor)

    def losses_and_gradient(self, out: Tensor) -> Floats:
        """The same; their gradients by z, times the factors, go to `out`."""
        z = array(self.z)
        options: dict[str, Any] = {
            "temperature": self.temperature,
            "scale": array(self.factor),
            "out": array(out),
        }
        if self.probs is not None:
            loss, _ = kernels.soft_loss_and_gradient_from_logits(array(self.probs), z, **options)
            return loss
        weight = None if self.weight is None else array(self.weight)
        loss, _ = kernels.loss_and_gradient_from_logits(
            self._labels(), z, smoothing=self.smoothing, class_weights=weight, **options
        )
        return loss

    def squared_too(self, square: Tensor, out: Tensor) -> Floats:
        """(M,) factor·loss + square·lse² of labels without smoothing and T = 1, and the gradient.

        With f and s these factors and c = 2·s·lse it is (f + c)(p − onehot) + c·onehot. The label's entry is
        −f·(1 − p) + c·p, formed from the loss.
        """
        y, s, f = self._labels(), array(square), array(self.factor).astype(np.float64)
        if self.weight is not None:
            f = f * array(self.weight)[y]
        lse = kernels.log_sum_exp(array(self.z))
        c = counted(2.0 * lse, s)
        loss, _ = kernels.loss_and_gradient_from_logits(
            y, array(self.z), scale=f + c, scale_losses=False, out=array(out)
        )
        with np.errstate(all="ignore"):
            own = counted(np.expm1(-loss), f) + counted(np.exp(-loss), c)
            put(out, y, own)
            return counted(loss, f) + counted(lse * lse, s)

    def _labels(self) -> NDArray[np.int64]:
        """Ignored rows, whose factor is 0, as class 0."""
        assert self.labels is not None
        labels: NDArray[np.int64] = np.maximum(array(self.labels), 0)
        return labels


def probabilities_times(z: Tensor, factor: Tensor, out: Tensor) -> None:
    """softmax(z), each row times its factor: the gradient of log Σ exp(z)."""
    y, f = np.zeros(len(z), np.int64), array(factor).astype(np.float64)
    loss, _ = kernels.loss_and_gradient_from_logits(y, array(z), scale=f, scale_losses=False, out=array(out))
    with np.errstate(all="ignore"):
        put(out, y, counted(np.exp(-loss), f))


def array(t: Tensor) -> NDArray[Any]:
    """The tensor's memory as a NumPy array; bfloat16 as the kernels carry it."""
    t = t.detach()
    if t.dtype == torch.bfloat16:
        return t.view(torch.int16).numpy().view(BFLOAT16)
    return t.numpy()


def room_like(z: Tensor) -> Tensor:
    """An uninitialised tensor of the shape and type of z."""
    if z.numel() * z.element_size() < LARGE:
        return torch.empty(z.shape, dtype=z.dtype)
    size = z.element_size()
    return torch.from_numpy(np.empty(z.shape, f"i{size}")).view(z.dtype)


def counted(values: Floats, factor: Floats) -> Floats:
    """Values times factors; a row that counts nothing is 0, also where its value is infinite or nan."""
    with np.errstate(invalid="ignore"):
        return np.where(factor == 0.0, 0.0, values * factor)


def put(out: Tensor, columns: NDArray[np.int64], values: Floats) -> None:
    """One entry of each row."""
    out.scatter_(1, torch.from_numpy(columns)[:, None], torch.from_numpy(values).to(out.dtype)[:, None])
