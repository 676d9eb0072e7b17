"""Every published figure of predictions about a number, to a relative error of 1e-12: diabetes progression.

The folder holds seven models of 177 patients and `expected.json`, computed by independent code: five with
mean and standard deviation, one with seven quantiles, one with fifty samples.
"""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossent import select

FOLDER = Path(__file__).parents[1] / "data" / "diabetes"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
GAUSSIAN = [name for name, figures in EXPECTED["models"].items() if "nll" in figures]
TOLERANCE = 1e-12

each_gaussian = pytest.mark.parametrize("name", GAUSSIAN)


def file(name: str) -> str:
    return str(FOLDER / f"{name}.parquet")


@cache
def document(*names: str, loss: str | None = None) -> dict[str, Any]:
    """The JSON result of these models."""
    return json.loads(json.dumps(select({n: file(n) for n in names}, loss=loss).to_dict(), allow_nan=False))


def model(name: str, *others: str, **options: Any) -> dict[str, Any]:
    return next(m for m in document(name, *others, **options)["models"] if m["name"] == name)


def close(mine: float, figure: float) -> None:
    assert mine == pytest.approx(figure, rel=TOLERANCE, abs=1e-300)


def same(mine: dict[str, Any], figure: dict[str, float]) -> None:
    close(mine["value"], figure["mean"])
    close(mine["se"], figure["se"])


@each_gaussian
def test_log_loss_of_a_gaussian_density(name: str) -> None:
    figure, mine = EXPECTED["models"][name], model(*GAUSSIAN)
    mine = next(m for m in document(*GAUSSIAN)["models"] if m["name"] == name)
    assert document(*GAUSSIAN)["loss"] == "gaussian_nll"
    same(mine["loss"], figure["nll"])
    close(mine["loss"]["value"], figure["scipy_check_on_positive_std"])
    close(mine["bits"], figure["bits"])
    assert (mine["loss"]["units"], mine["perplexity"]) == (figure["n"], None)


@each_gaussian
def test_figures_of_a_gaussian(name: str) -> None:
    figure, mine = EXPECTED["models"][name], model(name)
    same(dict(mine["companions"])["crps"], figure["crps"])
    numbers = mine["numbers"]
    close(numbers["rmse"]["value"], figure["rmse"])
    close(dict(numbers["coverage"])[0.9]["value"], figure["coverage_90"])
    close(numbers["pit_mean"]["value"], figure["pit_mean"])
    assert sum(weight for _, _, weight in numbers["pit_histogram"]) == figure["n"]
    assert (numbers["std_min"], numbers["std_max"]) == (figure["std_min"], figure["std_max"])
    assert numbers["std_zero"] == figure["n_std_zero"]


def test_quantiles() -> None:
    figure, mine = EXPECTED["models"]["gbdt_quantiles"], model("gbdt_quantiles")
    assert document("gbdt_quantiles")["loss"] == "pinball"
    same(mine["loss"], figure["pinball"])
    numbers = mine["numbers"]
    assert [level["level"] for level in numbers["levels"]] == figure["levels"]
    for level in numbers["levels"]:
        name = f"{level['level']:.2f}"
        close(level["pinball"]["value"], figure["pinball_by_level"][name])
        close(level["below"]["value"], figure["coverage_by_level"][name])
    assert numbers["rows_crossing"] == figure["n_rows_crossing"]
    assert numbers["tied_quantiles"] == figure["n_adjacent_ties"]


def test_samples() -> None:
    figure, mine = EXPECTED["models"]["forest_samples"], model("forest_samples")
    assert document("forest_samples")["loss"] == "crps"
    same(mine["loss"], figure["crps_plain"])
    same(dict(mine["companions"])["crps_fair"], figure["crps_fair"])
    numbers = mine["numbers"]
    assert numbers["samples_min"] == numbers["samples_max"] == figure["n_samples"]
    assert numbers["rows_of_equal_samples"] == figure["n_rows_all_samples_equal"]


def test_comparison() -> None:
    figure, mine = EXPECTED["comparison"], document(*GAUSSIAN)
    assert [m["name"] for m in mine["models"]] == figure["ranking"]
    assert mine["chosen"] == mine["comparison"]["reference"] == figure["best"]
    differences = {d["model"]: d["difference"] for d in mine["comparison"]["differences"]}
    assert differences.keys() == figure["difference_to_best"].keys() - {figure["best"]}
    for name, difference in differences.items():
        same(difference, figure["difference_to_best"][name])


def test_one_loss_for_gaussians_and_samples() -> None:
    """The CRPS compares distributions however they are written down."""
    names = (*GAUSSIAN, "forest_samples")
    found = {m["name"]: m["loss"] for m in document(*names, loss="crps")["models"]}
    for name in GAUSSIAN:
        same(found[name], EXPECTED["models"][name]["crps"])
    same(found["forest_samples"], EXPECTED["models"]["forest_samples"]["crps_plain"])


def in_thousandths(name: str) -> pa.Table:
    table = pq.read_table(file(name))
    for column in ("label", "mean", "std"):
        values = table.column(column).to_numpy().astype(np.float64) * 1000.0
        table = table.set_column(table.column_names.index(column), column, pa.array(values))
    return table


def test_another_unit_of_the_label() -> None:
    """Every log loss rises by ln 1000; differences stay; the CRPS is a thousand times as large."""
    larger = select({name: in_thousandths(name) for name in GAUSSIAN}).results
    rise = EXPECTED["unit_change_check"]["ln1000"]
    assert rise == pytest.approx(math.log(1000.0), rel=1e-15)
    for name in GAUSSIAN:
        figure, mine = EXPECTED["models"][name], larger.model(name)
        close(mine.loss.value, figure["nll"]["mean"] + rise)
        close(dict(mine.companions)["crps"].value, 1000.0 * figure["crps"]["mean"])
    assert larger.comparison is not None
    for d in larger.comparison.differences:
        figure = EXPECTED["comparison"]["difference_to_best"][d.model]
        assert d.difference.value == pytest.approx(figure["mean"], rel=1e-11)
