"""What must not matter to a statistic, and what must: order, scale, shift, repetition, nesting, mirror."""

from __future__ import annotations

import itertools
import math
from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.statistics.calibration_error import reliability_from_cells
from crossent.statistics.confidence_set import model_confidence_set
from crossent.statistics.estimates import mean_estimates
from crossent.statistics.paired import compare, pairwise
from crossent.statistics.skill import skill
from crossent.statistics.slices import SliceSums, macro_mean, slice_estimate
from crossent.statistics.tails import LossHistogram, coarse_histogram, tail_shares

FEW = settings(max_examples=40, deadline=None)
MIRROR = {"worse": "better", "better": "worse", "not told apart": "not told apart", "identical": "identical"}


@st.composite
def designs(draw):
    """(losses (N, 3), weights, clusters) with ties, copies and correlated models."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(6, 40))
    losses = rng.gamma(1.0, 1.0, (n, 1)) + rng.normal(0.0, draw(st.sampled_from([0.0, 0.1, 2.0])), (n, 3))
    weights = rng.choice([0.5, 1.0, 2.0], n) if draw(st.booleans()) else None
    clusters = rng.permutation(np.arange(n) % max(3, n // 3)) if draw(st.booleans()) else None
    return losses, weights, clusters


def figures(d):
    return [d.difference.value, d.difference.se, d.p, d.p_holm, d.detectable]


# --- comparisons ------------------------------------------------------------------------------------------


@FEW
@given(designs(), st.sampled_from([0.8, 0.95]))
def test_the_other_way_round_is_the_mirror_image(summarise, design, level):
    summary = summarise(*design)
    one, two = compare(summary, "m0", "m1", level=level), compare(summary, "m1", "m0", level=level)
    assert one.difference.value == -two.difference.value
    assert figures(one)[1:] == figures(two)[1:]
    assert (one.verdict, one.model, one.reference) == (MIRROR[two.verdict], two.reference, two.model)


@FEW
@given(designs(), st.integers(-300, 300))
def test_another_unit_of_the_loss_changes_the_scale_only(summarise, design, exponent):
    losses, weights, clusters = design
    for d, e in zip(
        pairwise(summarise(losses, weights, clusters)),
        pairwise(summarise(np.ldexp(losses, exponent), weights, clusters)),
        strict=True,
    ):
        assert (e.p, e.p_holm, e.verdict) == (d.p, d.p_holm, d.verdict)
        assert e.difference == d.difference.scaled(2.0**exponent)


@FEW
@given(designs(), st.floats(-50, 50))
def test_what_all_models_lose_on_a_row_cancels(summarise, design, size):
    losses, weights, clusters = design
    harder = losses + size * np.sin(np.arange(len(losses)))[:, None]
    for d, e in zip(
        pairwise(summarise(losses, weights, clusters)),
        pairwise(summarise(harder, weights, clusters)),
        strict=True,
    ):
        assert e.difference.value == pytest.approx(d.difference.value, abs=1e-12)
        assert e.difference.se == pytest.approx(d.difference.se, rel=1e-7, abs=1e-12)


@FEW
@given(designs(), st.randoms(use_true_random=False), st.integers(2, 4))
def test_order_and_repetition_within_clusters_change_nothing(summarise, design, random, times):
    """A row copied within its own cluster is no new information."""
    losses, weights, clusters = design
    clusters = np.arange(len(losses)) if clusters is None else clusters
    order = np.repeat(np.arange(len(losses)), times)
    random.shuffle(order)
    repeated = summarise(losses[order], None if weights is None else weights[order], clusters[order])
    for d, e in zip(pairwise(summarise(losses, weights, clusters)), pairwise(repeated), strict=True):
        assert e.difference.value == pytest.approx(d.difference.value, abs=1e-12)
        assert e.difference.se == pytest.approx(d.difference.se, rel=1e-9, abs=1e-12)
        assert e.difference.units == d.difference.units


@FEW
@given(designs())
def test_variance_of_a_difference_is_that_of_its_parts(summarise, design):
    """Var(a − b) = Var(a) + Var(b) − 2 Cov(a, b), and a mean's error is the root of the diagonal."""
    summary = summarise(*design)
    cov, gap = summary.covariance(), summary.difference_variance()
    variance = cov.diagonal()
    assert np.allclose(gap, variance[:, None] + variance - 2 * cov, rtol=0, atol=1e-12 * variance.max())
    assert [e.se for e in mean_estimates(summary)] == pytest.approx(np.sqrt(variance).tolist())


