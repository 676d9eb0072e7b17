"""Peak memory of evaluating a file whose 800 MB lie in one row group.

    python benchmarks/memory.py [--rows 200000] [--classes 1000] [--threads 2]

Readers that hold a row group need 0.9 to 3 GB for it. Target: 300 MB.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from common import measure_child, write_json

TARGET = 300e6

# In a process of its own: the writer holds the whole row group.
WRITE = """
import sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
path, rows, classes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random = np.random.default_rng(5)
schema = pa.schema({"label": pa.int16(), "probs": pa.list_(pa.float32(), classes)})
batches = []
for first in range(0, rows, 2000):
    count = min(2000, rows - first)
    weights = random.standard_exponential((count, classes), dtype=np.float32)
    weights /= weights.sum(axis=1, keepdims=True)
    probs = pa.FixedSizeListArray.from_arrays(pa.array(weights.reshape(-1)), classes)
    label = pa.array(random.integers(0, classes, count), pa.int16())
    batches.append(pa.record_batch([label, probs], schema=schema))
table = pa.Table.from_batches(batches)
pq.write_table(table, path, row_group_size=rows, compression="none", use_dictionary=False)
"""
EVALUATE = """
import sys, crossent
classes = tuple(str(k) for k in range(int(sys.argv[2])))
print(crossent.evaluate(sys.argv[1], classes=classes, threads=int(sys.argv[3])).results.models[0].loss.value)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wide.parquet"
        measure_child([sys.executable, "-c", WRITE, str(path), str(options.rows), str(options.classes)])
        metadata = pq.read_metadata(path)
        size, groups = path.stat().st_size, metadata.num_row_groups
        run = measure_child(
            [sys.executable, "-c", EVALUATE, str(path), str(options.classes), str(options.threads)]
        )
    verdict = "met" if run.peak_rss < TARGET else "MISSED"
    print(f"{size / 1e6:.0f} MB in {groups} row group: peak {run.peak_rss / 1e6:.0f} MB ({verdict}: 300 MB),")
    print(f"{run.wall:.1f} s, {run.cpu:.1f} s of CPU, mean log loss {float(run.stdout):.6f}")
    document = {"file_bytes": size, "row_groups": groups, "threads": options.threads, "run": run}
    print(f"written to {write_json('memory', document)}")


if __name__ == "__main__":
    main()
