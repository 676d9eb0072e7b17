"""Which implementation computes a training loss, and why each other does not."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from crossent.errors import UsageError
from crossent.kernels.choice import choice as kernel_choice
from crossent.torch.triton.available import TYPES, interpreted, why_not

IMPLEMENTATIONS = ("triton", "core", "torch")
"""Best first: Triton kernels on CUDA devices, the compiled core in main memory, the formulas in PyTorch."""
NO_CORE = "" if kernel_choice().native is not None else f"is not there: {kernel_choice().reason}"
INTERPRETED = interpreted()
"""Why not, found out once: a compiled graph cannot look."""
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def choose(
    name: str | None, device: torch.device, dtype: torch.dtype, unable: Mapping[str, str] | None = None
) -> str:
    """The implementation asked for, or without a name the best that can.

    `unable` says of implementations why they cannot do what is asked for in this call.

    Errors: `UsageError` (bad-option, implementation-unavailable); one that is named is never replaced.
    """
    if name is None:
        # the interpreter is for tests, which name it
        order = IMPLEMENTATIONS[1:] if INTERPRETED else IMPLEMENTATIONS
        return next(i for i in order if refusal(i, device, dtype, unable) is None)
    if name not in IMPLEMENTATIONS:
        raise UsageError(
            "bad-option",
            f"implementation is {name!r}",
            cure=f"choose one of: {', '.join(IMPLEMENTATIONS)}, or None for the best that can",
        )
    reason = refusal(name, device, dtype, unable)
    if reason is not None:
        raise UsageError(
            "implementation-unavailable", f"implementation {name!r} {reason}", cure="leave implementation out"
        )
    return name


def refusal(
    name: str, device: torch.device, dtype: torch.dtype, unable: Mapping[str, str] | None = None
) -> str | None:
    """Why the implementation cannot, as the end of a sentence; None where it can."""
    if name == "torch":
        return None
    if name == "triton":
        return _triton(device, dtype) or (unable or {}).get(name)
    if dtype not in DTYPES:
        return f"has no kernels for {dtype}"
    return _core(device) or (unable or {}).get(name)


def _core(device: torch.device) -> str:
    if device.type != "cpu":
        return f"computes in main memory, and these tensors are on {device.type}"
    return NO_CORE


def _triton(device: torch.device, dtype: torch.dtype) -> str:
    if device.type != "cuda" and not INTERPRETED:
        return f"computes on CUDA devices, and these tensors are on {device.type}"
    if torch.compiler.is_compiling():
        return "" if dtype in TYPES else f"has no kernels for {dtype}"
    if device.type == "cuda" and not torch.cuda.is_available():
        return "finds no CUDA device"
    reason = why_not(device, dtype)
    return "" if reason is None else f"refuses: {reason}"


def explain(*, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> str:
    """Which implementation computes on this device, and why each other does not, a sentence a line.

    A call may ask for what the best one cannot do (the entropy, a gradient by the target): then the next one
    computes. A call that names an implementation with `implementation=` gets that one or an error.

    >>> print(explain(device="meta"))  # doctest: +ELLIPSIS
    "torch" computes: the formulas in PyTorch.
    "triton" computes on CUDA devices, and these tensors are on meta.
    "core" computes in main memory, and these tensors are on meta.
    """
    device = torch.device(device)
    taken = choose(None, device, dtype)
    what = {
        "triton": "kernels in Triton",
        "core": kernel_choice().reason,
        "torch": "the formulas in PyTorch",
    }[taken]
    lines = [f'"{taken}" computes: {what}.']
    for name in IMPLEMENTATIONS:
        reason = refusal(name, device, dtype)
        if name != taken:
            lines.append(f'"{name}" {reason or "could too, and is slower"}.')
    return "\n".join(lines)
