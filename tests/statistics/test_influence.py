"""Influence: the smallest sets are the smallest, by trying all of them; leaving out is leaving out."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossent import select
from crossent.report.registry import build
from crossent.sensitivity import hangs_on
from crossent.statistics.influence import influence

NAMES = tuple(f"r{i}" for i in range(5000))
small = st.lists(
    st.tuples(st.integers(-4, 9), st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.integers(0, 3)),
    min_size=2,
    max_size=9,
)


def fewest(parts: np.ndarray) -> int | None:
    """The size of the smallest set without which the sum is negative: every set is tried."""
    for size in range(len(parts)):
        for left_out in itertools.combinations(range(len(parts)), size):
            if np.delete(parts, left_out).sum() < 0:
                return size
    return None


@given(small)
def test_no_smaller_set_turns_the_sign(rows: list[tuple[int, float, int]]) -> None:
    gap, weight, code = (np.array(column) for column in zip(*rows, strict=True))
    losses = (10.0 + gap, np.full(len(gap), 10.0))
    found = influence(losses, ("m", "best"), NAMES, weight, (("a", "b", "c", "d"), code))
    if (gap * weight).sum() <= 0:
        assert found is None
        return
    assert found is not None
    assert found.rows_to_reverse == fewest((gap * weight)[weight > 0])
    sums = [(gap * weight)[(code == c) & (weight > 0)].sum() for c in set(code[weight > 0].tolist())]
    assert found.clusters_to_reverse == fewest(np.array(sums))
    assert found.rows == (weight > 0).sum() and found.clusters == len(sums)


def test_the_same_as_leaving_rows_and_clusters_out() -> None:
    rng = np.random.default_rng(3)
    rows = 600
    weight, code = rng.uniform(0.5, 2.0, rows), rng.integers(0, 25, rows)
    losses = (rng.gamma(2.0, 0.5, rows) + 0.02, rng.gamma(2.0, 0.5, rows))
    found = influence(losses, ("m", "best"), NAMES, weight, (tuple(map(str, range(25))), code))
    assert found is not None
    part = weight * (losses[0] - losses[1])
    assert found.difference == pytest.approx(part.sum() / weight.sum())
    order = np.argsort(-part)
    assert [r.row for r in found.top_rows] == [NAMES[i] for i in order[:10]]
    assert found.top_share == pytest.approx(part[order[:10]].sum() / part.sum())
    assert part[order[found.rows_to_reverse :]].sum() < 0 <= part[order[found.rows_to_reverse - 1 :]].sum()
    for cluster in found.top_clusters:
        others = code != int(cluster.cluster)
        assert cluster.without == pytest.approx(part[others].sum() / weight[others].sum())
        assert cluster.rows == (~others).sum()


@pytest.mark.parametrize("clustered", [False, True])
def test_as_many_units_leave_no_significant_difference(clustered: bool, summarise) -> None:
    from crossent.statistics.paired import compare

    rng = np.random.default_rng(9)
    code = np.arange(300) % 60 if clustered else np.arange(300)
    losses = np.column_stack([rng.gamma(2.0, 0.5, 300) + 0.4, rng.gamma(2.0, 0.5, 300)])
    names = tuple(map(str, range(300)))
    found = influence(
        (losses[:, 0], losses[:, 1]), ("m0", "m1"), NAMES, None, (names, code) if clustered else None
    )
    assert found is not None and found.units_to_undecide is not None
    sums = np.bincount(code, losses[:, 0] - losses[:, 1])
    order = np.argsort(-sums, kind="stable")
    for left_out, verdict in (
        (found.units_to_undecide - 1, "worse"),
        (found.units_to_undecide, "not told apart"),
    ):
        kept = ~np.isin(code, order[:left_out])
        assert compare(summarise(losses[kept], clusters=code[kept]), "m0", "m1").verdict == verdict


def test_one_infinite_row_decides_and_is_named() -> None:
    rng = np.random.default_rng(1)
    p = {"bold": np.full(400, 0.9), "meek": rng.uniform(0.6, 0.9, 400), "poor": np.full(400, 0.4)}
    p["bold"][17] = 0.0
    tables = {
        name: pa.table({"row_id": range(400), "label": [0] * 400, "p_0": q, "p_1": 1 - q})
        for name, q in p.items()
    }
    report = select(tables, deep=True)
    found = {f.model: f for f in report.results.findings.influence}
    assert set(found) == {"poor", "bold"}
    assert found["bold"].rows_to_reverse == 1 and found["bold"].top_share is None
    assert (
        hangs_on(found["bold"]) == "One row decides: without row 17 bold would have a lower loss than meek."
    )
    assert hangs_on(found["poor"]) == "No choice of rows to leave out makes poor better than meek."
    (section,) = [s for s in build(report.results) if s.anchor == "firmness"]
    assert hangs_on(found["bold"]) in str(section.blocks)


def test_a_few_rows_that_decide_are_named() -> None:
    losses = np.full(1000, 0.5), np.full(1000, 0.506)
    losses[0][[4, 8]] = 9.0, 8.0
    found = influence(losses, ("m", "best"), NAMES)
    assert found is not None and found.tail is None
    assert hangs_on(found) == "2 rows decide: without rows r4 and r8 m would have a lower loss than best."
    many = losses[0] + np.where(np.arange(1000) % 10 == 0, 1.0, 0.0)
    assert hangs_on(influence((many, losses[1]), ("m", "best"), NAMES)).startswith(
        "Without 97 of 1,000 rows (9.7 %)"
    )
