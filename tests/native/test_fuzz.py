"""A few random cases in every run, and those that once failed; `make fuzz` tries many."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from . import fuzz_gradients, fuzz_operations
from .guarded import AVAILABLE
from .operations import SANITIZED

LYING: dict[str, Any] = {
    "row_gap": 0,
    "rows_backwards": False,
    "columns_backwards": False,
    "by_columns": False,
    "swapped": False,
    "at_end": True,
    "labels": "int64",
    "label_step": 1,
}
PLAIN: dict[str, Any] = {
    "dtype": "float32",
    "classes": 3,
    "rows": 13,
    "threads": 1,
    "spread": 0.0,
    "shift": 0.0,
    "special": [],
    "seed": 0,
    "wrong": None,
    **LYING,
}
FAILED: dict[str, dict[str, Any]] = {
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
        "rows_backwards": True,
    },
    "nan beside one number was no nan": {"name": "log_sum_exp", "special": [np.nan], "classes": 2, "rows": 1},
    "three numbers were read behind the last of one-class rows": {
        "name": "log_loss_from_logits",
        "classes": 1,
        "rows": 17,
    },
    "sums of thousands of labels lost three digits": {
        "name": "sigmoid_log_loss_from_logits",
        "classes": 2450,
        "rows": 2,
        "spread": 300.0,
        "seed": 69037,
    },
    "bits of bfloat16 were taken for whole numbers": {"name": "label_probability_loss", "dtype": "bfloat16"},
}
PLAIN_GRADIENT: dict[str, Any] = {
    **PLAIN,
    "smoothing": 0.0,
    "class_weights": None,
    "ignore_index": None,
    "temperature": 1.0,
    "scale": None,
    "scale_losses": True,
    "target_type": "float64",
    "wrong_target": None,
    "target_place": LYING,
    "out": None,
}
GRADIENTS_FAILED: dict[str, dict[str, Any]] = {
    "bits of bfloat16 were taken for whole numbers": {"dtype": "bfloat16", "temperature": 0.5},
    "halves were rounded in two ways": {
        "dtype": "float16",
        "classes": 2057,
        "rows": 1,
        "spread": 30.0,
        "smoothing": 0.1,
        "temperature": 0.5,
    },
}


@settings(max_examples=150, deadline=None)
@given(fuzz_operations.cases())
def test_random_cases(case: dict[str, Any]) -> None:
    fuzz_operations.check(case)


@settings(max_examples=100, deadline=None)
@given(fuzz_gradients.cases())
def test_random_gradients(case: dict[str, Any]) -> None:
    fuzz_gradients.check(case)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("what", FAILED)
def test_cases_that_failed(what: str, dtype: str) -> None:
    fuzz_operations.check(PLAIN | {"dtype": dtype} | FAILED[what])


@pytest.mark.parametrize("target", fuzz_gradients.FUNCTIONS)
@pytest.mark.parametrize("what", GRADIENTS_FAILED)
def test_gradients_that_failed(what: str, target: str) -> None:
    fuzz_gradients.check(PLAIN_GRADIENT | GRADIENTS_FAILED[what] | {"target": target})


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
