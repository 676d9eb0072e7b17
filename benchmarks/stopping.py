"""How much is read until the best model is decided, and how often rightly.

`--data` names a folder with the predictions of two models, folders a and b of Parquet files with row_id,
label and p_1: a is calibrated, b overconfident. First these are compared as they are, where given. Then
models closer together: in each run other rows are taken by chance, and the second model is the mixture
(1 − ε) a + ε b, so close that the difference is some `TARGETS` standard errors of all rows of the run; which
is better is known from all. Rows come in any order, and then sorted by label and prediction.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from numpy.typing import NDArray

from common import write_json
from crossent import select
from crossent.statistics.stopping import (
    Stopping,
    drawing_order,
    edges_of_windows,
    rounds_at_looks,
    separations,
)

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
TARGETS = (5.0, 20.0)
"""Differences in standard errors of all rows of a run: the first can only just be decided early."""
POOL = 2_000_000
CHECKED = 3
"""Runs of each kind that `select` does, too."""


@dataclass(frozen=True)
class Whole:
    """The data as they are."""

    seconds: float
    seconds_of_all: float
    right: bool
    rows: int
    rows_of_all: int
    share_read: float
    share_decoded: float


@dataclass(frozen=True)
class Closer:
    """Many runs with models closer together."""

    standard_errors: float
    sorted: bool
    runs: int
    rows: int
    right: float
    """Share of the runs whose choice is that of all rows."""
    undecided: float
    """Share of the runs in which all rows had to be read."""
    median_share_read: float
    share_read_95: float


def whole(data: Path, better: str, **options: object) -> Whole:
    """One stopped selection, and one of all rows beside it."""
    models = {name: str(data / name) for name in ("a", "b")}
    started = time.perf_counter()
    found = select(models, stop_when_decided=True, seed=7, **options).results
    stopped = time.perf_counter()
    complete = select(models, **options).results
    done = time.perf_counter()
    stopping = found.stopping
    assert stopping is not None and complete.chosen == better
    return Whole(
        stopped - started,
        done - stopped,
        found.chosen == better,
        stopping.rows,
        stopping.rows_of_all,
        stopping.rows / stopping.rows_of_all,
        stopping.rows_decoded / stopping.rows_of_all,
    )


def pool(data: Path | None) -> tuple[Labels, Floats, Floats]:
    """Labels and both predictions of the first rows; without data, of rows made the same way."""
    if data is None:
        rng = np.random.default_rng(0)
        p = rng.integers(1, 65536, POOL) / 65536
        odds = (p / (1.0 - p)) ** 1.6 * math.exp(0.2)
        return (rng.random(POOL) < p).astype(np.int8), p, odds / (1.0 + odds)
    tables = [ds.dataset(data / m, format="parquet").head(POOL, columns=["label", "p_1"]) for m in ("a", "b")]
    a, b = (table["p_1"].to_numpy().astype(np.float64) for table in tables)
    return tables[0]["label"].to_numpy().astype(np.int8), a, b


def mixed(y: Labels, a: Floats, b: Floats, target: float) -> Floats:
    """(1 − ε) a + ε b, as far from a as asked in standard errors: worse or better, as the rows have it."""
    low, high = 0.0, 1.0
    for _ in range(14):
        share = 0.5 * (low + high)
        d = difference(y, a, (1.0 - share) * a + share * b)
        z = abs(d.mean()) / (d.std() / np.sqrt(d.size))
        low, high = (share, high) if z < target else (low, share)
    return (1.0 - high) * a + high * b


def difference(y: Labels, a: Floats, b: Floats) -> Floats:
    """Loss of b minus loss of a."""
    return np.where(y == 1, np.log(a / b), np.log((1.0 - a) / (1.0 - b)))


def closer(data: Path | None, target: float, by_label: bool, runs: int, rows: int) -> Closer:
    """Stopped selections between two models that are close; the first few by `select`, to the same end."""
    y, a, b = pool(data)
    right = undecided = 0
    shares = []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        some = rng.choice(y.size, rows, replace=False)
        if by_label:
            some = some[np.lexsort((a[some], y[some]))]
        label, one = y[some], a[some]
        other = mixed(label, one, b[some], target)
        better = "one" if difference(label, one, other).mean() > 0.0 else "other"
        leader, share = decided(difference(label, one, other), seed)
        if seed < CHECKED:
            found = selected(label, one, other, seed)
            assert (found.leader, found.rows / found.rows_of_all) == (leader, share)
        shares.append(share)
        right += leader in (better, None)  # where all is read, the choice is that of all rows
        undecided += leader is None
    quantiles = float(np.median(shares)), float(np.quantile(shares, 0.95))
    return Closer(target, by_label, runs, rows, right / runs, undecided / runs, *quantiles)


def decided(d: Floats, seed: int) -> tuple[str | None, float]:
    """Which of two models is decided to be the best, by their differences, and the share of rows read."""
    edges = np.asarray(edges_of_windows(d.size))
    exposure = np.diff(edges).astype(float)
    sums = np.add.reduceat(np.stack([np.zeros(d.size), d]), edges[:-1], axis=1)
    order = drawing_order(exposure.size, seed)
    for rounds in rounds_at_looks(len(order)):
        drawn = order[:rounds].ravel()
        (pair,) = separations(["one", "other"], sums[:, drawn], exposure[drawn], exposure.size, 0.95)
        if pair.low > 0.0:
            return pair.better, float(exposure[drawn].sum()) / d.size
    return None, 1.0


def selected(label: Labels, one: Floats, other: Floats, seed: int) -> Stopping:
    """The same by `select`."""
    columns = {"row_id": np.arange(label.size), "label": label}
    models = {name: pa.table({**columns, "p_1": p}) for name, p in (("one", one), ("other", other))}
    found = select(models, stop_when_decided=True, seed=seed).results.stopping
    assert found is not None
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, help="folders a and b, binary")
    arguments.add_argument("--multiclass", type=Path, help="folders a and b of 100 classes")
    arguments.add_argument("--runs", type=int, default=200)
    arguments.add_argument("--rows", type=int, default=100_000)
    given = arguments.parse_args()
    results: dict[str, Whole | list[Closer]] = {}
    if given.data is not None:
        results["binary"] = whole(given.data, "a")
    if given.multiclass is not None:
        results["multiclass"] = whole(given.multiclass, "a", classes="0..99")
    for name, found in results.items():
        print(name, json.dumps(asdict(found)), flush=True)  # type: ignore[arg-type]
    results["closer"] = runs = []
    for target, by_label in product(TARGETS, (False, True)):
        runs.append(closer(given.data, target, by_label, given.runs, given.rows))
        print("closer", json.dumps(asdict(runs[-1])), flush=True)
        path = write_json("stopping", results)
    print(path)


if __name__ == "__main__":
    main()
