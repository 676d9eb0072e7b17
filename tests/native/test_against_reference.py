"""Every operation on every instruction set, type, number of classes, layout and number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from crossent.errors import DataError
from crossent.kernels import instruction_sets

from .operations import (
    CLASSES,
    MANY,
    OPERATIONS,
    bits,
    compiled,
    computing,
    distance,
    layouts,
    made,
    references,
    size_of,
)

SETS = instruction_sets()
NAMES = sorted(set(compiled()) & set(OPERATIONS))
BETWEEN_SETS = {"float16": 1.0, "float32": 1.0, "float64": 4.0}
"""Units in the last place between plain C++, which has no fused multiply-add, and the others. Both are within
4 of the exact value; of float64 rows they were up to 3 apart."""


def test_every_compiled_function_is_in_the_list() -> None:
    assert NAMES, "the core computes nothing"
    missing = sorted(set(compiled()) - set(OPERATIONS) - {"check_labels"})
    assert not missing, f"add a line to OPERATIONS in {__package__}.operations for {missing}"


def dtypes_of(name: str) -> list[str]:
    return ["float32", "float64", *(["float16"] if OPERATIONS[name].halves else [])]


CASES = [(name, dtype, classes) for name in NAMES for dtype in dtypes_of(name) for classes in CLASSES]


@pytest.mark.parametrize(("name", "dtype", "classes"), CASES)
def test_equals_the_reference(name: str, dtype: str, classes: int) -> None:
    operation = OPERATIONS[name]
    rng = np.random.default_rng(classes)
    labels, x = made(operation.numbers, rng, MANY // classes + 3, classes, dtype)
    truth, least = references()[name](*operation.arguments(labels, x)), size_of(name, labels, x)
    for kernels in SETS:
        with computing(kernels, threads=1):
            ours = compiled()[name](*operation.arguments(labels, x))
        assert distance(ours, truth, dtype, least) <= operation.ulp, kernels
        with computing(kernels, threads=3):
            assert bits(compiled()[name](*operation.arguments(labels, x))) == bits(ours), (
                f"{kernels}: threads"
            )


@pytest.mark.parametrize(("name", "dtype", "classes"), [case for case in CASES if case[2] < 1000])
def test_memory_layout_changes_no_bit(name: str, dtype: str, classes: int) -> None:
    operation = OPERATIONS[name]
    labels, x = made(operation.numbers, np.random.default_rng(classes), 37, classes, dtype)
    for kernels in SETS:
        with computing(kernels):
            expected = bits(compiled()[name](*operation.arguments(labels, x)))
            for layout, y in layouts(x).items():
                assert bits(compiled()[name](*operation.arguments(labels, y))) == expected, (kernels, layout)


@pytest.mark.parametrize(("name", "dtype", "classes"), CASES)
def test_instruction_sets_agree(name: str, dtype: str, classes: int) -> None:
    operation = OPERATIONS[name]
    labels, x = made(operation.numbers, np.random.default_rng(classes), 200, classes, dtype)
    answers = {}
    for kernels in SETS:
        with computing(kernels):
            answers[kernels] = compiled()[name](*operation.arguments(labels, x))
    with_fma = [bits(answers[kernels]) for kernels in SETS if kernels != "baseline"]
    assert len(set(with_fma)) <= 1
    allowed = min(operation.ulp, BETWEEN_SETS[dtype] * max(1.0, operation.ulp / 8))
    least = size_of(name, labels, x)
    assert all(distance(answers["baseline"], answer, dtype, least) <= allowed for answer in answers.values())


@pytest.mark.parametrize(
    ("name", "classes"), [(name, k) for name in NAMES if OPERATIONS[name].checks_labels for k in (2, 10, 200)]
)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_bad_label_is_named(name: str, classes: int, threads: int) -> None:
    operation = OPERATIONS[name]
    labels, x = made(operation.numbers, np.random.default_rng(0), 80_000 // classes, classes, "float32")
    labels[[150, 200]] = [classes, -1]
    for kernels in SETS:
        with computing(kernels, threads), pytest.raises(DataError) as error:
            compiled()[name](*operation.arguments(labels, x))
        assert (error.value.slug, error.value.row, error.value.value) == ("label-out-of-range", 150, classes)


@pytest.mark.parametrize("name", [name for name in NAMES if not OPERATIONS[name].needs_a_row])
def test_no_rows(name: str) -> None:
    operation = OPERATIONS[name]
    arguments = operation.arguments(np.zeros(0, np.int64), np.zeros((0, 5), np.float32))
    for kernels in SETS:
        with computing(kernels, threads=2):
            assert bits(compiled()[name](*arguments)) == bits(references()[name](*arguments))
