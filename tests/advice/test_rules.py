"""The rules: what is said, when, and that it is true."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from crossent.advice import Advice, advise, choices, remarks
from crossent.losses import get

RNG = np.random.default_rng(11)


def names(losses: Any) -> list[str]:
    return [loss.name for loss in losses]


def said(advice: Advice, text: str) -> bool:
    return any(text in line for line in (*advice.reasons, *advice.would_change, *advice.warnings))


def labels(*counts: int) -> list[str]:
    return [f"class {k}" for k, n in enumerate(counts) for _ in range(n)]


def test_imbalance_does_not_change_the_loss() -> None:
    rare, even = advise(labels(9700, 300)), advise(labels(5000, 5000))
    assert names(rare.training) == names(even.training) == ["log_loss"]
    assert rare.libraries == even.libraries
    assert said(rare, "Only 3.0 % of the rows are class 1. That alone does not change the loss")
    assert not said(even, "does not change the loss")
    for name in ("class_balanced", "logit_adjusted", "focal"):
        assert said(rare, name) and get(name)
    assert any("ocac093" in source for source in rare.sources)


@pytest.mark.parametrize("counts", [(900, 100), (70, 20, 10), (5, 3, 1)])
def test_the_baseline_is_the_log_loss_of_the_frequencies(counts: tuple[int, ...]) -> None:
    y = labels(*counts)
    p = np.array(counts) / sum(counts)
    mean = (
        get("log_loss")
        .value(np.repeat(np.arange(len(counts)), counts), np.tile(p, (sum(counts), 1)), "probs")
        .mean()
    )
    classes = advise(y).facts.classes
    assert classes is not None and classes.entropy == pytest.approx(mean, rel=1e-13)
    assert said(advise(y), f"{mean:.4g} nats" if mean < 1 else f"{mean:.4g}")


@pytest.mark.parametrize("scale", [0.01, 1.0, 50.0])
def test_the_loss_of_a_normal_density_is_that_of_the_labels(scale: float) -> None:
    y = RNG.normal(size=500) * scale
    columns = np.column_stack([np.full(500, y.mean()), np.full(500, y.std())])
    mean = get("gaussian_nll").value(y, columns, "mean_std").mean()
    assert mean == pytest.approx(0.5 * math.log(2 * math.pi * math.e * y.var()), abs=1e-12)
    shown = next(line for line in advise(y).reasons if "nats per unit" in line)
    number = float(shown.split("loss of ")[1].split(" nats")[0].replace("−", "-"))
    assert number == pytest.approx(mean, rel=1e-3)


def test_poisson_counts_are_rarely_called_scattered() -> None:
    chosen = [names(advise(RNG.poisson(5, 300), task="count").training)[0] for _ in range(200)]
    assert chosen.count("negative_binomial_nll") <= 2
    assert names(advise(RNG.poisson(RNG.gamma(2, 2, 2000)), task="count").training) == [
        "negative_binomial_nll"
    ]


def test_the_zeros_of_a_negative_binomial_are_expected_and_more_are_not() -> None:
    y = RNG.negative_binomial(1.5, 0.3, 5000)
    assert not said(advise(y, task="count"), "of the counts are 0")
    assert not said(advise(RNG.poisson(1.0, 5000), task="count"), "of the counts are 0")
    inflated = advise(np.where(RNG.random(5000) < 0.3, 0, RNG.poisson(8, 5000)), task="count")
    assert said(inflated, "of the counts are 0, where this mean and variance suggest")


def test_counts_narrower_than_poisson_are_pointed_out() -> None:
    assert said(advise(RNG.binomial(10, 0.8, 2000), task="count"), "less than any Poisson")
    assert not said(advise(RNG.poisson(8, 2000), task="count"), "less than any Poisson")


def test_heavy_tails_are_found_in_student_and_not_in_normal_labels() -> None:
    assert names(advise(RNG.standard_t(2.5, 3000)).training) == ["student_nll"]
    chosen = [names(advise(RNG.normal(size=600)).training)[0] for _ in range(50)]
    assert chosen == ["gaussian_nll"] * 50


def test_the_unit_of_a_quantity_does_not_matter() -> None:
    y = np.exp(RNG.normal(size=1000))
    for factor in (1e-6, 1.0, 3.7, 1e9):
        scaled = advise(y * factor, task="real")
        assert names(scaled.training) == ["log_normal_nll"]
        numbers, plain = scaled.facts.numbers, advise(y, task="real").facts.numbers
        assert numbers is not None and plain is not None
        assert numbers.skewness == pytest.approx(plain.skewness)
        assert numbers.log_skewness == pytest.approx(plain.log_skewness)


def test_few_rows_of_a_class() -> None:
    assert said(advise(labels(200, 12)), "class 1 has 12 rows")
    assert said(advise(labels(200, 1, 1, 1, 50)), "3 classes of 5 have a single row")
    assert not said(advise(labels(200, 50)), "whatever is said about it")


def test_few_rows_and_missing_labels() -> None:
    assert said(advise(labels(20, 30)), "With 50 rows")
    assert not said(advise(labels(200, 300)), "the shape of the labels is hardly known")
    missing = advise([*labels(300, 185), *[None] * 15])
    assert said(missing, "15 labels (3.0 %) are missing") and missing.facts.rows == 485


def test_whole_numbers_that_all_differ_may_be_ids() -> None:
    y = RNG.permutation(10_000)[:200]
    assert said(advise(y), "If these are ids") and not said(advise(y // 50), "If these are ids")


def test_weights_are_explained() -> None:
    y = labels(300, 100)
    varied = advise(y, weights=RNG.random(400) + 0.5)
    assert varied.facts.weights is not None
    assert said(varied, f"{round(varied.facts.weights.effective)} equal rows of 400")
    assert said(advise(y, weights=[1.0] * 300 + [3.0] * 100), "these are class weights")
    assert said(advise(y, weights=np.full(400, 2.0)), "they change nothing")
    assert said(advise(y, weights=[0.0] * 7 + [1.0] * 393), "7 rows of weight 0 do not count")


def test_sparse_labels_allow_a_loss_for_rankings() -> None:
    sparse = advise((RNG.random((2000, 50)) < 0.01).astype(int))
    assert said(sparse, "asymmetric") and not get("asymmetric").proper
    assert not said(advise((RNG.random((2000, 3)) < 0.5).astype(int)), "asymmetric")


def test_what_is_called_strictly_proper_is() -> None:
    for losses in ("log_loss", "ranked_probability_score", "sigmoid_log_loss", "soft_cross_entropy"):
        assert get(losses).strictly_proper
    for name in ("class_balanced", "focal", "asymmetric", "sigmoid_focal"):
        assert not get(name).strictly_proper


def test_every_rule_is_used_by_a_test_case() -> None:
    from .cases import CASES

    facts = [(advise(case.y, **case.options).facts, case.task) for case in CASES]
    decided = {
        next(rule for rule in choices.RULES[task] if rule(found) is not None).__name__
        for found, task in facts
    }
    assert decided == {rule.__name__ for rules in choices.RULES.values() for rule in rules}
    assert len({rule.__name__ for rule in remarks.RULES}) == len(remarks.RULES)
