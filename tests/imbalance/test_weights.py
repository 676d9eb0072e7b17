"""Class weights: formulas, limits, scikit-learn, names, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_strict as xp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from crossent.errors import DataError, UsageError
from crossent.imbalance import class_counts, class_weights, deferred_weights

COUNTS = st.lists(st.integers(1, 10**6), min_size=1, max_size=8)
LABELS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=60)


@given(LABELS)
def test_balanced_is_scikit_learns(labels: list[str]) -> None:
    classes = np.unique(labels)
    mine = class_weights(class_counts(labels))
    theirs = compute_class_weight("balanced", classes=classes, y=labels)
    np.testing.assert_allclose([mine[c] for c in classes], theirs, rtol=1e-15)


@given(COUNTS, st.floats(0, 1, exclude_max=True))
def test_effective_numbers_lie_between_equal_and_inverse_weights(counts: list[int], beta: float) -> None:
    w = class_weights(counts, "effective", beta=beta)
    assert w.sum() == pytest.approx(len(counts), rel=1e-12)
    most, least = max(counts), min(counts)
    ratio = w[counts.index(least)] / w[counts.index(most)]
    assert 1 - 1e-12 <= ratio <= min(most / least, 1 / (1 - beta)) * (1 + 1e-9)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.9999, 1 - 1e-12])
def test_effective_number_by_its_sum(beta: float) -> None:
    """(1 − βⁿ) / (1 − β) is the sum of the first n powers of β."""
    counts = [1, 5, 400]
    effective = np.array([sum(beta**i for i in range(n)) for n in counts])
    expected = (1 / effective) / (1 / effective).sum() * 3
    np.testing.assert_allclose(class_weights(counts, "effective", beta=beta), expected, rtol=1e-9)


def test_priors_are_the_shares_of_the_weighted_rows() -> None:
    counts, priors = np.array([960.0, 30.0, 10.0]), np.array([0.5, 0.1, 0.4])
    w = class_weights(counts, "priors", priors=priors)
    np.testing.assert_allclose(counts * w / (counts * w).sum(), priors, rtol=1e-14)
    assert (counts * w).sum() == pytest.approx(counts.sum(), rel=1e-14)
    balanced = class_weights(counts, "priors", priors=np.full(3, 1 / 3))
    np.testing.assert_allclose(balanced, class_weights(counts), rtol=1e-14)


def test_names_are_matched_not_sorted() -> None:
    found = class_weights({"no": 90, "yes": 10}, "priors", priors={"yes": 0.5, "no": 0.5})
    assert found == pytest.approx({"no": 50 / 90, "yes": 5.0})


@pytest.mark.parametrize(("epoch", "deferred"), [(0, False), (159, False), (160, True), (200, True)])
def test_reweighting_is_deferred_to_its_epoch(epoch: int, deferred: bool) -> None:
    counts = {"no": 900, "yes": 100}
    expected = class_weights(counts, "effective", beta=0.9999) if deferred else {"no": 1.0, "yes": 1.0}
    assert deferred_weights(epoch, counts, start=160) == expected


def test_counts_of_labels() -> None:
    assert class_counts(np.array([3, 1, 3])) == {3: 2, 1: 1}
    assert class_counts([True, False, True]) == {True: 2, False: 1}
    assert class_counts(np.array(["x", 7, "x"], object)) == {"x": 2, 7: 1}
    assert class_counts(xp.asarray([2, 2, 5])) == {2: 2, 5: 1}


def test_arrays_of_other_libraries_come_back_as_such() -> None:
    weights = class_weights(xp.asarray([90, 10]))
    assert weights.__array_namespace__() is xp
    np.testing.assert_array_equal(np.from_dlpack(weights), class_weights([90, 10]))


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: class_weights([5, 0]), "not-positive"),
    (lambda: class_weights({"a": 5, "b": np.inf}), "not-positive"),
    (lambda: class_weights([[5, 1]]), "shape-mismatch"),
    (lambda: class_weights(["five", 1]), "not-a-number"),
    (lambda: class_weights([5, 1], "inverse"), "bad-option"),  # type: ignore[arg-type]
    (lambda: class_weights([5, 1], "effective", beta=1.0), "bad-option"),
    (lambda: class_weights([5, 1], "priors"), "bad-option"),
    (lambda: class_weights([5, 1], priors=[0.5, 0.5]), "bad-option"),
    (lambda: class_weights([5, 1], "priors", priors=[0.5, 0.6]), "prior-not-a-distribution"),
    (lambda: class_weights([5, 1], "priors", priors=[1.5, -0.5]), "prior-not-a-distribution"),
    (lambda: class_weights([5, 1], "priors", priors=[0.2, 0.3, 0.5]), "prior-classes"),
    (lambda: class_weights({"a": 5, "b": 1}, "priors", priors=[0.5, 0.5]), "prior-classes"),
    (lambda: class_weights({"a": 5, "b": 1}, "priors", priors={"a": 0.5, "c": 0.5}), "prior-classes"),
    (lambda: deferred_weights(0, [5, 0], start=1), "not-positive"),
    (lambda: deferred_weights(0, [5, 1], start=1, beta=2.0), "bad-option"),
    (lambda: class_counts([]), "no-rows"),
    (lambda: class_counts([[1, 2]]), "shape-mismatch"),
    (lambda: class_counts([1.0, np.nan]), "label-not-finite"),
    (lambda: class_counts(np.array(["a", None], object)), "null-label"),
]


@pytest.mark.parametrize(("call", "slug"), REFUSED)
def test_what_is_refused(call: Callable[[], Any], slug: str) -> None:
    with pytest.raises((DataError, UsageError)) as caught:
        call()
    assert caught.value.slug == slug
