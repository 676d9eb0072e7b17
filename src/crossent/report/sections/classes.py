"""Losses by class: on which labels a model is good or bad."""

from __future__ import annotations

import math

from crossent.report import cells
from crossent.report.blocks import Block, Column, Section, Table
from crossent.report.registry import section
from crossent.report.slices import slice_chart, slice_tables
from crossent.results import Results

_ROWS_UNFOLDED = 12


@section(order=60)
def classes(results: Results) -> Section | None:
    """Every class by every model, and the first model's classes drawn from worst to best."""
    by_model = {m.name: m.classes for m in results.models if m.classes}
    if not by_model:
        return None
    blocks: list[Block] = [slice_chart(results, "class")]
    if any(m.macro_mean for m in results.models):
        blocks.append(_macro(results))
    folded = max(map(len, by_model.values())) > _ROWS_UNFOLDED
    blocks += slice_tables(results, by_model, "class", folded=folded)
    return Section("Classes", "classes", tuple(blocks), "The loss on the rows of each label.")


def _macro(results: Results) -> Table:
    hint = "Mean of the class-wise losses, each class counting the same."
    columns = (cells.MODEL, Column("macro mean ± SE", "right", hint=hint))
    rows = tuple(
        (cells.model_cell(results, m.name), cells.loss_cell(m.macro_mean, m.n_infinite))
        for m in results.models
        if m.macro_mean is not None and not math.isnan(m.macro_mean.value)
    )
    return Table("Every class counting the same", columns, rows)
