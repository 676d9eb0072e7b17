"""Mixtures in the report: the cross-validated gain, what it promises, and when there is nothing to say."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import crossent
from crossent.api import read_options
from crossent.combining import linear_pool, mixture_gain, stacking_weights
from crossent.deep import Look, gather
from crossent.deep.analyses.combination import combination
from crossent.findings import Findings
from crossent.mixture_sentences import remarks, verdict
from crossent.preparing import RunOptions, prepare
from crossent.report.registry import build
from crossent.runs import evaluate_models
from crossent.statistics.estimates import Estimate

ROWS = 400


def model(rng, weight=1.0, size=ROWS):
    label = np.arange(size) % 2
    z = weight * (2 * label - 1) * 0.7 + rng.normal(0.0, 1.2, size)
    p = 1 / (1 + np.exp(-z))
    return {"label": label, "p_0": 1 - p, "p_1": p, "day": np.arange(size) // 10}


def looked_at(models, loss=None, **options):
    """What this analysis alone finds, and the results it is part of."""
    prepared = prepare(models, read_options(**options), loss=loss, run=RunOptions(threads=1))
    evaluation = evaluate_models(prepared)
    results = crossent.read(evaluation).results
    table = gather(prepared.job, results.data.rows, 10**6)
    found = combination(Look(table, evaluation, results, 0.95, 0))
    rows = Findings(len(table), table.total, 0, combination=found)
    return found, replace(results, findings=rows)


@pytest.fixture
def models():
    rng = np.random.default_rng(5)
    return {"one": model(rng), "other": model(rng), "worse": model(rng, 0.2)}


@pytest.mark.parametrize("options", [{}, {"cluster": "day"}, {"weight": "day", "where": ["day!=0"]}])
def test_the_report_has_the_weights_of_the_rows(models, options) -> None:
    found, results = looked_at(models, **options)
    kept = models["one"]["day"] > 0 if "where" in options else np.full(ROWS, True)
    label = models["one"]["label"]
    p = np.column_stack([np.where(label == 1, m["p_1"], m["p_0"]) for m in models.values()])[kept]
    weight = models["one"]["day"][kept] if "weight" in options else None
    np.testing.assert_allclose(found.weights, stacking_weights(np.log(p), weight=weight).weights, atol=1e-9)
    assert found.log_loss == pytest.approx(-np.average(np.log(p @ found.weights), weights=weight), rel=1e-12)
    assert found.losses == pytest.approx([results.model(n).loss.value for n in found.models])
    assert found.gain.best == results.models[0].name
    assert found.gain.unit_name == options.get("cluster", "row")
    assert found.gain.gain.units == (40 if "cluster" in options else kept.sum())
    equal = next(other for other in found.others if other.method == "equal")
    assert equal.weights == pytest.approx([1 / 3] * 3)
    assert equal.log_loss == pytest.approx(-np.average(np.log(p.mean(axis=1)), weights=weight), rel=1e-12)
    sections = {section.anchor: section for section in build(results)}
    assert sections["mixtures"].blocks[0].items[0] == verdict(found, 0.95)


def test_the_gain_of_the_pooled_predictions_is_the_difference_of_losses(models) -> None:
    """A fold a row and equal weights: nothing is fitted, so that the gain is that of the pool itself."""
    label = models["one"]["label"]
    p = [np.column_stack([m["p_0"], m["p_1"]]) for m in models.values()]
    log_p = np.log(np.column_stack([q[np.arange(ROWS), label] for q in p]))
    pooled = np.log(linear_pool(p, [1 / 3] * 3)[np.arange(ROWS), label])
    found = mixture_gain(log_p, method="equal", folds=ROWS)
    gain = pooled - log_p[:, found.models.index(found.gain.best)]
    assert found.gain.gain.value == pytest.approx(gain.mean(), rel=1e-12)
    assert found.gain.gain.se == pytest.approx(gain.std(ddof=1) / math.sqrt(ROWS), rel=1e-12)
    assert found.gain.in_sample == pytest.approx(gain.mean(), rel=1e-12)


def test_a_mixture_of_noise_gains_nothing() -> None:
    """The truth, and noise around it: of 100 experiments few find a gain; on their own rows all do."""
    rng = np.random.default_rng(8)
    positive, in_sample = 0, 0.0
    for _ in range(100):
        p = rng.uniform(0.2, 0.8, 300)
        happened = rng.random(300) < p
        noisy = 1 / (1 + np.exp(-(np.log(p / (1 - p)) + rng.normal(0.0, 0.5, 300))))
        both = np.log(
            np.where(happened[:, None], np.column_stack([p, noisy]), 1 - np.column_stack([p, noisy]))
        )
        gain = mixture_gain(both, folds=5).gain
        positive += gain.gain.interval()[0] > 0.0
        in_sample += gain.in_sample / 100
    assert positive <= 7 and in_sample > 0.0


@pytest.mark.parametrize("options", [{"loss": "brier"}, {"floor": 0.01}])
def test_other_losses_and_single_models_have_nothing_to_say(models, options) -> None:
    assert looked_at(models, **options)[0] is None
    assert looked_at({"one": models["one"]})[0] is None


def test_few_clusters_have_weights_and_no_gain(models) -> None:
    few = {name: m | {"day": np.arange(ROWS) % 7} for name, m in models.items()}
    found, _ = looked_at(few, cluster="day")
    assert found.gain is None and "too few" in verdict(found, 0.95)


def test_models_that_all_rule_out_a_row_have_nothing_to_say(models) -> None:
    sure = {
        name: m | {"p_1": np.r_[1.0, m["p_1"][1:]], "p_0": np.r_[0.0, m["p_0"][1:]]}
        for name, m in models.items()
    }
    assert looked_at(sure)[0] is None


@pytest.mark.parametrize(
    ("value", "se", "words"),
    [
        (0.05, 0.01, "lower the loss by 0.050 ± 0.010 nats a row against one alone: more than chance"),
        (0.01, 0.01, "lower the loss by 0.010 ± 0.010 nats a row against one alone: no more than chance"),
        (-0.01, 0.01, "raise the loss by 0.010 ± 0.010 nats a row against one alone: no more than chance"),
        (-0.05, 0.01, "raise the loss by 0.050 ± 0.010 nats a row against one alone: one alone is better"),
        (math.inf, None, "turns the infinite loss of one into a finite one"),
        (-math.inf, None, "would give a label probability 0, which one alone does not"),
        (math.nan, None, "cannot be judged"),
    ],
)
def test_sentences_say_what_the_gain_is(models, value, se, words) -> None:
    found, _ = looked_at(models)
    gain = replace(found.gain, best="one", gain=Estimate(value, se, ROWS))
    assert words in verdict(replace(found, gain=gain), 0.95)
    assert len(remarks(replace(found, gain=gain), 0.95)) == 2


def test_a_model_that_is_all_of_the_mixture_is_said_to_be(models) -> None:
    label = models["one"]["label"]
    sure = {"label": label, "p_0": np.where(label == 0, 0.99, 0.01), "p_1": np.where(label == 1, 0.99, 0.01)}
    found, _ = looked_at({**models, "sure": sure | {"day": models["one"]["day"]}})
    assert verdict(found, 0.95) == "Mixing gains nothing: the weights leave sure alone."


def test_deep_finds_it() -> None:
    rng = np.random.default_rng(5)
    models = {"one": model(rng), "other": model(rng)}
    report = crossent.select(models, deep=True)
    assert report.results.findings.combination == looked_at(models)[0]
