"""A driver that dies or is interrupted, and goes on."""

from __future__ import annotations

import os
import signal

import pytest

from .runs import FRAGMENT

MIDDLE = 10 * FRAGMENT


@pytest.mark.parametrize("turned", [False, True], ids=["in step", "joined"])
@pytest.mark.parametrize("engine", ["local", "processes", "dask"])
def test_the_driver_killed_twice(run, faults, undisturbed, tmp_path, engine: str, turned: bool) -> None:
    disturbed = run(engine=engine, checkpoint=tmp_path / "kept", turned=turned)
    for times, more in enumerate([(), ("--resume",)], 1):
        faults.hold(times * MIDDLE)
        disturbed.begin(*more)
        disturbed.wait_states(times * 8)
        disturbed.die()
    kept = len(disturbed.states())
    faults.release()
    ended = disturbed.all("--resume")
    assert ended.state == undisturbed[turned]
    assert ended.count("from the checkpoint") >= 16
    assert not left_behind(tmp_path / "kept")
    if not turned:
        assert ended.count("from the checkpoint") == kept


def test_the_driver_of_a_ray_cluster_killed(run, faults, undisturbed, tmp_path) -> None:
    disturbed = run(engine="ray", checkpoint=tmp_path / "kept", turned=True)
    faults.hold(MIDDLE)
    disturbed.begin()
    disturbed.wait_states(8)
    disturbed.die()
    faults.release()
    ended = disturbed.all("--resume")
    assert ended.state == undisturbed[True]
    assert ended.count("from the checkpoint") >= 8


@pytest.mark.parametrize("engine", ["local", "processes"])
def test_the_driver_interrupted(run, faults, undisturbed, tmp_path, engine: str) -> None:
    disturbed = run(engine=engine, checkpoint=tmp_path / "kept")
    faults.hold(MIDDLE)
    disturbed.begin()
    disturbed.wait_states(8)
    os.killpg(disturbed.process.pid, signal.SIGINT)  # as Ctrl-C does, workers too
    faults.release()
    stopped = disturbed.end()
    assert (stopped.code, stopped.state) == (130, None)
    assert "interrupted" in stopped.err
    assert not left_behind(tmp_path / "kept")
    ended = disturbed.all("--resume")
    assert ended.state == undisturbed[False]
    assert ended.count("from the checkpoint") >= 8


def left_behind(folder) -> list[str]:
    """What is neither a state nor about all of them."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    return [n for n in names if not n.endswith((".state", "checkpoint.json", "checkpoint.lock"))]