# --- the confidence set -----------------------------------------------------------------------------------


@FEW
@given(designs(), st.sampled_from(["range", "max"]), st.integers(-200, 200))
def test_confidence_set_knows_no_unit_and_keeps_the_best(summarise, design, statistic, exponent):
    losses, weights, clusters = design
    found = model_confidence_set(summarise(losses, weights, clusters), statistic=statistic, draws=200)
    scaled = summarise(np.ldexp(losses, exponent), weights, clusters)
    assert model_confidence_set(scaled, statistic=statistic, draws=200) == found
    means = dict(zip(scaled.names, scaled.mean, strict=True))
    assert found.members[0] == min(means, key=lambda name: (means[name], name))
    assert dict(found.p_values)[found.members[0]] == 1.0


@pytest.mark.parametrize("statistic", ["range", "max"])
def test_a_smaller_alpha_keeps_more_models(summarise, statistic):
    rng = np.random.default_rng(2)
    summary = summarise(rng.gamma(1, 1, (90, 1)) + rng.normal(0, 1, (90, 8)) + np.arange(8) / 20)
    sets = [
        model_confidence_set(summary, alpha=alpha, statistic=statistic, draws=500)
        for alpha in (0.5, 0.2, 0.05, 0.01)
    ]
    assert all(set(a.members) <= set(b.members) for a, b in itertools.pairwise(sets))
    assert len({s.p_values for s in sets}) == 1, "p-values do not depend on alpha"
    assert len(sets[0].members) < len(sets[-1].members)
    p = sorted({p for _, p in sets[0].p_values})[0]
    at = model_confidence_set(summary, alpha=p, statistic=statistic, draws=500)
    assert len(at.members) == 8, "p = alpha is not yet evidence against a model"


def test_settings_of_a_confidence_set_are_kept_with_it(summarise):
    rng = np.random.default_rng(1)
    summary = summarise(rng.normal(size=(30, 2)), names=["modèle é", "模型"])
    found = model_confidence_set(summary, alpha=0.25, statistic="max", draws=77, seed=9)
    assert (found.alpha, found.statistic, found.draws, found.seed) == (0.25, "max", 77, 9)
    assert {name for name, _ in found.p_values} == {"modèle é", "模型"}
    assert found.p_values[0][1] * 77 == pytest.approx(round(found.p_values[0][1] * 77), abs=1e-9)


# --- slices and skill -------------------------------------------------------------------------------------

ROW = st.tuples(st.floats(0.001, 20), st.floats(0.01, 9))


def added(parts) -> SliceSums:
    rows = [astuple(replace(part, rounding=0)) for part in parts]
    return SliceSums(*(sum(column) for column in zip(*rows, strict=True)))


@FEW
@given(st.lists(ROW, min_size=4, max_size=30), st.integers(2, 5))
def test_the_whole_is_the_weighted_mean_of_its_slices(slice_sums, rows, parts):
    losses, w = np.array(rows).T
    of = np.arange(len(rows)) % parts
    sums = [slice_sums(losses[of == k], w[of == k]) for k in range(min(parts, len(rows)))]
    means = [slice_estimate(s).value for s in sums]
    whole = slice_estimate(added(sums))
    assert whole.value == pytest.approx(
        math.fsum(s.weight * m for s, m in zip(sums, means, strict=True)) / w.sum()
    )
    assert whole.units == len(rows)
    mean = macro_mean(map(slice_estimate, sums))
    assert min(means) - 1e-12 <= mean.value <= max(means) + 1e-12


@FEW
@given(st.lists(ROW, min_size=2, max_size=20), st.integers(-40, 40))
def test_weights_have_no_unit(slice_sums, rows, exponent):
    losses, w = np.array(rows).T
    scaled = {
        "a": slice_sums(losses, np.ldexp(w, exponent)),
        "b": slice_sums(losses[::-1], np.ldexp(w, exponent)),
    }
    plain = {"a": slice_sums(losses, w), "b": slice_sums(losses[::-1], w)}
    assert slice_estimate(scaled["a"]) == slice_estimate(plain["a"])
    for prior in (None, {"a": 0.25, "b": 0.75}):
        assert skill(scaled, prior) == skill(plain, prior)


