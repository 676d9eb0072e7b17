"""Random cases of every operation of the core: labels and numbers of any type and layout."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from crossent.kernels import instruction_sets, using

from .fuzz_arrays import (
    NOWHERE,
    TYPES,
    as_it_lies,
    in_float32,
    is_refused,
    labels_as_they_lie,
    laid_out,
    places,
    rounded,
    typed,
)
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
def shapes(draw: st.DrawFn) -> dict[str, Any]:
    """What the numbers of a case are made from, but for their kind."""
    classes = draw(st.one_of(st.integers(1, 40), st.integers(41, 300), st.integers(2000, 4200)))
    rows = st.integers(1, 40) if classes < 1000 else st.integers(1, 3)
    if classes <= 40:
        rows = st.one_of(rows, st.integers(100, 600))
    return {
        "dtype": draw(st.sampled_from(TYPES)),
        "classes": classes,
        "rows": draw(rows),
        "threads": draw(st.sampled_from([1, 2, 5])),
        "spread": draw(st.sampled_from([0.0, 0.1, 3.0, 30.0, 300.0, 5000.0])),
        "shift": draw(st.sampled_from([0.0, 0.0, 10.0, -1000.0, 60000.0])),
        "seed": draw(st.integers(0, 2**32 - 1)),
        "wrong": draw(st.sampled_from([None] * 20 + ["classes", *NOWHERE])),
        **draw(places()),
    }


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """One call, as what it takes to make it again."""
    name = draw(st.sampled_from(NAMES))
    special = draw(st.lists(st.sampled_from(SPECIAL[OPERATIONS[name].numbers]), max_size=4))
    return {"name": name, "special": special, **draw(shapes())}


def numbers(case: dict[str, Any], kind: str) -> tuple[Any, Any]:
    """Labels and numbers of a case: random ones, some replaced by special values."""
    rng = np.random.default_rng(case["seed"])
    shape = case["rows"], case["classes"]
    x = rng.normal(size=shape) * case["spread"] + case["shift"]
    with np.errstate(all="ignore"):
        if kind != "logits":
            x = references()["softmax"](x)
        if kind == "log_probs":
            x = np.log(x)
    for value in case["special"]:
        x[rng.integers(shape[0]), rng.integers(shape[1])] = value
    return rng.integers(0, shape[1], shape[0]), as_it_lies(typed(x, case["dtype"]), case)


def wrong_labels(case: dict[str, Any], labels: Any) -> tuple[Any, int, int]:
    """Labels of which some are no class, the first of them, and what it is."""
    value = case["classes"] if case["wrong"] == "classes" else case["wrong"]
    row = case["seed"] % len(labels)
    labels = labels.copy()
    labels[row] = value
    labels[row + 1 :: 2] = -1
    return labels, row, value


def steep(case: dict[str, Any], x: Any) -> bool:
    """Whether z − max rounds so far that NumPy's kernels lose digits that the core keeps."""
    return OPERATIONS[case["name"]].ulp > 64 and bool(np.nanmax(np.abs(x), initial=0.0) > 100)


def check(case: dict[str, Any]) -> None:
    """Raise where a case is not what it should be."""
    name, operation = case["name"], OPERATIONS[case["name"]]
    labels, x = numbers(case, operation.numbers)
    if case["wrong"] is not None and operation.checks_labels:
        return check_refusal(case, labels, x)
    wide = in_float32(x)
    with np.errstate(all="ignore"):
        truth = references()[name](*operation.arguments(labels, wide))
        answers = {kernels: on_one_set(case, kernels, labels, x) for kernels in SETS}
    with_fma = [bits(answers[kernels]) for kernels in SETS if kernels != "baseline"]
    assert len(set(with_fma)) <= 1, "instruction sets"
    least = size_of(name, labels, wide)
    slack = 64.0 if steep(case, wide) else 1.0
    for kernels in SETS:
        with np.errstate(all="ignore"):
            # halves have the results of their widened copies, rounded: it is those that are compared
            answer = answers[kernels] if wide is x else compute(case, kernels, labels, wide)
        assert distance(answer, truth, case["dtype"], least) <= slack * operation.ulp, kernels


def check_refusal(case: dict[str, Any], labels: Any, x: Any) -> None:
    """The first label that is no class is named by every kernel."""
    arguments = OPERATIONS[case["name"]].arguments
    labels, row, value = wrong_labels(case, labels)
    given = arguments(labels_as_they_lie(labels, case), laid_out(x, case))
    assert is_refused(partial(references()[case["name"]], *given), row, value), "reference"
    for kernels in SETS:
        with computing(kernels, case["threads"]):
            assert is_refused(partial(compiled()[case["name"]], *given), row, value), kernels


def compute(case: dict[str, Any], kernels: str, labels: Any, x: Any, threads: int = 1) -> Any:
    with computing(kernels, threads):
        return compiled()[case["name"]](*OPERATIONS[case["name"]].arguments(labels, x))


def on_one_set(case: dict[str, Any], kernels: str, labels: Any, x: Any) -> Any:
    """The answer, when it is the same at the edge of memory, a row alone, with threads, and widened."""
    answer = compute(case, kernels, labels, x)
    edge, same = laid_out(x, case), labels_as_they_lie(labels, case)
    before = edge.tobytes()
    assert bits(compute(case, kernels, same, edge)) == bits(answer), "layout"
    assert edge.tobytes() == before, "the input was written"
    wide = in_float32(x)
    if wide is not x:
        assert bits(rounded(compute(case, kernels, labels, wide), answer)) == bits(answer), "widened"
    with using(precise=True):
        precise = compute(case, kernels, labels, wide)
        in_float64 = rounded(compute(case, kernels, labels, wide.astype(np.float64)), precise)
    assert bits(in_float64) == bits(precise), "precise"
    one = slice(case["rows"] // 2, case["rows"] // 2 + 1)
    alone = compute(case, kernels, labels[one], x[one])
    if all(len(part.shape) for part in results(answer)):  # else something is of all rows together
        assert bits(tuple(part[one] for part in results(answer))) == bits(alone), "neighbours"
        copies = -(-70_000 // x.size)
        if case["threads"] > 1 and copies < 3000:
            many = np.tile(labels, copies), np.tile(x, (copies, 1))
            tiled = compute(case, kernels, *many, threads=case["threads"])
            last = tuple(part[-case["rows"] :] for part in results(tiled))
            assert bits(last) == bits(answer), "threads"
    return answer
