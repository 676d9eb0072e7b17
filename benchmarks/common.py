"""What every benchmark shares: measured child processes, fair order, facts of the machine, results as JSON.

A benchmark is a script: `python benchmarks/startup.py`. It runs the contenders in turn (`interleave`), each
in a process of its own (`measure_child`), prints a table and writes benchmarks/results/<name>.json.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeVar

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
T = TypeVar("T")
PACKAGES = ("crossent", "numpy", "scipy", "pyarrow")

# Linux counts a parent's memory into the peak of the child it spawns, up to the moment of exec. A launcher
# of about 10 MB between the two keeps the memory of the benchmark itself out of the figure.
LAUNCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(child.pid, 0)
wall = time.perf_counter() - start
unit = 1 if sys.platform == "darwin" else 1024
facts = [wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit, os.waitstatus_to_exitcode(status)]
with open(int(sys.argv[1]), "w") as out:
    json.dump(facts, out)
"""


@dataclass(frozen=True)
class Measured:
    """One run of a child process: seconds of wall clock, seconds of CPU on all cores, peak bytes."""

    wall: float
    cpu: float
    peak_rss: int
    stdout: str


def measure_child(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end and measure it; a command that fails raises, with what it printed.

    `env` is added to the present environment. Peak memory below about 10 MB is the launcher's own.
    """
    read_end, write_end = os.pipe()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, str(write_end), *command],
        env={**os.environ, **(env or {})},
        pass_fds=[write_end],
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(write_end)
    with open(read_end) as answer:
        text = answer.read()
    if done.returncode or not text:
        raise RuntimeError(f"{' '.join(command)} could not be started:\n{done.stderr}")
    wall, cpu, peak_rss, status = json.loads(text)
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with {status}:\n{done.stdout}{done.stderr}")
    return Measured(wall, cpu, peak_rss, done.stdout)


def interleave(contenders: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Call every contender once a round, so that a slow spell of the machine meets all of them alike.

    Each round starts with another contender; the first round only warms caches and is not kept.
    """
    names = list(contenders)
    kept: dict[str, list[T]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            answer = contenders[name]()
            if turn:
                kept[name].append(answer)
    return kept


def medians(runs: Sequence[Measured]) -> dict[str, float]:
    """Median wall, CPU and peak memory of several runs, with the smallest wall time beside them."""
    return {
        "runs": len(runs),
        "wall": statistics.median(run.wall for run in runs),
        "wall_min": min(run.wall for run in runs),
        "cpu": statistics.median(run.cpu for run in runs),
        "peak_rss": statistics.median(run.peak_rss for run in runs),
    }


def machine() -> dict[str, object]:
    """What a reader needs to judge a figure: processor, cores, memory, system and versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def write_json(name: str, results: object) -> Path:
    """Write benchmarks/results/<name>.json: the machine and the results (records become dictionaries)."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    document = {"benchmark": name, "machine": machine(), "results": results}
    path.write_text(json.dumps(document, indent=1, default=asdict) + "\n")
    return path


def write_section(name: str, text: str, page: Path = PAGE) -> None:
    """Put text between the marks `name: begin` and `name: end` of a page of the documentation."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = page.read_text(encoding="utf-8").split(begin, 1)
    _, after = rest.split(end, 1)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
