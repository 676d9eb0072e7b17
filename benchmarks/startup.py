"""How long `import crossent` and `crossent --help` take, beside Python itself and NumPy.

    python benchmarks/startup.py

Median of 15 fresh processes each, run in turn. Targets: 0.15 s for the import, 0.3 s for the help, both from
the start of the interpreter to its end.
"""

from __future__ import annotations

import sys
from functools import partial

from common import interleave, measure_child, medians, write_json

ROUNDS = 15
HELP = "import sys; from crossent.cli import main; sys.argv = ['crossent', '--help']; main()"
CONTENDERS: dict[str, tuple[str, float | None]] = {
    "python": ("pass", None),
    "import numpy": ("import numpy", None),
    "import crossent": ("import crossent", 0.15),
    "crossent --help": (HELP, 0.30),
}


def main() -> None:
    runs = interleave(
        {
            name: partial(measure_child, [sys.executable, "-c", code])
            for name, (code, _) in CONTENDERS.items()
        },
        ROUNDS,
    )
    results = {name: medians(measured) for name, measured in runs.items()}
    print(f"{'':16} {'wall s':>8} {'cpu s':>8} {'peak MB':>8} {'target s':>9}")
    for name, (_, target) in CONTENDERS.items():
        row = results[name]
        verdict = "" if target is None else f"{target:9.2f} {'met' if row['wall'] <= target else 'MISSED'}"
        print(f"{name:16} {row['wall']:8.3f} {row['cpu']:8.3f} {row['peak_rss'] / 1e6:8.1f} {verdict}")
    print(f"written to {write_json('startup', results)}")


if __name__ == "__main__":
    main()
