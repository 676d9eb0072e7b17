"""One S3 server for all tests, a bucket in it for each, and models to put there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .server import KEYS, Bucket, Gate, gate_before, s3_server


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    pytest.importorskip("moto", reason="needs moto's S3 server")
    before = {key: os.environ.get(key) for key in KEYS}
    os.environ.update(KEYS)  # here and not by monkeypatch: workers inherit them, too
    try:
        with s3_server() as found:
            yield found
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})


@pytest.fixture(scope="session")
def bucket(port: int) -> Bucket:
    return Bucket(port)


@pytest.fixture
def gate(port: int) -> Iterator[Gate]:
    with gate_before(port) as found:
        yield found


def table(rows: int, seed: int, first: int = 0) -> pa.Table:
    """Predictions of a model of three classes; the label depends on the row alone."""
    numbers = np.arange(first, first + rows)
    p = np.random.default_rng([seed, first]).dirichlet([2, 2, 2], rows)
    columns = {"row_id": numbers, "label": pa.array([f"c{i * i % 7 % 3}" for i in numbers.tolist()])}
    return pa.table({**columns, **{f"p_c{k}": p[:, k] for k in range(3)}})


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> Path:
    """Two models of 600 rows, `models/<name>/day=<d>/part <i>.parquet`, here and in the bucket."""
    folder = tmp_path_factory.mktemp("local") / "models"
    for seed, name in enumerate(("old", "new")):
        for i in range(3):
            path = folder / name / f"day={i + 1}" / f"part {i}.parquet"
            path.parent.mkdir(parents=True)
            pq.write_table(table(200, seed, 200 * i), path, row_group_size=70)
    bucket.put(folder, "models")
    return folder
