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

MEANING = "A mixture gives every class the weighted mean of the models' probabilities."


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
        Sentences((MEANING, *remarks(found, level)), "quiet"),
    )
    return Section("Mixtures", "mixtures", blocks)


def _chart(results: Results, found: Combination) -> BarChart:
    bars = tuple(
        (name, found.weights[found.models.index(name)], cells.place(results, name))
        for name in _ranked(results, found)
    )
    return BarChart(f"Weights by {found.method}", "weight", bars, numbers_shown=True)


def _table(results: Results, found: Combination) -> Table:
    own = (found.method, found.weights, found.log_loss)
    made = (own, *((other.method, other.weights, other.log_loss) for other in found.others))
    columns: list[tuple[Column, Callable[[str | None], Cell]]] = [
        (Column("Model", key=True), lambda name: _named(results, name))
    ]
    for method, weights, loss in made:
        shares = dict(zip(found.models, weights, strict=True))
        columns.append((Column(method, "right"), _weight(shares, loss)))
    return Table.of("Weight of each model", (*_ranked(results, found), None), columns)


def _named(results: Results, name: str | None) -> Cell:
    return Cell("loss of the mixture", tone="quiet") if name is None else cells.model_cell(results, name)


def _weight(shares: dict[str, float], loss: float) -> Callable[[str | None], Cell]:
    def cell(name: str | None) -> Cell:
        return cells.number_cell(loss) if name is None else Cell(percent(shares[name]), shares[name])

    return cell


def _ranked(results: Results, found: Combination) -> tuple[str, ...]:
    return tuple(model.name for model in results.models if model.name in found.models)
