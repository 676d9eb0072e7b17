"""Compare models whose predictions Spark reads: a partition becomes a state, the driver adds the states.

    spark-submit examples/on_spark.py a=PATH b=PATH [--cluster COL] [--classes 0..9] --state FILE

Each PATH holds one model's Parquet files, with a row id. The sums are exact, so the saved evaluation does not
depend on Spark's partitions, their order or tasks that it ran twice; `crossent report FILE` prints it. Needs
crossent on every executor, and pandas, which `mapInArrow` asks for.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial, reduce
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

import crossent
from crossent.evaluation import Evaluation

ID = "row_id"
ROWS = 1 << 19
"""Evaluated at a time: what a partition needs in memory."""


def joined(frames: Mapping[str, DataFrame]) -> DataFrame:
    """One row an id, with every model's columns as `model:column`.

    A full join: an id that a model lacks has a missing label there, which crossent refuses.
    """
    sides = [
        frame.select(ID, *(frame[c].alias(f"{name}:{c}") for c in frame.columns if c != ID))
        for name, frame in frames.items()
    ]
    whole = reduce(lambda left, right: left.join(right, ID, "full"), sides)
    # equal ids lie in one partition, next to each other
    return whole.repartition(ID).sortWithinPartitions(ID)


def evaluate(spark: SparkSession, frame: DataFrame, models: Sequence[str], **options: Any) -> crossent.Report:
    """The comparison of models side by side in a frame; `options` are those of `crossent.select`."""
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 1 << 16)
    states = frame.mapInArrow(partial(partition, tuple(models), options), "state binary")
    # one at a time: only the total grows
    found = (
        Evaluation.from_dict(json.loads(row.state)) for row in states.toLocalIterator(prefetchPartitions=True)
    )
    return crossent.merge(reduce(Evaluation.merge, found))


def partition(
    models: Sequence[str], options: Mapping[str, Any], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """The state of a partition's rows as one row of bytes; nothing where it has no rows."""
    total, last = None, None
    for table in tables(batches):
        ids = table.column(ID)
        if ids[0].as_py() == last:
            raise ValueError(f"the row id {last} occurs twice")
        last = ids[-1].as_py()
        sides = {name: side(table, name) for name in models}
        part = crossent.select(sides, threads=1, **options).evaluation
        total = part if total is None else total.merge(part)
    if total is not None:
        state = json.dumps(total.to_dict(), separators=(",", ":")).encode()
        yield pa.record_batch({"state": pa.array([state], pa.binary())})


def tables(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The batches, some `ROWS` together."""
    batches = (batch for batch in batches if batch.num_rows)
    for first in batches:
        some = islice(batches, max(0, ROWS // first.num_rows - 1))
        yield pa.Table.from_batches([first, *some])


def side(table: pa.Table, model: str) -> pa.Table:
    """One model's columns under their own names."""
    prefix = f"{model}:"
    own = {c.removeprefix(prefix): table.column(c) for c in table.column_names if c.startswith(prefix)}
    return pa.table({ID: table.column(ID), **own})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", metavar="NAME=PATH")
    parser.add_argument("--cluster")
    parser.add_argument("--group", action="append", default=[])
    parser.add_argument("--classes", help="names of a list column's entries, such as 0..9")
    parser.add_argument("--state", type=Path, required=True)
    asked = parser.parse_args()
    # executors on this machine run what runs this
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.getOrCreate()
    paths = dict(model.split("=", 1) for model in asked.models)
    frame = joined({name: spark.read.parquet(path) for name, path in paths.items()})
    options = {"cluster": asked.cluster, "groups": tuple(asked.group), "classes": asked.classes}
    report = evaluate(spark, frame, list(paths), **options)
    report.evaluation.save(asked.state)
    print(report)
    spark.stop()


if __name__ == "__main__":
    main()
