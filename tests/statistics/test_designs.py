"""Designs: the formula, a simulation of the power that is promised, and what a pilot says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import crossent
from crossent import UsageError, planning
from crossent.statistics.designs import design


def pilot(rows=400, clusters=None, seed=0, shift=0.1):
    rng = np.random.default_rng(seed)
    label, common = rng.integers(0, 2, rows), rng.normal(0.0, 1.0, rows)
    tables = {}
    for name, quality in (("a", 1.0 + shift), ("b", 1.0)):
        z = quality * (2 * label - 1) + common + 0.3 * rng.normal(size=rows)
        tables[name] = {"label": label, "p_1": 1.0 / (1.0 + np.exp(-z)), "day": np.arange(rows) // 8}
    return crossent.select(tables, cluster=clusters)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_units_have_the_power_that_is_promised(level) -> None:
    needed = design(0.4, [0.1], level=level, power=0.8).requirements[0].units
    rng = np.random.default_rng(1)
    d = rng.normal(0.1, 0.4, (4000, needed))
    t = d.mean(axis=1) / (d.std(axis=1, ddof=1) / math.sqrt(needed))
    found = (2 * stats.t.sf(np.abs(t), needed - 1) < 1 - level).mean()
    assert found == pytest.approx(0.8, abs=0.025)


def test_units_of_the_normal_formula_for_many() -> None:
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    found = design(0.5, [0.001], unpaired_deviation=1.0)
    assert found.requirements[0].units == pytest.approx(z**2 * 0.25 / 1e-6, rel=1e-4)
    assert found.requirements[0].unpaired == pytest.approx(4 * found.requirements[0].units, rel=1e-4)


def test_comparisons_at_once_need_more() -> None:
    one, ten = (design(0.5, [0.05], comparisons=n) for n in (1, 10))
    assert ten.level == pytest.approx(0.995)
    assert ten.requirements[0].units == design(0.5, [0.05], level=0.995).requirements[0].units
    assert ten.requirements[0].units > one.requirements[0].units


@pytest.mark.parametrize(("clusters", "unit", "rows"), [(None, "row", 1.0), ("day", "day", 8.0)])
def test_a_pilot_gives_the_scatter_of_its_units(clusters, unit, rows) -> None:
    report = pilot(clusters=clusters)
    found = planning.from_pilot(report.evaluation, [0.05])
    difference = report.results.comparison.differences[0]
    assert (found.unit_name, found.rows_per_unit) == (unit, rows)
    assert found.deviation == pytest.approx(difference.difference.se * math.sqrt(found.units), rel=1e-9)
    assert found.detectable == pytest.approx(difference.detectable, rel=1e-9)
    assert found.unpaired_deviation > found.deviation
    assert f"takes {found.requirements[0].units:,} {unit}s" in planning.sentences(found)[0]
    (plan,) = report.results.comparison.plans
    again = planning.from_pilot(report.evaluation).requirements[0]
    assert (plan.needed, plan.units) == (again.units, found.units)
    assert again.difference == pytest.approx(abs(plan.difference))


def test_models_are_named_and_order_does_not_matter() -> None:
    evaluation = pilot().evaluation
    pair = [planning.from_pilot(evaluation, [0.05], models=m) for m in (("a", "b"), ("b", "a"))]
    assert pair[0] == pair[1]
    with pytest.raises(UsageError, match="unknown-model"):
        planning.from_pilot(evaluation, models=("a", "c"))


@pytest.mark.parametrize(
    ("call", "slug"),
    [
        (lambda: design(0.5, [0.0]), "difference-not-positive"),
        (lambda: design(0.5, [0.1], power=1.0), "probability-out-of-range"),
        (
            lambda: planning.from_pilot(crossent.evaluate({"label": [0, 1], "p_1": [0.1, 0.9]}).evaluation),
            "nothing-to-plan",
        ),
    ],
)
def test_what_cannot_be_planned_is_refused(call, slug) -> None:
    with pytest.raises(UsageError, match=slug):
        call()


def test_models_that_never_differ_plan_nothing() -> None:
    table = {"label": [0, 1, 1], "p_1": [0.2, 0.7, 0.6]}
    with pytest.raises(UsageError, match="nothing-varies"):
        planning.from_pilot(crossent.select({"a": table, "b": table}).evaluation)
