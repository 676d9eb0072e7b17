"""Arrays that end where the process's memory ends: a read or write one entry too far is a crash, not luck."""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

import numpy as np

AVAILABLE = sys.platform.startswith(("linux", "darwin"))
PROT_NONE = 0


class Guarded:
    """A copy of `x` that ends at, or begins after, a page that may not be touched."""

    def __init__(self, x: Any, *, at_end: bool = True) -> None:
        page = mmap.PAGESIZE
        size = -(-max(x.nbytes, 1) // page) * page
        self._map = mmap.mmap(-1, size + page)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        libc = ctypes.CDLL(None, use_errno=True)
        self._guard = (address + size if at_end else address), page
        if libc.mprotect(ctypes.c_void_p(self._guard[0]), ctypes.c_size_t(page), PROT_NONE):
            raise OSError(ctypes.get_errno(), "mprotect")
        start = size - x.nbytes if at_end else page
        self.array = np.frombuffer(self._map, x.dtype, x.size, start).reshape(x.shape)
        self.array[...] = x
