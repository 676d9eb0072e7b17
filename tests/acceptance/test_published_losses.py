"""Likelihoods, perplexities, log scores and CRPS that others published."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

import crossent

# --- likelihood tables ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def statsmodels():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("statsmodels.api")


@dataclass(frozen=True)
class Fit:
    """A maximum-likelihood fit: what it was fitted to, what it predicts, how many parameters it has."""

    labels: np.ndarray
    prediction: np.ndarray
    parameters: int


def fitted(statsmodels, name: str, model: str) -> Fit:
    data = getattr(statsmodels.datasets, name).load_pandas()
    x = statsmodels.add_constant(data.exog)
    fit = getattr(statsmodels, model)(data.endog, x).fit(**({} if model == "OLS" else {"disp": 0}))
    return Fit(data.endog.to_numpy(), np.asarray(fit.predict(x)), np.size(fit.params))


def likelihood_table(fit: Fit) -> tuple[int, float, float, float, float]:
    """Rows, cross-entropy, McFadden's R² (the skill against the base rate), AIC, BIC, by `evaluate`."""
    p = fit.prediction if fit.prediction.ndim == 2 else np.column_stack([1 - fit.prediction, fit.prediction])
    columns = {f"p_{k}": p[:, k] for k in range(p.shape[1])}
    labels = [str(int(label)) for label in fit.labels]
    (model,) = crossent.evaluate({"label": labels, **columns}).results.models
    n, loss = model.loss.units, model.loss.value
    (skill,) = (s.skill.value for s in model.skill if s.rows == n)
    penalty = fit.parameters
    return n, loss, skill, 2 * penalty + 2 * n * loss, penalty * np.log(n) + 2 * n * loss


def test_logit_of_spector(statsmodels):
    n, loss, skill, aic, bic = likelihood_table(fitted(statsmodels, "spector", "Logit"))
    assert n == 32
    assert loss == pytest.approx(0.40280107, abs=5e-9)
    assert skill == pytest.approx(0.374038, abs=5e-7)
    assert aic == pytest.approx(33.779268, abs=5e-7)
    assert bic == pytest.approx(39.642212, abs=5e-7)


def test_multinomial_logit_of_the_election_study(statsmodels):
    n, loss, skill, *_ = likelihood_table(fitted(statsmodels, "anes96", "MNLogit"))
    assert n == 944
    assert loss == pytest.approx(1.54864698, abs=5e-9)
    assert skill == pytest.approx(0.164781, abs=5e-7)


def test_gaussian_likelihood_of_longley(statsmodels):
    fit = fitted(statsmodels, "longley", "OLS")
    std = np.sqrt(np.mean((fit.labels - fit.prediction) ** 2))
    loss = crossent.loss(fit.labels, (fit.prediction, std), "gaussian_nll", kind="mean_std")
    assert loss == pytest.approx(6.85108968, abs=5e-9)
    # the same from the squared error alone
    squared = crossent.loss(fit.labels, fit.prediction, "squared_error", kind="point")
    assert loss == pytest.approx(0.5 * np.log(2 * np.pi * np.e * squared), rel=1e-13)


# --- perplexity -------------------------------------------------------------------------------------------

VOCABULARY = ("a", "b", "c", "d", "z", "<s>", "</s>", "<UNK>")


class Bigrams:
    """Counts of the two training sentences of nltk.lm's tests, with words out of the vocabulary as <UNK>."""

    def __init__(self, added: float) -> None:
        self.added = added
        self.single: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str]] = Counter()
        for sentence in ("abcd", "egadbe"):
            words = ["<s>", *(w if w in VOCABULARY else "<UNK>" for w in sentence), "</s>"]
            self.single.update(words)
            self.pairs.update(pairwise(words))

    def probabilities(self, before: str | None) -> list[float]:
        counts = [self.single[w] if before is None else self.pairs[before, w] for w in VOCABULARY]
        return [(c + self.added) / (sum(counts) + self.added * len(counts)) for c in counts]


