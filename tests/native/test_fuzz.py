"""A few random cases in every run, and those that once failed; `make fuzz` tries many."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from .fuzz import cases, check
from .guarded import AVAILABLE
from .operations import SANITIZED

PLAIN: dict[str, Any] = {
    "dtype": "float32",
    "classes": 3,
    "rows": 13,
    "threads": 1,
    "spread": 0.0,
    "shift": 0.0,
    "special": [],
    "seed": 0,
    "row_gap": 0,
    "backwards": False,
    "at_end": True,
}
FAILED = {
    "a row beyond 300 changed its neighbours": {
        "name": "log_loss_from_logits",
        "special": [1e4],
        "threads": 2,
    },
    "inf in a long row was no nan": {"name": "softmax_minus_label", "special": [np.inf], "classes": 129},
    "rows backwards were read beyond their first": {
        "name": "log_loss_from_logits",
        "classes": 10,
        "rows": 19,
        "backwards": True,
    },
    "nan beside one number was no nan": {"name": "log_sum_exp", "special": [np.nan], "classes": 2, "rows": 1},
    "three numbers were read behind the last of one-class rows": {
        "name": "log_loss_from_logits",
        "classes": 1,
        "rows": 17,
    },
}


@settings(max_examples=150, deadline=None)
@given(cases())
def test_random_cases(case: dict[str, Any]) -> None:
    check(case)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("what", FAILED)
def test_cases_that_failed(what: str, dtype: str) -> None:
    check({**PLAIN, **FAILED[what], "dtype": dtype})


@pytest.mark.skipif(
    SANITIZED or not AVAILABLE, reason="pages are forbidden by mprotect; a sanitizer reports it"
)
@pytest.mark.parametrize("at_end", [True, False])
def test_the_page_beside_a_guarded_array_is_forbidden(at_end: bool) -> None:
    """Otherwise the cases above prove nothing about reads beyond the rows."""
    code = (
        "import ctypes, numpy; from native.guarded import Guarded\n"
        f"a = Guarded(numpy.ones((3, 5)), at_end={at_end}).array\n"
        f"assert a.sum() == 15; ctypes.string_at(a.ctypes.data + {120 if at_end else -1}, 1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    # ended by the system or a sanitizer, not by an exception of Python's
    assert done.returncode != 0 and "Traceback" not in done.stderr
