"""The kernels in Triton, run in its interpreter, which has to be chosen before the import, and compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from crossent.torch.triton.available import why_not  # noqa: E402

HERE = Path(__file__).parent


def run(*files: str, **environment: str) -> None:
    """Run the tests of files that are not collected here, as they need a process of their own."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    found = subprocess.run(
        [*command, *(str(HERE / file) for file in files)],
        env=os.environ | environment,
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]


def test_kernels_in_the_interpreter() -> None:
    run("triton_rows.py", "triton_plain.py", "triton_linear.py", TRITON_INTERPRET="1")


def test_kernels_compile_for_gpus(tmp_path: Path) -> None:
    run("triton_compiled.py", TRITON_INTERPRET="0", TRITON_CACHE_DIR=str(tmp_path))


@pytest.mark.parametrize(
    ("device", "dtype", "linear", "reason"),
    [
        ("cpu", "float32", False, "on GPUs"),
        ("cpu", "float64", False, "no float64"),
        ("cpu", "float16", True, "float16 has no room"),
    ],
)
def test_says_why_not(device: str, dtype: str, linear: bool, reason: str) -> None:
    said = why_not(torch.device(device), getattr(torch, dtype), linear=linear)
    assert said is not None and reason in said


def test_says_that_triton_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossent.torch.triton.available.find_spec", lambda name: None)
    assert why_not(torch.device("cpu"), torch.float32) == "Triton is not installed"
