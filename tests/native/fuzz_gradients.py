"""Random cases of losses with gradients: every option and kind of target, into arrays of any layout."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from crossent.errors import DataError
from crossent.kernels import instruction_sets, using

from .fuzz_arrays import (
    as_it_lies,
    in_float32,
    is_refused,
    labels_as_they_lie,
    laid_out,
    places,
    room,
    rounded,
    view,
)
from .fuzz_operations import SPECIAL, numbers, shapes, wrong_labels
from .operations import bits, compiled, computing, distance, references

SETS = instruction_sets()
FUNCTIONS = {
    "labels": "loss_and_gradient_from_logits",
    "shares": "soft_loss_and_gradient_from_logits",
    "indicators": "sigmoid_loss_and_gradient_from_logits",
}
LOSSES_ULP, GRADIENTS_ULP = 64, 256
LOST = 1e-30
"""Of a gradient in float32: a class so far behind has 0, a label's own entry keeps its digits."""


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """One call, as what it takes to make it again."""
    return {
        "target": draw(st.sampled_from(sorted(FUNCTIONS))),
        "special": draw(st.lists(st.sampled_from(SPECIAL["logits"]), max_size=3)),
        "smoothing": draw(st.sampled_from([0.0, 0.0, 0.1, 1.0])),
        "class_weights": draw(st.sampled_from([None, "positive", "some are 0"])),
        "ignore_index": draw(st.sampled_from([None, -100, 0, 3])),
        "temperature": draw(st.sampled_from([1.0, 1.0, 0.5, 2.7, 0.01, 1000.0])),
        "scale": draw(st.sampled_from([None, None, 0.25, -1.5, 0.0, "rows", "some are 0"])),
        "scale_losses": draw(st.booleans()),
        "target_type": draw(st.sampled_from(["float64", "float32", "float16", "bool"])),
        "wrong_target": draw(st.sampled_from([None, None, None, -0.25, np.nan, np.inf])),
        "target_place": draw(places()),
        "out": draw(st.one_of(st.none(), st.just("in place"), places())),
        **draw(shapes()),
    }


def plainly(case: dict[str, Any], place: dict[str, Any]) -> dict[str, Any]:
    """The case of another array of the same shape, whose rows do not overlap."""
    gap = max(0, place["row_gap"])
    return {**case, **place, "row_gap": gap, "swapped": case["swapped"]}


def targets_of(case: dict[str, Any], labels: Any) -> Any:
    """What the losses are of: labels, shares that may sum to anything, or indicators from 0 to 1."""
    if case["target"] == "labels":
        return np.where(labels % 5 == 3, case["ignore_index"] or 0, labels)
    rng, shape = np.random.default_rng(case["seed"]), (case["rows"], case["classes"])
    some = rng.random(shape)
    some[::3] = labels[::3, None] == np.arange(shape[1])
    some[1::5] = 0.0
    target = (some > 0.7) if case["target_type"] == "bool" else some.astype(case["target_type"])
    return as_it_lies(target, {**case, **case["target_place"]}) if target.dtype.kind == "f" else target


def options_of(case: dict[str, Any]) -> dict[str, Any]:
    rng, given = np.random.default_rng(case["seed"] + 1), {}
    weights, factors = rng.uniform(0.1, 3.0, case["classes"]), rng.uniform(-2.0, 2.0, case["rows"])
    if case["class_weights"] == "some are 0":
        weights[rng.random(len(weights)) < 0.3] = 0.0
    if case["scale"] == "some are 0":
        factors[rng.random(len(factors)) < 0.3] = 0.0
    given["scale"] = factors if isinstance(case["scale"], str) else case["scale"]
    given["scale_losses"] = case["scale_losses"]
    if case["target"] != "indicators":
        given["temperature"] = case["temperature"]
    if case["target"] == "labels":
        given["smoothing"], given["ignore_index"] = case["smoothing"], case["ignore_index"]
        given["class_weights"] = None if case["class_weights"] is None else weights
    return given


def of_row(options: dict[str, Any], row: slice) -> dict[str, Any]:
    scale = options["scale"]
    return {**options, "scale": scale[row] if isinstance(scale, np.ndarray) else scale}


def check(case: dict[str, Any]) -> None:
    """Raise where a case is not what it should be."""
    labels, z = numbers(case, "logits")
    target, options = targets_of(case, labels), options_of(case)
    if case["target"] == "labels" and case["wrong"] is not None:
        return check_labels_refused(case, target, z, options)
    if case["target"] != "labels" and case["wrong_target"] is not None and target.dtype.kind == "f":
        return check_targets_refused(case, target, z, options)
    wide, name = in_float32(z), FUNCTIONS[case["target"]]
    with np.errstate(all="ignore"):
        truth = references()[name](target, wide, **options)
        answers = {kernels: on_one_set(case, kernels, target, z, options) for kernels in SETS}
        with_fma = [bits(answers[kernels]) for kernels in SETS if kernels != "baseline"]
        assert len(set(with_fma)) <= 1, "instruction sets"
        least = sizes(case, target, wide, options)
        allowed = (LOSSES_ULP, GRADIENTS_ULP * (64 if steep(case, wide) else 1))
        for kernels in SETS:
            answer = answers[kernels] if wide is z else compute(case, kernels, target, wide, options)
            for ours, right, size, ulp in zip(answer, truth, least, allowed, strict=True):
                far = distance(ours, right, case["dtype"], (size,))
                assert far <= ulp, (kernels, far)


