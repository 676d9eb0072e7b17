"""What a run on many machines costs: rows a core, fragments, states, the driver; and what follows from it.

    python benchmarks/scaling.py [--fragments 10000] [--many 100000] [--rounds 3] [--quick] [--no-page]

Engines are measured by the clock and in turn, so on an idle machine; start-up is measured by itself (one
fragment) and taken off. Targets: 5 ms a tiny fragment; on 100 million rows of two models 1.25 times the wall
time of two threads of one process; 300 MB for the driver of `--many` fragments. The tables go to
docs/scaling.md; rates and costs of states are CPU seconds, so that other work matters less.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from common import interleave, measure_child, write_json, write_section
from cost_model import PRICE, Run

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
ENGINES = {"local": None, "processes": None, "ray": "ray", "dask": "distributed"}
KINDS = {2: 4_000_000, 10: 1_000_000, 100: 400_000, 1000: 40_000}
"""Classes, and the rows that their rate is measured with."""
STATES = (
    (1, 2, 0),
    (2, 2, 0),
    (5, 2, 0),
    (20, 2, 0),
    (2, 10, 0),
    (2, 1000, 0),
    (2, 2, 1000),
    (2, 2, 100_000),
)
"""Models, classes, clusters."""
SECONDS, WORKERS = 10, 1000
"""Of a fragment, and how many cores, where time and money are foretold."""
SHARE = 1.25
LARGE, PART, GROUP = 100_000_000, 2_500_000, 500_000
"""Rows of the large file, of its fragments, and of its row groups."""

RATE = """
import json, sys, time, crossent
path, classes, options = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
names = None if classes == 2 else tuple(map(str, range(classes)))
seconds = []
for _ in range(3):
    begun = time.process_time()
    crossent.evaluate(path, classes=names, threads=1, **options)
    seconds.append(time.process_time() - begun)
print(min(seconds))
"""
WALL = """
import json, sys, time, crossent
def main():
    begun = time.perf_counter()
    rows = int(sys.argv[3]) or None
    crossent.select({"a": sys.argv[2], "b": sys.argv[2]}, engine=sys.argv[1], threads=2, fragment_rows=rows)
    print(time.perf_counter() - begun)
if __name__ == "__main__":
    main()
"""
STATE = """
import json, sys, time
import numpy as np, crossent
from crossent.accumulators.moments import Moments
from crossent.accumulators.registry import new_states
from crossent.distributed.wire import decode, encode
from crossent.engines.passes import State
models, classes, clusters = map(int, sys.argv[1:])
rows, random = max(5000, clusters), np.random.default_rng(5)
p = random.standard_exponential((rows, classes))
table = {"row_id": np.arange(rows), "label": random.integers(0, classes, rows), "cluster": np.arange(rows)}
table |= {"probs": p / p.sum(axis=1, keepdims=True)}
options = {"classes": f"0..{classes - 1}", "cluster": "cluster" if clusters else None}
report = crossent.select({f"m{k}": table for k in range(models)}, threads=1, **options)
spec, state = report.evaluation.spec, report.evaluation.state
def empty():
    groups = [Moments(m.names, weighted=False, exposed=False) for m in state.moments]
    return State({name: new_states(spec) for name in state.models}, groups)
data, total, seconds = encode(state), empty(), []
for _ in range(5):
    begun = time.process_time()
    total.merge(decode(data, empty))
    seconds.append(time.process_time() - begun)
print(json.dumps([len(data), min(seconds)]))
"""
DRIVER = """
import sys
from types import SimpleNamespace
import crossent
from crossent.accumulators.moments import Moments
from crossent.accumulators.registry import new_states
from crossent.data.readers.contract import Window
from crossent.distributed.checkpoints import NoCheckpoints
from crossent.distributed.driver import Driver
from crossent.distributed.engines.contract import Engine, Outcome
from crossent.distributed.fragments import Fragment
from crossent.distributed.wire import encode
from crossent.engines.passes import State
from crossent.preparing import DEFAULT_MEMORY
table = {"label": ["a", "b"] * 8, "p_a": [0.9, 0.2] * 8, "p_b": [0.1, 0.8] * 8}
evaluation = crossent.evaluate(table, threads=1).evaluation
spec, state = evaluation.spec, evaluation.state
data, count = encode(state), int(sys.argv[1])
class Toy(Engine):
    name, workers = "toy", 2
    def run(self, tasks):
        for task in tasks:
            yield Outcome(task.number, bytes(data))
def empty():
    groups = [Moments(m.names, weighted=False, exposed=False) for m in state.moments]
    return State({name: new_states(spec) for name in state.models}, groups)
