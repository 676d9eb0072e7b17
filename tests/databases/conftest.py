"""Predictions in databases: a PostgreSQL server for the whole folder, and files of SQLite and DuckDB."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from .server import Server, programs

Fill = Callable[[str, pa.Table], str]
"""Puts a table into a database and says the address."""


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL server is installed")
    # pytest's own folders are closed to other users, and the server may be one
    with tempfile.TemporaryDirectory(prefix="crossent-postgres-") as folder:
        running = Server.started(Path(folder), found)
        yield running
        running.stop()


@pytest.fixture(params=["postgresql", "sqlite", "duckdb"])
def fill(request: pytest.FixtureRequest, tmp_path: Path) -> Fill:
    if request.param == "postgresql":
        running: Server = request.getfixturevalue("server")

        def into_server(name: str, table: pa.Table) -> str:
            running.put(name, table)
            return running.uri()

        return into_server
    return lambda name, table: into_file(request.param, tmp_path / "logs.db", name, table)


def into_file(kind: str, path: Path, name: str, table: pa.Table) -> str:
    """A table into a database that is a file."""
    if kind == "duckdb":
        import duckdb

        with duckdb.connect(str(path)) as connection:
            connection.register("given", table)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
            connection.unregister("given")
        return f"duckdb:///{path}"
    import adbc_driver_sqlite.dbapi as dbapi

    with dbapi.connect(str(path)) as sqlite, sqlite.cursor() as cursor:
        cursor.adbc_ingest(name, table)
        sqlite.commit()
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def predictions() -> pa.Table:
    """Two models of the same rows, with weights and clusters."""
    rng = np.random.default_rng(6)
    rows = 3000
    p, q = rng.uniform(0.01, 0.99, (2, rows))
    label = np.where(rng.uniform(size=rows) < p, "late", "ontime")
    return pa.table(
        {
            "row_id": np.arange(rows),
            "label": label,
            "p_late": p,
            "p_ontime": 1 - p,
            "q_late": q,
            "q_ontime": 1 - q,
            "weight": rng.integers(1, 5, rows).astype(float),
            "day": [f"d{i % 17}" for i in range(rows)],
        }
    )
