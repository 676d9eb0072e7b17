"""Predictions about numbers: laws that hold whatever the data, unusual rows, and which loss compares what."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent import DataError, UsageError, evaluate, losses, select

LEVELS = (0.1, 0.5, 0.8)
KINDS = ("mean_std", "quantiles", "samples", "point")
DEFAULT = {"mean_std": "gaussian_nll", "quantiles": "pinball", "samples": "crps", "point": "squared_error"}
FEW = settings(max_examples=30, deadline=None)
each_kind = pytest.mark.parametrize("kind", KINDS)


# --- laws ---------------------------------------------------------------------------------------------------


def moved(table: pa.Table, change: Callable[[np.ndarray], np.ndarray], scale: float) -> pa.Table:
    """Label and predictions in another unit; standard deviations only in its size."""
    for name in table.column_names:
        if name in ("label", "mean", "point") or name.startswith("q_"):
            values = change(np.asarray(table.column(name), np.float64))
        elif name == "std":
            values = np.asarray(table.column(name), np.float64) * scale
        else:
            continue
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    return table


@FEW
@given(st.sampled_from(("mean_std", "quantiles", "point")), st.integers(-20, 20), st.integers(-8, 8))
def test_another_unit(tables, kind, power, shift):
    """By a power of two nothing is rounded: losses scale exactly, the density's by its logarithm."""
    scale = 2.0**power
    made = tables(kind, 40, seed=5)
    one = select(made).results
    other = select({n: moved(t, lambda v: v * scale, scale) for n, t in made.items()}).results
    order = {"squared_error": 2, "gaussian_nll": 0}.get(one.loss, 1)
    for mine, theirs in zip(one.models, other.models, strict=True):
        assert mine.name == theirs.name
        if kind == "mean_std":
            expected = mine.mean_of_finite + power * math.log(2.0)
            assert theirs.mean_of_finite == pytest.approx(expected, rel=1e-12, abs=1e-12)
        else:
            assert theirs.loss.value == mine.loss.value * scale**order
            assert theirs.loss.se == mine.loss.se * scale**order
        assert theirs.numbers.coverage == mine.numbers.coverage
    shifted = select({n: moved(t, lambda v: v + 2.0**10 * shift, 1.0) for n, t in made.items()}).results
    assert [m.name for m in shifted.models] == [m.name for m in one.models]


@FEW
@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=2, max_size=20), st.data())
def test_sorting_the_quantiles_of_a_row_never_hurts(rows, data):
    y = data.draw(st.lists(st.floats(-1e6, 1e6), min_size=len(rows), max_size=len(rows)))

    def loss(quantiles):
        columns = {f"q_{level}": [row[k] for row in quantiles] for k, level in enumerate(LEVELS)}
        return evaluate({"label": y, **columns}).results.models[0]

    given_, ordered = loss(rows), loss([sorted(row) for row in rows])
    assert ordered.loss.value <= given_.loss.value * (1 + 1e-12) + 1e-9
    assert ordered.numbers.rows_crossing == 0


@each_kind
def test_two_models_that_are_the_same(tables, kind):
    table = tables(kind, 30, models=1, zeros=False)["a"]
    results = select({"a": table, "b": table}).results
    assert [d.verdict for d in results.comparison.differences] == ["identical"]


# --- unusual rows -------------------------------------------------------------------------------------------


def with_std(tables, row: int, std: float, rows: int = 60) -> dict[str, list[float]]:
    made = (
        tables("mean_std", rows, models=1, zeros=False)["a"]
        .select(["row_id", "label", "mean", "std"])
        .to_pydict()
    )
    made["std"][row] = std
    return made


def test_one_bad_row(tables):
    """A standard deviation of 4e-16 is exact, named, and never dropped."""
    table = with_std(tables, 17, 4e-16)
    report = evaluate(table, name="m")
    model = report.results.models[0]
    z = (table["label"][17] - table["mean"][17]) / 4e-16
    assert model.worst[0].loss == pytest.approx(0.5 * z * z, rel=1e-12)
    assert model.worst[0].row == str(table["row_id"][17])
    assert model.loss.value == pytest.approx(0.5 * z * z / 60, rel=1e-12)
    note = next(n for n in report.results.notes if n.slug == "one-row-decides")
    assert f"Row {table['row_id'][17]} of m" in note.text
    assert "std 4e-16" in note.text and f"label {table['label'][17]:.10g}" in note.text
    other = {**table, "std": [1.0] * 60}
    compared = select({"bad": table, "good": other})
    assert compared.chosen == "good"
    assert len(compared.statements[0]) < 250, "no thirty digits in a sentence"
    assert not [n for n in evaluate(other).results.notes if n.slug == "one-row-decides"]


