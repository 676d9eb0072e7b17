"""The exact sum of ten million float64 numbers beside other sums and beside reading the numbers once.

    python benchmarks/exact_sum.py [--numbers 10000000] [--rounds 9]

One thread, contenders in turn, medians of CPU time. The data: losses of some classifier, normal numbers, and
numbers spread over 120 and over 1900 powers of two. Targets for the first two: 4 times the reading, and
faster than xsum (Neal's superaccumulators; where it is installed). Written to results/exact_sum.json and
docs/performance.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any
from unittest import mock

import numpy as np

from common import interleave, write_json, write_section
from crossent import exact
from crossent.exact import slices
from crossent.kernels import explain
from crossent.kernels.choice import Choice, choice

READ, OURS, NUMPY = "reading once", "crossent", "crossent without its core (NumPy)"
PAIRWISE, FSUM, LARGE, SMALL = "NumPy's sum, not exact", "math.fsum", "xsum, large", "xsum, small"
TARGET, TARGETED = 4.0, ("losses", "normal")


def data(numbers: int) -> dict[str, Any]:
    """Arrays by what they are."""
    random = np.random.default_rng(1)
    normal = random.standard_normal(numbers)
    return {
        "losses": -np.log(1.0 - random.random(numbers)),
        "normal": normal,
        "120 powers of two": np.ldexp(normal, random.integers(-60, 60, numbers)),
        "1900 powers of two": np.ldexp(normal, random.integers(-1000, 900, numbers)),
    }


def by_numpy(x: Any) -> float:
    """The reference: `exact` without the core."""
    with mock.patch.object(slices, "choice", lambda: Choice(None, "")):
        return exact.to_float(exact.exact_sum(x))


def contenders(x: Any) -> dict[str, Callable[[], float]]:
    """What is there to sum x; the first one only reads."""
    native = choice().native
    words = x.view(np.uint64)
    found: dict[str, Callable[[], float]] = {
        READ: (lambda: native.read(words, 1)) if native else (lambda: float(x.max())),
        OURS: lambda: exact.to_float(exact.exact_sum(x)),
        NUMPY: lambda: by_numpy(x),
        PAIRWISE: lambda: float(x.sum()),
        FSUM: lambda: math.fsum(x),
    }
    if importlib.util.find_spec("xsum") is not None:
        import xsum

        def superaccumulator(kind: Any) -> float:
            total = kind()
            total.add(x)
            return float(total.round())

        found[LARGE] = lambda: superaccumulator(xsum.xsum_large)
        found[SMALL] = lambda: superaccumulator(xsum.xsum_small)
    return found


def cpu_seconds(call: Callable[[], float]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def measure(x: Any, rounds: int) -> dict[str, float]:
    """Median CPU seconds of each; all that are exact must agree."""
    calls = contenders(x)
    sums = {name: call() for name, call in calls.items() if name not in (READ, PAIRWISE)}
    if len(set(sums.values())) > 1:
        raise SystemExit(f"the sums differ: {sums}")
    slow = {name: call for name, call in calls.items() if name in (NUMPY, FSUM)}
    timers = {name: lambda c=call: cpu_seconds(c) for name, call in calls.items() if name not in slow}
    times = {name: statistics.median(found) for name, found in interleave(timers, rounds).items()}
    # a second and more each: once is enough
    return times | {name: cpu_seconds(call) for name, call in slow.items()}


def table(results: Mapping[str, Mapping[str, float]]) -> str:
    """Milliseconds, and in brackets the ratio to reading, as Markdown."""
    lines = [f"| | {' | '.join(results)} |", "|---" * (len(results) + 1) + "|"]
    for name in next(iter(results.values())):
        cells = (f"{r[name] * 1e3:.1f} ms ({r[name] / r[READ]:.1f})" for r in results.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def verdicts(results: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Whether the targets are met, a line each."""
    lines = []
    for name in TARGETED:
        times = results[name]
        met = {f"{TARGET:.0f} times reading": times[OURS] <= TARGET * times[READ]}
        if LARGE in times:
            met["faster than xsum"] = times[OURS] < min(times[LARGE], times[SMALL])
        lines += [f"{name}: {target} {'met' if good else 'MISSED'}" for target, good in met.items()]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--numbers", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-page", action="store_true", help="leave the documentation as it is")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    results = {name: measure(x, options.rounds) for name, x in data(options.numbers).items()}
    text = (
        f"{options.numbers:,} numbers, medians of {options.rounds} rounds; {explain()}.\n\n{table(results)}"
    )
    print(text, *verdicts(results), sep="\n")
    document = {"numbers": options.numbers, "kernels": explain(), "cpu_seconds": results}
    print(f"written to {write_json('exact_sum', document)}")
    if not options.no_page:
        write_section("exact_sum", text)


if __name__ == "__main__":
    main()
