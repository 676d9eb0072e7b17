"""Information criteria: published tables, exact leave-one-out, and the loss on rows that come later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import crossent
from crossent import DataError, UsageError
from crossent.criteria import aic, aicc, bic, psis_loo, tic, waic

SCHOOLS = np.load(Path(__file__).parents[1] / "data" / "eight_schools.npz")


def spector():
    data = sm.datasets.spector.load_pandas()
    return sm.Logit(data.endog, sm.add_constant(data.exog)).fit(disp=False)


def anes96():
    data = sm.datasets.anes96.load_pandas()
    names = ["logpopul", "selfLR", "age", "educ", "income"]
    return sm.MNLogit(data.endog, sm.add_constant(data.exog[names])).fit(disp=False, maxiter=100)


def longley():
    data = sm.datasets.longley.load_pandas()
    return sm.OLS(data.endog, sm.add_constant(data.exog)).fit()


@pytest.mark.parametrize(
    ("fit", "cross_entropy", "skill"), [(spector, 0.40280107, 0.374038), (anes96, 1.54864698, 0.164781)]
)
def test_tables_of_classifiers(fit, cross_entropy, skill) -> None:
    found = fit()
    n, k = int(found.nobs), found.params.size
    p, labels = np.asarray(found.predict()), np.asarray(found.model.endog).astype(int)
    two = np.column_stack([1 - p, p]) if p.ndim == 1 else p
    assert crossent.loss(labels, two) == pytest.approx(cross_entropy, abs=5e-9)
    assert 1 - crossent.loss(labels, two) / crossent.entropy(np.bincount(labels) / n) == pytest.approx(
        skill, abs=5e-7
    )
    rows = -crossent.loss(labels, two, reduction="none")
    for mine, theirs in ((aic(rows, k), found.aic), (bic(rows, k), found.bic)):
        assert mine.value == pytest.approx(theirs, rel=1e-9)
        assert mine.training == pytest.approx(cross_entropy, abs=5e-9)
        assert mine.per_row.value == pytest.approx(theirs / (2 * n), rel=1e-9)
        assert mine.per_row.se == pytest.approx(rows.std(ddof=1) / np.sqrt(n), rel=1e-12)
    params = np.asarray(found.params).ravel(order="F")
    scores, hessian = found.model.score_obs(params), found.model.hessian(params)
    sandwich = np.linalg.inv(hessian) @ (scores.T @ scores) @ np.linalg.inv(hessian)
    assert tic(rows, scores, hessian).penalty == pytest.approx(-np.trace(sandwich @ hessian), rel=1e-8)


def test_table_of_spector_as_printed() -> None:
    found = spector()
    assert aic(found.llf, 4, rows=32).value == pytest.approx(33.779268, abs=5e-7)
    assert bic(found.llf, 4, rows=32).value == pytest.approx(39.642212, abs=5e-7)


def test_table_of_longley() -> None:
    found = longley()
    assert crossent.loss(
        found.model.endog, (found.fittedvalues, np.sqrt(found.ssr / 16)), "gaussian_nll"
    ) == (pytest.approx(6.85108968, abs=5e-9))
    assert aic(found.llf, 7, rows=16).value == pytest.approx(233.2349, abs=5e-5)
    assert bic(found.llf, 7, rows=16).value == pytest.approx(238.6430, abs=5e-5)
    assert aic(found.llf, 7, rows=16).training == pytest.approx(6.85108968, abs=5e-9)


@pytest.mark.parametrize(
    ("model", "efficiency", "elpd", "p", "k"),
    [
        ("centered", 0.24128087524109407, -30.764147, 0.945110, 0.596999),
        ("non_centered", 1.0604059707168525, -30.734357, 0.864410, 0.625015),
    ],
)
def test_eight_schools_as_arviz_has_them(model, efficiency, elpd, p, k) -> None:
    """The efficiencies are those that ArviZ finds for the draws; float32 leaves six digits."""
    found = psis_loo(SCHOOLS[model], efficiency=efficiency)
    assert found.elpd.value == pytest.approx(elpd, abs=3e-6)
    assert found.parameters == pytest.approx(p, abs=3e-6) and found.k.max() == pytest.approx(k, abs=1e-4)
    assert found.per_row.value == pytest.approx(-elpd / 8, abs=1e-6) and found.doubtful == ()
    if model == "non_centered":
        assert found.elpd.se == pytest.approx(1.473641, abs=2e-6)
    chains = SCHOOLS[model].reshape(4, 500, 8)
    assert psis_loo(chains, efficiency=efficiency).elpd == found.elpd


def normal(rng, y, draws=4000):
    """Log-likelihoods by draws of the posterior of a mean (σ = 1, flat prior), and exact leave-one-out."""
    mu = rng.normal(y.mean(), 1 / np.sqrt(y.size), (draws, 1))
    others = (y.sum() - y) / (y.size - 1)
    exact = stats.norm.logpdf(y, others, np.sqrt(1 + 1 / (y.size - 1)))
    return stats.norm.logpdf(y, mu, 1.0), exact


def test_exact_leave_one_out_is_found() -> None:
    rng = np.random.default_rng(0)
    log_likelihood, exact = normal(rng, rng.normal(size=40))
    found = psis_loo(log_likelihood)
    np.testing.assert_allclose(found.pointwise, exact, atol=0.01)
    assert found.elpd.value == pytest.approx(exact.sum(), abs=0.03)
    assert found.per_row.se == pytest.approx(exact.std(ddof=1) / np.sqrt(40), rel=0.02)
    assert waic(log_likelihood).elpd.value == pytest.approx(exact.sum(), abs=0.1)
    assert found.training < -exact.mean()


def test_a_row_that_decides_too_much_is_named() -> None:
    rng = np.random.default_rng(1)
    log_likelihood, _ = normal(rng, np.append(rng.normal(size=9), 15.0))
    with pytest.warns(RuntimeWarning, match="Pareto k above 0.70"):
        assert psis_loo(log_likelihood).doubtful == (9,)
    with pytest.warns(RuntimeWarning, match="take psis_loo"):
        assert 9 in waic(log_likelihood).doubtful


@pytest.mark.filterwarnings("ignore:.*Pareto k")
@given(st.integers(0, 10**6), st.floats(-900.0, 900.0))
def test_units_and_the_order_of_draws_change_nothing_else(seed, shift) -> None:
    rng = np.random.default_rng(seed)
    log_likelihood, _ = normal(rng, rng.normal(size=6), draws=200)
    found = psis_loo(log_likelihood)
    other = psis_loo(rng.permutation(log_likelihood) + shift)
    np.testing.assert_allclose(other.pointwise - shift, found.pointwise, atol=1e-9)
    np.testing.assert_allclose(other.k, found.k, atol=1e-6)
    assert other.parameters == pytest.approx(found.parameters, abs=1e-9)


@pytest.mark.filterwarnings("ignore:.*Pareto k")
def test_criteria_leaving_out_and_later_rows_are_on_one_scale() -> None:
    """Mean of 60 experiments: a linear model with σ = 1, five inputs and 40 rows, judged on 4,000 more."""
    rng = np.random.default_rng(2)
    n, k, runs = 40, 5, 60
    sums = np.zeros(5)
    for _ in range(runs):
        beta = rng.normal(size=k)
        x, later = rng.normal(size=(n, k)), rng.normal(size=(4000, k))
        y, y_later = x @ beta + rng.normal(size=n), later @ beta + rng.normal(size=4000)
        inverse = np.linalg.inv(x.T @ x)
        fitted = inverse @ x.T @ y
        rows = stats.norm.logpdf(y, x @ fitted, 1.0)
        draws = rng.multivariate_normal(fitted, inverse, 2000)
        log_likelihood = stats.norm.logpdf(y, draws @ x.T, 1.0)
        spread = np.sqrt(1 + np.einsum("ij,jk,ik->i", later, inverse, later))
        sums += [
            -rows.mean(),
            aic(rows, k).per_row.value,
            -stats.norm.logpdf(y_later, later @ fitted, 1.0).mean(),
            psis_loo(log_likelihood).per_row.value,
            -stats.norm.logpdf(y_later, later @ fitted, spread).mean(),
        ]
    training, criterion, after, left_out, predicted = sums / runs
    assert after - training > 0.1  # what is to be corrected: 5/40 nats
    assert criterion == pytest.approx(after, abs=0.035)
    assert left_out == pytest.approx(predicted, abs=0.035)


def test_takeuchi_corrects_where_the_model_is_wrong() -> None:
    """Counts with a variance six times their mean, and Poisson: the penalty is about 6, not 1."""
    rng = np.random.default_rng(3)
    y = rng.negative_binomial(2, 2 / 12, 5000)
    rate = y.mean()
    found = tic(stats.poisson.logpmf(y, rate), (y / rate - 1)[:, None], [[-y.sum() / rate**2]])
    assert found.penalty == pytest.approx(y.var() / rate, rel=1e-12) and found.penalty > 5
    assert found.value > aic(stats.poisson.logpmf(y, rate), 1).value


@pytest.mark.parametrize(
    ("call", "slug"),
    [
        (lambda: aic(-3.0, 2), "rows-missing"),
        (lambda: aic([-3.0, -1.0], 2, rows=3), "shape-mismatch"),
        (lambda: aic([-3.0, np.nan], 2), "not-a-log-score"),
        (lambda: aic([-3.0, -1.0], -1), "bad-option"),
        (lambda: aicc([-3.0, -1.0], 2), "bad-option"),
        (lambda: tic([-1.0], [[1.0]], [[1.0, 0.0]]), "shape-mismatch"),
        (lambda: tic([-1.0], [[1.0]], [[0.0]]), "singular-hessian"),
        (lambda: waic([[-1.0]]), "too-few-draws"),
        (lambda: waic([-1.0]), "shape-mismatch"),
        (lambda: psis_loo([[-1.0], [-np.inf]]), "not-a-log-score"),
        (lambda: psis_loo([[-1.0], [-2.0]], efficiency=0.0), "bad-option"),
    ],
)
def test_arguments_that_cannot_be_say_so(call, slug) -> None:
    with pytest.raises((DataError, UsageError), match=slug):
        call()
