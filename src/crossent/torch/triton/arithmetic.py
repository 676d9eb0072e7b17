"""What the kernels compute of a row, in float32. Every function takes and returns tensors of Triton.

Of the logits z of a row with label y: top = max_{j≠y} z_j, total = Σ_{j≠y} exp(z_j − top), own = z_y.
Keeping the label apart keeps the digits of confident rows: the loss is log1p(S), S = total·exp(top − own),
and the gradient at the label is −S/(1 + S), neither a difference of numbers near 1.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def log1p(x):
    """log(1 + x) of x ≥ 0, to 2 units in the last place; there is none that the interpreter knows."""
    s = x / (2.0 + x)
    t = s * s
    # 2·atanh(s); s ≤ 1/9 where it is used, so that the next term is 3e-9
    series = 2.0 * s * (1.0 + t * (1.0 / 3.0 + t * (0.2 + t * (1.0 / 7.0))))
    return tl.where(x < 0.25, series, tl.log(1.0 + x))


@triton.jit
def shaped(raw, softcap, inverse_temperature, CAPPED: tl.constexpr):
    """(z, dz/draw) of z = softcap·tanh(raw / softcap) / temperature."""
    if CAPPED:
        u = raw / softcap
        small = tl.exp(-2.0 * tl.abs(u))
        far = (1.0 - small) / (1.0 + small)
        t = u * u
        # the next term is 9e-9 at 1/4; the quotient would lose the digits of small u
        near = u * (1.0 - t * (1.0 / 3.0 - t * (2.0 / 15.0 - t * (17.0 / 315.0 - t * (62.0 / 2835.0)))))
        tanh = tl.where(tl.abs(u) < 0.25, near, tl.where(u < 0, -far, far))
        slope = 4.0 * small / ((1.0 + small) * (1.0 + small))
        return tanh * (softcap * inverse_temperature), slope * inverse_temperature
    else:
        return raw * inverse_temperature, tl.zeros_like(raw) + inverse_temperature


@triton.jit
def finite(top):
    """What is subtracted before exp: 0 where nothing was larger than −inf."""
    return tl.where(top == float("-inf"), 0.0, top)


@triton.jit
def loss_of(own, top, total):
    """(−log p_y, lse, 1 − p_y, p_j / exp(z_j − top) for j ≠ y)."""
    apart = top - own
    ahead = apart > 0
    less = tl.exp(-tl.abs(apart))
    mine = tl.where(ahead, less, 1.0)
    others = tl.where(ahead, total, total * less)
    inverse = 1.0 / (mine + others)
    tail = tl.where(ahead, tl.log(total + less), log1p(others))
    nll = tl.where(ahead, apart, 0.0) + tail
    lse = tl.where(ahead, top, own) + tail
    return nll, lse, others * inverse, inverse * tl.where(ahead, 1.0, less)


@triton.jit
def entropy_of(nll, lse, rest, each, top, total, sum_ez):
    """−Σ p log p, in terms that are not negative; sum_ez = Σ_{j≠y} exp(z_j − top)·(z_j − top)."""
    others = tl.where(total > 0, total * (lse - finite(top)) - sum_ez, 0.0)
    own = tl.where(nll < float("inf"), (1.0 - rest) * nll, 0.0)
    return each * others + own


@triton.jit
def smoothed(nll, w, sum_v, sum_vz, smoothing, classes):
    """(1 − ε)·w_y·nll + ε/V·Σ_j v_j (lse − z_j), from sum_vz = Σ_j v_j (z_j − own)."""
    spread = tl.where(nll < float("inf"), sum_v * nll - sum_vz, float("inf"))
    return (1.0 - smoothing) * w * nll + smoothing / classes * spread


@triton.jit
def slopes_of(factor, square, w, sum_v, lse, rest, smoothing, classes):
    """(scale, shift, entry): the gradient is p_j·scale − shift·v_j, and entry at the label.

    Of factor·loss + square·lse². The entry is what p_y = 1 would leave, less what 1 − p_y takes off.
    """
    shift = factor * smoothing / classes
    drift = 2.0 * square * lse
    drift = tl.where(square == 0.0, 0.0, drift)
    scale = factor * (1.0 - smoothing) * w + shift * sum_v + drift
    entry = drift + shift * (sum_v - w) - rest * scale
    return scale, shift, entry


@triton.jit
def weights_of(weight_ptr, column, inside, WEIGHTED: tl.constexpr):
    """Weights v of some classes, 1 unless there are any; 0 beyond the last."""
    if WEIGHTED:
        return tl.load(weight_ptr + column, mask=inside, other=0.0)
    else:
        return tl.where(inside, 1.0, 0.0)
