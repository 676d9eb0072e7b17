"""The rules that choose losses. For each reading the first rule that fits decides; add one in its place.

A rule is a function from facts to a `Choice`, or to None where it does not fit. Names of losses are those of
the registry.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from crossent.advice.facts import Facts, Numbers
from crossent.wording import percent, plain

MANY_CLASSES = 10_000
_FEWEST = 30
_OVERDISPERSED = 1.5
_SKEWED = 1.0
_HEAVY = 4.0
"""Tail index below which the fourth moment, and with it the standard error of a variance, does not exist."""


@dataclass(frozen=True)
class Choice:
    """Losses to train with and scores to judge by, with `because` and `unless`: sentences.

    `spelled` is the entry of `libraries.SPELLINGS`; `sources` are papers.
    """

    training: tuple[str, ...]
    evaluation: tuple[str, ...]
    spelled: str
    because: tuple[str, ...]
    unless: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


Rule = Callable[[Facts], Choice | None]
RULES: dict[str, list[Rule]] = {}


def rule(*tasks: str) -> Callable[[Rule], Rule]:
    """Decorator: the function decides for these readings, where no rule above it does."""

    def add(function: Rule) -> Rule:
        for task in tasks:
            RULES.setdefault(task, []).append(function)
        return function

    return add


def choose(facts: Facts, task: str) -> Choice:
    """The choice of the first rule that fits; the last rule of every reading always does."""
    return next(choice for choice in (decide(facts) for decide in RULES[task]) if choice is not None)


# --- classes ----------------------------------------------------------------------------------------------

_PROPER = (
    "Log loss is strictly proper: its minimum is the true probabilities, and whatever is decided later "
    "(a threshold, a ranking, a cost) can be read off them."
)
_GNEITING = (
    "T. Gneiting, A. E. Raftery, Strictly proper scoring rules, prediction, and estimation, JASA 102 "
    "(2007) 359–378, doi:10.1198/016214506000001437"
)
_NOISE = (
    "Some labels are known to be wrong: train with generalised_cross_entropy, which gives up on rows it "
    "cannot fit, and judge by brier, in which no row counts more than 2; log_loss if the labels judged by "
    "are clean."
)
_COSTS = (
    "Only a decision with known costs matters: the loss stays, the threshold moves to c/(c + m), with c the "
    "cost of a false alarm and m that of a miss."
)


@rule("binary")
def two_classes(facts: Facts) -> Choice:
    return Choice(("log_loss",), ("log_loss", "brier"), "binary", (_PROPER,), (_COSTS, _NOISE), (_GNEITING,))


@rule("classes")
def very_many_classes(facts: Facts) -> Choice | None:
    if facts.distinct is not None and facts.distinct < MANY_CLASSES:
        return None
    return Choice(
        ("log_loss",),
        ("log_loss",),
        "many classes",
        (
            _PROPER,
            f"With {MANY_CLASSES:,} classes and more the cost is in the last layer: fuse it with the loss, "
            "which is exact (linear_cross_entropy), before sampling classes, which is not.",
        ),
        ("Even the fused loss is too slow: train with sampled softmax, and judge by the exact log_loss.",),
        (
            "Y. Bengio, J.-S. Senécal, Adaptive importance sampling to accelerate training of a neural "
            "probabilistic language model, IEEE Trans. Neural Netw. 19 (2008) 713–722, "
            "doi:10.1109/TNN.2007.912312",
        ),
    )


@rule("classes")
def several_classes(facts: Facts) -> Choice:
    return Choice(("log_loss",), ("log_loss", "brier"), "classes", (_PROPER,), (_NOISE,), (_GNEITING,))


@rule("ordered")
def ordered_classes(facts: Facts) -> Choice:
    return Choice(
        ("cumulative_link",),
        ("ranked_probability_score", "log_loss"),
        "ordered",
        (
            "With an order one score and K − 1 thresholds are enough: cumulative_link has fewer "
            "parameters than a softmax and shares what neighbouring classes have in common.",
            "ranked_probability_score is strictly proper and counts a near miss as less than a far one; "
            "log_loss looks only at the probability of what happened.",
        ),
        (
            "A feature moves some thresholds and not others (no proportional odds): train with log_loss over "
            "classes, judge by ranked_probability_score all the same.",
        ),
        (
            "P. McCullagh, Regression models for ordinal data, JRSS B 42 (1980) 109–142, "
            "doi:10.1111/j.2517-6161.1980.tb01109.x",
            "E. S. Epstein, A scoring system for probability forecasts of ranked categories, J. Appl. "
            "Meteorol. 8 (1969) 985–987, doi:10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2",
        ),
    )


@rule("multilabel")
def several_labels(facts: Facts) -> Choice:
    return Choice(
        ("sigmoid_log_loss",),
        ("sigmoid_log_loss",),
        "multilabel",
        (
            "Each label is a yes or no of its own: sigmoid_log_loss adds their log losses and is strictly "
            "proper for every label's probability. A softmax would force one label a row.",
        ),
        ("Labels exclude each other: then they are classes, and log_loss over them is right.",),
    )


@rule("distribution")
def soft_labels(facts: Facts) -> Choice:
    return Choice(
        ("soft_cross_entropy",),
        ("soft_cross_entropy",),
        "distribution",
        (
            "soft_cross_entropy takes the whole row: it is strictly proper for the mean distribution, "
            "where taking the largest entry would throw away the annotators' doubt.",
            "Its minimum is not 0 but the entropy of the rows: differences between models mean something, "
            "its size does not.",
        ),
        ("The fractions come from counts of annotators: give each row its number of annotators as weight.",),
    )


# --- counts and fractions ---------------------------------------------------------------------------------


_EXPOSURE = (
    "Rows were watched for different times, areas or policies: add the logarithm of that as an offset, or "
    "predict rates with it as weight."
)


@rule("count")
def scattered_counts(facts: Facts) -> Choice | None:
    numbers = _numbers(facts)
    ratio = numbers.variance / numbers.mean
    # under Poisson the ratio scatters by sqrt(2/n) around 1
    if ratio < max(_OVERDISPERSED, 1 + 4 * math.sqrt(2 / facts.rows)):
        return None
    return Choice(
        ("negative_binomial_nll",),
        ("negative_binomial_nll", "squared_error"),
        "scattered counts",
        (
            f"The variance is {plain(ratio)} times the mean. A Poisson distribution has them equal, and "
            "states far too narrow a spread here unless features explain the rest; negative_binomial_nll "
            "fits the spread.",
        ),
        (
            "Only the mean is wanted: poisson_nll estimates it rightly whatever the spread.",
            _EXPOSURE,
            "Features explain most of the scatter: compare the two by their mean loss on other rows; both "
            "count in nats and include the same constants.",
        ),
        (
            "C. Gourieroux, A. Monfort, A. Trognon, Pseudo maximum likelihood methods: applications to "
            "Poisson models, Econometrica 52 (1984) 701–720, doi:10.2307/1913472",
        ),
    )


@rule("count")
def plain_counts(facts: Facts) -> Choice:
    numbers = _numbers(facts)
    return Choice(
        ("poisson_nll",),
        ("poisson_nll", "squared_error"),
        "counts",
        (
            f"Counts from 0 with a variance of {plain(numbers.variance / numbers.mean)} times the mean: "
            "poisson_nll, whose variance is the mean, fits, and keeps predictions above 0.",
        ),
        (
            _EXPOSURE,
            "The counts cannot exceed a known total: then they are fractions of it, with the total as "
            "weight.",
        ),
    )


@rule("fraction")
def fractions(facts: Facts) -> Choice:
    return Choice(
        ("sigmoid_log_loss",),
        ("sigmoid_log_loss", "squared_error"),
        "fraction",
        (
            "Fractions are soft labels: the cross-entropy between fraction and predicted fraction keeps "
            "predictions inside [0, 1], takes 0 and 1 as they are, and estimates the mean rightly "
            "whatever the distribution around it.",
        ),
        (
            "The fractions are of known totals: give the totals as weights.",
            "The whole distribution of the fraction is wanted, not its mean: predict samples or quantiles "
            "and judge by crps.",
        ),
        (
            "L. E. Papke, J. M. Wooldridge, Econometric methods for fractional response variables, J. Appl. "
            "Econom. 11 (1996) 619–632, doi:10.1002/(SICI)1099-1255(199611)11:6<619::AID-JAE418>3.0.CO;2-1",
        ),
    )


# --- quantities -------------------------------------------------------------------------------------------

_MEAN_ONLY = "Only the mean is wanted: squared_error, judged by its root."
_QUANTILE = (
    "A high or low bound is wanted (stock, worst case): pinball at that level, for training and judging."
)
_RESIDUALS = (
    "What counts is the scatter around the predictions, not that of the labels: look at the residuals of "
    "a first model and ask again with those."
)


@rule("real")
def amounts_with_zeros(facts: Facts) -> Choice | None:
    numbers = _numbers(facts)
    if numbers.negatives or not 0.02 <= numbers.zeros < 1:
        return None
    return Choice(
        ("log_loss", "log_normal_nll"),
        ("crps",),
        "amounts with zeros",
        (
            f"{percent(numbers.zeros)} of the amounts are exactly 0, which no continuous density allows: "
            "one model for zero or not (log_loss), one for how much (log_normal_nll on the rows above 0).",
            "crps judges the two together, from samples: it is proper for any mixture of zeros and amounts.",
        ),
        ("Only the mean is wanted: one model with a Tweedie deviance (power between 1 and 2).",),
    )


@rule("real")
def positive_and_skewed(facts: Facts) -> Choice | None:
    numbers = _numbers(facts)
    if (
        numbers.log_skewness is None
        or numbers.skewness < _SKEWED
        or abs(numbers.log_skewness) > numbers.skewness
    ):
        return None
    return Choice(
        ("log_normal_nll",),
        ("log_normal_nll", "crps"),
        "positive",
        (
            f"All labels are above 0 and skewed to the right (skewness {plain(numbers.skewness, 1)}; of the "
            f"logarithms {plain(numbers.log_skewness, 1)}): errors are factors rather than differences, and "
            "log_normal_nll gives every row the same say where squared_error listens to the largest.",
        ),
        (
            "The mean in the label's own unit is wanted: train with a Gamma deviance, since the "
            "exponential of a mean logarithm is the median.",
            _QUANTILE,
        ),
    )


@rule("real")
def heavy_tails(facts: Facts) -> Choice | None:
    numbers = _numbers(facts)
    if numbers.tail_index is None or numbers.tail_index >= _HEAVY:
        return None
    return Choice(
        ("student_nll",),
        ("crps", "absolute_error"),
        "heavy tails",
        (
            f"The tails are heavy (tail index {plain(numbers.tail_index, 1)}, excess kurtosis "
            f"{plain(numbers.excess_kurtosis, 1)}): under squared_error and gaussian_nll a few rows decide. "
            "student_nll and absolute_error let them count without ruling.",
        ),
        (_RESIDUALS, "The far rows are faults: correct them; no loss replaces that.", _QUANTILE),
        (
            "K. L. Lange, R. J. A. Little, J. M. G. Taylor, Robust statistical modeling using the t "
            "distribution, JASA 84 (1989) 881–896, doi:10.1080/01621459.1989.10478852",
        ),
    )


@rule("real")
def skewed(facts: Facts) -> Choice | None:
    numbers = _numbers(facts)
    if abs(numbers.skewness) < _SKEWED or facts.rows < _FEWEST:
        return None
    return Choice(
        ("pinball",),
        ("crps", "pinball"),
        "quantiles",
        (
            f"The labels are skewed (skewness {plain(numbers.skewness, 1)}) and not all above 0: quantiles "
            "need no shape of distribution, and pinball is proper for each of them.",
        ),
        (_RESIDUALS, _MEAN_ONLY),
        ("R. Koenker, G. Bassett, Regression quantiles, Econometrica 46 (1978) 33–50, doi:10.2307/1913643",),
    )


@rule("real")
def quantities(facts: Facts) -> Choice:
    numbers = _numbers(facts)
    entropy = 0.5 * math.log(2 * math.pi * math.e * numbers.variance)
    return Choice(
        ("gaussian_nll",),
        ("gaussian_nll", "crps", "squared_error"),
        "quantity",
        (
            f"A quantity without heavy tails (skewness {plain(numbers.skewness, 1)}, excess kurtosis "
            f"{plain(numbers.excess_kurtosis, 1)}): gaussian_nll, the cross-entropy of a normal density. "
            "With one spread for all rows its minimum is that of squared_error; with a spread for each it "
            "says how sure the model is.",
            f"A normal density with the mean and spread of the labels has a loss of {plain(entropy)} nats "
            "per unit of the label; another unit shifts it by the logarithm of the factor, for all models "
            "alike.",
        ),
        (
            _MEAN_ONLY,
            _QUANTILE,
            "The residuals have heavy tails or a skew that the labels do not show: ask again with these.",
        ),
    )


def _numbers(facts: Facts) -> Numbers:
    assert facts.numbers is not None
    return facts.numbers