@pytest.mark.parametrize("prior", [None, [0.5, 0.3, 0.2]])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0, 3.0])
def test_a_multiple_of_the_base_loss_has_that_skill_without_error(slice_sums, prior, share):
    """Each row loses `share` times what the base rate loses: the ratio is the same in any sample."""
    counts = {"a": 4, "b": 2, "c": 2}
    base = {
        k: -math.log(n / 8 if prior is None else p)
        for (k, n), p in zip(counts.items(), prior or [0] * 3, strict=True)
    }
    found = skill({k: slice_sums([share * base[k]] * n) for k, n in counts.items()}, prior).skill
    assert found.value == pytest.approx(1 - share, abs=1e-15)
    assert found.se == pytest.approx(0.0, abs=1e-8)


# --- reliability ------------------------------------------------------------------------------------------


@st.composite
def cells(draw, *, edges=True):
    """(4, 601) sums of calibrated or wrong predictions on the fine grid."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    used = rng.choice(601 if edges else 300, draw(st.integers(1, 60)), replace=False)
    used = used if edges else 2 * used + 1
    w, c, hit, v = np.zeros((4, 601))
    w[used] = rng.uniform(0.5, 5.0, used.size)
    inside = np.where(used % 2, rng.uniform(0.05, 0.95, used.size), 0.0)
    c[used] = w[used] * (used // 2 + inside) / 300
    hit[used] = w[used] * rng.random(used.size)
    v[used] = np.maximum(c[used] * (w[used] - c[used]), 0.0)
    return np.stack([w, c, hit, v])


@FEW
@given(cells(), st.sampled_from([1, 5, 15, 300]))
def test_the_mirror_image_closes_its_bins_on_the_other_side(sums, bins):
    """Event and complement: an edge that belongs to the bin below belongs to the one above."""
    w, c, hit, v = sums
    mirrored = np.stack([w, w - c, w - hit, v])[:, ::-1]
    one, two = (reliability_from_cells("e", *x, bins=bins) for x in (sums, mirrored))
    assert one.error == pytest.approx(two.error_left_closed, abs=1e-12)
    assert one.error_left_closed == pytest.approx(two.error, abs=1e-12)


@FEW
@given(cells(edges=False), st.sampled_from([5, 15, 300]))
def test_between_edges_the_closure_does_not_matter(sums, bins):
    found = reliability_from_cells("e", *sums, bins=bins)
    w, c, hit, v = sums
    mirrored = reliability_from_cells("e", *np.stack([w, w - c, w - hit, v])[:, ::-1], bins=bins)
    assert found.error == pytest.approx(found.error_left_closed, abs=1e-12)
    assert found.error_if_calibrated == pytest.approx(mirrored.error_if_calibrated, rel=1e-6)
    for one, two in zip(found.bins, mirrored.bins[::-1], strict=True):
        assert (one.low, one.high) == (pytest.approx(1 - two.high), pytest.approx(1 - two.low))
        assert one.frequency == pytest.approx(1 - two.frequency, abs=1e-12)
        assert one.weight == pytest.approx(two.weight)


@FEW
@given(cells())
def test_finer_bins_never_hide_an_error(sums):
    errors = [reliability_from_cells("e", *sums, bins=b) for b in (1, 5, 15, 75, 300)]
    for coarse, fine in itertools.pairwise(errors):
        assert coarse.error <= fine.error + 1e-12
        assert coarse.error_left_closed <= fine.error_left_closed + 1e-12
        assert len(coarse.bins) <= len(fine.bins)
    total = abs((sums[2] - sums[1]).sum()) / sums[0].sum()
    assert errors[0].error == pytest.approx(total, abs=1e-12)


# --- tails ------------------------------------------------------------------------------------------------


def histogram(losses):
    low, index = np.unique(np.floor(np.log2(losses) * 4), return_inverse=True)
    parts = np.bincount(index), np.bincount(index, losses)
    return LossHistogram(np.exp2(low / 4), np.exp2((low + 1) / 4), *parts)


@FEW
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=80), st.integers(-8, 8), st.integers(2, 30))
def test_tails_know_no_unit(losses, octaves, bars):
    losses = np.sort(np.array(losses))[::-1]
    scaled = np.ldexp(losses, 4 * octaves)
    top = [[(x, x) for x in values[:10].tolist()] for values in (losses, scaled)]
    one, two = (tail_shares(t, histogram(x), len(x)) for t, x in zip(top, (losses, scaled), strict=True))
    assert [s[:2] for s in one] == [s[:2] for s in two]
    assert [s for *_, s in one] == pytest.approx([s for *_, s in two])
    bars_of = [coarse_histogram(histogram(x), bars=bars) for x in (losses, scaled)]
    assert sum(n for *_, n in bars_of[0]) == sum(n for *_, n in bars_of[1]) == len(losses)