listed = [Fragment(n, ((Window(0, n, n + 16),),), 16) for n in range(count)]
driver = Driver(SimpleNamespace(progress=lambda rows: None, memory=DEFAULT_MEMORY), Toy(), NoCheckpoints())
total = driver.collect("rows", listed, lambda fragment: fragment, empty)
assert total.moments[0].rows == 16 * count
"""


def write_predictions(path: Path, classes: int, rows: int, group: int = 1 << 20) -> None:
    """Predictions by chance, a hundred rows a cluster."""
    random, writer = np.random.default_rng(5), None
    for begin in range(0, rows, 1 << 20):
        table = predictions(random, classes, np.arange(begin, min(begin + (1 << 20), rows)))
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=group)
    assert writer is not None
    writer.close()


def predictions(random: np.random.Generator, classes: int, ids: np.ndarray) -> pa.Table:
    """Those of some rows."""
    label = random.integers(0, classes, ids.size).astype(np.int16)
    table = pa.table({"row_id": ids, "cluster": (ids // 100).astype(np.int32), "label": label})
    if classes == 2:
        return table.append_column("p_1", pa.array(random.random(ids.size, dtype=np.float32) * 0.98 + 0.01))
    p = random.standard_exponential((ids.size, classes), dtype=np.float32)
    flat = pa.array((p / p.sum(axis=1, keepdims=True)).reshape(-1))
    return table.append_column("probs", pa.FixedSizeListArray.from_arrays(flat, classes))


def write_large(path: Path, rows: int, group: int) -> None:
    """Two classes, and probabilities of 1,024 values: 3 bytes a row."""
    random, writer = np.random.default_rng(6), None
    for begin in range(0, rows, group):
        ids = np.arange(begin, min(begin + group, rows))
        p = (random.integers(0, 1024, ids.size) / 1024 * 0.98 + 0.01).astype(np.float32)
        table = pa.table({"row_id": ids, "label": random.integers(0, 2, ids.size).astype(np.int8), "p_1": p})
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    assert writer is not None
    writer.close()


def child(program: str, *arguments: object) -> Any:
    """What a program in a process of its own prints, as JSON."""
    done = measure_child([sys.executable, "-c", program, *map(str, arguments)])
    return json.loads(done.stdout.splitlines()[-1])


def from_file(folder: Path, program: str, *arguments: object) -> Any:
    """The same with the program in a file, which processes can be started from."""
    script = folder / "program.py"
    script.write_text(program)
    return json.loads(
        measure_child([sys.executable, str(script), *map(str, arguments)]).stdout.splitlines()[-1]
    )


def rates(folder: Path, scale: int) -> dict[int, dict[str, float]]:
    """Rows a second of one core, by number of classes, without and with clusters."""
    found = {}
    for classes, rows in KINDS.items():
        path, count = folder / f"{classes}.parquet", rows // scale
        write_predictions(path, classes, count)
        found[classes] = {
            name: count / child(RATE, path, classes, json.dumps(options))
            for name, options in (("plain", {}), ("clustered", {"cluster": "cluster"}))
        }
    return found


def engines(folder: Path, fragments: int, scale: int, rounds: int) -> dict[str, dict[str, float]]:
    """Of each engine: seconds to start, of a tiny fragment, and of a pass over the large file by two workers.
    Of `local` also the `whole` pass, without fragments.
    """
    tiny, large = folder / "tiny.parquet", folder / "large.parquet"
    write_predictions(tiny, 2, 10 * fragments, group=1000)
    write_large(large, LARGE // scale, GROUP // scale)
    runs: dict[str, Callable[[], float]] = {
        "local whole": partial(from_file, folder, WALL, "local", large, 0),
    }
    there = [n for n, package in ENGINES.items() if package is None or importlib.util.find_spec(package)]
    for name in there:
        wall = partial(from_file, folder, WALL, name)
        runs[f"{name} start"] = partial(wall, tiny, 10 * fragments)
        runs[f"{name} fragment"] = partial(wall, tiny, 10)
        runs[f"{name} pass"] = partial(wall, large, PART // scale)
    seconds = {run: statistics.median(found) for run, found in interleave(runs, rounds).items()}
    found = {}
    for name in there:
        start = seconds[f"{name} start"]
        fragment = (seconds[f"{name} fragment"] - start) / fragments
        found[name] = {"start": start, "fragment": fragment, "pass": seconds[f"{name} pass"] - start}
    if "local" in found:
        found["local"]["whole"] = seconds["local whole"] - seconds["local start"]
    return found


def states(cases: Sequence[tuple[int, int, int]]) -> list[dict[str, Any]]:
    """Bytes of a state, and CPU seconds to read and add it."""
    found = []
    for models, classes, clusters in cases:
        size, seconds = child(STATE, models, classes, clusters)
        found.append(
            {"models": models, "classes": classes, "clusters": clusters, "bytes": size, "merge": seconds}
        )
    return found


def projections(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Hours and dollars for billions of rows and more."""
    driver = next(s["merge"] for s in found["states"] if (s["models"], s["clusters"]) == (2, 0))
    lines = []
    for rows in (10**9, 10**11, 10**13):
        for classes, rate in found["rates"].items():
            in_fragment = int(SECONDS * rate["plain"])
            attempt = SECONDS + found["engines"]["local"]["fragment"]
            run = Run(-(-rows // in_fragment), WORKERS, attempt, 2 * attempt, driver, lost=0.01)
            lines.append(
                {
                    "rows": rows,
                    "classes": classes,
                    "fragment_rows": in_fragment // 2,
                    "fragments": run.fragments,
                    "core_hours": run.core_seconds / 3600,
                    "seconds": run.seconds,
                    "dollars": run.dollars,
                }
            )
    return lines


def text_of(found: Mapping[str, Any], options: argparse.Namespace) -> str:
    """The tables as Markdown."""
    lines = [
        "Rows of one model that one core does in a second (CPU time, zstd Parquet, everything of the default "
        "output):",
        "",
        "| classes | M rows/s | with a cluster every 100 rows |",
        "|--:|--:|--:|",
    ]
    lines += [
        f"| {classes} | {rate['plain'] / 1e6:.2f} | {rate['clustered'] / 1e6:.2f} |"
        for classes, rate in found["rates"].items()
    ]
    local = found["engines"]["local"]["whole"]
    lines += [
        "",
        f"Engines with two workers, two models: {options.fragments:,} fragments of ten rows "
        f"(some dozens in a task), and {LARGE // options.scale:,} rows in {LARGE // PART}, which two threads "
        f"of one process without fragments do in {local:.1f} s. By the clock, start-up taken off, medians of "
        f"{options.rounds}:",
        "",
        "| engine | start-up | a tiny fragment | the large file | of those threads |",
        "|---|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {name} | {one['start']:.1f} s | {1000 * one['fragment']:.1f} ms | {one['pass']:.1f} s "
        f"| {one['pass'] / local:.2f} |"
        for name, one in found["engines"].items()
    ]
    lines += [
        "",
        "A state, and what it costs the driver to read and add (CPU time):",
        "",
        "| models | classes | clusters | kB | ms |",
        "|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {s['models']} | {s['classes']} | {s['clusters']:,} "
        f"| {s['bytes'] / 1e3:,.0f} | {1000 * s['merge']:.1f} |"
        for s in found["states"]
    ]
    lines += [
        "",
        f"The driver's memory with {options.many:,} fragments: {found['driver'] / 1e6:.0f} MB at its "
        "peak, Python and libraries included.",
        "",
    ]
    lines += [
        f"From these, for two models' rows counted together, {WORKERS:,} cores, fragments of {SECONDS} s, "
        f"1 % of attempts lost, at {PRICE:g} dollars a core and hour (a parameter of "
        "`benchmarks/cost_model.py`, not a quotation; storage, transfer and start-up are extra):",
        "",
        "| rows | classes | `--fragment-rows` | fragments | core-hours | time | dollars |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {_power(p['rows'])} | {p['classes']} | {p['fragment_rows']:,} | {p['fragments']:,} "
        f"| {p['core_hours']:,.2f} | {_time(p['seconds'])} | {p['dollars']:,.2f} |"
        for p in found["projections"]
    ]
    return "\n".join(lines)


def _power(rows: int) -> str:
    return "10" + str(len(str(rows)) - 1).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _time(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def verdicts(found: Mapping[str, Any]) -> list[str]:
    """Whether the targets are met, a line each."""
    local = found["engines"]["local"]["whole"]
    met = {"driver under 300 MB": found["driver"] < 300e6}
    for name, one in found["engines"].items():
        met[f"{name}: 5 ms a fragment"] = one["fragment"] <= 0.005
        met[f"{name}: {SHARE} of the threads"] = one["pass"] <= SHARE * local
    return [f"{target} {'met' if good else 'MISSED'}" for target, good in met.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fragments", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each engine, after one to warm up")
    parser.add_argument("--quick", action="store_true", help="little of everything, to see that it runs")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--no-page", action="store_true", help="leave the documentation as it is")
    options = parser.parse_args()
    options.scale = 40 if options.quick else 1
    if options.quick:
        options.fragments, options.many, options.rounds = 20, 200, 1
        for classes in (100, 1000):
            del KINDS[classes]
    for name in ENGINES.keys() - set(options.engines.split(",")):
        del ENGINES[name]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        found: dict[str, Any] = {"rates": rates(folder, options.scale)}
        found["states"] = states(STATES[:2] if options.quick else STATES)
        found["driver"] = measure_child([sys.executable, "-c", DRIVER, str(options.many)]).peak_rss
        found["engines"] = engines(folder, options.fragments, options.scale, options.rounds)
    found["projections"] = projections(found)
    text = text_of(found, options)
    print(text, *verdicts(found), f"written to {write_json('scaling', found)}", sep="\n")
    if not options.no_page:
        write_section("scaling", text, PAGE)


if __name__ == "__main__":
    main()
