"""Long results: bounded memory, streams left early, and a server that dies in the middle of one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import crossent
from crossent import DataError, sql
from crossent.data.readers import open_source

from .server import Server, programs

MEASURE = """
import resource, sys
import crossent
from crossent.data.readers import open_source
source = open_source(crossent.sql(sys.argv[1], sys.argv[2]))
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
stream = source.batches(["i", "p"], 1 << 16)
rows = next(stream).table.num_rows
before = peak()
for chunk in stream:
    rows += chunk.table.num_rows
print(rows, peak() - before)
"""


@pytest.fixture(scope="module")
def mortal() -> Iterator[Server]:
    """A server that the last test kills."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL server is installed")
    with tempfile.TemporaryDirectory(prefix="crossent-postgres-") as folder:
        server = Server.started(Path(folder), found)
        yield server
        server.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in kilobytes on Linux")
@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_memory_does_not_grow_with_the_rows(kind: str, server: Server, tmp_path: Path) -> None:
    # 44 bytes a row in Arrow: 44 MB
    query, uri = (
        "SELECT generate_series(1, 1000000) AS i, 0.5::float8 AS p, repeat('x', 24) AS s",
        server.uri(),
    )
    if kind == "sqlite":
        (tmp_path / "empty.db").touch()
        uri = f"sqlite:///{tmp_path}/empty.db"
        query = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) "
            "SELECT i, i / 7.0 AS p, '123456789012345678901234' AS s FROM n"
        )
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, query, uri], capture_output=True, text=True, check=True
    )
    rows, grown = map(int, done.stdout.split())
    assert rows == 1_000_000
    assert grown < 20_000


def test_a_stream_may_be_left_early(server: Server) -> None:
    source = open_source(sql("SELECT generate_series(1, 1000000000) AS i", server.uri()))
    for _ in range(3):
        assert next(source.batches(["i"], 10)).table.num_rows == 10


def test_a_server_that_comes_back(mortal: Server) -> None:
    mortal.put("logs", pa.table({"label": ["a", "b"], "p_a": [0.5, 0.5], "p_b": [0.5, 0.5]}))
    query = sql("SELECT * FROM logs", mortal.uri())
    source = open_source(query)
    mortal.stop()
    with pytest.raises(DataError, match="cannot-connect"):
        list(source.batches(["label"], 10))
    mortal.start()
    assert crossent.evaluate(query).results.data.rows == 2


def test_a_server_that_is_killed_in_the_middle(mortal: Server) -> None:
    query = sql(
        "SELECT generate_series(1, 100000000), 'a' AS label, 0.5::float8 AS p_a, 0.5::float8 AS p_b",
        mortal.uri(),
    )
    seen = 0

    def then_kill(rows: int) -> None:
        nonlocal seen
        if not seen:
            mortal.kill()
        seen += rows

    with pytest.raises(DataError, match=r"postgresql://keeper@.*SELECT gen.*query-failed") as caught:
        crossent.evaluate(query, progress=then_kill, threads=1)
    assert 0 < seen < 100_000_000
    assert "\n" not in str(caught.value)
