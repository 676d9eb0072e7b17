"""Which rows and clusters carry the difference between the best model and those beside it."""

from __future__ import annotations

from crossent.deep.registry import Look, analysis
from crossent.results import Results
from crossent.statistics.influence import Influence, influence

MOST = 8
"""Models that the best is compared with."""


@analysis("influence")
def of_the_best(look: Look) -> tuple[Influence, ...]:
    """The best model against the runner-up, what cannot be told apart from it, and infinite ones."""
    comparison = look.results.comparison
    if comparison is None:
        return ()
    table, best = look.table, comparison.reference
    cluster = None if table.cluster is None else (table.cluster.values, table.cluster.codes)
    reference = table.losses[:, table.index(best)]
    found = (
        influence(
            (table.losses[:, table.index(name)], reference),
            (name, best),
            table.row_names,
            table.weight,
            cluster,
            look.level,
        )
        for name in _others(look.results)
    )
    return tuple(pair for pair in found if pair is not None)


def _others(results: Results) -> list[str]:
    """The runner-up, models not told apart, and those that a few infinite losses put last."""
    assert results.comparison is not None
    differences = results.comparison.differences
    close = [d.model for d in differences if d.verdict in ("not told apart", "infinite")]
    return list(dict.fromkeys([differences[0].model, *close]))[:MOST]
