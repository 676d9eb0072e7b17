"""Whether any candidate is better than the baseline, when the best of several was picked."""

from __future__ import annotations

from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import Cell, Column, Section, Sentences, Table
from crossent.report.registry import section
from crossent.results import Results
from crossent.statistics.superior_ability import SuperiorAbility
from crossent.wording import confidence, count, p_value, things


@section(order=45)
def superior_ability(results: Results) -> Section | None:
    """The answer for all candidates together, then for each."""
    found = results.comparison.superior if results.comparison else None
    if found is None:
        return None
    hint = "One-sided, adjusted for all candidates (step-down)."
    columns: list[tuple[Column, Callable[[tuple[str, float]], Cell]]] = [
        cells.model_column(results, lambda row: row[0], "Candidate"),
        (Column("p", "right", hint=hint), lambda row: cells.p_cell(row[1])),
        (Column(f"at {confidence(found.level)}"), lambda row: _better(row[0] in found.better)),
    ]
    table = Table.of(f"Better than {found.baseline}? The surest first", found.p_values, columns)
    lead = "Of several candidates, one looks better than the baseline by luck: this test allows for it."
    return Section(
        "Better than the baseline",
        "superior-ability",
        (Sentences((_answer(found),)), table, Sentences((_method(found),), "quiet")),
        lead,
    )


def _better(better: bool) -> Cell:
    return Cell("better", tone="good") if better else Cell("not shown")


def _answer(found: SuperiorAbility) -> str:
    if not found.better:
        return (
            f"No candidate is shown to be better than {found.baseline}: if none were, the best of "
            f"{len(found.candidates)} would look as good as {found.best} does with probability "
            f"{p_value(found.p)}."
        )
    number = things(len(found.candidates), "candidate")
    return f"{len(found.better)} of {number} can be said to be better than {found.baseline}."


def _method(found: SuperiorAbility) -> str:
    return (
        f"Hansen (2005): p {p_value(found.p)}, between {p_value(found.p_lower)} (worse candidates are as bad "
        f"as they look) and {p_value(found.p_upper)} (all are as good as the baseline); steps of Romano and "
        f"Wolf (2005), {count(found.draws)} draws, seed {found.seed}."
    )
