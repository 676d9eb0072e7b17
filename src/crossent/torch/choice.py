"""Which implementation computes a training loss, and why each other does not."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from crossent.errors import UsageError
from crossent.kernels.choice import choice as kernel_choice
from crossent.torch.threads import share_threads
from crossent.torch.triton.available import LINEAR_TYPES, TYPES, interpreted, why_not

IMPLEMENTATIONS = ("triton", "core", "torch")
"""Best first: Triton kernels on CUDA devices, the compiled core in main memory, the formulas in PyTorch."""
NO_CORE = "" if kernel_choice().native is not None else f"is not there: {kernel_choice().reason}"
SHARED_THREADS = share_threads()
"""Whether the core works with PyTorch's threads; found out before anything computes."""
INTERPRETED = interpreted()
"""Why not, found out once: a compiled graph cannot look."""
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


LINEAR = ("triton", "chunked", "torch")
"""Of `linear_cross_entropy`: Triton on CUDA devices, tiles of logits anywhere, and the formulas."""


def choose(
    name: str | None,
    device: torch.device,
    dtype: torch.dtype,
    unable: Mapping[str, str] | None = None,
    *,
    linear: bool = False,
) -> str:
    """The implementation asked for, or without a name the best that can.

    `unable` says of implementations why they cannot do what is asked for in this call.

    Errors: `UsageError` (bad-option, implementation-unavailable); one that is named is never replaced.
    """
    names = LINEAR if linear else IMPLEMENTATIONS
    if name is None:
        # the interpreter is for tests, which name it
        order = names[1:] if INTERPRETED else names
        return next(i for i in order if refusal(i, device, dtype, unable, linear=linear) is None)
    if name not in names:
        raise UsageError(
            "bad-option",
            f"implementation is {name!r}",
            cure=f"choose one of: {', '.join(names)}, or None for the best that can",
        )
    reason = refusal(name, device, dtype, unable, linear=linear)
    if reason is not None:
        raise UsageError(
            "implementation-unavailable", f"implementation {name!r} {reason}", cure="leave implementation out"
        )
    return name


def refusal(
    name: str,
    device: torch.device,
    dtype: torch.dtype,
    unable: Mapping[str, str] | None = None,
    *,
    linear: bool = False,
) -> str | None:
    """Why the implementation cannot, as the end of a sentence; None where it can."""
    if name == "torch":
        return None
    if name == "triton":
        return _triton(device, dtype, linear) or (unable or {}).get(name)
    if name == "chunked":
        return (unable or {}).get(name)
    if dtype not in DTYPES:
        return f"has no kernels for {dtype}"
    return _core(device) or (unable or {}).get(name)


def _core(device: torch.device) -> str:
    if device.type != "cpu":
        return f"computes in main memory, and these tensors are on {device.type}"
    return NO_CORE


def _triton(device: torch.device, dtype: torch.dtype, linear: bool) -> str:
    if device.type != "cuda" and not INTERPRETED:
        return f"computes on CUDA devices, and these tensors are on {device.type}"
    if torch.compiler.is_compiling():
        return "" if dtype in (LINEAR_TYPES if linear else TYPES) else f"has no kernels for {dtype}"
    if device.type == "cuda" and not torch.cuda.is_available():
        return "finds no CUDA device"
    reason = why_not(device, dtype, linear=linear)
    return "" if reason is None else f"refuses: {reason}"


def explain(
    *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, linear: bool = False
) -> str:
    """Which implementation computes on this device, and why each other does not, a sentence a line.

    A call may ask for what the best one cannot do (the entropy, a gradient by the target): then the next one
    computes. A call that names an implementation with `implementation=` gets that one or an error.
    linear : of `linear_cross_entropy` instead of `cross_entropy`.

    >>> print(explain(device="meta"))  # doctest: +ELLIPSIS
    "torch" computes: the formulas in PyTorch.
    "triton" computes on CUDA devices, and these tensors are on meta.
    "core" computes in main memory, and these tensors are on meta.
    """
    device = torch.device(device)
    taken = choose(None, device, dtype, linear=linear)
    what = {
        "triton": "kernels in Triton",
        "core": kernel_choice().reason,
        "chunked": "tiles of logits that are never all there",
        "torch": "the formulas in PyTorch",
    }[taken]
    lines = [f'"{taken}" computes: {what}.']
    for name in LINEAR if linear else IMPLEMENTATIONS:
        reason = refusal(name, device, dtype, linear=linear)
        if name != taken:
            lines.append(f'"{name}" {reason or "could too, and is slower"}.')
    return "\n".join(lines)
