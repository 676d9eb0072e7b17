"""Generated predictions of two or three models with everything that can go with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

CLASSES = ("ant", "bee", "cat")


def _distributions(rng: np.random.Generator, rows: int, classes: int) -> np.ndarray:
    """Rows that sum to one, one in eight with zeros and ones."""
    z = rng.normal(scale=2.0, size=(rows, classes))
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    sure = np.eye(classes)[rng.integers(0, classes, rows)]
    return np.where(rng.random((rows, 1)) < 0.125, sure, p)


def _models(
    rows: int = 500, models: int = 2, classes: tuple[str, ...] = CLASSES, seed: int = 0
) -> dict[str, pa.Table]:
    """Tables of models a, b, …: row_id with gaps, label, weight, day, region, text, p_<class>."""
    rng = np.random.default_rng([seed, rows])
    common = {
        "row_id": np.cumsum(rng.integers(1, 4, rows)) - 5,
        "label": rng.choice(classes, rows).tolist(),
        "weight": rng.choice([0.0, 0.3, 1.0, 2.5], rows),
        "day": [f"d{k}" for k in rng.integers(0, 17, rows)],
        "region": rng.choice(["north", "south", "west"], rows).tolist(),
        "text": rng.integers(1, 40, rows),
    }
    tables = {}
    for k in range(models):
        p = _distributions(rng, rows, len(classes))
        dtype = np.float32 if k % 2 else np.float64
        columns = {f"p_{c}": p[:, i].astype(dtype) for i, c in enumerate(classes)}
        tables["abcdefgh"[k]] = pa.table({**common, **columns})
    return tables


def _losses(table: pa.Table) -> np.ndarray:
    """−ln p of the label, in float64."""
    names = [c.removeprefix("p_") for c in table.column_names if c.startswith("p_")]
    p = np.stack([np.asarray(table.column(f"p_{c}"), np.float64) for c in names], axis=1)
    labels = [names.index(str(label)) for label in table.column("label").to_pylist()]
    with np.errstate(divide="ignore"):
        return -np.log(p[np.arange(len(labels)), labels])


LEVELS = (0.1, 0.5, 0.8)


def _numbers(
    kind: str, rows: int = 300, models: int = 2, seed: int = 0, zeros: bool = True
) -> dict[str, pa.Table]:
    """Models a, b, … of one kind over the same rows; every other one stored in float32."""
    rng = np.random.default_rng([seed, rows])
    y = rng.normal(10.0, 4.0, rows).round(3)
    common = {
        "row_id": np.cumsum(rng.integers(1, 4, rows)),
        "label": y,
        "weight": rng.choice([0.0, 0.3, 1.0, 2.5], rows),
        "day": [f"d{k}" for k in rng.integers(0, 13, rows)],
        "region": rng.choice(["north", "south"], rows).tolist(),
    }
    made = {}
    for k in range(models):
        dtype = np.float32 if k % 2 else np.float64
        made["abcdef"[k]] = pa.table({**common, **_prediction(kind, y, rng, dtype, zeros)})
    return made


def _prediction(
    kind: str, y: np.ndarray, rng: np.random.Generator, dtype: type[np.floating[Any]], zeros: bool
) -> dict[str, Any]:
    """The columns of one model; `zeros` gives one row in fifty a standard deviation of 0."""
    rows = y.size
    if kind == "mean_std":
        std = np.exp(rng.normal(size=rows))
        if zeros:
            std[rng.random(rows) < 0.02] = 0.0
        return {"mean": (y + rng.normal(size=rows)).astype(dtype), "std": std.astype(dtype)}
    if kind == "quantiles":
        found = (
            y[:, None] + np.sort(rng.normal(size=(rows, 3)), axis=1) + rng.normal(scale=0.2, size=(rows, 3))
        )
        found[rng.random(rows) < 0.1, 1] = 10.0
        return {f"q_{level}": found[:, k].astype(dtype) for k, level in enumerate(LEVELS)}
    if kind == "samples":
        lists = [rng.normal(v, 2.0, rng.integers(2, 6)).astype(dtype).tolist() for v in y]
        return {"samples": pa.array(lists, pa.list_(pa.from_numpy_dtype(dtype)))}
    return {"point": (y + rng.normal(size=rows)).astype(dtype)}


@pytest.fixture(scope="session")
def tables() -> Callable[..., dict[str, pa.Table]]:
    """tables(kind, rows=300, models=2, seed=0, zeros=True) -> {name: table} of predictions about a number."""
    return _numbers


@pytest.fixture(scope="session")
def models() -> Callable[..., dict[str, pa.Table]]:
    """models(rows=500, models=2, classes=…, seed=0) -> {name: table}."""
    return _models


@pytest.fixture(scope="session")
def losses() -> Callable[[pa.Table], np.ndarray]:
    """losses(table) -> (N,) nats."""
    return _losses


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """write({name: table}, **options of write_table) -> {name: path of a Parquet file}."""

    def written(tables: Mapping[str, pa.Table], folder: str = ".", **options: Any) -> dict[str, str]:
        (tmp_path / folder).mkdir(exist_ok=True)
        paths = {name: str(tmp_path / folder / f"{name}.parquet") for name in tables}
        for name, table in tables.items():
            pq.write_table(table, paths[name], **options)
        return paths

    return written
