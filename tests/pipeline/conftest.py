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
