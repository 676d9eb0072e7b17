"""Whether the kernels in Triton can run, and why not, in a sentence."""

from __future__ import annotations

import os
from importlib.util import find_spec

import torch

LEAST = (8, 0)
"""Compute capability of the oldest GPU whose tensor cores know bfloat16."""

TYPES = (torch.float32, torch.bfloat16, torch.float16)
LINEAR_TYPES = (torch.float32, torch.bfloat16)

LAUNCH = {"enable_fp_fusion": True}
"""Goes with every start of a kernel: a·b + c by one rounding, whatever the default of a version of Triton."""


def why_not(device: torch.device, dtype: torch.dtype, *, linear: bool = False) -> str | None:
    """Why `rows`, or `linear` where so, cannot take such tensors; None where they can."""
    if find_spec("triton") is None:
        return "Triton is not installed"
    types = LINEAR_TYPES if linear else TYPES
    if dtype not in types:
        if dtype == torch.float16:
            return "float16 has no room for exp(z − z_y), nor for gradients below 6e-8"
        return f"the kernels take no {str(dtype).removeprefix('torch.')}"
    if interpreted():
        return (
            None if device.type == "cpu" else "TRITON_INTERPRET is set, and the interpreter runs on the CPU"
        )
    if device.type != "cuda":
        return f"the tensors are on the device {device.type}, and the kernels run on GPUs"
    found = torch.cuda.get_device_capability(device)
    if torch.version.hip is None and found < LEAST:
        return "the GPU's compute capability is {}.{}, and 8.0 is needed".format(*found)
    return None


def interpreted() -> bool:
    """Whether kernels run in Triton's interpreter, to be tested: slow."""
    return os.environ.get("TRITON_INTERPRET") == "1"