def test_a_small_part_of_a_row_decides_nothing():
    """Among few rows one is easily more than all others; a negative sum of others is no small one."""
    few = {"label": [0.0, 50.0, 0.0], "point": [0.0, 0.0, 1.0]}
    assert not [n for n in evaluate(few).results.notes if n.slug == "one-row-decides"]
    narrow = {"label": [0.0] * 199 + [0.02], "mean": [0.001] * 200, "std": [0.01] * 200}
    report = evaluate(narrow)
    assert report.results.models[0].loss.value < -3.0
    assert not [n for n in report.results.notes if n.slug == "one-row-decides"]


@pytest.mark.parametrize("loss", [None, "gaussian_nll"])
def test_infinite_density(tables, loss):
    table = with_std(tables, 5, 0.0)
    table["mean"][5] = table["label"][5]
    with pytest.raises(DataError) as error:
        evaluate(table, name="m", loss=loss)
    assert (error.value.slug, error.value.row, error.value.value) == (
        "infinite-density",
        5,
        table["label"][5],
    )
    for finite in ("crps", "squared_error", "absolute_error"):
        assert evaluate(table, loss=finite).results.models[0].n_infinite == 0


@pytest.mark.parametrize("std", [1e-60, 1e-200, 5e-324])
def test_a_loss_that_has_no_sum(tables, std):
    """Beyond 1e100, and beyond float64: an error that names the row, not infinity."""
    with pytest.raises(DataError) as error:
        evaluate(with_std(tables, 9, std), name="m")
    assert (error.value.slug, error.value.row) == ("beyond-range", 9)
    assert f"std {std:.6g}" in str(error.value)


def test_losses_near_the_end_of_the_range():
    table = {"label": [1e49, 0.0, 1.0], "point": [-1e49, 0.0, 0.0], "w": [1e50, 1.0, 1.0]}
    model = evaluate(table, weight="w").results.models[0]
    assert model.worst[0].loss == pytest.approx(4e98, rel=1e-15)
    assert model.numbers.rmse.value == pytest.approx(2e49, rel=1e-12)


def test_all_alike():
    model = evaluate({"label": [1.0, 2.0], "point": [1.0, 2.0]}).results.models[0]
    assert (model.loss.value, model.numbers.rmse.value, model.numbers.rmse.se) == (0.0, 0.0, 0.0)
    alone = evaluate({"label": [1.0], "mean": [1.0], "std": [1.0]}).results.models[0]
    assert (alone.loss.se, alone.numbers.rmse.se, alone.numbers.pit_mean.value) == (None, None, 0.5)


# --- which loss ---------------------------------------------------------------------------------------------


def kinds(tables, *names: str) -> dict[str, pa.Table]:
    """A model of each kind, over the same rows."""
    return {name: tables(name, 30, models=1, zeros=False)["a"] for name in names}


@pytest.mark.parametrize("kind", KINDS)
def test_defaults(tables, kind):
    assert evaluate(kinds(tables, kind)[kind]).results.loss == DEFAULT[kind]


TOGETHER = {
    "crps": ("mean_std", "samples", "point"),
    "squared_error": ("mean_std", "samples", "point"),
    "absolute_error": ("point", "samples"),
    "pinball": ("quantiles", "mean_std"),
}


@pytest.mark.parametrize(("loss", "names"), TOGETHER.items(), ids=TOGETHER)
def test_kinds_that_a_loss_compares(tables, loss, names):
    results = select(kinds(tables, *names), loss=loss).results
    assert (results.loss, {m.name for m in results.models}) == (loss, set(names))
    with pytest.raises(UsageError) as error:
        select(kinds(tables, *names))
    assert error.value.slug == "no-common-loss"
    assert loss in error.value.cure


