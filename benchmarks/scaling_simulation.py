"""The cost model against the driver itself: thousands of fragments, workers that die, fragments that drag on.

    python benchmarks/scaling_simulation.py [--fragments 5000] [--no-page]

The driver is the real one, with its rounds of retries; the engine keeps a clock of its own and computes
nothing. The table goes to docs/scaling.md.
"""

from __future__ import annotations

import argparse
import heapq
import statistics
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from common import write_json, write_section
from cost_model import Run
from crossent.distributed.checkpoints import NoCheckpoints
from crossent.distributed.driver import Driver, log
from crossent.distributed.engines.contract import WINDOW, Engine, Outcome, Task
from crossent.distributed.fragments import Fragment

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
ATTEMPT, DRIVER = 2.0, 0.002
Seconds = Callable[[np.random.Generator], float]
SPREADS: dict[str, Seconds] = {
    "all alike": lambda random: ATTEMPT,
    "log-normal, σ = 0.5": lambda random: ATTEMPT * float(np.exp(random.normal(-0.125, 0.5))),
    "1 in 100 takes 10 times": lambda random: ATTEMPT * (10 if random.random() < 0.01 else 1),
}


@dataclass(frozen=True)
class Nothing:
    """A task that only has a number."""

    number: int

    def perform(self) -> bytes:
        return b""


class VirtualEngine(Engine):
    """Workers on a clock of its own. `retries` of a lost attempt are made before it is given back as lost."""

    name = "virtual"

    def __init__(self, workers: int, seconds: Seconds, lost: float, retries: int, seed: int) -> None:
        self._workers, self._seconds, self._lost, self._retries = workers, seconds, lost, retries
        self._random = np.random.default_rng(seed)
        self.now = 0.0

    @property
    def workers(self) -> int:
        return self._workers

    def run(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        waiting: deque[int] = deque()
        busy: list[tuple[float, int, bool]] = []
        home: deque[Outcome] = deque()
        under_way = 0
        while True:
            for task in islice(tasks, WINDOW * self._workers - under_way):
                waiting.append(task.number)
                under_way += 1
            while waiting and len(busy) < self._workers:
                self._begin(busy, waiting.popleft(), self.now)
            if not under_way:
                return
            # what ended while the driver was busy, or else whatever ends next
            while busy and (busy[0][0] <= self.now or not home):
                ended, number, done = heapq.heappop(busy)
                self.now = max(self.now, ended)
                home.append(Outcome(number, b"") if done else Outcome(number, lost="its worker died"))
                if waiting:
                    self._begin(busy, waiting.popleft(), ended)
            self.now += DRIVER
            under_way -= 1
            yield home.popleft()

    def _begin(self, busy: list[tuple[float, int, bool]], number: int, at: float) -> None:
        """Until it is done, or has been lost once more than is tried again."""
        for _ in range(self._retries + 1):
            seconds = self._seconds(self._random)
            if self._random.random() >= self._lost:
                heapq.heappush(busy, (at + seconds, number, True))
                return
            at += seconds * self._random.random()
        heapq.heappush(busy, (at, number, False))


def simulated(engine: VirtualEngine, fragments: int) -> tuple[float, int]:
    """Seconds on the engine's clock until the driver has everything once; fragments it asked for again."""
    job: Any = SimpleNamespace(progress=lambda rows: None)
    driver = Driver(job, engine, NoCheckpoints())
    listed = [Fragment(number, ()) for number in range(fragments)]
    found = [number for number, _ in driver.outcomes("rows", listed, lambda f: Nothing(f.number))]
    assert sorted(found) == list(range(fragments)), "a fragment was lost or counted twice"
    return engine.now, driver.tally.retried


def predicted(seconds: Seconds, fragments: int, workers: int, lost: float) -> Run:
    """By the model, from the mean of many attempts and the longest of as many as there are workers."""
    random = np.random.default_rng(1)
    draws = np.array([seconds(random) for _ in range(200 * workers)])
    longest = float(draws.reshape(200, workers).max(axis=1).mean())
    return Run(fragments, workers, float(draws.mean()), longest, DRIVER, lost)


def compare(fragments: int, workers: int, spread: str, lost: float, retries: int) -> dict[str, Any]:
    """The model's seconds beside the medians of three simulations."""
    seconds = SPREADS[spread]
    runs = [simulated(VirtualEngine(workers, seconds, lost, retries, seed), fragments) for seed in range(3)]
    return {
        "workers": workers,
        "spread": spread,
        "lost": lost,
        "retries": retries,
        "predicted": predicted(seconds, fragments, workers, lost).seconds,
        "simulated": statistics.median(run[0] for run in runs),
        "asked again": statistics.median(run[1] for run in runs),
    }


def table(found: list[dict[str, Any]], fragments: int) -> str:
    """A line a case."""
    lines = [
        f"{fragments:,} fragments of {ATTEMPT:g} s on average, {1000 * DRIVER:g} ms of the driver for "
        "each; the real driver, a simulated engine, medians of three. A lost attempt ends at a random point.",
        "",
        "| workers | a fragment's time | attempts lost | tries of the engine | asked again by the driver "
        "| model | simulated | simulated / model |",
        "|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {case['workers']} | {case['spread']} | {100 * case['lost']:g} % | {case['retries'] + 1} "
        f"| {case['asked again']:g} | {case['predicted']:.1f} s | {case['simulated']:.1f} s "
        f"| {case['simulated'] / case['predicted']:.2f} |"
        for case in found
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fragments", type=int, default=5000)
    parser.add_argument("--no-page", action="store_true", help="leave the documentation as it is")
    options = parser.parse_args()
    log.disabled = True
    found = [
        compare(options.fragments, workers, spread, lost, retries)
        for workers in (20, 100, 1000)
        for spread in SPREADS
        for lost, retries in ((0.0, 0), (0.01, 0), (0.2, 3))
    ]
    text = table(found, options.fragments)
    print(text, f"written to {write_json('scaling_simulation', found)}", sep="\n")
    if not options.no_page:
        write_section("scaling_simulation", text, PAGE)


if __name__ == "__main__":
    main()
