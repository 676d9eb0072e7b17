"""Data for the fault tests, and what an undisturbed run finds in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .runs import ROWS, Faults, Run, State


def _predictions(seed: int, shuffled: bool = False) -> pa.Table:
    ids = np.arange(ROWS)
    rng = np.random.default_rng(7)
    label = rng.integers(0, 2, ROWS)
    sure = np.random.default_rng(seed).uniform(0.05, 0.95, ROWS)
    table = {"row_id": ids, "label": label, "p_1": sure, "day": ids // 500}
    if shuffled:
        order = rng.permutation(ROWS)
        table = {name: column[order] for name, column in table.items()}
    return pa.table(table)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name, table in {
        "one.faulty": _predictions(1),
        "two.parquet": _predictions(2),
        "turned.parquet": _predictions(2, shuffled=True),
    }.items():
        pq.write_table(table, folder / name, row_group_size=20_000)
    return folder


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    return Faults(tmp_path / "faults")


@pytest.fixture
def run(data: Path, faults: Faults, tmp_path: Path) -> Callable[..., Run]:
    """A run of two models whose rows run in the same order or, `turned`, do not."""

    def make(*, turned: bool = False, files: list[Path] | None = None, **fields: Any) -> Run:
        names = ("one.faulty", "turned.parquet" if turned else "two.parquet")
        return Run(tmp_path, files or [data / name for name in names], faults, **fields)

    return make


@pytest.fixture(scope="session")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, State]:
    """What one process finds that nothing happens to; of rows in one order, and `turned`."""
    found = {}
    for turned, other in {False: "two.parquet", True: "turned.parquet"}.items():
        folder = tmp_path_factory.mktemp("undisturbed")
        ended = Run(folder, [data / "one.faulty", data / other], Faults(folder / "faults"), "local").all()
        assert ended.state is not None, ended.err
        found[turned] = ended.state
    return found