REFUSED = {
    "density of points": (("mean_std", "point"), "gaussian_nll", DataError, "loss-and-kind"),
    "log loss of numbers": (("mean_std",), "log_loss", DataError, "loss-and-kind"),
    "levels from nowhere": (("mean_std",), "pinball", UsageError, "no-levels"),
    "squared error of quantiles": (("quantiles",), "squared_error", DataError, "loss-and-kind"),
    "an approximation beside the truth": (
        ("mean_std", "quantiles"),
        "crps",
        UsageError,
        "approximate-crps",
    ),
    "nothing in common": (("samples", "quantiles"), None, UsageError, "no-common-loss"),
}


@pytest.mark.parametrize(("names", "loss", "kind", "slug"), REFUSED.values(), ids=REFUSED)
def test_losses_that_do_not_fit(tables, names, loss, kind, slug):
    with pytest.raises(kind) as error:
        select(kinds(tables, *names), loss=loss)
    assert error.value.slug == slug
    assert "--loss" in error.value.cure or "compare" in error.value.cure


def test_classes_take_losses_of_classes_only():
    table = {"label": ["a", "b"], "p_a": [0.5, 0.5], "p_b": [0.5, 0.5]}
    for loss in ("crps", "squared_error", "sigmoid_log_loss"):
        with pytest.raises(DataError) as error:
            evaluate(table, loss=loss)
        assert error.value.slug == "loss-and-kind"
    ordered = evaluate(table, loss="ranked_probability_score").results
    assert [n.text for n in ordered.notes if n.slug == "order-of-classes"] == [
        "The classes are taken in this order: a < b."
    ]


def test_pinball_of_a_gaussian_is_at_the_levels_of_the_quantiles(tables):
    made = kinds(tables, "quantiles", "mean_std")
    gaussian_ = made["mean_std"]
    normal = NormalDist()
    columns = {
        f"q_{level}": np.asarray(gaussian_.column("mean"))
        + normal.inv_cdf(level) * np.asarray(gaussian_.column("std"))
        for level in LEVELS
    }
    written_out = evaluate({"label": gaussian_.column("label"), **columns}).results.models[0]
    found = select(made, loss="pinball").results
    assert found.model("mean_std").loss.value == pytest.approx(written_out.loss.value, rel=1e-12)
    assert [level.level for level in found.model("quantiles").numbers.levels] == list(LEVELS)
    assert found.model("mean_std").numbers.levels == ()


def test_crps_of_quantiles_is_called_an_approximation(tables):
    results = select(tables("quantiles", 30), loss="crps").results
    assert {n.slug for n in results.notes} >= {"crps-of-quantiles", "crossing-quantiles"}
    usual = select(tables("quantiles", 30)).results
    assert results.models[0].loss.value == pytest.approx(2 * usual.models[0].loss.value, rel=1e-14)


def test_points_of_one_table(tables):
    made = tables("point", 50)
    table = {
        "label": made["a"].column("label"),
        "x": made["a"].column("point"),
        "z": made["b"].column("point"),
    }
    results = select({"t": pa.table(table)}, columns=("x", "z"), kind="point").results
    assert results.data.pairing == "same row"
    apart = select({"x": made["a"], "z": made["b"]}).results
    assert [m.loss for m in results.models] == [m.loss for m in apart.models]


def test_units_pair_what_rows_do_not(tables):
    made = tables("mean_std", 80, zeros=False)
    made["b"] = pa.concat_tables([made["b"], made["b"].slice(0, 9)])
    results = select(made, unit="day").results
    assert (results.unit, results.data.pairing) == ("nats per day", "unit")


def test_every_loss_of_classes_is_computed_or_refused():
    """Losses that need parameters, or another kind of label, say so."""
    table = {"label": ["a", "b", "a"], "p_a": [0.7, 0.5, 0.4], "p_b": [0.3, 0.5, 0.6]}
    computed = set()
    for loss in losses.all_losses():
        try:
            results = evaluate(table, loss=loss.name).results
        except (DataError, UsageError) as error:
            assert error.slug in ("loss-and-kind", "loss-needs-parameters"), loss.name
            continue
        computed.add(loss.name)
        assert math.isfinite(results.models[0].loss.value)
        assert (results.models[0].perplexity is None) == (loss.name != "log_loss")
        assert all((w.probability is None) == (loss.name != "log_loss") for w in results.models[0].worst)
    assert computed >= {"log_loss", "brier", "zero_one", "ranked_probability_score"}
