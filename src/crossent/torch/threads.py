"""The compiled core works with the threads that PyTorch keeps."""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch

from crossent.kernels.choice import borrow_team


def share_threads() -> bool:
    """Let the core share rows among PyTorch's OpenMP threads; False where it has none that can be found.

    They go on looking for work for milliseconds after each operation of PyTorch's. Threads of our own would
    share the processor with them: that made the loss of a linear layer 4 % slower (two threads, bfloat16).
    """
    address = _gomp_parallel() if torch.backends.openmp.is_available() else None  # type: ignore[no-untyped-call]
    if address is None:
        return False
    borrow_team(address)
    return True


def _gomp_parallel() -> int | None:
    """Of the runtime that PyTorch is linked with, GNU's or LLVM's; a program may hold several."""
    folder = Path(torch.__file__).parent / "lib"
    for name in ("libtorch_cpu.so", "libtorch_cpu.dylib"):
        if (folder / name).exists():
            try:
                return ctypes.cast(ctypes.CDLL(str(folder / name)).GOMP_parallel, ctypes.c_void_p).value
            except (OSError, AttributeError):
                return None
    return None
