"""Rows in different orders, resumed: what was put aside for other partitions is not taken for these."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossent import select
from crossent.distributed.engines.local import Processes, Threads
from crossent.distributed.passes import Passes

ROWS = 30_000


@pytest.fixture
def models(tmp_path):
    """Two models of the same rows, the second's in another order."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, ROWS)
    found = {}
    for name, order in (("a", np.arange(ROWS)), ("b", rng.permutation(ROWS))):
        table = pa.table({"row_id": order, "label": label[order], "p_1": rng.random(ROWS)})
        pq.write_table(table, tmp_path / f"{name}.parquet")
        found[name] = tmp_path / f"{name}.parquet"
    return found


def sums(report):
    """What is the same however it was computed."""
    found = report.evaluation.to_dict()
    return json.dumps([found["models"], found["moments"]])


def test_who_resumes_with_other_memory_begins_the_exchange_again(models, tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    check = Passes._check

    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Passes, "_check", dies)
    with pytest.raises(KeyboardInterrupt):
        select(models, checkpoint=folder, memory=1 << 20)
    monkeypatch.setattr(Passes, "_check", check)
    (before,) = folder.glob("join-*")
    assert before.name != "join-1"
    resumed = select(models, checkpoint=folder, resume=True, memory=512 << 20)
    assert sums(resumed) == sums(select(models))


def test_threads_share_the_memory_of_one_process(models, tmp_path, monkeypatch):
    found = {}

    def seen(self, models, joined):
        found[type(self.driver.engine)] = len(joined)
        raise KeyboardInterrupt

    monkeypatch.setattr(Passes, "_check", seen)
    for engine in ("local", "processes"):
        with pytest.raises(KeyboardInterrupt):
            select(models, engine=engine, fragment_rows=ROWS, memory=1 << 20, threads=3)
    assert found[Threads] >= 3 * found[Processes] - 2 > 1
