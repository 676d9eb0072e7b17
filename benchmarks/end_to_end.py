"""A whole comparison of two models from files, beside tools that compute a part of it.

    python benchmarks/end_to_end.py                     # both cases: 100 and 5 million rows
    python benchmarks/end_to_end.py binary [--rows N] [--threads 2] [--rounds 3] [--data DIR]
    python benchmarks/end_to_end.py multiclass [--rows N]

Each contender runs in a process of its own, in turn, and says what it does and leaves out (`whole_tools.py`).
Targets: 400 MB of memory, and with two classes the CPU time of DuckDB's join. DIR holds folders `a` and `b`
of Parquet files with row_id, label, and group and p_1, or probs, a list of 100 float32; without it they are
made. The figures go to results/end_to_end_CASE.json and docs/performance.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from common import Measured, interleave, measure_child, medians, write_json, write_section
from whole_tools import BINARY, CLASSES, CLUSTERED, JOIN, MULTICLASS, PLAIN, Contender

MEMORY_TARGET, CPU_TARGET = 400e6, 1.0
DISTRIBUTIONS = {"sklearn": "scikit-learn"}
Columns = dict[str, Any]


@dataclass(frozen=True)
class Case:
    rows: int
    file_rows: int
    contenders: Mapping[str, Contender]
    columns: Callable[[int, int, int], tuple[Columns, dict[str, Columns]]]
    """(first row, rows, rows of all files) → columns of both models, columns of each."""


def two_classes(first: int, count: int, rows: int) -> tuple[Columns, dict[str, Columns]]:
    """a is calibrated, b surer than it should be."""
    random = np.random.default_rng([17, first])
    log_odds = 2.0 * random.standard_normal(count)
    a = 1.0 / (1.0 + np.exp(-log_odds))
    label = (random.random(count) < a).astype(np.int8)
    row = np.arange(first, first + count)
    facts = {"row_id": row, "label": label, "group": (row * 1000 // rows).astype(np.int32)}
    p = {"a": a, "b": 1.0 / (1.0 + np.exp(-1.5 * log_odds))}
    # float32 rounds the surest rows to 1: keep them below it
    most = np.float32(1 - 2.0**-24)
    return facts, {name: {"p_1": np.minimum(x.astype(np.float32), most)} for name, x in p.items()}


def many_classes(first: int, count: int, rows: int) -> tuple[Columns, dict[str, Columns]]:
    """The same with 256 distributions, their classes rolled, as files of a classifier repeat few numbers."""
    shapes = np.random.default_rng(17).standard_exponential((256, CLASSES)) ** 3
    random = np.random.default_rng([17, first])
    which, roll = random.integers(0, 256, count), random.integers(0, CLASSES, count)
    place = (np.arange(CLASSES) - roll[:, None]) % CLASSES
    models = {}
    for name, power in (("a", 1.0), ("b", 1.4)):
        table = shapes**power
        table /= table.sum(axis=1, keepdims=True)
        grid = table.astype(np.float32)[which[:, None], place]
        models[name] = {"probs": pa.FixedSizeListArray.from_arrays(pa.array(grid.reshape(-1)), CLASSES)}
        if name == "a":
            bounds = np.cumsum(table, axis=1)[which]
            drawn = (bounds < random.random((count, 1))).sum(axis=1)
            label = ((np.minimum(drawn, CLASSES - 1) + roll) % CLASSES).astype(np.int16)
    return {"row_id": np.arange(first, first + count), "label": label}, models


CASES = {
    "binary": Case(100_000_000, 1_000_000, BINARY, two_classes),
    "multiclass": Case(5_000_000, 100_000, MULTICLASS, many_classes),
}


def write_predictions(case: Case, folder: Path, rows: int) -> None:
    """Two models' files."""
    for number, first in enumerate(range(0, rows, case.file_rows)):
        facts, models = case.columns(first, min(case.file_rows, rows - first), rows)
        for name, own in models.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            table = pa.table({**facts, **own})
            pq.write_table(table, folder / name / f"{number:04d}.parquet", compression="zstd")


def left_out(contender: Contender, rows: int) -> str | None:
    """Why a contender does not run here."""
    missing = [name for name in contender.needs if importlib.util.find_spec(name) is None]
    if missing:
        return f"left out: {' and '.join(missing)} is not installed"
    needed, there = contender.bytes_a_row * rows, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    if needed > 0.8 * there:
        return f"left out: it would need {needed / 1e9:.0f} GB of memory, {there / 1e9:.0f} GB are free"
    return None


