"""Which implementation computes, and that one that is named is never replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crossent.errors import UsageError
from crossent.torch import explain

torch = pytest.importorskip("torch")
SOURCES = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_the_first_that_can_is_taken_and_each_other_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    from crossent.torch import choice

    cpu, single = torch.device("cpu"), torch.float32
    monkeypatch.setattr(choice, "NO_CORE", "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(choice, "why_not", lambda device, dtype, linear: None)
    assert choice.choose(None, cpu, single) == "core"
    assert choice.choose(None, torch.device("cuda"), single) == "triton"
    assert choice.choose(None, cpu, torch.int64) == "torch"
    assert choice.choose(None, cpu, single, {"core": "takes no teacher's top k"}) == "torch"
    monkeypatch.setattr(choice, "NO_CORE", "is not there: it was not built")
    assert choice.choose(None, cpu, single) == "torch"
    with pytest.raises(UsageError, match="'core' is not there: it was not built") as caught:
        choice.choose("core", cpu, single)
    assert caught.value.slug == "implementation-unavailable"
    assert choice.choose("torch", cpu, single) == "torch"


@pytest.mark.parametrize("device", ["cpu", "cuda", "meta"])
def test_explanations_name_each_implementation_once(device: Any) -> None:
    from crossent.torch.choice import IMPLEMENTATIONS

    lines = explain(device=device).splitlines()
    assert len(lines) == len(IMPLEMENTATIONS)
    assert all(sum(line.startswith(f'"{name}"') for line in lines) == 1 for name in IMPLEMENTATIONS)
    assert " computes: " in lines[0]


def test_the_core_works_with_the_threads_of_pytorch_but_not_in_a_forked_process(
    tmp_path: Path,
) -> None:
    """GNU's OpenMP waits for ever in a forked process for threads that stayed behind."""
    from crossent.torch.choice import NO_CORE, SHARED_THREADS

    if NO_CORE:
        pytest.skip(f"the compiled core {NO_CORE}")
    assert SHARED_THREADS or sys.platform != "linux"
    script = tmp_path / "forks.py"
    script.write_text(FORKS)
    done = subprocess.run(
        [sys.executable, script], env=SOURCES, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["same", "same"]), done.stderr


FORKS = """
import os
import numpy as np
import crossent.torch.choice
from crossent import kernels

z, y = np.random.default_rng(0).normal(size=(4096, 500)).astype(np.float32), np.zeros(4096, np.int64)
with kernels.using(threads=1):
    alone = kernels.log_loss_from_logits(y, z)
with kernels.using(threads=3):
    print("same" if (kernels.log_loss_from_logits(y, z) == alone).all() else "other", flush=True)
    child = os.fork()
    if not child:
        print("same" if (kernels.log_loss_from_logits(y, z) == alone).all() else "other", flush=True)
        os._exit(0)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
