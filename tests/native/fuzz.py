"""Random shapes, strides, types, values, labels and threads through every operation of the core.

    python tests/native/fuzz.py --minutes 10

Each case is compared with NumPy's kernels, between instruction sets, with one of its rows alone, with
copies on several threads, and with itself on arrays at the edge of forbidden memory. A failure prints the
smallest case that hypothesis finds. A crash is a failure, too: the last case stands in the file named at
the start.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

if __package__ in (None, ""):
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "src")]
    __package__ = "native"

from crossent.kernels import instruction_sets

from .guarded import AVAILABLE, Guarded
from .operations import OPERATIONS, bits, compiled, computing, distance, references, results, size_of

SETS = instruction_sets()
NAMES = sorted(set(compiled()) & set(OPERATIONS))
TINY = [0.0, -0.0, 5e-324, 1e-45, 1e-300]
SPECIAL = {
    "probs": [*TINY, 1.0, 1.0000001, -1e-9, np.nan],
    "log_probs": [*TINY, -np.inf, -104.0, -745.0, np.nan],
    "logits": [*TINY, 1.0, -1.0, -745.0, 709.0, 88.0, -104.0, 1e4, -1e4, np.inf, -np.inf, np.nan],
}


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """One call, as what it takes to make it again."""
    name = draw(st.sampled_from(NAMES))
    halves = ["float16"] if OPERATIONS[name].halves else []
    classes = draw(st.one_of(st.integers(1, 40), st.integers(41, 300), st.integers(2000, 4200)))
    return {
        "name": name,
        "dtype": draw(st.sampled_from(["float32", "float64", *halves])),
        "classes": classes,
        "rows": draw(st.integers(1, 40 if classes < 1000 else 3)),
        "threads": draw(st.sampled_from([1, 2, 5])),
        "spread": draw(st.sampled_from([0.0, 0.1, 3.0, 30.0, 300.0, 5000.0])),
        "shift": draw(st.sampled_from([0.0, 0.0, 10.0, -1000.0, 60000.0])),
        "special": draw(st.lists(st.sampled_from(SPECIAL[OPERATIONS[name].numbers]), max_size=4)),
        "seed": draw(st.integers(0, 2**32 - 1)),
        "row_gap": draw(st.sampled_from([0, 0, 1, 5, 64])),
        "backwards": draw(st.booleans()),
        "at_end": draw(st.booleans()),
    }


def numbers(case: dict[str, Any]) -> tuple[Any, Any]:
    """Labels and numbers of a case: random ones, some replaced by special values."""
    rng = np.random.default_rng(case["seed"])
    shape = case["rows"], case["classes"]
    x = rng.normal(size=shape) * case["spread"] + case["shift"]
    kind = OPERATIONS[case["name"]].numbers
    with np.errstate(all="ignore"):
        if kind != "logits":
            x = references()["softmax"](x)
        if kind == "log_probs":
            x = np.log(x)
        for value in case["special"]:
            x[rng.integers(shape[0]), rng.integers(shape[1])] = value
        return rng.integers(0, shape[1], shape[0]), x.astype(case["dtype"])


def laid_out(x: Any, case: dict[str, Any]) -> Any:
    """The numbers with gaps between rows, perhaps backwards, at the edge of what may be touched."""
    rows, classes = x.shape
    if case["backwards"]:
        x = x[::-1]
    wide = np.full((rows, classes + case["row_gap"]), np.nan, x.dtype)
    inside = slice(case["row_gap"], None) if case["at_end"] else slice(0, classes)
    wide[:, inside] = x
    whole = Guarded(wide, at_end=case["at_end"]).array if AVAILABLE else wide
    part = whole[:, inside]
    return part[::-1] if case["backwards"] else part


def steep(case: dict[str, Any], labels: Any, x: Any) -> bool:
    """Whether z − max rounds so far that NumPy's kernels lose digits that the core keeps."""
    return OPERATIONS[case["name"]].ulp > 64 and bool(np.nanmax(np.abs(x), initial=0.0) > 100)


def check(case: dict[str, Any]) -> None:
    """Raise where a case is not what it should be."""
    name, operation = case["name"], OPERATIONS[case["name"]]
    labels, x = numbers(case)
    with np.errstate(all="ignore"):
        truth = references()[name](*operation.arguments(labels, x))
        answers = {kernels: on_one_set(case, kernels, labels, x) for kernels in SETS}
    with_fma = [bits(answers[kernels]) for kernels in SETS if kernels != "baseline"]
    assert len(set(with_fma)) <= 1, "instruction sets"
    least = size_of(name, labels, x)
    slack = 64.0 if steep(case, labels, x) else 1.0
    far = {kernels: distance(answer, truth, case["dtype"], least) for kernels, answer in answers.items()}
    assert max(far.values()) <= slack * operation.ulp, far


def on_one_set(case: dict[str, Any], kernels: str, labels: Any, x: Any) -> Any:
    """The answer, when it is the same at the edge of memory, a row alone, and with threads."""
    name, arguments = case["name"], OPERATIONS[case["name"]].arguments
    with computing(kernels):
        answer = compiled()[name](*arguments(labels, x))
        edge = laid_out(x, case)
        before = edge.tobytes()
        assert bits(compiled()[name](*arguments(labels, edge))) == bits(answer), "layout"
        assert edge.tobytes() == before, "the input was written"
        one = slice(case["rows"] // 2, case["rows"] // 2 + 1)
        alone = compiled()[name](*arguments(labels[one], x[one]))
    if all(len(part.shape) for part in results(answer)):  # else something is of all rows together
        assert bits(tuple(part[one] for part in results(answer))) == bits(alone), "neighbours"
        copies = -(-70_000 // x.size)
        if case["threads"] > 1 and copies < 3000:
            with computing(kernels, case["threads"]):
                tiled = compiled()[name](*arguments(np.tile(labels, copies), np.tile(x, (copies, 1))))
            last = tuple(part[-case["rows"] :] for part in results(tiled))
            assert bits(last) == bits(answer), "threads"
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    if not SETS:
        raise SystemExit("there is no compiled core to try")
    faulthandler.enable()
    last = Path(tempfile.gettempdir()) / "crossent-fuzz-last-case.txt"
    print(f"{', '.join(NAMES)} on {', '.join(SETS)}; the last case is in {last}")
    end, start, tried = time.monotonic() + 60 * options.minutes, options.seed, 0
    while time.monotonic() < end:

        @seed(start)
        @settings(max_examples=1000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(cases())
        def run(case: dict[str, Any]) -> None:
            if time.monotonic() < end:
                last.write_text(repr(case))
                check(case)

        run()
        tried, start = tried + 1000, start + 1
        print(f"{tried} cases, {max(0.0, end - time.monotonic()) / 60:.1f} minutes to go", flush=True)


if __name__ == "__main__":
    main()
