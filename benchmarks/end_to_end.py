"""A whole comparison of two models, beside SQL that computes two means and one standard error alone.

    python benchmarks/end_to_end.py [--rows 10000000] [--threads 2] [--rounds 3] [--data DIR]

Each contender runs in a process of its own, in turn. `crossent.select` reads the files, checks them, pairs
the rows by id and computes everything it reports. DuckDB computes the two mean log losses, their difference
and its standard error: once joined on row_id, once by position, which takes the order of the files on trust.
pyarrow only reads the same columns. Targets: 400 MB of memory, the CPU time of the join. DIR holds
folders `a` and `b` of Parquet files with row_id, label (0 or 1), group and p_1; without it they are made.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from common import Measured, interleave, measure_child, medians, write_json

FILE_ROWS = 1_000_000
MEMORY_TARGET, CPU_TARGET = 400e6, 1.0

CROSSENT = """
import json, sys, crossent
report = crossent.select({{m: f"{{sys.argv[1]}}/{{m}}" for m in "ab"}}, threads=int(sys.argv[2]){options})
moments = report.evaluation.state.moments[0]
sums = [moments.total(name) for name in "ab"]
print(json.dumps([float(total / moments.rows) for total in sums]))
"""
DUCKDB = """
import json, sys, duckdb
database = duckdb.connect()
database.execute(f"set threads={{sys.argv[2]}}; set enable_progress_bar=false")
sides = {{m: f"read_parquet('{{sys.argv[1]}}/{{m}}/**/*.parquet') {{m}}" for m in "ab"}}
loss = "-ln(case when {{0}}.label = 1 then {{0}}.p_1::double else 1 - {{0}}.p_1::double end)"
rows = f"select {{loss.format('a')}} as la, {{loss.format('b')}} as lb from {join}"
query = f"select avg(la), avg(lb), avg(lb - la), stddev_samp(lb - la) / sqrt(count(*)) from ({{rows}})"
print(json.dumps(database.execute(query).fetchone()[:2]))
"""
READING = """
import pathlib, sys
import pyarrow.parquet as pq
for path in sorted(pathlib.Path(sys.argv[1]).glob("[ab]/**/*.parquet")):
    file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    for batch in file.iter_batches(1 << 15, columns=["row_id", "label", "p_1"], use_threads=False):
        pass
"""
JOIN, POSITION = "DuckDB, joined on row_id", "DuckDB, by position"
PLAIN, CLUSTERED, READ = "crossent", "crossent, clustered, by group", "pyarrow, reading only"
CONTENDERS = {
    PLAIN: CROSSENT.format(options=""),
    CLUSTERED: CROSSENT.format(options=", cluster='group', groups=('group',)"),
    JOIN: DUCKDB.format(join="{sides['a']} join {sides['b']} using (row_id)"),
    POSITION: DUCKDB.format(join="{sides['a']} positional join {sides['b']}"),
    READ: READING,
}


def write_predictions(folder: Path, rows: int) -> None:
    """Two models' files: a is calibrated, b surer than it should be."""
    for number, first in enumerate(range(0, rows, FILE_ROWS)):
        count = min(FILE_ROWS, rows - first)
        random = np.random.default_rng([17, number])
        log_odds = 2.0 * random.standard_normal(count)
        a = 1.0 / (1.0 + np.exp(-log_odds))
        label = (random.random(count) < a).astype(np.int8)
        row = np.arange(first, first + count)
        facts = {"row_id": row, "label": label, "group": (row * 1000 // rows).astype(np.int32)}
        for name, p in (("a", a), ("b", 1.0 / (1.0 + np.exp(-1.5 * log_odds)))):
            # float32 rounds the surest rows to 1: keep them below it
            p_1 = np.minimum(p.astype(np.float32), np.float32(1 - 2.0**-24))
            (folder / name).mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table({**facts, "p_1": p_1}), folder / name / f"{number:04d}.parquet")


def measure(folder: Path, threads: int, rounds: int) -> dict[str, list[Measured]]:
    """All contenders that can run here, in turn."""
    installed = importlib.util.find_spec("duckdb") is not None
    codes = {name: code for name, code in CONTENDERS.items() if installed or name not in (JOIN, POSITION)}
    children = {
        name: partial(measure_child, [sys.executable, "-c", code, str(folder), str(threads)])
        for name, code in codes.items()
    }
    runs = interleave(children, rounds)
    answers = [run.stdout.splitlines()[-1] for name in runs if name != READ for run in runs[name]]
    means = [json.loads(answer) for answer in answers]
    if not np.allclose(means, means[0], rtol=1e-9, atol=0.0):
        raise SystemExit(f"the contenders disagree: {means}")
    return runs


def table(runs: dict[str, list[Measured]], rows: int) -> dict[str, dict[str, Any]]:
    """Print a line a contender; returns the figures."""
    results: dict[str, dict[str, Any]] = {name: dict(medians(measured)) for name, measured in runs.items()}
    print(f"{rows:,} rows of 2 models")
    print(f"{'':30} {'M rows/s':>9} {'wall s':>8} {'cpu s':>8} {'peak MB':>8}  CPU of join")
    for name, row in results.items():
        row["rows_per_second"] = rows / row["wall"]
        row["cpu_of_join"] = row["cpu"] / results[JOIN]["cpu"] if JOIN in results else None
        ratio = "" if row["cpu_of_join"] is None else f"{row['cpu_of_join']:10.2f}"
        print(
            f"{name:30} {row['rows_per_second'] / 1e6:9.2f} {row['wall']:8.2f} {row['cpu']:8.2f} "
            f"{row['peak_rss'] / 1e6:8.0f}  {ratio}"
        )
    for name in (PLAIN, CLUSTERED):
        memory = results[name]["peak_rss"] < MEMORY_TARGET
        cpu = results[name]["cpu_of_join"] is None or results[name]["cpu_of_join"] <= CPU_TARGET
        print(f"{name}: memory {'met' if memory else 'MISSED'}, CPU {'met' if cpu else 'MISSED'}")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = options.data or Path(made)
        if options.data is None:
            write_predictions(folder, options.rows)
        rows = sum(pq.read_metadata(path).num_rows for path in (folder / "a").glob("**/*.parquet"))
        results = table(measure(folder, options.threads, options.rounds), rows)
    duckdb = metadata.version("duckdb") if JOIN in results else None
    document = {"rows": rows, "threads": options.threads, "duckdb": duckdb, "contenders": results}
    print(f"written to {write_json('end_to_end', document)}")


if __name__ == "__main__":
    main()
