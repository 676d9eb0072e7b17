"""Real runs to be disturbed: a driver in a process of its own, its workers, and what they leave."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"
PATIENCE = 100
"""Seconds after which something hangs."""
ROWS, FRAGMENT = 120_000, 4_000

State = Mapping[str, Any]


def wait_for(what: Callable[[], Any]) -> Any:
    """The first true value of a condition."""
    end = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def kill(*pids: int) -> None:
    """SIGKILL, and wait until they are gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(map(alive, pids)))


class Faults:
    """What the workers meet: see `faulty.py`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def lay(self, kind: str, row: int, times: int) -> None:
        """A fault in the middle of the fragment that begins at `row`."""
        (self.folder / f"{kind}.{row}").write_text("|" * times)

    def hold(self, row: int) -> None:
        """Workers wait in fragments from `row` on."""
        (self.folder / "hold").write_text(str(row))

    def release(self) -> None:
        (self.folder / "hold").unlink()

    def held(self) -> list[int]:
        """The processes that wait."""
        pids = [int(path.name.partition("-")[2]) for path in self.folder.glob("held-*")]
        return [pid for pid in pids if alive(pid)]

    def wait_held(self, workers: int) -> list[int]:
        """Wait until so many processes wait in the middle of a fragment."""
        found: list[int] = wait_for(lambda: held if len(held := self.held()) >= workers else None)
        return found


@dataclass
class Ended:
    """How a run ended."""

    code: int
    err: str
    state: State | None

    def __post_init__(self) -> None:
        assert "Traceback" not in self.err, self.err

    def failed(self, slug: str) -> str:
        """It ended in this error, with a cure."""
        assert self.code in (1, 2) and f"[{slug}]" in self.err and " — " in self.err, self.err
        assert self.state is None
        return self.err

    def count(self, of: str) -> int:
        """A number of the last line: how many fragments were `of` ("tried again" …)."""
        for part in self.err.splitlines()[-1].replace(";", ",").split(", "):
            if part.endswith(of):
                return int(part.split()[0])
        return 0


@dataclass
class Run:
    """`crossent select` in a process."""

    folder: Path
    files: Sequence[Path]
    faults: Faults
    engine: str = "processes"
    more: Sequence[str | Path] = ()
    checkpoint: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    before: Sequence[str] = ()
    """A command that starts it, such as `prlimit`."""

    def __post_init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.out = self.folder / "out.json"

    def begin(self, *also: str) -> None:
        self.out.unlink(missing_ok=True)
        options: list[Any] = ["--engine", self.engine, "--threads", "2", "--fragment-rows", FRAGMENT]
        options += ["--checkpoint", self.checkpoint] * bool(self.checkpoint)
        command = [*self.before, sys.executable, HERE / "drive.py", "select", *self.files, *options]
        command += [*self.more, "--cluster", "day", "--state", self.out, *also]
        with (self.folder / "err.txt").open("w") as stderr:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                env=environment(self.faults) | dict(self.environment),
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )

    def end(self) -> Ended:
        """Wait for it; nothing of it must be left."""
        assert self.process is not None
        self.process.wait(PATIENCE)
        wait_for(lambda: not self.processes())
        return self.ended()

    def ended(self) -> Ended:
        """How it ended, whatever goes on beside it."""
        assert self.process is not None
        state = json.loads(self.out.read_text()) if self.out.exists() else None
        return Ended(self.process.wait(PATIENCE), (self.folder / "err.txt").read_text(), state)

    def all(self, *also: str) -> Ended:
        self.begin(*also)
        return self.end()

    def states(self) -> list[Path]:
        """The checkpoints there are."""
        assert self.checkpoint is not None
        return sorted(self.checkpoint.rglob("*.state"))

    def wait_states(self, count: int) -> None:
        wait_for(lambda: len(self.states()) >= count)

    def die(self) -> None:
        """SIGKILL to the driver: its workers must end, though nobody tells them."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        wait_for(lambda: not self.processes())

    def processes(self) -> list[int]:
        """What lives of it, whoever started it: all of it has the variable of `faulty.py`."""
        mark, found = f"CROSSENT_FAULTS={self.faults.folder}\0".encode(), []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes() and alive(int(entry.name)):
                    found.append(int(entry.name))
        return found


def environment(faults: Faults) -> dict[str, str]:
    """Of drivers and workers: where crossent, the faulty format and the faults are."""
    path = os.pathsep.join([str(SOURCE), str(HERE)])
    return os.environ | {"PYTHONPATH": path, "CROSSENT_FAULTS": str(faults.folder)}