def measure(
    contenders: Mapping[str, Contender], folder: Path, threads: int, rounds: int
) -> dict[str, list[Measured]]:
    """All of them in turn, their means compared."""
    children = {
        name: partial(measure_child, [sys.executable, "-c", contender.program, str(folder), str(threads)])
        for name, contender in contenders.items()
    }
    runs = interleave(children, rounds)
    said = [run.stdout for name in runs if contenders[name].answers for run in runs[name]]
    means = [json.loads(text.splitlines()[-1]) for text in said]
    # scikit-learn computes float32 lists in float32
    if not np.allclose(means, means[0], rtol=1e-5, atol=0.0):
        raise SystemExit(f"the contenders disagree: {means}")
    return runs


def summary(runs: Mapping[str, list[Measured]], rows: int) -> dict[str, dict[str, Any]]:
    """The figures of each contender."""
    results: dict[str, dict[str, Any]] = {name: dict(medians(measured)) for name, measured in runs.items()}
    for row in results.values():
        row["rows_per_second"] = rows / row["wall"]
        row["cpu_of_join"] = row["cpu"] / results[JOIN]["cpu"] if JOIN in results else None
    return results


def table(results: Mapping[str, Mapping[str, Any]], case: Case, skipped: Mapping[str, str]) -> str:
    """A line a contender, as Markdown."""
    lines = [
        "| | M rows/s | wall s | CPU s | CPU, of the join | peak MB | what it does |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in results.items():
        ratio = "" if row["cpu_of_join"] is None else f"{row['cpu_of_join']:.2f}"
        lines.append(
            f"| {name} | {row['rows_per_second'] / 1e6:.2f} | {row['wall']:.1f} | {row['cpu']:.1f} | {ratio} "
            f"| {row['peak_rss'] / 1e6:.0f} | {case.contenders[name].does} |"
        )
    return "\n".join(lines + [f"| {name} | | | | | | {why} |" for name, why in skipped.items()])


def verdicts(results: Mapping[str, Mapping[str, Any]], binary: bool) -> list[str]:
    """Whether the targets are met, a line each."""
    lines = []
    for name in (PLAIN, CLUSTERED):
        if name not in results:
            continue
        met = {f"{MEMORY_TARGET / 1e6:.0f} MB": results[name]["peak_rss"] <= MEMORY_TARGET}
        ratio = results[name]["cpu_of_join"]
        if binary and ratio is not None:
            met[f"{CPU_TARGET} of the join's CPU time"] = ratio <= CPU_TARGET
        lines += [f"{name}: {target} {'met' if good else 'MISSED'}" for target, good in met.items()]
    return lines


def run(name: str, case: Case, options: argparse.Namespace) -> None:
    """Measure one case, print and keep the figures."""
    with tempfile.TemporaryDirectory() as made:
        folder = options.data or Path(made)
        if options.data is None:
            write_predictions(case, folder, options.rows or case.rows)
        rows = sum(pq.read_metadata(path).num_rows for path in (folder / "a").glob("**/*.parquet"))
        reasons = {name: left_out(contender, rows) for name, contender in case.contenders.items()}
        skipped = {name: why for name, why in reasons.items() if why is not None}
        running = {name: c for name, c in case.contenders.items() if name not in skipped}
        results = summary(measure(running, folder, options.threads, options.rounds), rows)
    text = (
        f"{rows:,} rows of 2 models, {options.threads} threads, medians over {options.rounds} measured.\n\n"
    )
    text += table(results, case, skipped)
    print(text, *verdicts(results, name == "binary"), sep="\n")
    packages = dict.fromkeys(p for c in running.values() for p in c.needs)
    versions = {name: metadata.version(DISTRIBUTIONS.get(name, name)) for name in packages}
    document = {"rows": rows, "threads": options.threads, "versions": versions, "left_out": skipped}
    print(f"written to {write_json(f'end_to_end_{name}', {**document, 'contenders': results})}")
    if not options.no_page:
        write_section(f"end_to_end_{name}", text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "cases", nargs="*", metavar="case", help="binary, multiclass; both where none is named"
    )
    parser.add_argument("--rows", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="measured rounds, after one to warm up")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--no-page", action="store_true", help="leave the documentation as it is")
    options = parser.parse_args()
    for name in options.cases or CASES:
        if name not in CASES:
            parser.error(f"no case is named {name}")
        run(name, CASES[name], options)


if __name__ == "__main__":
    main()
