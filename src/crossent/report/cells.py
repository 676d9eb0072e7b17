"""Cells the sections share: a model, a loss, a difference."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from crossent import wording
from crossent.report.blocks import Cell, Column, IntervalPoint, Tone
from crossent.results import ModelResult, Results
from crossent.statistics.estimates import Estimate
from crossent.statistics.paired import Difference

ROWS_UNFOLDED = 12
"""A table of more classes, groups or files than this is secondary."""
T = TypeVar("T")
_TONES: dict[str, Tone] = {"worse": "bad", "better": "good", "infinite": "bad"}


def level(results: Results) -> float:
    """The confidence level of every interval in the report."""
    return results.comparison.level if results.comparison else 0.95


def percent(results: Results) -> str:
    """That level in words."""
    return wording.confidence(level(results))


def model_column(
    results: Results, name: Callable[[T], str], title: str = "Model"
) -> tuple[Column, Callable[[T], Cell]]:
    """The names of models, in tables of whatever has one."""
    return Column(title, key=True), lambda item: model_cell(results, name(item))


def model_cell(results: Results, name: str) -> Cell:
    """A model's name with its colour; the chosen one is emphasised."""
    return Cell(name, model=place(results, name), tone="strong" if name == results.chosen else "plain")


def place(results: Results, name: str) -> int | None:
    """Where a model stands in rank order, from 0: the key of its colour."""
    return next((i for i, m in enumerate(results.models) if m.name == name), None)


def estimate_cell(estimate: Estimate | None, *, sign: bool = False) -> Cell:
    """Value ± standard error."""
    if estimate is None:
        return missing()
    return Cell(wording.with_error(estimate, sign=sign), estimate.value)


def loss_cell(estimate: Estimate, n_infinite: int) -> Cell:
    """A loss; an infinite one says how many labels were given probability 0."""
    if math.isinf(estimate.value):
        return Cell(f"∞ ({infinite_remark(n_infinite)})", estimate.value, tone="bad")
    return estimate_cell(estimate)


def infinite_remark(n_infinite: int) -> str:
    """Why a loss is infinite.

    >>> infinite_remark(34)
    '34 labels at 0'
    """
    return f"{wording.things(n_infinite, 'label')} at 0"


def difference_cell(difference: Difference) -> Cell:
    """A paired difference ± standard error."""
    if math.isnan(difference.difference.value):
        return Cell("∞ − ∞", tone="quiet")
    return estimate_cell(difference.difference, sign=True)


def verdict_cell(difference: Difference) -> Cell:
    """What the comparison says, in a word or three."""
    return Cell(difference.verdict, tone=_TONES.get(difference.verdict, "plain"))


def number_cell(value: float | None) -> Cell:
    """A number to four significant digits."""
    return missing() if value is None else Cell(wording.plain(value), value)


def p_cell(p: float | None) -> Cell:
    """A p-value."""
    return missing() if p is None else Cell(wording.p_value(p), p)


def adjusted_cell(difference: Difference) -> Cell:
    """The adjusted p-value; results saved before there was a choice know Holm's only."""
    return p_cell(difference.p_holm if difference.p_adjusted is None else difference.p_adjusted)


def probability_cell(value: float, tone: Tone = "plain") -> Cell:
    """A probability or frequency."""
    return Cell(wording.probability(value), value, tone)


def count_cell(n: float | None) -> Cell:
    """A count."""
    return missing() if n is None else Cell(wording.count(n), n)


def missing() -> Cell:
    """A number that is not defined or was not asked for."""
    return Cell(wording.UNDEFINED, tone="quiet")


def headline_point(results: Results, model: ModelResult) -> IntervalPoint:
    """A model's headline loss for an interval chart."""
    ends = model.loss.interval(level(results))
    remark = infinite_remark(model.n_infinite) if math.isinf(model.loss.value) else ""
    return IntervalPoint(model.name, model.loss.value, ends, place(results, model.name), remark)
