"""What results say of many candidates: which adjustment, whether the baseline is beaten, how lucky the winner
is."""

from __future__ import annotations

import numpy as np
import pytest

from crossent import UsageError, select
from crossent.report import render_markdown


def candidates(number, better=0.0, rows=150, seed=0):
    """A model in use and candidates that are as good on average, the last one better."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    logit = np.where(label == 1, 1.0, -1.0)[:, None] + rng.normal(0, 1.5, (rows, number + 1))
    logit[:, -1] += better * np.where(label == 1, 1.0, -1.0)
    p = 1 / (1 + np.exp(-logit))
    names = ["old", *(f"new{k}" for k in range(number))]
    return {n: {"label": label, "p_0": 1 - p[:, k], "p_1": p[:, k]} for k, n in enumerate(names)}


def test_the_lowest_of_many_is_said_to_be_lucky() -> None:
    results = select(candidates(20)).results
    (note,) = (n for n in results.notes if n.slug == "picked-as-lowest")
    found = results.comparison.optimism
    assert found.model == results.chosen == results.models[0].name
    assert found.corrected == results.models[0].loss.value + found.expected
    assert note.text.startswith(f"{found.model} was picked as the lowest of 21")
    assert "The lowest of 21 losses is too low for having been picked" in render_markdown(results)


def test_of_a_clear_winner_nothing_is_said() -> None:
    results = select(candidates(3, better=4.0)).results
    assert results.comparison.optimism.expected < 1e-3
    assert not [n for n in results.notes if n.slug == "picked-as-lowest"]


@pytest.mark.parametrize(
    ("better", "said"), [(0.0, "none is shown to be better than old"), (3.0, "new4 is better than old")]
)
def test_whether_any_candidate_beats_the_baseline(better, said) -> None:
    report = select(candidates(5, better), baseline="old")
    found = report.results.comparison.superior
    assert (found.baseline, len(found.candidates)) == ("old", 5)
    assert found.better == (("new4",) if better else ())
    (sentence,) = (s for s in report.statements if s.startswith("Taking into account that the best of 5"))
    assert said in sentence
    assert "Better than the baseline" in report.to_markdown()
    assert report.to_dict()["comparison"]["superior"]["p"] == found.p


def test_one_candidate_is_one_planned_comparison() -> None:
    results = select(candidates(1), baseline="old").results
    assert (results.comparison.superior, results.comparison.optimism) == (None, None)


def test_the_adjustment_is_named_where_p_values_are() -> None:
    models = candidates(4, better=3.0)
    for adjust, title in (("max-t", "p (max-T)"), ("bh", "p (BH)"), ("none", "p (not adjusted)")):
        report = select(models, adjust=adjust)
        assert report.results.comparison.adjustment == adjust
        assert title in report.to_markdown()
        assert "Holm" not in report.to_markdown()
    assert any("adjusted by step-down max-T" in s for s in select(models, adjust="max-t").statements)


def test_wrong_names_are_found_before_the_data_are_read() -> None:
    for options, slug in (
        ({"adjust": "tukey"}, "unknown-adjustment"),
        ({"mcs_statistic": "sum"}, "unknown-statistic"),
    ):
        with pytest.raises(UsageError, match=slug):
            select(["/nowhere/a.parquet", "/nowhere/b.parquet"], **options)
