"""Notes: what a reader must know to read the numbers rightly. Each has its heading in docs/messages.md."""

from __future__ import annotations

from collections.abc import Iterator

from crossent.evaluation import Evaluation
from crossent.results import Note, Results
from crossent.wording import count

FEW_CLUSTERS = 30
FEW_ROWS = 100
ROW_SUM_OFF = 1e-6


def notes_on(results: Results, evaluation: Evaluation) -> tuple[Note, ...]:
    """All notes that apply, in a fixed order."""
    return tuple((*_about_rows(results), *_about_models(results, evaluation)))


def _about_rows(results: Results) -> Iterator[Note]:
    data = results.data
    if data.pairing == "position":
        yield Note(
            "paired-by-position",
            "The files have no row id: rows were paired by position, after checking that all have the same "
            "labels in the same order.",
        )
    for model, rows in data.dropped:
        if rows:
            yield Note(
                "rows-left-out",
                f"{count(rows)} rows of {model} were left out because not every model has them "
                "(on-missing=intersect).",
            )
    if data.clusters is not None and data.clusters < FEW_CLUSTERS:
        yield Note(
            "few-clusters",
            f"There are only {data.clusters} clusters: with fewer than about {FEW_CLUSTERS}, clustered "
            "standard errors are too small on average.",
        )
    elif data.clusters is None and data.rows < FEW_ROWS:
        yield Note(
            "few-rows",
            f"There are only {data.rows} rows: intervals and p-values rest on a normal approximation.",
        )
    if data.class_rows is not None and sum(rows > 0 for rows in data.class_rows) == 1:
        yield Note("one-class", "All labels are the same: the base rate has no loss, and skill is undefined.")


def _about_models(results: Results, evaluation: Evaluation) -> Iterator[Note]:
    for model in results.models:
        quality = model.quality
        if quality.rows_off_1e6 and not results.renormalised:
            yield Note(
                "row-sums",
                f"{count(quality.rows_off_1e6)} rows of {model.name} miss the sum 1 by more than 1e-6 "
                f"({count(quality.rows_off_1e3)} by more than 1e-3; sums from {quality.row_sum_min:.6g} to "
                f"{quality.row_sum_max:.6g}): the probabilities were used as they are.",
            )
        if quality.entries_above_one or quality.entries_below_zero:
            yield Note(
                "outside-unit-interval",
                f"{count(quality.entries_below_zero)} probabilities of {model.name} lie below 0 and "
                f"{count(quality.entries_above_one)} above 1, within the tolerance: they were used as they "
                "are, and a loss can be below 0.",
            )
        if quality.unknown_labels:
            yield Note(
                "unknown-labels",
                f"{count(quality.unknown_labels)} labels name no class of {model.name}; as chosen, they "
                "count as given probability 0.",
            )
        empty = evaluation.accumulated(model.name, "quality").counts.get("rows_without_sum", 0)
        if empty:
            yield Note(
                "rows-without-sum",
                f"{count(empty)} rows of {model.name} sum to 0 and cannot be renormalised: their label has "
                "probability 0.",
            )
