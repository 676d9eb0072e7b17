"""Kernels run without the interpreter's lock, and calls side by side give what calls alone give."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossent.kernels import instruction_sets

from .operations import OPERATIONS, bits, compiled, computing, made

NAMES = sorted(set(compiled()) & set(OPERATIONS))
SETS = instruction_sets()


def arguments(name: str, rows: int, classes: int, seed: int = 0) -> tuple[Any, ...]:
    operation = OPERATIONS[name]
    return operation.arguments(
        *made(operation.numbers, np.random.default_rng(seed), rows, classes, "float64")
    )


@pytest.mark.parametrize("name", NAMES)
def test_python_goes_on_while_a_kernel_runs(name: str) -> None:
    """With the lock held, the loop below would not turn between a call's beginning and its end."""
    args = arguments(name, 40_000, 50)
    inside = 0
    with computing("baseline"):
        call = compiled()[name]
        call(*args)
        for _ in range(20):
            worker = threading.Thread(target=call, args=args)
            turns: list[float] = []
            worker.start()
            while worker.is_alive():
                turns.append(time.perf_counter())
            worker.join()
            # the longest pause between two turns is far from all of the call
            gaps = np.diff(turns)
            inside += len(gaps) > 10 and gaps.max() < 0.5 * (turns[-1] - turns[0])
            if inside >= 2:
                return
    pytest.fail("the lock is held")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kernels", SETS)
def test_calls_side_by_side(kernels: str, name: str) -> None:
    """Twelve calls from four threads of Python, each with two of its own."""
    jobs = [arguments(name, 300 + 7 * i, 250, seed=i) for i in range(12)]
    with computing(kernels, threads=1):
        alone = [bits(compiled()[name](*args)) for args in jobs]
    with computing(kernels, threads=2), ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda args: bits(compiled()[name](*args)), jobs))
    assert together == alone


def test_more_threads_than_the_system_gives() -> None:
    """Ten thousand threads cannot be had; a call that asks for them ends as if it had not."""
    args = arguments("log_loss_from_logits", 140_000, 2)
    with computing(SETS[0], threads=1):
        expected = bits(compiled()["log_loss_from_logits"](*args))
    with computing(SETS[0], threads=10_000):
        assert bits(compiled()["log_loss_from_logits"](*args)) == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_computes() -> None:
    """Threads of a call end with it: what multiprocessing forks afterwards waits for none."""
    code = (
        "import os, numpy as np; from crossent import kernels\n"
        "labels, z = np.zeros(100_000, int), np.ones((100_000, 2))\n"
        "with kernels.using(threads=4):\n"
        "    before = kernels.log_loss_from_logits(labels, z)\n"
        "    child = os.fork()\n"
        "    after = kernels.log_loss_from_logits(labels, z)\n"
        "    same = after.tobytes() == before.tobytes()\n"
        "if not child: os._exit(0 if same else 1)\n"
        "assert same and os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0"
    )
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *(path for path in sys.path if path)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
