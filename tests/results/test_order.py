"""--order: times and their neighbours, from the same sums, whatever the order of the rows."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import signal

from crossent import DataError, UsageError, evaluate, select
from crossent.api import merge
from crossent.statistics.serial import few_times_factor, neighbours

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"
TIMES = 90


def forecasts(correlation, seed=0, rows=3, times=TIMES):
    """Two models of a probability; how far the second is off goes on from day to day."""
    rng = np.random.default_rng(seed)
    off = signal.lfilter([1.0], [1.0, -correlation], rng.normal(size=times + 50))[50:]
    day = np.repeat(pd.date_range("2024-01-01", periods=times).strftime("%Y-%m-%d"), rows)
    label = rng.integers(0, 2, times * rows)
    sure = np.where(label == 1, 1.0, -1.0)
    logits = {"a": 0.5 * sure, "b": sure * (0.5 + 0.6 * np.repeat(off, rows))}
    found = {}
    for name, z in logits.items():
        p = 1 / (1 + np.exp(-z))
        columns = {"row_id": range(len(p)), "day": day, "label": label, "p_0": 1 - p, "p_1": p}
        found[name] = pd.DataFrame(columns)
    return found


def losses(models):
    def loss(table):
        return -np.log(np.where(table["label"] == 1, table["p_1"], table["p_0"]))

    return {name: pd.Series(loss(t)).groupby(t["day"]).sum().to_numpy() for name, t in models.items()}


def long_run_se(x, exposure):
    """Newey and West term by term."""
    x = x - x.mean()
    lags = neighbours(x.size)
    total = x @ x + 2 * sum((1 - k / (lags + 1)) * (x[k:] @ x[:-k]) for k in range(1, lags + 1))
    return math.sqrt(total * few_times_factor(x.size, lags)) / exposure


def test_standard_errors_are_those_of_newey_and_west() -> None:
    models = forecasts(0.7)
    results = select(models, order="day").results
    sums, rows = losses(models), 3 * TIMES
    assert results.data.neighbours == neighbours(TIMES) == 12
    for name in models:
        assert results.model(name).loss.se == pytest.approx(long_run_se(sums[name], rows), rel=1e-9)
    (difference,) = results.comparison.differences
    gap = sums[difference.model] - sums[difference.reference]
    assert difference.difference.se == pytest.approx(long_run_se(gap, rows), rel=1e-9)
    (serial,) = results.comparison.serial
    assert serial.se_serial == pytest.approx(difference.difference.se, rel=1e-9)
    assert evaluate(models["a"], order="day").results.models[0].loss.se == results.model("a").loss.se
    assert results.models[0].floors[0].loss_clustered.se == pytest.approx(results.models[0].loss.se)


def test_whatever_the_order_of_rows_and_the_parts() -> None:
    models = forecasts(0.7)
    whole = select(models, order="day")
    shuffled = {n: t.sample(frac=1, random_state=1) for n, t in models.items()}
    assert select(shuffled, order="day").results.comparison == whole.results.comparison
    cut = models["a"]["day"] < "2024-02-10"
    parts = [select({n: t[rows] for n, t in models.items()}, order="day").evaluation for rows in (cut, ~cut)]
    assert merge(*parts[::-1]).results.comparison == whole.results.comparison


def test_a_saved_order_stays_one(tmp_path) -> None:
    whole = select(forecasts(0.7), order="day")
    whole.evaluation.save(tmp_path / "state.json")
    again = merge(tmp_path / "state.json").results
    assert (again.comparison, again.data) == (whole.results.comparison, whole.results.data)


@pytest.mark.parametrize(("correlation", "said"), [(0.8, True), (0.0, False)])
def test_clusters_that_are_alike_are_noticed(correlation, said) -> None:
    results = select(forecasts(correlation, seed=2), cluster="day").results
    notes = [n for n in results.notes if n.slug == "neighbours-alike"]
    assert bool(notes) == said
    if said:
        (serial,) = results.comparison.serial
        assert "--order day" in notes[0].text
        assert serial.se_independent == pytest.approx(results.comparison.differences[0].difference.se)
        assert not [n for n in select(forecasts(0.8, seed=2), order="day").results.notes if n == notes[0]]


def test_rows_next_to_each_other_are_looked_at_with_deep() -> None:
    models = {name: t.drop(columns="day") for name, t in forecasts(0.8, rows=4).items()}
    results = select(models, deep=True).results
    (found,) = results.findings.serial
    assert found.alike and found.units == 4 * TIMES
    assert found.se_independent == pytest.approx(results.comparison.differences[0].difference.se, rel=1e-9)
    rng = np.random.default_rng(0).permutation(4 * TIMES)
    mixed = {name: t.iloc[rng] for name, t in models.items()}
    (found,) = select(mixed, deep=True).results.findings.serial
    assert not found.alike
    assert select(forecasts(0.8), cluster="day", deep=True).results.findings.serial == ()


def test_rows_of_flights_are_alike_and_a_sample_of_them_too() -> None:
    files = [FLIGHTS / "logistic.parquet", FLIGHTS / "gbdt.parquet"]
    (found,) = select(files, deep=True, sample=30_000).results.findings.serial
    assert found.alike and found.factor > 1.3 and found.se_blocks is None
    report = select(files, order="day")
    assert report.results.comparison.differences[0].difference.se > 0.0074
    assert "Diebold and Mariano" in report.to_markdown()
    assert "in the order of day" in report.statements[0]


def test_wrong_use() -> None:
    models = forecasts(0.5)
    with pytest.raises(UsageError, match="order-and-cluster"):
        select(models, order="day", cluster="row_id")
    assert select(models, order="day", cluster="day").results.data.neighbours == 12
    for table in models.values():
        table["day"] = np.where(np.arange(len(table)) == 7, "some day", table["day"])
    with pytest.raises(DataError, match=r"day.*some day.*order-unclear"):
        select(models, order="day")
