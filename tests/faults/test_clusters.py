"""Workers of clusters that die: what they were at is done by others."""

from __future__ import annotations

import pytest

from .runs import FRAGMENT, kill

MIDDLE = 10 * FRAGMENT


@pytest.mark.parametrize("engine", ["dask", "ray"])
@pytest.mark.parametrize(("workers", "times"), [(1, 1), (2, 3)], ids=["one worker", "all, three times"])
def test_workers_killed_in_the_middle(
    run, faults, undisturbed, engine: str, workers: int, times: int
) -> None:
    disturbed = run(engine=engine)
    faults.hold(MIDDLE)
    disturbed.begin()
    for _ in range(times):
        kill(*faults.wait_held(2)[:workers])
    faults.release()
    assert disturbed.end().state == undisturbed[False]
