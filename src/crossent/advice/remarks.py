"""The rules that add to a choice: every one that fits is said.

A remark is a function from facts and reading to what it adds, or to None where it has nothing to say.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from crossent.advice.facts import Facts
from crossent.advice.reading import Reading
from crossent.advice.tables import MOST_VALUES
from crossent.wording import clean, count, percent, plain, things

_SMALL = 100
_RARE_ROWS = 20
_CLASS_TASKS = ("binary", "classes", "ordered")


@dataclass(frozen=True)
class Remark:
    """Reasons, what would change the advice, warnings, papers."""

    reasons: tuple[str, ...] = ()
    would_change: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


Rule = Callable[[Facts, Reading], Remark | None]
RULES: list[Rule] = []


def remark(function: Rule) -> Rule:
    """Decorator: the function is asked about all labels."""
    RULES.append(function)
    return function


def remarks(facts: Facts, reading: Reading) -> tuple[Remark, ...]:
    """Everything there is to add."""
    said = (function(facts, reading) for function in RULES)
    return tuple(found for found in said if found is not None)


@remark
def baseline(facts: Facts, reading: Reading) -> Remark | None:
    if reading.task not in _CLASS_TASKS or facts.classes is None:
        return None
    text = (
        f"Always predicting the frequencies of the labels has a log loss of {plain(facts.classes.entropy)} "
        "nats: a model that knows something is below."
    )
    return Remark(reasons=(text,))


@remark
def imbalance(facts: Facts, reading: Reading) -> Remark | None:
    classes = facts.classes
    if reading.task not in ("binary", "classes") or classes is None:
        return None
    rare = facts.share_of_rarest
    if rare * classes.count > 0.4:
        return None
    name = clean(classes.smallest[0])
    return Remark(
        reasons=(
            f"Only {percent(rare)} of the rows are {name}. That alone does not change the loss: log loss "
            "stays proper, and weights or resampling spoil its probabilities. Move the threshold instead "
            "of the loss.",
        ),
        would_change=(
            "Rare classes must be forced into a ranking or a representation: train with class_balanced, "
            "logit_adjusted or focal, then correct the predictions (crossent.imbalance) before judging "
            "them by log_loss.",
        ),
        sources=(
            "R. van den Goorbergh, M. van Smeden, D. Timmerman, B. Van Calster, The harm of class imbalance "
            "corrections for risk prediction models, JAMIA 29 (2022) 1525–1534, doi:10.1093/jamia/ocac093",
            "A. K. Menon et al., Long-tail learning via logit adjustment, ICLR 2021, arXiv:2007.07314",
        ),
    )


@remark
def few_rows_of_a_class(facts: Facts, reading: Reading) -> Remark | None:
    classes = facts.classes
    if reading.task not in _CLASS_TASKS or classes is None or classes.smallest[1] >= _RARE_ROWS:
        return None
    name, rows = clean(classes.smallest[0]), classes.smallest[1]
    if classes.singles > 1:
        text = (
            f"{things(classes.singles, 'class', 'classes')} of {count(classes.count)} have a single row: "
            "these cannot be both learnt and judged. Merge them, or collect more."
        )
    else:
        text = (
            f"{name} has {things(rows, 'row')}: whatever is said about it rests on these. Split by class "
            "(stratified), and do not judge it alone."
        )
    return Remark(warnings=(text,))


@remark
def sparse_labels(facts: Facts, reading: Reading) -> Remark | None:
    lists = facts.lists
    if reading.task != "multilabel" or lists is None or not lists.labels:
        return None
    labels = f"{plain(lists.a_row, 2)} of {count(lists.labels)} labels"
    reason = f"A row has {labels} on average; {percent(lists.empty)} of the rows have none."
    if lists.a_row / lists.labels > 0.05:
        return Remark(reasons=(reason,))
    return Remark(
        reasons=(reason,),
        would_change=(
            "Only the ranking of labels matters: asymmetric and sigmoid_focal play down the many easy "
            "zeros; neither is proper, so probabilities have to be calibrated afterwards.",
        ),
        sources=(
            "T. Ridnik et al., Asymmetric loss for multi-label classification, ICCV 2021, arXiv:2009.14119",
        ),
    )


@remark
def soft_indicators(facts: Facts, reading: Reading) -> Remark | None:
    if reading.task != "multilabel" or facts.lists is None or facts.lists.form != "fractions":
        return None
    return Remark(reasons=("Fractions instead of 0 and 1 are taken as they are: soft labels.",))


@remark
def too_many_zeros(facts: Facts, reading: Reading) -> Remark | None:
    numbers = facts.numbers
    if reading.task != "count" or numbers is None or numbers.mean == 0:
        return None
    dispersion = max((numbers.variance - numbers.mean) / numbers.mean**2, 1e-9)
    expected = math.exp(-math.log1p(dispersion * numbers.mean) / dispersion)
    if numbers.zeros < expected + max(0.05, 4 * math.sqrt(expected / facts.rows)):
        return None
    return Remark(
        would_change=(
            f"{percent(numbers.zeros)} of the counts are 0, where this mean and variance suggest "
            f"{percent(expected)}: try one model for zero or not (log_loss) and one for the counts above "
            "0, and compare their mean losses.",
        )
    )


@remark
def narrow_counts(facts: Facts, reading: Reading) -> Remark | None:
    numbers = facts.numbers
    if reading.task != "count" or numbers is None or numbers.variance > 0.7 * numbers.mean:
        return None
    return Remark(
        warnings=(
            f"The variance is only {plain(numbers.variance / numbers.mean)} times the mean, less than any "
            "Poisson or negative binomial distribution has: the counts may be a scale or limited by a "
            "total.",
        )
    )


@remark
def weights(facts: Facts, reading: Reading) -> Remark | None:
    found = facts.weights
    if found is None:
        return None
    if found.smallest == found.largest:
        return Remark(reasons=(f"All weights are {plain(found.smallest)}: they change nothing.",))
    if found.by_class:
        return Remark(
            warnings=(
                "Every class has a weight of its own: these are class weights. They do not belong into "
                "the evaluation, and predictions trained with them have to be corrected "
                "(crossent.imbalance).",
            )
        )
    unused = f" {things(found.zeros, 'row')} of weight 0 do not count." if found.zeros else ""
    return Remark(
        reasons=(
            "The weights go into training (sample_weight) and into the evaluation (--weight) alike; they "
            f"leave the information of {count(round(found.effective))} equal rows of "
            f"{count(facts.rows)}.{unused}",
        ),
        would_change=(
            "The weights are numbers of repeated rows: the standard error is then that of their sum.",
        ),
    )


@remark
def missing_labels(facts: Facts, reading: Reading) -> Remark | None:
    if not facts.missing:
        return None
    share = percent(facts.missing / (facts.missing + facts.rows))
    return Remark(
        warnings=(
            f"{things(facts.missing, 'label')} ({share}) are missing; the advice is about the others. Find "
            "out why: leaving such rows out is right only where it does not depend on the label.",
        )
    )


@remark
def perhaps_ids(facts: Facts, reading: Reading) -> Remark | None:
    numbers = facts.numbers
    if numbers is None or not numbers.whole or facts.rows < _SMALL or facts.distinct != facts.rows:
        return None
    return Remark(warnings=("No whole number occurs twice. If these are ids, name the right column.",))


@remark
def few_rows(facts: Facts, reading: Reading) -> Remark | None:
    if facts.rows >= _SMALL:
        return None
    return Remark(
        warnings=(
            f"With {things(facts.rows, 'row')} the shape of the labels is hardly known, and no part of "
            "them can be set aside: judge by repeated cross-validation.",
        )
    )


@remark
def rounded_figures(facts: Facts, reading: Reading) -> Remark | None:
    if facts.numbers is None or facts.numbers.exact:
        return None
    return Remark(
        warnings=(
            f"There are more than {MOST_VALUES:,} different numbers: for moments and quantiles they were "
            "rounded to that many.",
        )
    )
