"""Checkpoints that were damaged, belong to others, or find no space."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .runs import FRAGMENT, Run

MIDDLE = 10 * FRAGMENT


@pytest.fixture
def begun(run, faults, tmp_path) -> Run:
    """A run whose driver was killed in the middle."""
    return stopped_in_the_middle(run(checkpoint=tmp_path / "kept"), faults)


def stopped_in_the_middle(disturbed: Run, faults) -> Run:
    faults.hold(MIDDLE)
    disturbed.begin()
    disturbed.wait_states(8)
    disturbed.die()
    faults.release()
    return disturbed


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


DAMAGE = {
    "a bit": flipped,
    "half of it": lambda path: os.truncate(path, path.stat().st_size // 2),
    "all of it": lambda path: os.truncate(path, 0),
    "another file": lambda path: path.write_text("a,b\n1,2\n"),
    "the state of other rows": lambda path: shutil.copy(path.with_name("00000001.state"), path),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_state_is_computed_again(begun: Run, undisturbed, damage: str) -> None:
    kept, damaged = len(begun.states()), begun.states()[4]
    DAMAGE[damage](damaged)
    ended = begun.all("--resume")
    assert ended.state == undisturbed[False]
    assert ended.count("from the checkpoint") == kept - 1
    assert f"{damaged}: was damaged and has been computed again" in ended.err


@pytest.mark.parametrize("damage", ["a bit of its name", "half of it", "all of it", "another file"])
def test_what_says_what_it_is_about_is_damaged(begun: Run, damage: str) -> None:
    index = begun.checkpoint / "checkpoint.json"
    if damage == "a bit of its name":
        index.write_text(index.read_text().replace("crossent-checkpoint", "crossent-checkpoinu"))
    else:
        DAMAGE[damage](index)
    begun.all("--resume").failed("checkpoint-damaged")


def test_states_of_another_checkpoint_do_not_count(begun: Run, run, faults, undisturbed, tmp_path) -> None:
    """Somebody copies them over: of the same rows, but who knows of which version of the files."""
    other = stopped_in_the_middle(run(checkpoint=tmp_path / "other"), faults)
    for state in other.states():
        shutil.copy(state, begun.checkpoint / state.relative_to(other.checkpoint))
    ended = begun.all("--resume")
    assert ended.state == undisturbed[False]
    assert "was damaged" in ended.err


@pytest.mark.parametrize(
    "option", [("--fragment-rows", "5000"), ("--unit", "day"), ("--loss", "brier"), ("--weight", "row_id")]
)
def test_other_options_at_resume(begun: Run, option: tuple[str, str]) -> None:
    begun.all("--resume", *option).failed("checkpoint-differs")


def test_another_version_at_resume(begun: Run) -> None:
    index = begun.checkpoint / "checkpoint.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"crossent": "0.0.9"}))
    begun.all("--resume").failed("checkpoint-differs")


def test_without_resume(begun: Run) -> None:
    begun.all().failed("checkpoint-exists")


def test_two_drivers_with_one_checkpoint(run, faults, undisturbed, tmp_path) -> None:
    first = run(checkpoint=tmp_path / "kept")
    faults.hold(MIDDLE)
    first.begin()
    first.wait_states(8)
    (tmp_path / "second").mkdir()
    second = Run(tmp_path / "second", first.files, faults, checkpoint=first.checkpoint)
    second.begin("--resume")
    assert second.process.wait(60) == 2
    assert "[checkpoint-in-use]" in (second.folder / "err.txt").read_text()
    assert f"process {first.process.pid}" in (second.folder / "err.txt").read_text()
    faults.release()
    assert first.end().state == undisturbed[False]


def test_another_memory_at_resume(run, faults, undisturbed, tmp_path) -> None:
    """Rows in other orders are then sorted into other partitions."""
    disturbed = run(checkpoint=tmp_path / "kept", turned=True)
    stopped_in_the_middle(disturbed, faults)
    ended = disturbed.all("--resume", "--memory", "16")
    assert ended.state == undisturbed[True]


# --- full disks -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A disk of so many bytes on a folder: a file system in memory, which takes root to mount."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("engine", ["local", "processes"])
def test_a_full_disk_for_checkpoints(run, undisturbed, tmp_path, engine: str) -> None:
    with small_disk(tmp_path / "disk", "256k"):
        disturbed = run(engine=engine, checkpoint=tmp_path / "disk" / "kept")
        error = disturbed.all().failed("cannot-write")
        assert "No space left on device" in error
        kept = len(disturbed.states())
        assert kept > 0
        subprocess.run(["mount", "-o", "remount,size=50m", tmp_path / "disk"], check=True)
        ended = disturbed.all("--resume")
        assert ended.state == undisturbed[False]
        assert ended.count("from the checkpoint") == kept


def test_a_full_disk_for_rows_that_wait_to_be_joined(run, undisturbed, tmp_path) -> None:
    with small_disk(tmp_path / "disk", "1500k"):
        disturbed = run(checkpoint=tmp_path / "disk" / "kept", turned=True)
        ended = disturbed.all()
        # whoever writes next notices it: a worker, or the driver
        error = ended.failed("disk-full" if "disk-full" in ended.err else "cannot-write")
        assert "No space left on device" in error
        subprocess.run(["mount", "-o", "remount,size=50m", tmp_path / "disk"], check=True)
        ended = disturbed.all("--resume")
        assert ended.state == undisturbed[True]
        assert ended.count("from the checkpoint") > 0


def test_files_that_may_not_grow(run, undisturbed, tmp_path) -> None:
    """Where nobody may mount: a limit on the size of any file, as quotas have."""
    disturbed = run(checkpoint=tmp_path / "kept", turned=True, before=["prlimit", "--fsize=20000"])
    assert "too large" in disturbed.all().failed("disk-full")
    disturbed.before = ()
    assert disturbed.all("--resume").state == undisturbed[True]
