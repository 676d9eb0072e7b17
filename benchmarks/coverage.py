"""Do intervals, tests and sequences keep their word? Simulated data whose truth is known.

    python benchmarks/coverage.py [--runs 4000] [--only intervals,sizes,sets,sequences,power] [--quick]

Where their conditions hold, 95 % intervals have to hold the truth in 93.5 to 96.5 % of the runs, tests and
sequences to be wrong in at most 5 %, within Monte Carlo error, and sequences to find in twice the rows 90 %
of what a test finds. Writes benchmarks/results/coverage.json and the tables of docs/coverage.md. Some five
minutes of one core.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common import write_json, write_section
from simulated_sequences import MISSES, false_evidence, powers, race_errors
from simulations import INTERVALS, SIZES, best_kept

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
BAND = (0.935, 0.965)
POWER = 0.9


@dataclass(frozen=True)
class Line:
    """One simulation: what was found, in words and figures, and whether it had to hold and does."""

    name: str
    figures: tuple[str, ...]
    rates: tuple[float, ...]
    runs: int
    kept: bool
    asked: bool = True
    """Its conditions hold, so that it counts."""


@dataclass(frozen=True)
class Part:
    """A table."""

    title: str
    columns: tuple[str, ...]
    lines: Callable[[int], list[Line]]


def at_most(rate: float, runs: int, bound: float = 0.05) -> bool:
    """Not above the bound by more than three standard errors."""
    return rate <= bound + 3 * math.sqrt(bound * (1 - bound) / runs)


def percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def intervals(runs: int) -> list[Line]:
    slack = 3 * math.sqrt(0.05 * 0.95 / runs) if runs < 2000 else 0.0
    found = []
    for case in INTERVALS:
        rates = case.covered(runs)
        inside = [BAND[0] - slack <= rate <= BAND[1] + slack for rate in rates]
        shown = [percent(r) if ok else f"**{percent(r)}**" for r, ok in zip(rates, inside, strict=True)]
        kept = all(ok for ok, holds in zip(inside, case.holds, strict=True) if holds)
        found.append(Line(case.name, (f"{case.units:,}", *shown), rates, runs, kept, any(case.holds)))
    return found


def sizes(runs: int) -> list[Line]:
    found = []
    for case in SIZES:
        count = runs // 4 if case.adjust == "max-t" else runs
        rate = case.rate(count)
        found.append(Line(case.name, (percent(rate),), (rate,), count, at_most(rate, count)))
    return found


def sets(runs: int) -> list[Line]:
    found = []
    for statistic in ("range", "max"):
        for copies in (False, True):
            count = max(100, runs // 4)
            rate = best_kept(statistic, count, copies=copies)
            name = f"{statistic} statistic{', two models twice' if copies else ''}"
            found.append(Line(name, (percent(rate),), (rate,), count, at_most(1 - rate, count)))
    return found


def sequences(runs: int) -> list[Line]:
    found = []
    for case in MISSES:
        count, rate = max(20, int(runs * case.share)), case.rate(max(runs, int(20 / case.share)))
        shown = percent(rate) if at_most(rate, count) else f"**{percent(rate)}**"
        found.append(Line(case.name, (shown,), (rate,), count, at_most(rate, count), case.holds))
    count = max(100, runs // 4)
    rate = false_evidence(count)
    name = "e-process, log score of range 36.8, evidence 20"
    found.append(Line(name, (percent(rate),), (rate,), count, at_most(rate, count)))
    rate = race_errors(count)
    name = "race of four equal models, by losses"
    return [*found, Line(name, (percent(rate),), (rate,), count, at_most(rate, count))]


def power(runs: int) -> list[Line]:
    found = []
    for case in powers(max(100, runs // 4)):
        figures = (percent(case.fixed), percent(case.sequential), f"{case.rows:,}")
        kept = case.sequential >= POWER * case.fixed
        asked = case.name.startswith("asymptotic")
        found.append(Line(case.name, figures, (case.fixed, case.sequential), runs // 4, kept, asked))
    return found


PARTS = {
    "intervals": Part(
        "Intervals at 95 %", ("data", "units", "mean holds the truth", "difference holds it"), intervals
    ),
    "sizes": Part("Tests of equal models at 5 %", ("test", "any false statement"), sizes),
    "sets": Part("Confidence sets at 95 %", ("set of five models", "holds the best"), sets),
    "sequences": Part("Sequences at 95 %, 3,000 looks", ("sequence", "ever wrong"), sequences),
    "power": Part(
        "Power",
        ("sequence", "test at 1,000 rows", "sequence by 2,000 rows", "rows taken on average"),
        power,
    ),
}


def table(part: Part, lines: Sequence[Line]) -> str:
    """Markdown."""
    head = f"## {part.title}\n\n| {' | '.join(part.columns)} |\n|---|{'---:|' * (len(part.columns) - 1)}"
    return "\n".join([head, *(f"| {' | '.join((line.name, *line.figures))} |" for line in lines)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=4000, help="of each simulation [default: 4000]")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, by commas; nothing is written then")
    parser.add_argument("--quick", action="store_true", help="100 runs, nothing written")
    options = parser.parse_args()
    runs = 100 if options.quick else options.runs
    found, start = {}, time.perf_counter()
    for name in options.only.split(","):
        found[name] = PARTS[name].lines(runs)
        print(table(PARTS[name], found[name]), flush=True)
    missed = [line.name for lines in found.values() for line in lines if line.asked and not line.kept]
    print(
        f"{time.perf_counter() - start:.0f} s; {'all kept' if not missed else 'MISSED: ' + '; '.join(missed)}"
    )
    if not options.quick and set(found) == set(PARTS):
        text = "\n\n".join(table(PARTS[name], lines) for name, lines in found.items())
        write_section(
            "coverage", f"\n{text}\n\nOf each simulation {runs:,} runs, fewer where they are slow.\n", PAGE
        )
        print(f"written to {write_json('coverage', {'runs': runs, 'parts': found})}")
    if missed and not options.quick:
        sys.exit(1)


if __name__ == "__main__":
    main()
