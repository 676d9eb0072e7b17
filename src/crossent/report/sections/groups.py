"""Losses by group: on which part of the data a model is good or bad."""

from __future__ import annotations

from crossent.report.blocks import Block, Section
from crossent.report.registry import section
from crossent.report.slices import slice_chart, slice_tables
from crossent.results import Results


@section(order=70)
def groups(results: Results) -> Section | None:
    """For each group column a chart of the first model and a table of all."""
    columns = list(dict.fromkeys(column for m in results.models for column, _ in m.groups))
    if not columns:
        return None
    blocks: list[Block] = []
    for column in columns:
        by_model = {m.name: dict(m.groups).get(column, ()) for m in results.models}
        blocks.append(slice_chart(results, by_model, column))
        blocks += slice_tables(results, by_model, column)
    return Section("Groups", "groups", tuple(blocks), "The loss on the rows of each group.")
