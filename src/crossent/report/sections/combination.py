"""What mixing the models would gain over taking the best one."""

from __future__ import annotations

from collections.abc import Callable

from crossent.mixture_sentences import remarks, verdict
from crossent.report import cells
from crossent.report.blocks import BarChart, Cell, Column, Section, Sentences, Table
from crossent.report.registry import section
from crossent.results import Results
from crossent.statistics.combination import Combination
from crossent.wording import percent


@section(order=62)
def combination(results: Results) -> Section | None:
    """Whether to mix, and the weights by each method."""
    found = results.findings.combination if results.findings else None
    if found is None:
        return None
    level = cells.level(results)
    blocks = (
        Sentences((verdict(found, level),)),
        _chart(results, found),
        _table(results, found),
        Sentences(remarks(found, level), "quiet"),
    )
    lead = "A mixture gives every class the weighted mean of the models' probabilities."
    return Section("Mixtures", "mixtures", blocks, lead)


def _chart(results: Results, found: Combination) -> BarChart:
    bars = tuple(
        (name, found.weights[found.models.index(name)], cells.place(results, name))
        for name in _ranked(results, found)
    )
    return BarChart(f"Weights by {found.method}", "weight", bars, numbers_shown=True)


def _table(results: Results, found: Combination) -> Table:
    made = ((found.method, found.weights), *found.others)
    columns: list[tuple[Column, Callable[[str], Cell]]] = [cells.model_column(results, lambda name: name)]
    columns += [
        (Column(method, "right"), _weight(dict(zip(found.models, weights, strict=True))))
        for method, weights in made
    ]
    return Table.of("Weight of each model", _ranked(results, found), columns)


def _weight(weights: dict[str, float]) -> Callable[[str], Cell]:
    return lambda name: Cell(percent(weights[name]), weights[name])


def _ranked(results: Results, found: Combination) -> tuple[str, ...]:
    return tuple(model.name for model in results.models if model.name in found.models)
