"""Log losses of densities: 200 digits, SciPy, scoringrules, PyTorch, published values, the edges."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from crossent.errors import DataError
from crossent.losses import get

INF = math.inf


def value(name, y, row, kind=None):
    loss = get(name)
    (got,) = loss.value(np.array([y]), np.array([row], float), kind or loss.kinds[0])
    return got


# --- published values (R scoringRules) ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "y", "row", "published"),
    [
        ("gaussian_nll", 0, [0.1, 0.1], -0.8836466),
        ("laplace_nll", -3, [0.1, 0.9], 4.032231),
        ("student_nll", 11.1, [5.2, 13.8, 2.3], 2.528398),
        ("log_normal_nll", 3, [0.1, 0.9], 2.527762),
        ("log_normal_nll", 0, [0.1, 0.9], INF),
        ("gaussian_mixture_nll", 0.3, [1 / 3, 1 / 3, 1 / 3, 0, -2.9, 0.9, 0.5, 1.4, 0.7], 1.019742),
    ],
)
def test_published(name, y, row, published):
    assert value(name, y, row) == pytest.approx(published, rel=3e-7)


# --- peers ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(3)
    return rng.normal(scale=30, size=400), rng.normal(scale=30, size=400), np.exp(rng.normal(size=400))


def peers(y, m, s):
    """Prediction, and the log loss by SciPy."""
    df, positive = s + 1.5, np.exp(y / 30)
    both = np.column_stack([m, s])
    parts = [stats.norm.logpdf(y, m, s), stats.norm.logpdf(y, -m, 2 * s)]
    mixture = np.column_stack([np.full(len(y), 0.3), np.full(len(y), 0.7), m, -m, s, 2 * s])
    return {
        "gaussian_nll": (y, both, -stats.norm.logpdf(y, m, s)),
        "laplace_nll": (y, both, -stats.laplace.logpdf(y, m, s)),
        "student_nll": (y, np.column_stack([df, m, s]), -stats.t.logpdf(y, df, m, s)),
        "log_normal_nll": (
            positive,
            both / 30,
            -stats.lognorm.logpdf(positive, s / 30, scale=np.exp(m / 30)),
        ),
        "gaussian_mixture_nll": (y, mixture, -logsumexp(parts, axis=0, b=np.array([[0.3], [0.7]]))),
    }


NAMES = ["gaussian_nll", "laplace_nll", "student_nll", "log_normal_nll", "gaussian_mixture_nll"]


@pytest.mark.parametrize("name", NAMES)
def test_scipy(drawn, name):
    y, prediction, theirs = peers(*drawn)[name]
    loss = get(name)
    np.testing.assert_allclose(loss.value(y, prediction, loss.kinds[0]), theirs, rtol=1e-12, atol=1e-12)


def test_scoringrules(drawn):
    sr = pytest.importorskip("scoringrules")
    _, m, s = drawn
    y = m + s * np.linspace(-5, 5, len(m))  # further out its density underflows before the logarithm
    cases = peers(y, m, s)
    df, positive = s + 1.5, np.exp(y / 30)
    theirs = {
        "gaussian_nll": sr.logs_normal(y, m, s),
        "laplace_nll": sr.logs_laplace(y, m, s),
        "student_nll": sr.logs_t(y, df, m, s),
        "log_normal_nll": sr.logs_lognormal(positive, m / 30, s / 30),
    }
    for name, want in theirs.items():
        target, prediction, _ = cases[name]
        got = get(name).value(target, prediction, get(name).kinds[0])
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def test_pytorch_with_its_gradients(drawn):
    torch = pytest.importorskip("torch")
    y, m, s = drawn
    mean, log_std = torch.tensor(m, requires_grad=True), torch.tensor(np.log(s), requires_grad=True)
    theirs = torch.nn.GaussianNLLLoss(full=True, eps=1e-300, reduction="none")(
        mean, torch.tensor(y), torch.exp(2 * log_std)
    )
    theirs.sum().backward()
    loss, prediction = get("gaussian_nll"), np.column_stack([m, np.log(s)])
    got = loss.value(y, prediction, "mean_log_std")
    np.testing.assert_allclose(got, theirs.detach().numpy(), rtol=1e-12)
    slopes = np.column_stack([mean.grad.numpy(), log_std.grad.numpy()])
    np.testing.assert_allclose(loss.gradient(y, prediction, "mean_log_std"), slopes, rtol=1e-12, atol=1e-12)


# --- 200 digits: value and both derivatives -------------------------------------------------------------


def gaussian(row, y):
    return mp.log(2 * mp.pi) / 2 + mp.log(row[1]) + ((mp.mpf(y) - row[0]) / row[1]) ** 2 / 2


def gaussian_by_logarithm(row, y):
    return gaussian([row[0], mp.exp(row[1])], y)


def log_normal(row, y):
    return mp.log(mp.mpf(y)) + gaussian(row, mp.log(mp.mpf(y)))


def student(row, y):
    df, location, scale = row
    z = (mp.mpf(y) - location) / scale
    constant = mp.log(df * mp.pi) / 2 + mp.loggamma(df / 2) - mp.loggamma((df + 1) / 2)
    return constant + mp.log(scale) + (df + 1) / 2 * mp.log1p(z * z / df)


def mixture(row, y):
    count = len(row) // 3
    weight, mean, std = row[:count], row[count : 2 * count], row[2 * count :]
    density = [w * mp.exp(-gaussian([m, s], y)) for w, m, s in zip(weight, mean, std, strict=True)]
    return -mp.log(mp.fsum(density))


def test_gaussian_to_the_last_digits(exact):
    y = np.array([0.3, 5.0, 1e150, -2.0, 1e-200, 7.0])
    rows = [[0.1, 0.7], [5.0, 3.0], [0.0, 1e130], [1.0, 4e-16], [0.0, 1e-150], [-7.0, 1e100]]
    exact(get("gaussian_nll"), gaussian, y, rows, "mean_std", rtol=1e-15, atol=1e-15)
    rows = [[0.1, -0.7], [5.0, 1.0], [0.0, 300.0], [1.0, -35.0], [0.0, -350.0], [-7.0, 300.0]]
    exact(get("gaussian_nll"), gaussian_by_logarithm, y, rows, "mean_log_std", rtol=1e-13, atol=1e-15)


def test_log_normal_to_the_last_digits(exact):
    y = np.array([0.3, 5.0, 1e150, 1e-200])
    rows = [[0.1, 0.7], [2.0, 3.0], [300.0, 0.01], [-500.0, 4e-16]]
    exact(get("log_normal_nll"), log_normal, y, rows, "log_mean_log_std", rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("df", [0.01, 0.6, 1.0, 2.5, 15.9, 32.1, 1e3, 1e7, 1e12])
def test_student_to_the_last_digits(exact, df):
    """By subtracting log-gammas 1e12 degrees of freedom would leave not a digit."""
    y = np.array([0.3, 5.0, 1e10, -2.0])
    rows = [[df, 0.1, 0.7], [df, 5.5, 3.0], [df, 0.0, 1e9], [df, 1.0, 1e-5]]
    exact(get("student_nll"), student, y, rows, "df_location_scale", rtol=1e-12, atol=1e-12)


def test_mixture_to_the_last_digits(exact):
    y = np.array([0.3, 60.0, -2.0])
    rows = [
        [0.2, 0.5, 0.3, -1.0, 0.0, 2.0, 0.5, 1.0, 2.0],
        [0.5, 0.25, 0.25, 0.0, 1.0, -1.0, 1.0, 1.1, 0.9],
        [0.5, 0.5, 0.0, 1.0, -2.0, 0.0, 1e-3, 1e-3, 1.0],
    ]
    exact(get("gaussian_mixture_nll"), mixture, y, rows, "mixture", rtol=1e-10, atol=1e-13)


# --- the edges ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "y", "row", "want"),
    [
        ("gaussian_nll", 1.0, [0.0, 0.0], INF),
        ("gaussian_nll", 1e300, [-1e300, 1e-300], INF),
        ("gaussian_nll", 1.0, [0.0, 4e-16], 0.5 / 4e-16**2),
        ("laplace_nll", 1.0, [0.0, 0.0], INF),
        ("student_nll", 1.0, [3.0, 0.0, 0.0], INF),
        ("student_nll", 1e300, [1.0, 0.0, 1.0], math.log(math.pi) + 600 * math.log(10)),
        ("log_normal_nll", -1.0, [0.0, 1.0], INF),
        ("gaussian_mixture_nll", 1.0, [0.5, 0.5, 0.0, 3.0, 0.0, 0.0], INF),
        ("gaussian_mixture_nll", 0.0, [0.5, 0.5, 0.0, 0.0, 1.0, 1.0], 0.5 * math.log(2 * math.pi)),
        ("gaussian_mixture_nll", 1e3, [0.0, 1.0, 1e3, 0.0, 1.0, 1.0], 5e5 + 0.5 * math.log(2 * math.pi)),
    ],
)
def test_limits(name, y, row, want):
    assert value(name, y, row) == pytest.approx(want, rel=1e-14)


def test_the_logarithm_of_no_spread_is_minus_infinity():
    assert value("gaussian_nll", 1.0, [0.0, -INF], "mean_log_std") == INF
    tiny = value("gaussian_nll", 0.0, [0.0, -1e4], "mean_log_std")
    assert tiny == pytest.approx(0.5 * math.log(2 * math.pi) - 1e4, rel=1e-15)
    # exp(-800) is 0, its ratio to an error of 1e-340 times exp(800) is not
    far = value("gaussian_nll", 5e-324, [0.0, -800.0], "mean_log_std")
    assert far == pytest.approx(0.5 * math.exp(2 * (800 + math.log(5e-324))), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("gaussian_nll", [2.0, 1.0], [1.0, 0.0]),
        ("laplace_nll", [2.0, 1.0], [1.0, 0.0]),
        ("student_nll", [3.0, 2.0, 1.0], [3.0, 1.0, 0.0]),
        ("log_normal_nll", [2.0, 1.0], [0.0, 0.0]),
        ("gaussian_mixture_nll", [0.5, 0.5, 2.0, 3.0, 1.0, 1.0], [0.5, 0.5, 2.0, 1.0, 1.0, 0.0]),
    ],
)
@pytest.mark.parametrize("method", ["value", "gradient"])
def test_an_infinite_density_is_refused(name, good, bad, method):
    with pytest.raises(DataError, match=r"the density is infinite.*\[infinite-density\]") as caught:
        getattr(get(name), method)(np.ones(3), np.array([good, good, bad]), get(name).kinds[0])
    assert (caught.value.row, caught.value.value) == (2, 0.0)


@pytest.mark.parametrize(
    ("name", "good", "bad", "slug"),
    [
        ("gaussian_nll", [0.0, 1.0], [0.0, -1e-300], "not-a-scale"),
        ("gaussian_nll", [0.0, 1.0], [math.nan, 1.0], "prediction-not-finite"),
        ("laplace_nll", [0.0, 1.0], [0.0, -1.0], "not-a-scale"),
        ("student_nll", [3.0, 0.0, 1.0], [0.0, 0.0, 1.0], "not-a-scale"),
        ("student_nll", [3.0, 0.0, 1.0], [3.0, 0.0, -1.0], "not-a-scale"),
        ("student_nll", [3.0, 0.0, 1.0], [INF, 0.0, 1.0], "prediction-not-finite"),
        ("log_normal_nll", [0.0, 1.0], [0.0, -1.0], "not-a-scale"),
        ("gaussian_mixture_nll", [1.0, 0.0, 1.0], [0.9, 0.0, 1.0], "not-a-mixture"),
        ("gaussian_mixture_nll", [1.0, 0.0, 1.0], [1.0, 0.0, -1.0], "not-a-scale"),
        ("gaussian_mixture_nll", [1.0, 0, 0, 0, 1, 1], [1.5, -0.5, 0, 0, 1, 1], "not-a-mixture"),
    ],
)
def test_refusals_name_the_row(name, good, bad, slug):
    with pytest.raises(DataError) as caught:
        get(name).value(np.ones(2), np.array([good, bad]), get(name).kinds[0])
    assert (caught.value.slug, caught.value.row) == (slug, 1)


def test_a_bad_entry_is_named_by_its_column():
    with pytest.raises(DataError, match=r"row 1, column log std, value inf: .*\[prediction-not-finite\]"):
        get("gaussian_nll").value(np.ones(2), np.array([[0.0, -INF], [0.0, INF]]), "mean_log_std")


@pytest.mark.parametrize("columns", [2, 4])
def test_a_mixture_has_three_columns_a_component(columns):
    with pytest.raises(DataError, match=r"\(1, \d\) — give \(N, 3C\).*\[shape-mismatch\]"):
        get("gaussian_mixture_nll").value(np.ones(1), np.ones((1, columns)), "mixture")


@pytest.mark.parametrize("y", [math.nan, INF])
def test_what_happened_must_be_a_number(y):
    for name in ("gaussian_nll", "squared_error", "crps"):
        kind = get(name).kinds[0]
        prediction = np.ones(2) if kind == "point" else np.ones((2, 2))
        with pytest.raises(DataError, match=r"row 1.*\[label-not-finite\]"):
            get(name).value(np.array([0.0, y]), prediction, kind)
