"""What this test could show, and how many rows it would take to show more."""

from __future__ import annotations

from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import Cell, Column, Section, Sentences, Table
from crossent.report.registry import section
from crossent.results import Results
from crossent.statistics.designs import POWER, PairPlan
from crossent.wording import confidence, count, percent, plain, things


@section(order=38)
def planning(results: Results) -> Section | None:
    """The plan of every model against the best one."""
    plans = results.comparison.plans if results.comparison else ()
    if not plans:
        return None
    unit = results.data.unit_column or results.data.cluster_column or "row"
    columns: list[tuple[Column, Callable[[PairPlan], Cell]]] = [
        cells.model_column(results, lambda p: p.model),
        (Column("difference", "right"), lambda p: cells.number_cell(p.difference)),
        (Column("would show", "right", hint="The smallest true difference."), _detectable),
        (Column(f"{unit}s needed", "right", hint="To show a difference as observed."), _needed),
        (Column("pairing", "right", hint="Times as many, if not on the same rows."), _pairing),
    ]
    table = Table.of(f"Against {plans[0].reference}, {count(plans[0].units)} {unit}s", plans, columns)
    quiet = (
        f"At {confidence(cells.level(results))}, with power {percent(POWER, 0)}, each comparison by itself. "
        "`crossent plan` plans others."
    )
    lead = (
        "A difference that was not found may be too small for so many rows. This is what these could show, "
        "and how many it would take."
    )
    blocks = (Sentences((_verdict(results, plans, unit),)), table, Sentences((quiet,), "quiet"))
    return Section("What this test could show", "planning", blocks, lead)


def _verdict(results: Results, plans: tuple[PairPlan, ...], unit: str) -> str:
    assert results.comparison is not None
    open_ = [d.model for d in results.comparison.differences if d.verdict == "not told apart"]
    undecided = [p for p in plans if p.model in open_]
    if not undecided:
        least = min(plans, key=lambda p: p.detectable)
        return (
            f"Every model was told apart from {plans[0].reference}; a difference of "
            f"{plain(least.detectable)} would "
            "have been enough for the closest."
        )
    close = undecided[0]
    if close.needed is None:
        return f"{close.model} and {close.reference} have the same loss: there is nothing to tell apart."
    return (
        f"To tell {close.model} from {close.reference} would take about {things(close.needed, unit)} "
        "instead of "
        f"{count(close.units)}, if the difference is what it looks like."
    )


def _detectable(p: PairPlan) -> Cell:
    return cells.number_cell(p.detectable)


def _needed(p: PairPlan) -> Cell:
    return cells.count_cell(p.needed)


def _pairing(p: PairPlan) -> Cell:
    return cells.missing() if p.unpaired is None else Cell(f"× {plain(p.unpaired, 1)}", p.unpaired)
