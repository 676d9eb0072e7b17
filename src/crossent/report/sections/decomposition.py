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
    of = "" if first.of in ("all classes", "the mean") else f" ({first.of})"
    if math.isinf(first.parts.score):
        return f"{first.model}'s loss{of} is infinite: a label was given probability 0."
    saved, parts = first.cross_fitted, first.parts
    known = f"{first.model} knows {plain(parts.discrimination)}"
    start = f"Of the {plain(parts.uncertainty)} that there is to know{of}, {known}"
    if saved is None or saved.se is None:
        return f"{start}, and loses up to {plain(parts.miscalibration)} because its probabilities are off."
    low, high = saved.interval(cells.level(results)) or (saved.value, saved.value)
    amount = f"{with_error(saved, sign=True)} on rows that the recalibration had not seen"
    if low > 0:
        return f"{start}; recalibrating it would save {amount}."
    if high < 0:
        return f"{start}; recalibrating it would make it worse ({amount}): leave it as it is."
    return f"{start}; whether recalibrating it would save anything cannot be told ({amount})."


def _table(results: Results, found: tuple[Decomposition, ...]) -> Table:
    in_sample = "In sample: the map is fitted to the rows it is judged by, so this is too large."
    columns: list[tuple[Column, Callable[[Decomposition], Cell]]] = [
        cells.model_column(results, lambda d: d.model),
        (Column("of", key=True), lambda d: Cell(d.of)),
        (Column("loss", "right"), lambda d: cells.number_cell(d.parts.score)),
        (
            Column("miscalibration", "right", hint=in_sample),
            lambda d: cells.number_cell(d.parts.miscalibration),
        ),
        (Column("if calibrated", "right", hint="What chance alone makes of it."), _chance),
        (Column("p", "right", hint="Test that the predictions are calibrated."), lambda d: cells.p_cell(d.p)),
        (
            Column("saved, cross-fitted", "right", hint="On rows that the map was not fitted to."),
            lambda d: cells.estimate_cell(d.cross_fitted, sign=True),
        ),
        (Column("discrimination", "right"), lambda d: cells.number_cell(d.parts.discrimination)),
        (Column("uncertainty", "right"), lambda d: cells.number_cell(d.parts.uncertainty)),
    ]
    return Table.of("Miscalibration, discrimination, uncertainty", found, columns)


def _chance(d: Decomposition) -> Cell:
    return cells.number_cell(d.if_calibrated if math.isfinite(d.if_calibrated) else None)


def _chart(results: Results, found: tuple[Decomposition, ...]) -> IntervalChart:
    points = tuple(
        IntervalPoint(
            d.model,
            d.cross_fitted.value,
            d.cross_fitted.interval(cells.level(results)),
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
    intervals = [
        f"{d.model} {plain(d.interval[0])} to {plain(d.interval[1])}" for d in found if d.interval is not None
    ]
    if intervals:
        remarks.append(f"Intervals of the miscalibration, by bootstrap: {'; '.join(intervals)}.")
    if "isotonic" in maps:
        remarks.append(
            "If calibrated, and p: outcomes drawn from the predictions, as often as the data hold rows "
            "(Bröcker and Smith 2007)."
        )
    return tuple(remarks)
