"""The fast path is taken, by what the processor has and never by its name; one asked for by name runs."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from crossent import kernels
from crossent.kernels.choice import choice, threads

from .operations import SANITIZED, compiled, computing, made

SETS = kernels.instruction_sets()
CPUINFO = Path("/proc/cpuinfo")


def flags() -> set[str]:
    """Features of the processor as the system lists them."""
    lines = CPUINFO.read_text().splitlines()
    return set(next(line for line in lines if line.startswith("flags")).split(":")[1].split())


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not CPUINFO.exists(),
    reason="features are read as Linux lists them on x86",
)
def test_the_processors_best_set_is_chosen() -> None:
    expected = ["baseline"]
    if {"avx2", "fma", "f16c"} <= flags():
        expected.insert(0, "avx2")
        if {"avx512f", "avx512dq", "avx512bw", "avx512vl"} <= flags():
            expected.insert(0, "avx512")
    assert list(SETS) == expected
    find = import_module("crossent.kernels._native").find
    with_products = {name for name in SETS if find(name).has_product_of_bfloat16}
    assert with_products == ({"avx512"} & set(SETS) if "avx512_bf16" in flags() else set())


def in_a_new_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CROSSENT_")}
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**clean, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_wish_the_best_set_computes() -> None:
    done = in_a_new_process("from crossent.kernels.choice import choice; print(choice().native.name)")
    assert done.stdout.strip() == SETS[0], done.stderr


@pytest.mark.parametrize("name", [*SETS, "reference"])
def test_a_set_by_name_computes_and_is_reported(name: str) -> None:
    done = in_a_new_process("from crossent import kernels; print(kernels.explain())", CROSSENT_KERNELS=name)
    assert ("NumPy reference" if name == "reference" else f"compiled kernels for {name},") in done.stdout
    assert "CROSSENT_KERNELS asks for them" in done.stdout


@pytest.mark.parametrize("name", ["neon", "AVX2", "avx1024"])
def test_a_name_never_falls_back(name: str) -> None:
    done = in_a_new_process("import crossent.kernels", CROSSENT_KERNELS=name)
    assert done.returncode != 0
    assert "[kernels-unavailable]" in done.stderr
    assert all(there in done.stderr for there in [*SETS, "reference"])


@pytest.mark.skipif(SANITIZED, reason="sanitizers make twice the code")
def test_the_core_is_small() -> None:
    core = import_module("crossent.kernels._native")
    assert Path(str(core.__file__)).stat().st_size < 1 << 20


def test_public_functions_use_the_core() -> None:
    done = in_a_new_process(
        "import numpy, crossent\n"
        "from crossent.kernels import layout\n"
        "calls = []\n"
        "laid_out = layout.laid_out\n"
        "layout.laid_out = lambda x, dtype: calls.append(x.shape) or laid_out(x, dtype)\n"
        "crossent.losses.get('log_loss').value(numpy.array([0, 1]), numpy.eye(2), 'logits')\n"
        "print(calls)"
    )
    assert "(2, 2)" in done.stdout, done.stderr


@pytest.mark.skipif(SANITIZED or "avx2" not in SETS, reason="one set only, or all slowed by a sanitizer")
def test_the_fast_path_is_fast() -> None:
    """Plain C++ takes 3 to 6 times as long; names of architectures picked a slow variant before."""
    labels, z = made("logits", np.random.default_rng(0), 400, 1000, "float32")

    def seconds(name: str) -> float:
        with computing(name):
            compiled()["log_loss_from_logits"](labels, z)
            start = time.thread_time()
            compiled()["log_loss_from_logits"](labels, z)
            return time.thread_time() - start

    best = {name: min(seconds(name) for _ in range(15)) for name in SETS}
    assert best[SETS[0]] < 0.7 * best["baseline"], best


def test_threads_follow_the_affinity_and_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSENT_THREADS", raising=False)
    if hasattr(os, "sched_getaffinity"):
        assert threads() == len(os.sched_getaffinity(0))
    monkeypatch.setenv("CROSSENT_THREADS", "3")
    assert threads() == 3


def test_asking_twice_gives_the_same_choice() -> None:
    with computing("baseline"):
        assert choice() is choice()
        assert choice().native.name == "baseline"
