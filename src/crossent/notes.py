"""Notes: what a reader must know to read the numbers rightly. Each has its heading in docs/messages.md."""

from __future__ import annotations

from collections.abc import Iterator

from crossent.evaluation import Evaluation
from crossent.results import Note, Results
from crossent.wording import count, things

FEW_CLUSTERS = 30
FEW_ROWS = 100


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
                f"{things(rows, 'row')} of {model} left out, not being in every file (on-missing=intersect).",
            )
    if data.clusters is not None and data.clusters < FEW_CLUSTERS:
        yield Note(
            "few-clusters",
            f"Only {things(data.clusters, 'cluster')}: with fewer than about {FEW_CLUSTERS}, clustered "
            "standard errors are too small on average.",
        )
    elif data.clusters is None and data.rows < FEW_ROWS:
        yield Note(
            "few-rows",
            f"Only {things(data.rows, 'row')}: intervals and p-values rest on a normal approximation.",
        )
    if data.class_rows is not None and sum(rows > 0 for rows in data.class_rows) == 1:
        yield Note("one-class", "All labels are the same: the base rate has no loss, and skill is undefined.")


def _about_models(results: Results, evaluation: Evaluation) -> Iterator[Note]:
    for model in results.models:
        quality = model.quality
        if quality.rows_off_1e6 and not results.renormalised:
            yield Note(
                "row-sums",
                f"In {things(quality.rows_off_1e6, 'row')} of {model.name} the probabilities miss the sum 1 "
                f"by more than 1e-6 ({count(quality.rows_off_1e3)} by more than 1e-3; sums from "
                f"{quality.row_sum_min:.6g} to {quality.row_sum_max:.6g}): they were used as they are.",
            )
        if quality.entries_above_one or quality.entries_below_zero:
            below = things(quality.entries_below_zero, "probability", "probabilities")
            above = count(quality.entries_above_one)
            yield Note(
                "outside-unit-interval",
                f"{model.name} gave {below} below 0 and {above} above 1, within the tolerance: they were "
                "used as they are, and a loss can be below 0.",
            )
        if quality.unknown_labels:
            yield Note(
                "unknown-labels",
                f"{things(quality.unknown_labels, 'label')} without a class of {model.name}: as chosen, that "
                "counts as given probability 0.",
            )
        empty = evaluation.accumulated(model.name, "quality").counts.get("rows_without_sum", 0)
        if empty:
            yield Note(
                "rows-without-sum",
                f"In {things(empty, 'row')} of {model.name} the probabilities sum to 0 and cannot be "
                "renormalised: the label has probability 0.",
            )
