"""What end_to_end.py runs: each contender a program of its own, with what it does and what it leaves out.

A program gets the folder of the data (one folder a model, `a` and `b`) and the number of threads, and prints
the two mean log losses as JSON in its last line.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Contender:
    """One program; `bytes_a_row` is what it needs in memory at the least, where that grows with the rows."""

    does: str
    program: str
    needs: tuple[str, ...] = ()
    bytes_a_row: int = 0
    answers: bool = True


PLAIN, CLUSTERED, JOIN = "crossent", "crossent, clustered, by group", "DuckDB, joined on row_id"
POSITION, POLARS, PANDAS = "DuckDB, by position", "Polars, joined on row_id", "pandas and scikit-learn"
READING = "pyarrow, reading only"
CLASSES = 100

EVERYTHING = (
    "files checked, rows paired by id, duplicate ids looked for; exact means, paired difference, standard "
    "errors, Brier score, accuracy, calibration, loss by class, tails, floors, worst rows"
)
TWO_MEANS = "two means, their difference and its standard error; nothing is checked"

_CROSSENT = """
import json, sys, crossent
folders = {{m: f"{{sys.argv[1]}}/{{m}}" for m in "ab"}}
report = crossent.select(folders, threads=int(sys.argv[2]){options})
moments = report.evaluation.state.moments[0]
print(json.dumps([float(moments.total(name) / moments.rows) for name in "ab"]))
"""
_DUCKDB = """
import json, sys, duckdb
database = duckdb.connect()
database.execute(f"set threads={{sys.argv[2]}}; set enable_progress_bar=false")
sides = {{m: f"read_parquet('{{sys.argv[1]}}/{{m}}/**/*.parquet') {{m}}" for m in "ab"}}
loss = "-ln({probability})"
rows = f"select {{loss.format('a')}} as la, {{loss.format('b')}} as lb from {join}"
query = f"select avg(la), avg(lb), avg(lb - la), stddev_samp(lb - la) / sqrt(count(*)) from ({{rows}})"
print(json.dumps(database.execute(query).fetchone()[:2]))
"""
_POLARS = """
import json, os, sys
os.environ["POLARS_MAX_THREADS"] = sys.argv[2]
import polars as pl
def side(name):
    rows = pl.scan_parquet(f"{{sys.argv[1]}}/{{name}}/**/*.parquet", hive_partitioning=False)
    return rows.select("row_id", (-({probability}).cast(pl.Float64).log()).alias(name))
joined, d = side("a").join(side("b"), on="row_id"), pl.col("b") - pl.col("a")
found = joined.select(pl.mean("a", "b"), d.mean().alias("d"), (d.std() / pl.len().sqrt()).alias("se"))
print(json.dumps(found.collect(engine="streaming").row(0)[:2]))
"""
_PANDAS = """
import json, pathlib, sys, warnings
import numpy as np, pandas as pd, pyarrow as pa, pyarrow.parquet as pq
from sklearn.metrics import brier_score_loss, log_loss
pa.set_cpu_count(int(sys.argv[2]))
warnings.filterwarnings("ignore")
def side(name):
    paths = sorted(pathlib.Path(sys.argv[1], name).glob("**/*.parquet"))
    wanted = ["row_id", "label", "{column}"]
    return pa.concat_tables([pq.ParquetFile(path).read(columns=wanted) for path in paths])
sides = {{name: side(name) for name in "ab"}}
{body}
difference = losses[1] - losses[0]
difference.mean(), difference.std(ddof=1) / np.sqrt(difference.size)
print(json.dumps(means))
"""
_PANDAS_BINARY = """
both = sides.pop("a").to_pandas().merge(sides.pop("b").to_pandas(), on="row_id", suffixes=("_a", "_b"))
label = both["label_a"].to_numpy()
columns = [both[f"p_1_{name}"].to_numpy(np.float64) for name in "ab"]
means = [log_loss(label, p) for p in columns]
[brier_score_loss(label, p) for p in columns]
losses = [-np.log(np.where(label == 1, p, 1 - p)) for p in columns]
"""
_PANDAS_MULTICLASS = """
assert sides["a"].column("row_id").equals(sides["b"].column("row_id"))
label = sides["a"].column("label").to_numpy()
flat = [sides[name].column("probs").combine_chunks().flatten().to_numpy() for name in "ab"]
grids = [p.reshape(len(label), -1) for p in flat]
means = [log_loss(label, p, labels=np.arange(p.shape[1])) for p in grids]
[np.mean(p.argmax(axis=1) == label) for p in grids]
losses = [-np.log(p[np.arange(label.size), label].astype(np.float64)) for p in grids]
"""
_READING = """
import pathlib, sys
import pyarrow.parquet as pq
for path in sorted(pathlib.Path(sys.argv[1]).glob("[ab]/**/*.parquet")):
    file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    for batch in file.iter_batches(1 << 13, columns=["row_id", "label", "{column}"], use_threads=False):
        pass
"""
_SQL_JOIN = "{sides['a']} join {sides['b']} using (row_id)"
_SQL_POSITION = "{sides['a']} positional join {sides['b']}"
_SQL_BINARY = "case when {0}.label = 1 then {0}.p_1::double else 1 - {0}.p_1::double end"
_POLARS_BINARY = (
    "pl.when(pl.col('label') == 1).then(pl.col('p_1').cast(pl.Float64))"
    ".otherwise(1 - pl.col('p_1').cast(pl.Float64))"
)
_CLASS_NAMES = f", classes=tuple(map(str, range({CLASSES})))"

BINARY = {
    PLAIN: Contender(EVERYTHING, _CROSSENT.format(options="")),
    CLUSTERED: Contender(
        "the same, with clustered standard errors and the loss by 1000 groups",
        _CROSSENT.format(options=", cluster='group', groups=('group',)"),
    ),
    JOIN: Contender(TWO_MEANS, _DUCKDB.format(probability=_SQL_BINARY, join=_SQL_JOIN), ("duckdb",)),
    POSITION: Contender(
        "the same, taking the order of the files on trust",
        _DUCKDB.format(probability=_SQL_BINARY, join=_SQL_POSITION),
        ("duckdb",),
    ),
    POLARS: Contender(TWO_MEANS, _POLARS.format(probability=_POLARS_BINARY), ("polars",), 70),
    PANDAS: Contender(
        "joined on row_id; range and labels checked; log loss, Brier score, paired difference and its "
        "standard error; everything in memory",
        _PANDAS.format(column="p_1", body=_PANDAS_BINARY),
        ("pandas", "sklearn"),
        200,
    ),
    READING: Contender("the columns decoded, nothing computed", _READING.format(column="p_1"), answers=False),
}
MULTICLASS = {
    PLAIN: Contender(EVERYTHING + "; row sums", _CROSSENT.format(options=_CLASS_NAMES)),
    JOIN: Contender(
        TWO_MEANS,
        _DUCKDB.format(probability="{0}.probs[{0}.label + 1]::double", join=_SQL_JOIN),
        ("duckdb",),
    ),
    POLARS: Contender(
        TWO_MEANS,
        _POLARS.format(probability="pl.col('probs').arr.get(pl.col('label'))"),
        ("polars",),
        8 * CLASSES,
    ),
    PANDAS: Contender(
        "ids compared in order; range, sums and labels checked; log loss, accuracy, paired difference and "
        "its standard error; everything in memory",
        _PANDAS.format(column="probs", body=_PANDAS_MULTICLASS),
        ("pandas", "sklearn"),
        40 * CLASSES,
    ),
    READING: Contender(
        "the columns decoded, nothing computed", _READING.format(column="probs"), answers=False
    ),
}
