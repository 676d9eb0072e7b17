"""What each loss is made of: what recalibration could mend, what the model knows, what there is to know."""

from __future__ import annotations

import math
from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import (
    Block,
    Cell,
    Column,
    IntervalChart,
    IntervalPoint,
    Section,
    Sentences,
    Table,
)
from crossent.report.registry import section
from crossent.results import Results
from crossent.statistics.decomposition import Decomposition
from crossent.wording import plain, with_error

_MAPS = {
    "isotonic": "isotonic regression, the best increasing map of the probability",
    "vector": "vector scaling, a factor and a shift of each class's logit",
    "temperature": "temperature scaling, one factor of all logits",
}


_TESTS = {
    "event": "outcomes drawn from the predictions, as often as there are rows",
    "all classes": "labels drawn from the predictions; would a temperature and intercepts lower the loss",
    "the mean": "residuals with random signs, those of a cluster together",
}


@section(order=52)
def decomposition(results: Results) -> Section | None:
    """Loss = miscalibration − discrimination + uncertainty, in sample and cross-fitted."""
    found = results.findings.decomposition if results.findings else ()
    if not found:
        return None
    blocks: list[Block] = [Sentences((_verdict(results, found),)), _table(results, found)]
    if any(d.cross_fitted is not None for d in found):
        blocks.append(_chart(results, found))
    blocks.append(Sentences(_remarks(found), "quiet"))
    lead = (
        "A loss is what there is to know, less what the model knows of it, plus what is lost because its "
        "probabilities are off: loss = uncertainty − discrimination + miscalibration. Only the last part can "
        "be mended without a better model."
    )
    return Section("What the loss is made of", "decomposition", tuple(blocks), lead)


def _verdict(results: Results, found: tuple[Decomposition, ...]) -> str:
    first = found[0]
    unit = "" if first.loss == "log_loss" else " of squared error"
    parts = first.cross_fitted or first.in_sample
    if math.isinf(parts.loss):
        return (
            f"{first.model} gave labels probability 0: its loss is infinite, and so is what recalibration "
            f"would mend. Recalibrated, it would be {plain(parts.uncertainty - parts.discrimination)}."
        )
    whole = f"Of {first.model}'s loss of {plain(parts.loss)}{unit or ' nats'}"
    mended = with_error(first.miscalibration)
    if first.cross_fitted is None:
        return f"{whole}, at most {mended} is due to probabilities that are off: there are few rows."
    ends = first.miscalibration.interval(cells.level(results))
    low, high = ends or (-math.inf, math.inf)
    if low > 0.0:
        return f"{whole}, {mended} is due to predictions that are off and could be mended by recalibration."
    if high < 0.0:
        return f"{whole}, nothing could be mended by recalibration, which would make it worse ({mended})."
    what = f"{mended} on rows that it had not seen, which may be nothing"
    return f"{whole}, recalibration could mend {what}."


def _table(results: Results, found: tuple[Decomposition, ...]) -> Table:
    in_sample = "The map is fitted to the rows it is judged by, so this is too large."
    chance = "What a perfectly calibrated model of that many rows would show in sample."
    columns: list[tuple[Column, Callable[[Decomposition], Cell]]] = [
        cells.model_column(results, lambda d: d.model),
        (Column("loss", "right"), lambda d: cells.number_cell(d.in_sample.loss)),
        (
            Column("miscalibration", "right", hint="Cross-fitted: mended on rows that the map had not seen."),
            lambda d: cells.estimate_cell(d.miscalibration),
        ),
        (
            Column("in sample", "right", hint=in_sample),
            lambda d: cells.number_cell(d.in_sample.miscalibration),
        ),
        (Column("if calibrated", "right", hint=chance), _chance),
        (
            Column("p", "right", hint="Test that the predictions are calibrated."),
            lambda d: cells.p_cell(d.test.p),
        ),
        (
            Column("discrimination", "right", hint="Cross-fitted."),
            lambda d: cells.estimate_cell(d.discrimination),
        ),
        (
            Column("in sample", "right", hint=in_sample),
            lambda d: cells.number_cell(d.in_sample.discrimination),
        ),
        (Column("uncertainty", "right"), lambda d: cells.number_cell(d.in_sample.uncertainty)),
    ]
    return Table.of("Miscalibration, discrimination, uncertainty", found, columns)


def _chance(d: Decomposition) -> Cell:
    return cells.number_cell(d.test.expected if d.of != "all classes" else None)


def _chart(results: Results, found: tuple[Decomposition, ...]) -> IntervalChart:
    points = tuple(
        IntervalPoint(
            d.model,
            d.miscalibration.value,
            d.miscalibration.interval(cells.level(results)),
            cells.place(results, d.model),
        )
        for d in found
        if d.cross_fitted is not None
    )
    title = "Saved by recalibration, on rows that it had not seen"
    return IntervalChart(title, results.axis, points, reference=0.0, numbers_shown=True)


def _remarks(found: tuple[Decomposition, ...]) -> tuple[str, ...]:
    maps = tuple(dict.fromkeys(d.map for d in found))
    remarks = [f"Recalibrated by {'; '.join(_MAPS[name] for name in maps)}."]
    remarks.append(
        "Miscalibration in sample is too large, cross-fitted somewhat too small: the truth lies between. "
        "Errors are those of the cross-fitted figures."
    )
    tests = [words for of, words in _TESTS.items() if any(_tested(d) == of for d in found)]
    remarks.append(
        f"If calibrated, and p: {'; '.join(tests)}. Rows count as independent given the predictions."
    )
    return tuple(remarks)


def _tested(d: Decomposition) -> str:
    return d.of if d.of in _TESTS else "event"
