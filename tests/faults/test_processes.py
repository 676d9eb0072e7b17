"""Workers that die and fragments that fail, in processes on this machine."""

from __future__ import annotations

import pytest

from .runs import FRAGMENT, ROWS, kill

MIDDLE = 10 * FRAGMENT


def test_one_worker_killed_in_the_middle(run, faults, undisturbed) -> None:
    disturbed = run()
    faults.hold(MIDDLE)
    disturbed.begin()
    kill(faults.wait_held(2)[0])
    faults.release()
    ended = disturbed.end()
    assert ended.state == undisturbed[False]
    assert ended.count("tried again") == 1


def test_all_workers_killed_three_times(run, faults, undisturbed) -> None:
    disturbed = run()
    faults.hold(MIDDLE)
    disturbed.begin()
    for _ in range(3):
        kill(*faults.wait_held(2))
    faults.release()
    ended = disturbed.end()
    assert ended.state == undisturbed[False]
    assert ended.count("tried again") == 6


@pytest.mark.parametrize("fault", ["die", "fail", "memory"])
def test_a_fragment_that_fails_twice_and_then_succeeds(run, faults, undisturbed, fault: str) -> None:
    faults.lay(fault, MIDDLE, times=2)
    ended = run().all()
    assert ended.state == undisturbed[False]
    assert ended.count("tried again") == 2


@pytest.mark.parametrize("fault", ["die", "memory"])
def test_a_fragment_that_always_fails_is_given_up_and_no_other(run, faults, fault: str) -> None:
    faults.lay(fault, MIDDLE, times=99)
    error = run().all().failed("fragment-lost")
    assert f"one.faulty, row {MIDDLE}" in error
    assert f"to {MIDDLE + FRAGMENT}" in error
    assert {"die": "its process died", "memory": "MemoryError"}[fault] in error


def test_every_fragment_dies(run, faults) -> None:
    """Not one process after another for each of them: nothing comes home, so it is soon over."""
    rows = range(0, ROWS, FRAGMENT)
    for row in rows:
        faults.lay("die", row, times=99)
    run().all().failed("fragment-lost")
    untouched = sum((faults.folder / f"die.{row}").read_text() == "|" * 99 for row in rows)
    assert untouched >= len(rows) // 3


def test_a_worker_dies_while_rows_wait_to_be_joined(run, faults, undisturbed, tmp_path) -> None:
    faults.lay("die", MIDDLE, times=2)
    ended = run(turned=True, checkpoint=tmp_path / "kept").all()
    assert ended.state == undisturbed[True]
    assert not list((tmp_path / "kept").rglob("*.records*"))
