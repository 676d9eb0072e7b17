"""Fitting a temperature beside scikit-learn's and probmetrics', on 100,000 rows of 10 and of 1,000 classes.

    python benchmarks/temperature.py [--rows 100000] [--classes 10 1000] [--rounds 5] [--threads 1]

All in one process, in turn, in memory, from the same float64 logits: medians of wall-clock seconds. Targets:
five times faster than each, and the same optimum. Written to results/temperature.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

OURS, SKLEARN, PROBMETRICS = "crossent", "scikit-learn", "probmetrics"
TARGET, AGREED = 5.0, 1e-8
VARIABLES = ("CROSSENT_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def data(rows: int, classes: int) -> tuple[Any, Any]:
    """Logits of an over-confident classifier of rows whose labels follow them at temperature 2.5."""
    import numpy as np

    rng = np.random.default_rng(classes)
    labels = rng.integers(0, classes, rows)
    z = rng.normal(size=(rows, classes))
    z[np.arange(rows), labels] += 2.0 + 1.5 * rng.normal(size=rows)
    return 2.5 * z, labels


def contenders(z: Any, labels: Any, skipped: Sequence[str]) -> dict[str, Callable[[], float]]:
    """What is there to fit 1/T."""
    from crossent.calibration import fit

    found: dict[str, Callable[[], float]] = {
        OURS: lambda: 1.0 / fit("temperature", labels, z, kind="logits").parameters()["temperature"]
    }
    if importlib.util.find_spec("sklearn") is not None:
        from sklearn.calibration import _TemperatureScaling

        found[SKLEARN] = lambda: float(_TemperatureScaling().fit(z, labels).beta_)
    if PROBMETRICS not in skipped and importlib.util.find_spec("probmetrics") is not None:
        import torch  # which takes its threads from the environment
        from probmetrics.calibrators.temperature_scaling import TemperatureScalingCalibrator
        from probmetrics.distributions import CategoricalLogits

        logits, y = CategoricalLogits(torch.from_numpy(z)), torch.from_numpy(labels)

        def by_probmetrics() -> float:
            calibrator = TemperatureScalingCalibrator()
            calibrator.fit_torch(logits, y)
            return float(calibrator.invtemp_)

        found[PROBMETRICS] = by_probmetrics
    return found


def error_of(beta: float, z: Any, labels: Any) -> float:
    """How far 1/T is from the optimum, relatively: the step of Newton's method from there."""
    import numpy as np

    first = second = 0.0
    for start in range(0, len(z), 4096):
        part, y = z[start : start + 4096], labels[start : start + 4096]
        logits = beta * part
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        mean = (p * part).sum(axis=1)
        first += float((mean - part[np.arange(len(part)), y]).sum())
        second += float(((p * part**2).sum(axis=1) - mean**2).sum())
    return abs(first / second) / beta


def measure(rows: int, classes: int, rounds: int, skipped: Sequence[str]) -> dict[str, Any]:
    """Seconds of each, and how far from the optimum each ends."""
    from common import interleave

    z, labels = data(rows, classes)
    calls = contenders(z, labels, skipped)
    found: dict[str, float] = {}

    def timed(name: str) -> float:
        start = time.perf_counter()
        found[name] = calls[name]()
        return time.perf_counter() - start

    times = interleave({name: lambda name=name: timed(name) for name in calls}, rounds)
    return {
        name: {
            "seconds": statistics.median(times[name]),
            "fastest": min(times[name]),
            "inverse_temperature": found[name],
            "relative_error": error_of(found[name], z, labels),
        }
        for name in calls
    }


def report(results: dict[str, dict[str, Any]]) -> list[str]:
    """A line each, with the ratio to ours."""
    lines = []
    for size, by_name in results.items():
        ours = by_name[OURS]
        for name, figures in by_name.items():
            ratio = figures["seconds"] / ours["seconds"]
            off = figures["relative_error"]
            met = "" if name == OURS else f"  {ratio:5.1f} ×  {'met' if ratio >= TARGET else 'MISSED'}"
            lines.append(f"{size:>14}  {name:<13} {figures['seconds']:8.3f} s  1/T off by {off:.0e}{met}")
        if ours["relative_error"] > AGREED:
            lines.append(f"{size:>14}  MISSED: our optimum is off by {ours['relative_error']:.1e}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of every contender")
    parser.add_argument("--skip", nargs="*", default=[], help="contenders that are left out")
    options = parser.parse_args()
    # before anything is imported that starts threads
    os.environ.update(dict.fromkeys(VARIABLES, str(options.threads)))
    from common import write_json

    results = {
        f"{options.rows} x {k}": measure(options.rows, k, options.rounds, options.skip)
        for k in options.classes
    }
    print(*report(results), sep="\n")
    document = {"threads": options.threads, "rounds": options.rounds, "contenders": results}
    print(f"written to {write_json('temperature', document)}")


if __name__ == "__main__":
    main()
