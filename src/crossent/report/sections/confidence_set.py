"""The model confidence set: which models may be the best."""

from __future__ import annotations

from crossent.report import cells
from crossent.report.blocks import Cell, Column, Section, Sentences, Table
from crossent.report.registry import section
from crossent.results import Results
from crossent.wording import count, p_value, plain, things

_STATISTICS = {"range": "range statistic T_R", "max": "maximum statistic T_max"}


@section(order=40)
def confidence_set(results: Results) -> Section | None:
    """The members, then every model's p-value in the order of elimination."""
    found = results.comparison.confidence_set if results.comparison else None
    if found is None:
        return None
    sure = plain(100 * (1 - found.alpha), 0)
    names = ", ".join(found.members)
    sentence = f"With {sure} % confidence the best is among {things(len(found.members), 'model')}: {names}."
    left_out = [m.name for m in results.models if m.name not in dict(found.p_values)]
    remarks = [
        f"Hansen, Lunde and Nason (2011), {_STATISTICS.get(found.statistic, found.statistic)}, "
        f"{count(found.draws)} draws, seed {found.seed}."
    ]
    if left_out:
        remarks.append(f"Not in the procedure, as their loss is infinite: {', '.join(left_out)}.")
    rows = tuple(
        (
            cells.model_cell(results, name),
            Cell(p_value(p), p),
            Cell(
                "stays" if name in found.members else "ruled out", tone="plain" if p > found.alpha else "bad"
            ),
        )
        for name, p in found.p_values
    )
    hint = "The model stays at every confidence above 1 − p."
    columns = (cells.MODEL, Column("p", "right", hint=hint), Column(f"at {sure} %"))
    table = Table("Order of elimination, the first to go first", columns, rows)
    blocks = (Sentences((sentence,)), table, Sentences(tuple(remarks), "quiet"))
    return Section("Confidence set", "confidence-set", blocks)
