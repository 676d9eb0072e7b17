"""Positions as ranges that double, and the loss by them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crossent
from crossent.data.positions import LAST_POSITION, position_ranges
from crossent.errors import DataError, UsageError
from crossent.report.sections.groups import groups
from crossent.statistics.slices import are_ranges, in_order


def bounds(key: str) -> tuple[int, int]:
    first, _, last = key.partition("–")
    return int(first), int(last or first)


@settings(max_examples=100)
@given(st.lists(st.integers(0, int(LAST_POSITION)) | st.integers(0, 70), max_size=30))
def test_every_position_is_in_its_range_and_ranges_double(positions):
    keys = position_ranges(np.array(positions, np.float64))
    assert len(set(keys.values)) == len(keys.values)
    assert in_order(keys.values) == list(keys.values)
    assert sorted(set(keys.codes.tolist())) == list(range(len(keys.values)))
    for position, code in zip(positions, keys.codes.tolist(), strict=True):
        first, last = bounds(keys.values[code])
        assert first <= position <= last
        assert last == 2 * first - (first > 0)  # 0, 1, 2–3, 4–7


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        (["16–31", "0", "2–3", "1"], ["0", "1", "2–3", "16–31"]),
        (["10", "9", "b"], ["10", "9", "b"]),
        (["10", "9"], ["10", "9"]),  # plain numbers are names of groups as before
        (["2–3", "1", "early–late"], ["1", "2–3", "early–late"]),
        ([], []),
    ],
)
def test_order_of_keys(keys, order):
    assert in_order(keys) == order
    assert are_ranges(keys) == (order[-1:] == ["16–31"])


TOKENS = {
    "doc": ["a"] * 20 + ["b"] * 5,
    "position": [*range(20), *range(5)],
    "logprob": [-1.0 / (1 + i) for i in [*range(20), *range(5)]],
    "token_bytes": [2] * 25,
}


def test_losses_by_position_stand_in_its_order():
    report = crossent.evaluate(TOKENS, unit="doc", bytes="token_bytes", position="position")
    ((name, slices),) = report.results.models[0].groups
    assert name == "position"
    shown = {s.value: (s.rows, s.loss.value, s.bits_per_byte) for s in slices}
    expected = {}
    for key in ("0", "1", "2–3", "4–7", "8–15", "16–31"):
        first, last = bounds(key)
        at = [p for p in TOKENS["position"] if first <= p <= last]
        nats = math.fsum(1.0 / (1 + p) for p in at)
        mean, per_byte = nats / len(at), nats / math.log(2) / (2 * len(at))
        expected[key] = (len(at), pytest.approx(mean, rel=1e-14), pytest.approx(per_byte, rel=1e-14))
    assert list(shown.items()) == list(expected.items())
    chart = groups(report.results).blocks[0]
    assert [point.label for point in chart.points] == list(expected)


def test_the_chart_of_positions_is_in_the_unit_of_rows():
    report = crossent.evaluate(TOKENS, unit="doc", bytes="token_bytes", position="position")
    chart = groups(report.results).blocks[0]
    assert report.results.unit == "bits per byte"
    assert chart.axis == "nats"
    assert chart.reference == pytest.approx(-math.fsum(TOKENS["logprob"]) / 25, rel=1e-14)


def test_positions_stand_beside_groups():
    results = crossent.evaluate(TOKENS, groups="doc", position="position").results
    assert [name for name, _ in results.models[0].groups] == ["doc", "position"]
    assert results.data.group_columns == ("doc", "position")


@pytest.mark.parametrize("bad", [-1.0, 0.5, 2.0**54, math.inf, math.nan])
def test_what_is_no_position(bad):
    with pytest.raises(DataError) as caught:
        crossent.evaluate(TOKENS | {"position": [*map(float, range(24)), bad]}, position="position")
    error = caught.value
    assert (error.slug, error.row, error.column) == ("bad-position", 24, "position")


def test_positions_that_are_missing_or_text():
    for values, slug in (([*range(24), None], "null-number"), (["first"] * 25, "not-a-number")):
        with pytest.raises(DataError) as caught:
            crossent.evaluate(TOKENS | {"position": values}, position="position")
        assert caught.value.slug == slug


def test_a_column_is_a_group_or_the_position():
    with pytest.raises(UsageError) as caught:
        crossent.evaluate(TOKENS, groups="position", position="position")
    assert caught.value.slug == "bad-option"


def test_a_context_that_is_emptied_every_64_tokens_shows_from_there_on():
    folder = Path(__file__).parents[1] / "data" / "language_models"
    models = {name: folder / f"smollm2_{name}.parquet" for name in ("full", "ctx64")}
    results = crossent.select(models, unit="doc_id", bytes="token_bytes", position="position").results
    shown = {m.name: dict(m.groups)["position"] for m in results.models}
    for name, slices in shown.items():
        table = pq.read_table(models[name])
        position, loss = table["position"].to_numpy(), -table["logprob"].to_numpy().astype(np.float64)
        for s in slices:
            first, last = bounds(s.value)
            at = loss[(position >= first) & (position <= last)]
            assert s.rows == at.size
            assert s.loss.value == pytest.approx(math.fsum(at) / at.size, rel=1e-13)
    gaps = [b.bits_per_byte - a.bits_per_byte for a, b in zip(shown["full"], shown["ctx64"], strict=True)]
    assert all(abs(gap) < 1e-5 for gap in gaps[:7])  # float32 in one file, float64 in the other
    assert all(gap > 0.3 for gap in gaps[7:])
