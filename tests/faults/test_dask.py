"""A scheduler of Dask that dies, workers of another version, workers that see other folders."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from .runs import FRAGMENT, environment, kill, wait_for

MIDDLE = 10 * FRAGMENT


def test_a_fragment_that_fails_twice_and_then_succeeds(run, faults, undisturbed) -> None:
    faults.lay("fail", MIDDLE, times=2)
    ended = run(engine="dask").all()
    assert ended.state == undisturbed[False]
    assert ended.count("tried again") == 2


@contextlib.contextmanager
def cluster(folder: Path, env: Mapping[str, str], before: Sequence[Any] = ()) -> Iterator[tuple[str, int]]:
    """A scheduler and a worker in processes of their own: its address and process."""
    told = folder / "scheduler.json"
    common = {"env": dict(env), "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", told]
    scheduler = subprocess.Popen([*DASK_SCHEDULER, *words], **common)
    processes = [scheduler]
    try:
        wait_for(lambda: told.exists() and "tcp://" in told.read_text())
        words = ["--scheduler-file", told, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
        words += ["--death-timeout", "60"]
        local = ["--local-directory", folder / "scratch"]
        processes.append(subprocess.Popen([*before, *DASK_WORKER, *words, *local], **common))
        address = told.read_text().split('"address": "')[1].split('"')[0]
        yield address, scheduler.pid
    finally:
        for process in processes:
            process.kill()
            process.wait()


DASK_SCHEDULER = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
DASK_WORKER = [sys.executable, "-m", "distributed.cli.dask_worker"]


def test_the_scheduler_goes_away(run, faults, tmp_path) -> None:
    with cluster(tmp_path, environment(faults)) as (address, scheduler):
        disturbed = run(engine="dask", more=["--scheduler", address], checkpoint=tmp_path / "kept")
        faults.hold(MIDDLE)
        disturbed.begin()
        faults.wait_held(1)
        kept = len(disturbed.states())
        kill(scheduler)
        faults.release()
        code = disturbed.process.wait(60)
        error = (tmp_path / "err.txt").read_text()
        assert code == 2 and "[cluster-unreachable]" in error and "Traceback" not in error
        assert len(disturbed.states()) >= kept > 0


def test_a_worker_of_another_version(run, faults, tmp_path) -> None:
    # a copy of the package would not be found where crossent is installed to be edited
    patch = 'import crossent.version\ncrossent.version.VERSION = "0.0.9"\n'
    (tmp_path / "sitecustomize.py").write_text(patch)
    env = environment(faults)
    env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), env["PYTHONPATH"]])
    with cluster(tmp_path, env) as (address, _):
        disturbed = run(engine="dask", more=["--scheduler", address])
        disturbed.begin()
        assert disturbed.process.wait(60) == 2
        error = (tmp_path / "err.txt").read_text()
        assert "crossent 0.0.9" in error and "[other-version]" in error


def test_a_worker_that_does_not_see_the_folder(run, faults, tmp_path) -> None:
    """As on a machine of its own: a disk of its own lies over the folder."""
    (tmp_path / "kept").mkdir()
    own = f'mount -t tmpfs tmpfs {tmp_path / "kept"} && exec "$@"'
    if subprocess.run(["unshare", "-m", "true"]).returncode:
        pytest.skip("only root may hide a folder from a process")
    before = ["unshare", "-m", "sh", "-c", own, "sh"]
    with cluster(tmp_path, environment(faults), before) as (address, _):
        more = ["--scheduler", address]
        disturbed = run(engine="dask", more=more, checkpoint=tmp_path / "kept", turned=True)
        disturbed.begin()
        assert disturbed.process.wait(60) == 2
        error = (tmp_path / "err.txt").read_text()
        assert "[folder-not-shared]" in error and "--checkpoint" in error
