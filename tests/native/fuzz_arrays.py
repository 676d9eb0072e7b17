"""Numbers and labels of every type, and every way that they may lie in memory, for random cases."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from crossent.errors import DataError
from crossent.kernels.narrow import BFLOAT16, narrowed, widened

from .guarded import AVAILABLE, Guarded

TYPES = ("float32", "float64", "float16", "bfloat16")
LABELS = ("int64", "uint64", "int32", "uint32", "int16", "uint16", "int8", "uint8", ">i8", ">u4", ">i2")
NOWHERE = (-1, -(2**63), 2**31, 2**32, 2**63 - 1)
"""Labels that no class has, beside the number of classes."""


@st.composite
def places(draw: st.DrawFn) -> dict[str, Any]:
    """How numbers and labels lie in memory; rows with a gap below 0 overlap, to the point of being one."""
    return {
        "row_gap": draw(st.sampled_from([0, 0, 1, 5, 64, -1, -7, -10_000])),
        "rows_backwards": draw(st.booleans()),
        "columns_backwards": draw(st.sampled_from([False, False, True])),
        "by_columns": draw(st.sampled_from([False, False, False, True])),
        "swapped": draw(st.sampled_from([False, False, False, False, True])),
        "at_end": draw(st.booleans()),
        "labels": draw(st.sampled_from(LABELS)),
        "label_step": draw(st.sampled_from([1, 1, 2, -1, -3])),
    }


def typed(x: Any, dtype: str) -> Any:
    with np.errstate(all="ignore"):
        return narrowed(x) if dtype == "bfloat16" else x.astype(dtype)


def _lines(case: dict[str, Any]) -> tuple[int, int, int]:
    """What follows what in memory: how many lines of how many numbers, and the step between them."""
    lines, width = case["rows"], case["classes"]
    if case["by_columns"]:
        lines, width = width, lines
    return lines, width, max(0, width + case["row_gap"])


def view(flat: Any, case: dict[str, Any]) -> Any:
    """The (N, K) array of a case in memory that is its own."""
    lines, width, step = _lines(case)
    size = flat.dtype.itemsize
    part = as_strided(flat, (lines, width), (step * size, size))
    if case["by_columns"]:
        part = part.T
    if case["rows_backwards"]:
        part = part[::-1]
    return part[:, ::-1] if case["columns_backwards"] else part


def room(case: dict[str, Any], dtype: Any) -> Any:
    """Memory for a case, full of nan."""
    lines, _, step = _lines(case)
    dtype = BFLOAT16 if dtype == "bfloat16" else np.dtype(dtype)
    if case["swapped"] and dtype != BFLOAT16:
        dtype = dtype.newbyteorder()
    flat = np.empty((lines - 1) * step + _lines(case)[1], dtype)
    flat[...] = typed(np.array(np.nan), "bfloat16") if dtype == BFLOAT16 else np.nan
    return flat


def as_it_lies(x: Any, case: dict[str, Any]) -> Any:
    """The numbers as overlapping rows leave them, contiguous."""
    flat = room({**case, "swapped": False}, x.dtype)
    view(flat, case)[...] = x
    return np.array(view(flat, case))


def laid_out(x: Any, case: dict[str, Any]) -> Any:
    """The same numbers in the layout of the case, at the edge of what may be touched."""
    flat = room(case, x.dtype)
    view(flat, case)[...] = x
    if AVAILABLE:
        flat = Guarded(flat, at_end=case["at_end"]).array
    return view(flat, case)


def labels_as_they_lie(labels: Any, case: dict[str, Any]) -> Any:
    """The same labels in the type of the case, if it has room for them, and with its step."""
    dtype, step = np.dtype(case["labels"]), abs(case["label_step"])
    limits = np.iinfo(dtype)
    if labels.size and not (limits.min <= int(labels.min()) and int(labels.max()) <= limits.max):
        dtype = np.dtype(np.int64)
    wide = np.zeros(len(labels) * step, dtype)
    part = wide[::step] if case["label_step"] > 0 else wide[::-step]
    part[...] = labels
    part.flags.writeable = False
    return part


def is_refused(call: Any, row: int, value: int) -> bool:
    """Whether a call raises the error that names the row of a bad label."""
    try:
        call()
    except DataError as error:
        return (error.slug, error.row, error.value) == ("label-out-of-range", row, value)
    return False


def in_float32(x: Any) -> Any:
    """Halves widened, which changes none of them; wider numbers as they are."""
    x = widened(x)
    return x.astype(np.float32) if x.dtype == np.float16 else x


def rounded(answer: Any, like: Any) -> Any:
    """An answer in the types of another, halves by way of float32 as in the core."""
    if isinstance(like, tuple):
        return tuple(rounded(a, b) for a, b in zip(answer, like, strict=True))
    if not isinstance(like, np.ndarray) or like.dtype == answer.dtype:
        return answer
    with np.errstate(over="ignore", under="ignore"):
        answer = answer.astype(np.float32)
        return narrowed(answer) if like.dtype == BFLOAT16 else answer.astype(like.dtype)
