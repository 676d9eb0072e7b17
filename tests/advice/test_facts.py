"""Facts against SciPy and hand calculation; the same by streams, batches, formats and many values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossent.advice import advise, looking
from crossent.advice.facts import Facts, describe_numbers
from crossent.advice.tables import NameCounts, NumberCounts
from crossent.errors import DataError


def facts(y: Any, **options: Any) -> Facts:
    return advise(y, **options).facts


def numbers_of(y: Any, most: int = 1 << 18, batch: int = 997) -> Any:
    counts = NumberCounts(most)
    for start in range(0, len(y), batch):
        counts.add(np.asarray(y[start : start + batch], np.float64))
    return describe_numbers(counts)


SAMPLES: dict[str, Callable[[np.random.Generator], Any]] = {
    "normal": lambda rng: rng.normal(3, 2, 4000),
    "far from 0": lambda rng: rng.normal(1e9, 1, 4000),
    "log-normal": lambda rng: np.exp(rng.normal(size=4000)),
    "Poisson": lambda rng: rng.poisson(3, 4000).astype(float),
    "huge": lambda rng: rng.normal(size=4000) * 1e99,
    "tiny": lambda rng: rng.normal(size=4000) * 1e-300,
}


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_moments_are_those_of_scipy(sample: Callable[[np.random.Generator], Any]) -> None:
    y = sample(np.random.default_rng(1))
    found = numbers_of(y)
    scaled = y / np.abs(y).max()  # SciPy's own powers overflow
    assert found.mean == pytest.approx(y.mean(), rel=1e-12)
    assert found.variance == pytest.approx(scaled.var() * np.abs(y).max() ** 2, rel=1e-9, abs=0)
    assert found.skewness == pytest.approx(stats.skew(scaled), rel=1e-6, abs=1e-6)
    assert found.excess_kurtosis == pytest.approx(stats.kurtosis(scaled), rel=1e-6, abs=1e-6)
    assert found.median == np.sort(y)[(len(y) - 1) // 2]
    assert (found.smallest, found.largest) == (y.min(), y.max())
    assert found.zeros == (y == 0).mean() and found.negatives == (y < 0).mean()


def test_many_different_numbers_are_rounded_and_little_is_lost() -> None:
    y = np.random.default_rng(2).standard_t(3, 30_000)
    exact, rounded = numbers_of(y), numbers_of(y, most=2000)
    assert exact.exact and not rounded.exact
    for name in ("mean", "variance", "skewness", "excess_kurtosis", "median", "tail_index"):
        assert getattr(rounded, name) == pytest.approx(getattr(exact, name), rel=0.02, abs=1e-3), name
    assert (rounded.smallest, rounded.largest) == (exact.smallest, exact.largest)


@settings(max_examples=50)
@given(
    st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=120),
    st.integers(1, 50),
    st.sampled_from([2, 5, 40]),
    st.randoms(use_true_random=False),
)
def test_neither_order_nor_batches_change_the_table(
    y: list[float], batch: int, most: int, random: Any
) -> None:
    mixed = random.sample(y, len(y))
    one, other = NumberCounts(most), NumberCounts(most)
    one.add(np.array(y))
    for start in range(0, len(y), batch):
        other.add(np.array(mixed[start : start + batch]))
    assert all(np.array_equal(a, b) for a, b in zip(one.table(), other.table(), strict=True))
    assert one.table()[1].sum() == len(y) and len(one.table()[0]) <= most
    assert describe_numbers(one) == describe_numbers(other)


def test_names_beyond_the_limit_are_known_to_be_more() -> None:
    counts = NameCounts(most=2)
    counts.add(["a", "b"], [1, 2])
    counts.add(["a"], [3])
    assert counts.items() == (("a", 4), ("b", 2)) and not counts.overflowed
    counts.add(["c"], [1])
    counts.add(["a"], [1])
    assert counts.overflowed and counts.items() == ()


def test_tail_index_finds_the_power_of_a_tail() -> None:
    rng = np.random.default_rng(5)
    for power in (1.5, 3.0):
        # a median of 0, and exact powers beyond 1; 1,000 rows give the index to 3 %
        y = rng.choice([-1, 0, 0, 0, 1], 20_000) * (1 + rng.pareto(power, 20_000))
        assert numbers_of(y).tail_index == pytest.approx(power, rel=0.12)
    assert numbers_of(rng.normal(size=20_000)).tail_index > 5
    assert numbers_of(rng.normal(size=100)).tail_index is None
    hand = np.array([0.0] * 380 + [1.0, 2.0, 4.0, 8.0] * 5 + [0.5] * 20)
    k = 21
    farthest = np.sort(np.abs(hand))[::-1]
    assert numbers_of(hand).tail_index == pytest.approx(
        k / np.log(farthest[:k] / farthest[k]).sum(), rel=1e-12
    )


def test_smoothness_is_rarely_found_in_codes_and_always_in_counts() -> None:
    rng = np.random.default_rng(6)

    def smooth(y: Any) -> bool:
        return bool((numbers_of(y).smooth or 0.0) < -1.645)

    codes = [smooth(rng.choice(10, 3000, p=rng.dirichlet(np.ones(10)))) for _ in range(400)]
    assert np.mean(codes) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    assert all(smooth(rng.poisson(6, 1000)) for _ in range(50))
    assert numbers_of(rng.integers(0, 5, 100)).smooth is None
    assert numbers_of(np.arange(8).repeat(3)).smooth is None


def test_classes_in_numbers() -> None:
    found = facts(["b", "a", "a", None, "a", "c"] * 10)
    classes = found.classes
    assert classes is not None
    assert (found.rows, found.missing, found.distinct, classes.count) == (50, 10, 3, 3)
    assert classes.largest == ("a", 30) and classes.smallest[1] == 10
    assert classes.listed == (("a", 30), ("b", 10), ("c", 10))
    assert classes.entropy == pytest.approx(stats.entropy([30, 10, 10]), rel=1e-14)


@pytest.mark.parametrize(
    ("y", "form", "a_row", "empty", "rarest"),
    [
        ([[1, 0, 0], [1, 1, 0]] * 5, "indicators", 1.5, 0.0, 0.0),
        ([[1, 0], [0, 1], [1, 0], [1, 0]] * 5, "one-hot", 1.0, 0.0, 0.25),
        ([[0.25, 0.75], [0.5, 0.5]] * 5, "distributions", 1.0, 0.0, 0.375),
        ([[0.25, 0.25], [0.5, 1.0]] * 5, "fractions", 1.0, 0.0, 0.375),
        ([[True, False], [True, True]] * 5, "indicators", 1.5, 0.0, 0.5),
        ([["x"], [], ["x", "y"], ["x"]] * 5, "sets", 1.0, 0.25, 0.25),
        ([[3, 17], [3], []] * 5, "sets", 1.0, 1 / 3, 1 / 3),
    ],
)
def test_lists(y: Any, form: str, a_row: float, empty: float, rarest: float) -> None:
    found = facts(y).lists
    assert found is not None
    assert (found.form, found.a_row, found.empty) == (form, a_row, empty)
    assert found.rarest == pytest.approx(rarest)


def test_weights() -> None:
    y = ["a", "b", "a", None] * 10
    found = facts(y, weights=[1.0, 2.0, 3.0, 100.0] * 10).weights
    assert found is not None
    assert (found.smallest, found.largest, found.total, found.zeros, found.by_class) == (
        1.0,
        3.0,
        60.0,
        0,
        False,
    )
    assert found.effective == pytest.approx(60**2 / 140)
    by_class = facts(["a", "b", "a"] * 10, weights=[1.0, 2.0, 1.0] * 10).weights
    assert by_class is not None and by_class.by_class


def test_weights_in_any_order_have_the_same_bits() -> None:
    rng = np.random.default_rng(8)
    y, w = rng.integers(0, 3, 5000), np.exp(rng.normal(size=5000) * 10)
    order = rng.permutation(5000)
    assert facts(y, weights=w) == facts(y[order], weights=w[order])


@pytest.mark.parametrize("labels", [[*"abca"] * 50, [0, 3, 1, 0, 12] * 40, [0.5, 1.25, 3.5, 2.0] * 50])
def test_files_streams_and_arrays_agree(
    labels: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = [1.0, 0.5] * (len(labels) // 2)
    table = pa.table({"label": labels, "w": weights})
    pq.write_table(table, tmp_path / "y.parquet", row_group_size=7)
    rows = "\n".join(f"{y},{w}" for y, w in zip(labels, weights, strict=True))
    (tmp_path / "y.csv").write_text(f"label,w\n{rows}\n")
    expected = advise(labels, weights=weights)
    monkeypatch.setattr(looking, "BATCH_ROWS", 7)
    for data in (str(tmp_path / "y.parquet"), tmp_path / "y.csv", table, {"label": labels, "w": weights}):
        assert advise(data, weight="w") == expected


def test_several_columns_are_indicators(tmp_path: Path) -> None:
    columns = {"red": [0, 1, 1, 0] * 10, "round": [True, True, False, False] * 10}
    (tmp_path / "y.csv").write_text("red,round\n" + "0,1\n1,1\n1,0\n0,0\n" * 10)
    rows = np.column_stack(list(columns.values()))
    expected = advise(rows).facts
    assert advise(columns, label=["red", "round"]).facts == expected
    assert advise(tmp_path / "y.csv", label=["red", "round"]).facts == expected


def test_a_row_with_a_missing_indicator_is_missing() -> None:
    found = facts({"a": [1.0, None, 0.0, 1.0], "b": [1, 0, 1, 0]}, label=["a", "b"])
    assert (found.rows, found.missing) == (3, 1)
    with pytest.raises(DataError, match="null-label"):
        advise([[1.0, float("nan")], [0.0, 1.0]])
