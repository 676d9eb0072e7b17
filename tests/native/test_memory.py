"""No memory beyond inputs, outputs and a few hundred KB a thread; nothing kept from call to call."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .operations import OPERATIONS, SANITIZED, compiled

NAMES = sorted(set(compiled()) & set(OPERATIONS))
THREADS = 4
A_THREAD = 300 << 10
SLACK = 1 << 20
"""The system counts a process's pages up to 64 a thread late."""

# The peak is of the whole life of a process: each case has its own, and what it needs before is little.
CHILD = """
import pathlib, resource, sys
import numpy as np
from native.operations import OPERATIONS, SANITIZED, compiled, computing, made, results
name, kernels, dtype, rows, classes, threads = *sys.argv[1:4], *map(int, sys.argv[4:])

def peak():
    # Linux counts what the parent held into ru_maxrss of its child, but not into VmHWM
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        return 1024 * int(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

few_labels, few = made(OPERATIONS[name].numbers, np.random.default_rng(0), 1000, classes, dtype)
# filled in place: a temporary copy would raise the peak beforehand and hide what the kernel takes
labels, x = np.empty(rows, np.int64), np.empty((rows, classes), dtype)
labels.reshape(-1, 1000)[:] = few_labels
x.reshape(-1, 1000, classes)[:] = few
arguments = OPERATIONS[name].arguments(labels, x)
call = compiled()[name]
with computing(kernels, threads):
    call(*OPERATIONS[name].arguments(few_labels, few))
    before = peak()
    answer = call(*arguments)
    first = peak()
    made_of = sum(part.nbytes for part in results(answer))
    del answer
    for _ in range(3):
        call(*arguments)
print(first - before - made_of, peak() - first)
"""


@pytest.mark.skipif(SANITIZED, reason="the sanitizer's own memory is counted")
@pytest.mark.skipif(sys.platform == "win32", reason="the peak of a process is read with resource")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("dtype", "rows", "classes"), [("float32", 500_000, 10), ("float64", 4000, 1000)])
def test_memory_is_the_outputs(name: str, dtype: str, rows: int, classes: int) -> None:
    paths = [str(Path(__file__).parents[1]), *(path for path in sys.path if path)]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, name, "baseline", dtype, str(rows), str(classes), str(THREADS)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    extra, kept = map(int, done.stdout.split())
    assert extra <= THREADS * A_THREAD + SLACK
    assert kept <= SLACK
