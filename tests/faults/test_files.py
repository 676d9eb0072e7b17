"""Predictions that change under the hands of the run, and records that do while they wait to be joined."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from .runs import FRAGMENT, Run
from .test_checkpoints import flipped, stopped_in_the_middle

MIDDLE = 10 * FRAGMENT


@pytest.fixture
def own(run, data: Path, tmp_path: Path) -> Run:
    """A run on files of the test's own."""
    files = [Path(shutil.copy(data / name, tmp_path)) for name in ("one.faulty", "two.parquet")]
    return run(files=files, checkpoint=tmp_path / "kept")


def rewritten(path: Path) -> None:
    """The first half of the rows, as another writer would leave them."""
    table = pq.read_table(path)
    pq.write_table(table.slice(0, table.num_rows // 2), path)


def same_size(path: Path) -> None:
    """A byte in the middle, where no checksum of a page is."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


CHANGES = {"deleted": Path.unlink, "rewritten": rewritten, "a byte of it changed": same_size}


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_changes_during_the_run(own: Run, faults, change: str, index: int) -> None:
    faults.hold(MIDDLE)
    own.begin()
    faults.wait_held(2)
    CHANGES[change](own.files[index])
    faults.release()
    error = own.end().failed("file-changed")
    assert str(own.files[index]) in error


@pytest.mark.parametrize("change", ["rewritten", "a byte of it changed"])
def test_a_file_changes_before_resume(own: Run, faults, change: str) -> None:
    stopped_in_the_middle(own, faults)
    CHANGES[change](own.files[1])
    assert str(own.files[1]) in own.all("--resume").failed("input-changed")


def test_a_file_that_was_put_back_is_as_good_as_before(own: Run, faults, data, undisturbed) -> None:
    stopped_in_the_middle(own, faults)
    own.files[1].unlink()
    own.all("--resume").failed("source-not-found")
    shutil.copy(data / "two.parquet", own.files[1])
    ended = own.all("--resume")
    assert ended.code == 0
    assert ended.state["models"] == undisturbed[False]["models"]


@pytest.mark.parametrize("damage", [flipped, Path.unlink])
def test_records_damaged_while_they_wait(run, faults, undisturbed, tmp_path, damage) -> None:
    disturbed = run(checkpoint=tmp_path / "kept", turned=True)
    stopped_in_the_middle(disturbed, faults)
    records = sorted((tmp_path / "kept").rglob("*.records"))[0]
    damage(records)
    ended = disturbed.all("--resume")
    if ended.code:
        assert str(records) in ended.failed("exchange-damaged")
        records.unlink()
        ended = disturbed.all("--resume")
    assert ended.state == undisturbed[True]
