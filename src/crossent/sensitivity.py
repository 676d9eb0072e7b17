"""What the verdict owes to how probabilities are treated, in sentences."""

from __future__ import annotations

from collections.abc import Iterable

from crossent.results import Results
from crossent.statistics.influence import Influence
from crossent.statistics.treatment import Treatment, divisions_that_decide, floors_that_decide
from crossent.wording import count, either, listed, percent, things, with_error

NAMED = 5
"""Rows that a sentence names one by one."""
DIVIDED = "with rows divided by their sum"


def treatments_of(results: Results) -> tuple[Treatment, ...]:
    """The ranking under each treatment; empty for one model, or where treatments change nothing."""
    return results.comparison.treatments if results.comparison else ()


def about_floors(results: Results) -> str:
    """Which floors would make another model the best; empty where none does."""
    found: dict[str, list[str]] = {}
    for t in floors_that_decide(treatments_of(results)):
        found.setdefault(str(t.best), []).append(str(t.floor))
    if not found:
        return ""
    others = listed(f"{best} at a floor of {either(floors)}" for best, floors in found.items())
    best = treatments_of(results)[0].best
    if best is None:
        return f"No model has a finite loss as given; the best would be {others}."
    return f"The floor decides: as given {best} is the best, but it would be {others}."


def about_division(results: Results) -> str:
    """What dividing rows by their sum would decide otherwise; empty where it decides nothing."""
    pairs = divisions_that_decide(treatments_of(results))
    if not pairs:
        return ""
    given, divided = pairs[0]
    same = [a.floor for a, b in pairs if (a.choice, b.choice) == (given.choice, divided.choice)]
    where = "" if None in same else f"at a floor of {either(map(str, same))} "
    if given.best != divided.best:
        return f"As given {where}{given.best} is the best; {DIVIDED} it would be {divided.best}."
    return f"{where.capitalize()}{_of_ties(given, divided)}."


def about_sums(results: Results) -> str:
    """How much of the best model's loss is that its rows do not sum to one; empty where it is within twice
    the standard error.
    """
    unclipped = {t.renormalised: t for t in treatments_of(results) if t.floor is None}
    if len(unclipped) < 2 or (best := unclipped[False].best) is None:
        return ""
    given, divided = (dict(unclipped[way].losses)[best] for way in (False, True))
    if given.se is None or not abs(given.value - divided.value) > 2.0 * given.se:
        return ""
    return (
        f"How row sums are treated matters: the {results.loss_title} of {best} is {with_error(given)} as "
        "given, "
        f"and {with_error(divided)} {DIVIDED}."
    )


def _of_ties(given: Treatment, divided: Treatment) -> str:
    parts = []
    for one, other, words in (
        (given, divided, ("as given", DIVIDED)),
        (divided, given, (DIVIDED, "as given")),
    ):
        only = [name for name in one.tied if name not in other.tied]
        if only:
            parts.append(
                f"{listed(only)} cannot be told apart from {one.best} {words[0]}, but can {words[1]}"
            )
    return "; ".join(parts)


def sentences(results: Results) -> tuple[str, ...]:
    """All of them, in the order in which they are read."""
    found: Iterable[str] = (about_floors(results), about_division(results), about_sums(results))
    return tuple(sentence for sentence in found if sentence)


def hangs_on(found: Influence) -> str:
    """Without which rows or clusters the other model would be the better one."""
    n = found.rows_to_reverse
    if n is None:
        return f"No choice of rows to leave out makes {found.model} better than {found.reference}."
    result = f"{found.model} would have a lower loss than {found.reference}"
    if n == 1:
        sentence = f"One row decides: without {_row(found, 1)} {result}"
    elif n <= NAMED:
        sentence = f"{count(n)} rows decide: without {_row(found, n)} {result}"
    else:
        share = percent(n / found.rows, 1 if n >= found.rows / 1000 else 3)
        sentence = f"Without {count(n)} of {things(found.rows, 'row')} ({share}) {result}"
    if found.clusters and found.clusters_to_reverse is not None:
        few = found.clusters_to_reverse
        names = [c.cluster for c in found.top_clusters[:few]]
        named = f" ({listed(names)})" if few <= NAMED else ""
        sentence += f"; so it would without {things(few, 'cluster')} of {count(found.clusters)}{named}"
    return f"{sentence}."


def _row(found: Influence, n: int) -> str:
    names = [row.row for row in found.top_rows[:n]]
    if any(name.startswith("row ") for name in names):
        return listed(names)
    return f"{'row' if n == 1 else 'rows'} {listed(names)}"
