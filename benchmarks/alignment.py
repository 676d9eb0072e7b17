"""Rows in different orders: what it costs to put several models' rows side by side by their ids.

    python benchmarks/alignment.py [--rows 30000000] [--models 5] [--quick]

The same rows once in one order and once in an order of their own for every model, in this process with two
threads and in two worker processes. Targets for 5 models of 30 million rows in different orders: 400 MB for a
worker, and 19.5 s, one and a half times a prototype that only sorted and multiplied.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from common import Measured, measure_child, write_json

MEMORY, SECONDS = 400e6, 19.5

# In a process of its own: it holds whole columns.
WRITE = """
import sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
folder, rows, models, shuffled = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "shuffled"
label = np.random.default_rng(0).integers(0, 2, rows).astype(np.int8)
for model in range(models):
    random = np.random.default_rng(model + 1)
    order = random.permutation(rows) if shuffled else np.arange(rows)
    y = label[order]
    p = np.clip(np.where(y == 1, 0.6, 0.4) + 0.2 * random.standard_normal(rows), 0.001, 0.999)
    table = pa.table({"row_id": order, "label": y, "p_1": p})
    pq.write_table(table, f"{folder}/{model}.parquet", compression="zstd")
"""
SELECT = """
import sys
from crossent import select
if __name__ == "__main__":
    folder, models, engine = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    report = select({f"m{i}": f"{folder}/{i}.parquet" for i in range(models)}, engine=engine, threads=2)
    print([model.loss.value for model in report.results.models])
"""
ENGINES = {"local": "one process, 2 threads", "processes": "2 worker processes"}


def measured(order: str, rows: int, models: int) -> dict[str, Measured]:
    """A run of each engine on rows in the order; they must say the same."""
    with tempfile.TemporaryDirectory() as folder:
        measure_child([sys.executable, "-c", WRITE, folder, str(rows), str(models), order])
        script = os.path.join(folder, "choose.py")
        with open(script, "w") as file:  # worker processes import it
            file.write(SELECT)
        runs = {e: measure_child([sys.executable, script, folder, str(models), e]) for e in ENGINES}
    if len({run.stdout for run in runs.values()}) > 1:
        raise RuntimeError(f"engines differ: {[run.stdout for run in runs.values()]}")
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=30_000_000)
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="20,000 rows, nothing written")
    options = parser.parse_args()
    rows = 20_000 if options.quick else options.rows
    found = {order: measured(order, rows, options.models) for order in ("same", "shuffled")}
    print(f"{options.models} models, {rows:,} rows each; machine's load {os.getloadavg()[0]:.1f}")
    for order, runs in found.items():
        for engine, run in runs.items():
            figures = f"{run.wall:6.1f} s {run.cpu:6.1f} s of CPU {run.peak_rss / 1e6:5.0f} MB"
            print(f"{order:8} {ENGINES[engine]:22} {figures}")
    worker = found["shuffled"]["processes"]
    for name, value, target in (("memory", worker.peak_rss, MEMORY), ("time", worker.wall, SECONDS)):
        print(f"{name} of worker processes: {'met' if value < target else 'MISSED'}")
    if not options.quick:
        facts = {"models": options.models, "rows": rows, "load": os.getloadavg()[0], "orders": found}
        print(f"written to {write_json('alignment', facts)}")


if __name__ == "__main__":
    main()
