"""Paired comparison: against SciPy, brute force and simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossent.errors import UsageError
from crossent.statistics.paired import against, compare, holm, pairwise


@pytest.fixture(scope="module")
def losses():
    rng = np.random.default_rng(5)
    return rng.gamma(1.0, 1.0, (80, 1)) + rng.normal(0, 0.3, (80, 4)) + [0.0, 0.02, 0.1, 0.4]


@pytest.mark.parametrize(("a", "b"), list(itertools.permutations(range(4), 2)))
def test_compare_is_the_paired_t_test(summarise, losses, a, b):
    found = compare(summarise(losses), f"m{a}", f"m{b}", level=0.9)
    truth = stats.ttest_rel(losses[:, a], losses[:, b])
    assert found.difference.value == pytest.approx((losses[:, a] - losses[:, b]).mean())
    assert found.p == pytest.approx(truth.pvalue, rel=1e-9)
    assert found.p_holm == found.p
    assert found.difference.interval(0.9) == pytest.approx(tuple(truth.confidence_interval(0.9)))
    assert (found.n_infinite, found.mean_of_finite) == (0, None)


def test_clusters_replace_rows_by_their_sums(summarise, losses):
    clusters = np.repeat(np.arange(16), 5)
    found = compare(summarise(losses, None, clusters), "m3", "m0")
    sums = (losses[:, 3] - losses[:, 0]).reshape(16, 5).mean(axis=1)
    assert found.p == pytest.approx(stats.ttest_1samp(sums, 0).pvalue, rel=1e-9)
    assert found.difference.units == 16


P_VALUES = st.one_of(st.none(), st.floats(0, 1))


@given(st.lists(P_VALUES, max_size=6))
@settings(max_examples=60, deadline=None)
def test_holm_is_the_closed_bonferroni_test(p):
    """Adjusted p of i: the largest Bonferroni p over all sets of hypotheses that contain i."""
    tested = [i for i, value in enumerate(p) if value is not None]
    sets = [s for r in range(1, len(tested) + 1) for s in itertools.combinations(tested, r)]
    for i, adjusted in enumerate(holm(p)):
        if p[i] is None:
            assert adjusted is None
        else:
            truth = max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets if i in s)
            assert adjusted == pytest.approx(truth)


def test_tables_name_their_pairs_in_order_and_adjust_within(summarise, losses):
    summary = summarise(losses)
    order = ["m2", "m0", "m3", "m1"]
    table = against(summary, "m0", order=order)
    assert [d.model for d in table] == ["m2", "m3", "m1"]
    assert {d.reference for d in table} == {"m0"}
    assert [d.p_holm for d in table] == holm([d.p for d in table])
    every = pairwise(summary, order=order)
    assert [(d.reference, d.model) for d in every] == list(itertools.combinations(order, 2))
    assert [d.p_holm for d in every] == holm([d.p for d in every])
    assert [d.model for d in against(summary, "m0")] == ["m1", "m2", "m3"]
    assert len(pairwise(summary)) == 6


def test_verdict_follows_the_adjusted_p_value(summarise, losses):
    summary = summarise(losses)
    assert compare(summary, "m3", "m0").verdict == "worse"
    assert compare(summary, "m0", "m3").verdict == "better"
    p = compare(summary, "m2", "m0").p
    assert compare(summary, "m2", "m0", level=1 - p * 1.01).verdict == "worse"
    assert compare(summary, "m2", "m0", level=1 - p * 0.99).verdict == "not told apart"
    # the smallest p-value but one of three is doubled, whatever the model
    table = {d.model: d for d in against(summary, "m0", level=1 - p * 1.5)}
    assert (table["m2"].p, table["m2"].verdict) == (p, "not told apart")


def test_identical_and_constant_differences(summarise):
    base = np.arange(8.0)
    summary = summarise(np.stack([base, base, base + 0.5], axis=1))
    same = compare(summary, "m1", "m0")
    assert (same.difference.value, same.difference.se, same.p, same.verdict) == (0.0, 0.0, 1.0, "identical")
    assert same.detectable is None
    shifted = compare(summary, "m2", "m0")
    assert (shifted.difference.se, shifted.p, shifted.verdict) == (0.0, 0.0, "worse")
    assert compare(summary, "m0", "m2").verdict == "better"


@pytest.mark.parametrize(
    ("model", "reference", "value"), [("m1", "m0", math.inf), ("m0", "m1", -math.inf), ("m1", "m2", math.nan)]
)
def test_infinite_loss_is_no_test(summarise, model, reference, value):
    losses = np.ones((5, 3))
    losses[2, 1] = losses[3, 2] = np.inf
    found = compare(summarise(losses), model, reference, infinite=lambda a, b: (len(a + b), 0.25))
    np.testing.assert_equal(found.difference.value, value)
    assert (found.difference.se, found.p, found.p_holm, found.detectable) == (None,) * 4
    assert (found.verdict, found.n_infinite, found.mean_of_finite) == ("infinite", 4, 0.25)


def test_infinite_models_do_not_weaken_the_other_tests(summarise, losses):
    spoiled = np.column_stack([losses, np.full(len(losses), np.inf)])
    table = against(summarise(spoiled), "m0", infinite=lambda a, b: (80, None))
    assert table[:3] == against(summarise(losses), "m0")


def test_one_unit_has_no_test(summarise):
    found = compare(summarise([[1.0, 2.0], [3.0, 5.0]], None, ["a", "a"]), "m1", "m0")
    assert found.difference.value == 1.5
    assert (found.difference.se, found.p, found.detectable, found.verdict) == (
        None,
        None,
        None,
        "not told apart",
    )


@pytest.mark.parametrize(
    ("slug", "arguments", "options"),
    [
        ("unknown-model", ("m0", "best"), {}),
        ("unknown-model", ("best", "m0"), {}),
        ("probability-out-of-range", ("m0", "m1"), {"level": 95}),
        ("infinite-counts-missing", ("m0", "m2"), {}),
    ],
)
def test_wrong_use(summarise, slug, arguments, options):
    summary = summarise([[1.0, 2.0, np.inf], [3.0, 5.0, 1.0]])
    with pytest.raises(UsageError) as raised:
        compare(summary, *arguments, **options)
    assert raised.value.slug == slug


def test_size_of_the_test_under_ties(summarise):
    """On most rows two models agree to the bit; the test still rejects equal models in 5 % of the runs."""
    rng = np.random.default_rng(2)
    rejected = 0
    for _ in range(1500):
        gap = np.where(rng.random(200) < 0.7, 0.0, rng.normal(0, 1, 200))
        base = rng.gamma(1, 1, 200)
        rejected += compare(summarise(np.stack([base, base + gap], axis=1)), "m1", "m0").p < 0.05
    assert 0.032 <= rejected / 1500 <= 0.068


def test_holm_keeps_the_familywise_error_with_duplicates(summarise):
    """Six equal models, two of them copies: some pair is told apart in at most 5 % of the runs."""
    rng = np.random.default_rng(4)
    wrong = 0
    for _ in range(600):
        losses = rng.gamma(1, 1, (100, 1)) + rng.normal(0, 0.5, (100, 6))
        losses[:, 5] = losses[:, 0]
        table = pairwise(summarise(losses))
        wrong += any(d.verdict in ("worse", "better") for d in table)
        assert [d.verdict for d in table if (d.reference, d.model) == ("m0", "m5")] == ["identical"]
    assert wrong / 600 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)
