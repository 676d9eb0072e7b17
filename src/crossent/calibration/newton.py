"""The minimum of a smooth, strictly convex function of a few hundred numbers or of very many."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Local = tuple[float, Floats, Callable[[Floats], Floats]]
"""Value, gradient, and the Hessian as a function of directions, at a point."""


def minimum(at: Callable[[Floats], Local], theta: Floats) -> Floats:
    """Truncated Newton with halving (the objective is strictly convex), to a gradient of 1e-9."""
    value, gradient, hessian = at(theta)
    for _ in range(100):
        size = float(np.linalg.norm(gradient))
        if size <= 1e-9:
            break
        step = -_conjugate(hessian, gradient, min(0.1, math.sqrt(size)) * size)
        slope = float(gradient @ step)
        length = 1.0
        while length > 1e-8:
            trial = at(theta + length * step)
            if trial[0] <= value + 1e-4 * length * slope + 1e-15 * abs(value):
                break
            length /= 2.0
        else:
            break
        theta = theta + length * step
        value, gradient, hessian = trial
    return theta


def _conjugate(product: Callable[[Floats], Floats], g: Floats, tolerance: float) -> Floats:
    """H⁻¹ g by conjugate gradients."""
    x, r = np.zeros_like(g), g.copy()
    p, rr = r.copy(), float(r @ r)
    for _ in range(min(250, 2 * g.size)):
        hp = product(p)
        alpha = rr / float(p @ hp)
        x += alpha * p
        r -= alpha * hp
        new = float(r @ r)
        if math.sqrt(new) <= tolerance:
            break
        p, rr = r + (new / rr) * p, new
    return x