SEEN = [("<s>", "a"), ("a", "b"), ("b", "<UNK>"), ("<UNK>", "a"), ("a", "d"), ("d", "</s>")]
UNSEEN = [("<s>", "a"), ("a", "c"), ("c", "d"), ("d", "</s>")]
NOVEL = [("<s>", "a"), ("a", "c"), ("c", "<UNK>"), ("<UNK>", "d"), ("d", "c"), ("c", "</s>")]
ALONE = [(None, w) for w in ("<s>", "a", "c", "<UNK>", "d", "c", "</s>")]


@pytest.mark.parametrize(
    ("added", "text", "bits", "perplexity", "digits"),
    [
        (0, SEEN, 1.0974937501, 2.1398263879, 5e-11),
        (0, UNSEEN, np.inf, np.inf, 0),
        (0, ALONE, 3.0095, 8.0529, 1e-3),
        (0.1, NOVEL, 4.0917, 17.0504, 1e-3),
        (1, NOVEL, 3.1275109844, 8.7392591531, 5e-11),
    ],
    ids=["seen", "unseen", "unigrams", "lidstone", "laplace"],
)
def test_language_models_of_nltk(added, text, bits, perplexity, digits):
    model = Bigrams(added)
    p = np.array([model.probabilities(before) for before, _ in text])
    words = [word for _, word in text]
    assert crossent.log_loss(words, p, classes=VOCABULARY, base="bits") == pytest.approx(bits, abs=digits)
    truth = np.eye(8)[[VOCABULARY.index(w) for w in words]]
    assert crossent.perplexity(truth, p) == pytest.approx(perplexity, abs=digits)

    with np.errstate(divide="ignore"):
        chosen = np.log((p * truth).sum(axis=1))
    (result,) = crossent.evaluate({"logprob": chosen}).results.models
    assert result.bits == pytest.approx(bits, abs=digits)
    assert result.perplexity == pytest.approx(perplexity, abs=digits)


def test_bits_per_byte_of_a_language_model_on_wikitext():
    """Word perplexity, byte perplexity and bits per byte that lm-evaluation-harness printed for one model."""
    by_word, by_byte, bits = 8.792073612124492, 1.5015845643537054, 0.5864857250704371
    bytes_in_a_word = np.log(by_word) / np.log(by_byte)
    assert bytes_in_a_word == pytest.approx(5.347450639, abs=5e-10)
    table = {"logprob": np.full(50, -np.log(by_word)), "bytes": np.full(50, bytes_in_a_word)}
    (result,) = crossent.evaluate(table, bytes="bytes").results.models
    assert result.perplexity == pytest.approx(by_word, rel=1e-14)
    assert result.bits_per_byte.value == pytest.approx(bits, rel=1e-14)
    assert 2**result.bits_per_byte.value == pytest.approx(by_byte, rel=1e-14)


# --- log scores and CRPS of R's scoringRules --------------------------------------------------------------


MIXTURE = (1 / 3, 1 / 3, 1 / 3, 0.0, -2.9, 0.9, 0.5, 1.4, 0.7)
"""Weights, means and standard deviations of three normal components."""


@pytest.mark.parametrize(
    ("loss", "kind", "y", "prediction", "published"),
    [
        ("gaussian_nll", "mean_std", 0.0, (0.1, 0.1), -0.8836466),
        ("laplace_nll", "location_scale", -3.0, (0.1, 0.9), 4.032231),
        ("student_nll", "df_location_scale", 11.1, (5.2, 13.8, 2.3), 2.528398),
        ("poisson_nll", "rate", 1.0, (3.0,), 1.901388),
        ("log_normal_nll", "log_mean_log_std", 3.0, (0.1, 0.9), 2.527762),
        ("gaussian_mixture_nll", "mixture", 0.3, MIXTURE, 1.019742),
        ("crps_mixture", "mixture", 0.3, MIXTURE, 0.4510451),
        ("crps_laplace", "location_scale", -3.0, (0.0, 1.0), 2.29978707),
        ("crps_student", "df_location_scale", 11.1, (5.2, 13.8, 2.3), 1.658226),
        ("crps_logistic", "location_scale", 17.1, (13.8, 3.3), 2.067527),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_scores_of_densities(loss, kind, y, prediction, published):
    row = np.array([prediction]) if len(prediction) > 1 else np.array(prediction)
    places = len(str(published).partition(".")[2])
    assert crossent.loss([y], row, loss, kind=kind) == pytest.approx(published, abs=0.51 * 10**-places)
