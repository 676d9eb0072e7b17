"""Losses by class: on which labels a model is good or bad."""

from __future__ import annotations

import math
from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, Section, Table
from crossent.report.registry import section
from crossent.report.slices import slice_chart, slice_tables
from crossent.results import Results
from crossent.statistics.estimates import Estimate


@section(order=60)
def classes(results: Results) -> Section | None:
    """Every class by every model, and the first model's classes drawn from worst to best."""
    by_model = {m.name: m.classes for m in results.models if m.classes}
    if not by_model:
        return None
    blocks: list[Block] = [slice_chart(results, by_model, "class")]
    if any(m.macro_mean for m in results.models):
        blocks.append(_macro(results))
    blocks += slice_tables(results, by_model, "class")
    return Section("Classes", "classes", tuple(blocks), "The loss on the rows of each label.")


def _macro(results: Results) -> Table:
    hint = "Mean of the class-wise losses, each class counting the same."
    means = [
        (m.name, m.macro_mean, m.n_infinite)
        for m in results.models
        if m.macro_mean is not None and not math.isnan(m.macro_mean.value)
    ]
    columns: list[tuple[Column, Callable[[tuple[str, Estimate, int]], Cell]]] = [
        cells.model_column(results, lambda mean: mean[0]),
        (Column("macro mean ± SE", "right", hint=hint), lambda mean: cells.loss_cell(*mean[1:])),
    ]
    return Table.of("Every class counting the same", means, columns)