def steep(case: dict[str, Any], z: Any) -> bool:
    """Whether z/T − max rounds so far that NumPy's kernels lose digits that the core keeps."""
    divided = case["temperature"] if case["target"] != "indicators" else 1.0
    return bool(np.nanmax(np.abs(z), initial=0.0) > 100 * divided)


def sizes(case: dict[str, Any], target: Any, z: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    """In units of what differences of losses and of gradients are taken: W·softmax(z) − t has those of t."""
    spread = target
    if case["target"] == "labels":
        weights, smoothing = options["class_weights"], options["smoothing"]
        weights = np.ones(z.shape[1]) if weights is None else weights
        share = np.full(z.shape, smoothing / z.shape[1]) * weights
        at_label = target[:, None] == np.arange(z.shape[1])
        spread = share + np.where(at_label, (1.0 - smoothing) * weights, 0.0) if smoothing else 0.0 * share
    factor = np.asarray(1.0 if options["scale"] is None else options["scale"])
    size = np.abs(factor.reshape(-1, 1) / options.get("temperature", 1.0)) * spread
    return 0.0, np.maximum(size, 0.0 if z.dtype == np.float64 else LOST)


def compute(
    case: dict[str, Any], kernels: str, target: Any, z: Any, options: dict[str, Any], threads: int = 1
) -> tuple[Any, Any]:
    with computing(kernels, threads):
        answer: tuple[Any, Any] = compiled()[FUNCTIONS[case["target"]]](target, z, **options)
    return answer


def on_one_set(
    case: dict[str, Any], kernels: str, target: Any, z: Any, options: dict[str, Any]
) -> tuple[Any, Any]:
    """The answer, when it is the same in any layout, a row alone, with threads, and widened."""
    answer = compute(case, kernels, target, z, options)
    check_layout(case, kernels, target, z, options, answer)
    wide = in_float32(z)
    if wide is not z:
        assert bits(rounded(compute(case, kernels, target, wide, options), answer)) == bits(answer), "widened"
    with using(precise=True):
        precise = compute(case, kernels, target, wide, options)
        in_float64 = rounded(compute(case, kernels, target, wide.astype(np.float64), options), precise)
    assert bits(in_float64) == bits(precise), "precise"
    one = slice(case["rows"] // 2, case["rows"] // 2 + 1)
    alone = compute(case, kernels, target[one], z[one], of_row(options, one))
    assert bits((answer[0][one], answer[1][one])) == bits(alone), "neighbours"
    copies = -(-70_000 // z.size)
    if case["threads"] > 1 and copies < 3000 and not isinstance(options["scale"], np.ndarray):
        many = np.concatenate([target] * copies), np.tile(z, (copies, 1))
        losses, gradient = compute(case, kernels, *many, options, case["threads"])
        last = slice(-case["rows"], None)
        assert bits((losses[last], gradient[last])) == bits(answer), "threads"
    return answer


def check_layout(
    case: dict[str, Any], kernels: str, target: Any, z: Any, options: dict[str, Any], answer: Any
) -> None:
    """The same numbers as they lie; into a room, of which nothing but the gradient's entries changes."""
    if case["out"] == "in place":
        case = plainly(case, case)
    lying = laid_out(z, case)
    if case["target"] == "labels":
        target = labels_as_they_lie(target, case)
    elif target.dtype.kind == "f":
        target = laid_out(target, {**case, **case["target_place"]})
    before = lying.tobytes()
    if not isinstance(case["out"], dict):
        out = lying if case["out"] == "in place" else None
        got = compute(case, kernels, target, lying, {**options, "out": out})
        assert out is None or got[1] is out
        assert bits(got) == bits(answer), "layout"
        assert out is not None or lying.tobytes() == before, "the input was written"
        return
    place = plainly(case, case["out"])
    flat, expected = room(place, z.dtype), room(place, z.dtype)
    out = view(flat, place)
    got = compute(case, kernels, target, lying, {**options, "out": out})
    assert got[1] is out and bits(got) == bits(answer), "layout of the gradient"
    assert lying.tobytes() == before, "the input was written"
    view(expected, place)[...] = out
    assert flat.tobytes() == expected.tobytes(), "written beside the gradient"


def check_labels_refused(case: dict[str, Any], labels: Any, z: Any, options: dict[str, Any]) -> None:
    """The first label that is no class is named by every kernel, unless it is one to ignore."""
    labels, row, value = wrong_labels(case, labels)
    if value == options["ignore_index"]:
        return
    labels, z = labels_as_they_lie(labels, case), laid_out(z, case)
    for kernels, call in callers(case).items():
        assert is_refused(partial(call, labels, z, **options), row, value), kernels


def callers(case: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    """The function of a case on every instruction set, and in NumPy."""

    def on(kernels: str, target: Any, z: Any, **options: Any) -> Any:
        return compute(case, kernels, target, z, options, case["threads"])

    return {"NumPy": references()[FUNCTIONS[case["target"]]], **{name: partial(on, name) for name in SETS}}


def check_targets_refused(case: dict[str, Any], target: Any, z: Any, options: dict[str, Any]) -> None:
    """A share below 0, infinite or nan, is named with its row and column, and so is an indicator."""
    rng = np.random.default_rng(case["seed"] + 2)
    row, column = int(rng.integers(case["rows"])), int(rng.integers(case["classes"]))
    target = target.copy()
    target[row, column] = case["wrong_target"]
    slug = "not-a-mass" if case["target"] == "shares" else "not-an-indicator"
    z = laid_out(z, case)
    for kernels, call in callers(case).items():
        try:
            call(target, z, **options)
        except DataError as error:
            assert (error.slug, error.row, error.column) == (slug, row, str(column)), kernels
        else:
            raise AssertionError(f"{kernels} took it")
