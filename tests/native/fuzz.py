"""Random shapes, strides, types, values, labels, options and threads through every operation of the core.

    python tests/native/fuzz.py --minutes 10

Each case is compared with NumPy's kernels, between instruction sets, with one of its rows alone, with
copies on several threads, and with itself on arrays at the edge of forbidden memory, whose rows may overlap
or run backwards. Labels and targets that are none must be refused by name. A failure prints the smallest case
that hypothesis finds. A crash is a failure, too: the last case stands in the file named at the start.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import HealthCheck, given, seed, settings

if __package__ in (None, ""):
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "src")]
    __package__ = "native"

from crossent.kernels import instruction_sets

from . import fuzz_gradients, fuzz_operations

KINDS = {"operations": fuzz_operations, "gradients": fuzz_gradients}
AT_ONCE = 300


def some(kind: ModuleType, start: int, end: float, last: Path) -> int:
    """Try cases until enough were or the time is over; how many."""
    tried = 0

    @seed(start)
    @settings(max_examples=AT_ONCE, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(kind.cases())
    def run(case: dict[str, Any]) -> None:
        nonlocal tried
        if time.monotonic() < end:
            last.write_text(f"{kind.__name__} {case!r}")
            kind.check(case)
            tried += 1

    run()
    return tried


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    if not instruction_sets():
        raise SystemExit("there is no compiled core to try")
    faulthandler.enable()
    last = Path(tempfile.gettempdir()) / "crossent-fuzz-last-case.txt"
    print(f"{' and '.join(KINDS)} on {', '.join(instruction_sets())}; the last case is in {last}")
    end, start, tried = time.monotonic() + 60 * options.minutes, options.seed, 0
    while time.monotonic() < end:
        for kind in KINDS.values():
            tried += some(kind, start, end, last)
        start += 1
        print(f"{tried} cases, {max(0.0, end - time.monotonic()) / 60:.1f} minutes to go", flush=True)


if __name__ == "__main__":
    main()
