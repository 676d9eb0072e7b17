"""Cross-entropy on the CPU: crossent and its peers beside the time that reading the data takes.

    python benchmarks/cpu.py --quick     # small arrays, few rounds: only that it runs
    python benchmarks/cpu.py             # half an hour; writes results/cpu.json and docs/performance.md

For each number of threads a process of its own, bound to so many cores, goes through tasks, types and
shapes. Of a case all contenders are called in turn, and with them a plain read of the same bytes (for
gradients a plain copy), by the core's own loop or, without the core, by NumPy; each call gives wall and CPU
seconds. What stands in the table is the median and the ratio to that limit of the same rounds, as many as
the time of a case allows. Cases whose peers would need more than the memory given are left out.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import common

SHAPES = ((10_000_000, 2), (1_000_000, 10), (100_000, 1000), (4096, 32_000), (2048, 128_256))
CASES = (
    *(("probabilities, loss", dtype, shape) for dtype in ("float64", "float32") for shape in SHAPES[:3]),
    *((task, "float32", shape) for task in ("logits, loss", "logits, loss and gradient") for shape in SHAPES),
)
ROUNDS, SECONDS = (3, 25), 12.0
"""At least and at most, and what the rounds of a case may take."""
SLOW, SLOW_ROUNDS = 1.0, 2
"""Seconds of a call from which a contender has rounds of its own, and how many: it is far from the others."""
QUICK = 50
"""Divides the number of rows."""
COPIES = 7
"""Arrays as large as the input that the greediest peer holds at once."""
LIMIT = "limit"
OURS = "crossent"
"""The contender that is held to the targets."""
PEERS = ("scikit-learn", "torch", "jax", "jaxlib", "optax", "numba")
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"

Times = tuple[float, float]


# --- measuring, in a process bound to some cores ---------------------------------------------------------


def timed(call: Callable[[], object]) -> Times:
    """(wall, CPU of all threads) of one call, in seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def arrays(task: str, dtype: str, shape: tuple[int, int]) -> tuple[Any, Any]:
    """(labels, predictions): logits of a model of middling skill, or their softmax; built block by block."""
    import numpy as np

    from crossent.kernels.reference import softmax

    rng = np.random.default_rng(0)
    rows, classes = shape
    labels = rng.integers(0, classes, rows)
    x = np.empty(shape, dtype)
    step = max(1, 10_000_000 // classes)
    for start in range(0, rows, step):
        part = slice(start, min(start + step, rows))
        z = rng.standard_normal((part.stop - start, classes), np.float32) * 2
        z[np.arange(len(z)), labels[part]] += 3
        x[part] = softmax(z) if task.startswith("prob") else z
    return labels, x


def limit(task: str, labels: Any, x: Any, threads: int) -> tuple[str, Callable[[], object]]:
    """What has to be done at least: predictions and labels read once, and for a gradient as much written."""
    import numpy as np

    from crossent.kernels.choice import choice

    words, codes, copying = x.reshape(-1).view(np.uint64), labels.view(np.uint64), "gradient" in task
    native = choice().native
    out = np.zeros_like(words) if copying else None
    if native is None:
        flat = x.reshape(-1)
        least = partial(np.copyto, out, words) if copying else flat.max
        return "NumPy", lambda: (least(), labels.max())
    if copying:
        return "core", lambda: (native.copy(words, out, threads), native.read(codes, threads))
    return "core", lambda: (native.read(words, threads), native.read(codes, threads))


def measure(task: str, dtype: str, shape: tuple[int, int], threads: int, quick: bool) -> dict[str, Any]:
    """Times of every contender of a case, and the loss each found."""
    import numpy as np

    from peers import Arrays, contenders

    labels, x = arrays(task, dtype, shape)
    by, plain = limit(task, labels, x, threads)
    calls = contenders(task, Arrays(x, labels, threads, compile=not quick))
    means = {name: float(np.mean(call())) for name, call in calls.items()}
    timings = {LIMIT: partial(timed, plain), **{name: partial(timed, call) for name, call in calls.items()}}
    times = in_rounds(timings, quick)
    return {
        "task": task,
        "dtype": dtype,
        "shape": shape,
        "threads": threads,
        "limit_by": by,
        "means": means,
        "times": {name: summary(runs, times[LIMIT]) for name, runs in times.items()},
    }


def in_rounds(calls: Mapping[str, Callable[[], Times]], quick: bool) -> dict[str, list[Times]]:
    """Every contender in turn, for as many rounds as fit into the time of a case; slow ones by themselves."""
    took = {name: call()[0] for name, call in calls.items()}
    slow = {name: call for name, call in calls.items() if took[name] > SLOW}
    fast = {name: call for name, call in calls.items() if name not in slow}
    least, most = ROUNDS
    rounds = max(least, min(most, int(SECONDS / sum(took[name] for name in fast))))
    times = common.interleave(fast, 2 if quick else rounds)
    return {**times, **(common.interleave(slow, SLOW_ROUNDS) if slow else {})}


def summary(runs: Sequence[Times], limits: Sequence[Times]) -> dict[str, float]:
    """Medians and minima in seconds, and the ratio of medians to those of the limit."""
    wall, cpu = ([run[i] for run in runs] for i in (0, 1))
    return {
        "wall": statistics.median(wall),
        "cpu": statistics.median(cpu),
        "wall_min": min(wall),
        "cpu_min": min(cpu),
        "wall_ratio": statistics.median(wall) / statistics.median(run[0] for run in limits),
        "cpu_ratio": statistics.median(cpu) / statistics.median(run[1] for run in limits),
    }


def chosen(options: argparse.Namespace) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """The cases to measure: those asked for that fit into memory."""
    import numpy as np

    for task, dtype, (rows, classes) in CASES:
        shape = (rows // QUICK, classes) if options.quick else (rows, classes)
        bytes_needed = COPIES * shape[0] * classes * np.dtype(dtype).itemsize
        if options.only not in f"{task} {dtype} {shape}":
            continue
        if bytes_needed > options.memory * 1e9:
            print(
                f"{task} {dtype} {shape}: left out, peers may need {bytes_needed / 1e9:.0f} GB",
                file=sys.stderr,
            )
            continue
        yield task, dtype, shape


def child(options: argparse.Namespace) -> None:
    """Measure every case on the cores given, and write what was found as JSON."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    warnings.simplefilter("ignore")
    from peers import installed

    if installed("torch"):
        import torch

        torch.set_num_threads(options.threads)
    found = []
    for task, dtype, shape in chosen(options):
        found.append(measure(task, dtype, shape, options.threads, options.quick))
        print(table([found[-1]]), flush=True)
        gc.collect()
    Path(options.out).write_text(json.dumps(found))


# --- collecting and printing -----------------------------------------------------------------------------


def run(threads: int, arguments: Sequence[str]) -> list[dict[str, Any]]:
    """One process for all cases with so many threads, with the libraries told so before they start."""
    count = str(threads)
    libraries = ("OMP", "MKL", "OPENBLAS", "NUMBA", "CROSSENT")
    names = [f"{name}_NUM_THREADS" for name in libraries[:-1]] + ["CROSSENT_THREADS"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, __file__, *arguments, "--threads", count, "--out", str(out)]
        subprocess.run(command, env={**os.environ, **dict.fromkeys(names, count)}, check=True)
        found: list[dict[str, Any]] = json.loads(out.read_text())
    return found


def agree(case: Mapping[str, Any]) -> list[str]:
    """Contenders whose mean loss differs from crossent's by more than float32 sums of this size may."""
    means = case["means"]
    truth = next(value for name, value in means.items() if name.startswith("crossent"))
    return [name for name, value in means.items() if abs(value - truth) > 1e-4 * abs(truth)]


def table(cases: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: a table a case, the fastest first."""
    lines: list[str] = []
    for case in cases:
        rows, classes = case["shape"]
        threads = "1 thread" if case["threads"] == 1 else f"{case['threads']} threads"
        lines += [f"### {case['task']}: ({rows:,}, {classes:,}) {case['dtype']}, {threads}", ""]
        lines += ["| | wall, ms | CPU, ms | × limit, wall | × limit, CPU |", "|---|--:|--:|--:|--:|"]
        wrong = agree(case)
        for name, t in sorted(case["times"].items(), key=lambda item: item[1]["wall"]):
            said = f"{name} (another mean)" if name in wrong else f"*{name}*" if name == LIMIT else name
            lines.append(
                f"| {said} | {1e3 * t['wall']:.1f} | {1e3 * t['cpu']:.1f} "
                f"| {t['wall_ratio']:.2f} | {t['cpu_ratio']:.2f} |"
            )
        lines.append("")
    return "\n".join(lines)


def overview(cases: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: of every case the ratios of crossent and its nearest peer to the limit."""
    lines = [
        "| | threads | crossent | by AVX2 | by the baseline | nearest peer | PyTorch |",
        "|---|--:|--:|--:|--:|---|--:|",
    ]
    for case in cases:
        rows, classes = case["shape"]
        ratio = {name: t["wall_ratio"] for name, t in case["times"].items() if name != LIMIT}
        peers = {name: r for name, r in ratio.items() if not name.startswith(OURS)}
        nearest = min(peers, key=peers.__getitem__)
        torch = min((r for name, r in peers.items() if name.startswith("PyTorch")), default=None)
        sets = (ratio.get(f"{OURS}, {name} only") for name in ("avx2", "baseline"))
        numbers = " | ".join("" if r is None else f"{r:.2f}" for r in (ratio[OURS], *sets))
        lines.append(
            f"| {case['task']}, ({rows:,}, {classes:,}) {case['dtype']} | {case['threads']} | {numbers} "
            f"| {nearest} {peers[nearest]:.1f} | {'' if torch is None else f'{torch:.1f}'} |"
        )
    return "\n".join(lines)


def targets(cases: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each ratio that was promised beside what was measured."""
    for case in cases:
        classes, threads = case["shape"][1], case["threads"]
        for name, most in promised(case["task"], classes, threads).items():
            found = case["times"].get(name)
            if found:
                said = "met" if found["wall_ratio"] <= most else "MISSED"
                where = f"{case['task']}, {classes} classes {case['dtype']}, {threads} threads, {name}"
                yield f"{said}: {found['wall_ratio']:.2f} of {most}: {where}"


def promised(task: str, classes: int, threads: int) -> dict[str, float]:
    """Ratios to the limit that this benchmark is there to watch."""
    if task.startswith("prob"):
        return {OURS: 1.5} if classes <= 10 else {}
    gradient, many = "gradient" in task, classes >= 1000
    if not many:
        few = 2.0 if gradient else 2.6
        return {OURS: few} if classes == 10 and threads == 2 else {}
    best = 1.4 if gradient else 1.3 if threads == 2 else 1.5
    return {OURS: best, f"{OURS}, avx2 only": 2.0, f"{OURS}, baseline only": 6.0}


def facts(machine: Mapping[str, object]) -> str:
    versions = ", ".join(
        f"{name} {machine[name]}" for name in (*common.PACKAGES, *PEERS) if machine.get(name)
    )
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}; "
        f"{versions}; {machine['kernels']}.\n"
    )


def write_docs(text: str) -> None:
    """Replace what stands between the two marks of the page."""
    before, rest = PAGE.read_text(encoding="utf-8").split("<!-- cpu: begin -->", 1)
    _, after = rest.split("<!-- cpu: end -->", 1)
    marked = f"{before}<!-- cpu: begin -->\n{text}\n<!-- cpu: end -->{after}"
    PAGE.write_text(marked, encoding="utf-8")


def record(cases: Sequence[Mapping[str, Any]]) -> None:
    """Write what was measured so far: JSON, and the page."""
    from crossent import kernels

    versions = {name: common._version(name) for name in PEERS}
    results = {"cases": cases, "peers": versions, "kernels": kernels.explain()}
    print(f"written to {common.write_json('cpu', results)}")
    machine = {**common.machine(), **versions, "kernels": kernels.explain()}
    write_docs(f"{facts(machine)}\n{overview(cases)}\n\n{table(cases)}".rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="small arrays and few rounds; nothing is written"
    )
    parser.add_argument(
        "--only", default="", help="cases that hold this, such as 'logits, loss' or '(1000000, 10)'"
    )
    parser.add_argument("--memory", type=float, default=12.0, help="GB that may be used (12)")
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.out:
        child(options)
        return
    cases: list[dict[str, Any]] = []
    for threads in (2, 1):
        cases += run(threads, sys.argv[1:])
        if not options.quick and not options.only:
            record(cases)
    if not options.quick:
        print("\n".join(targets(cases)))


if __name__ == "__main__":
    main()
