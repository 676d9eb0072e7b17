"""Notes: what a reader must know to read the numbers rightly. Each has its heading in docs/messages.md."""

from __future__ import annotations

import math
from collections.abc import Iterator

from crossent import losses, sensitivity
from crossent.evaluation import Evaluation
from crossent.results import ModelResult, Note, Numbers, Results, WorstRow
from crossent.statistics.generalised_pareto import TailIndex
from crossent.wording import count, percent, plain, things, with_error

FEW_CLUSTERS = 30
FEW_ROWS = 100
FEWER_DEGREES = 0.5
"""Below this share of the units, degrees of freedom are worth a note."""
SEVERAL = 3
LARGE_OPTIMISM = 0.25
"""Of a standard error: with its middle off by as much, a 95 % interval covers 94.3 %, by twice as much
92.1."""
FEWEST_ROWS = 10
"""Among fewer rows one is easily more than all others."""


def notes_on(results: Results, evaluation: Evaluation) -> tuple[Note, ...]:
    """All notes that apply, in a fixed order."""
    notes = (
        _about_rows(results),
        _about_the_choice(results),
        _about_neighbours(results),
        _about_models(results, evaluation),
        _about_numbers(results, evaluation),
    )
    return tuple(note for found in notes for note in found)


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
    if sensitivity.about_floors(results):
        yield Note(
            "floor-decides",
            "Which model is the best depends on the floor. A floor is part of the question: settle it before "
            "looking at the results.",
        )
    if sensitivity.about_division(results):
        yield Note(
            "sums-decide",
            "What can be decided depends on whether rows are divided by their sum (--renormalise). As they "
            "are, what is missing from the sum counts as a mistake; divided, it is forgiven.",
        )
    yield from _about_degrees(results)
    loss = losses.get(results.loss)
    if not (results.about_numbers or loss.strictly_proper):
        yield Note("not-strictly-proper", _not_strictly_proper(loss))
    if data.classes is not None and loss.target == "ordinal":
        yield Note("order-of-classes", f"The classes are taken in this order: {' < '.join(data.classes)}.")
    if data.class_rows is not None and sum(rows > 0 for rows in data.class_rows) == 1:
        yield Note("one-class", "All labels are the same: the base rate has no loss, and skill is undefined.")


def _about_the_choice(results: Results) -> Iterator[Note]:
    """The loss of the lowest of several is too low by more than a quarter of its standard error."""
    found = results.comparison.optimism if results.comparison else None
    if found is None or found.candidates < SEVERAL or results.held_out is not None:
        return
    loss = results.model(found.model).loss
    if loss.se is not None and found.expected > LARGE_OPTIMISM * loss.se:
        yield Note(
            "picked-as-lowest",
            f"{found.model} was picked as the lowest of {found.candidates}: such a loss is too low by luck, "
            f"here by {plain(found.expected)} on average (by {plain(found.if_equal)} if all were equally "
            f"good), so that {plain(found.corrected)} is about what other rows will show. --select-where "
            "chooses on some rows and reports on others.",
        )


def _about_neighbours(results: Results) -> Iterator[Note]:
    """Clusters that are times, and alike at neighbouring ones, though they were taken as independent."""
    if results.comparison is None or results.data.neighbours is not None:
        return
    alike = [d for d in results.comparison.serial if d.alike]
    if alike:
        worst, column = max(alike, key=lambda d: d.factor), results.data.cluster_column
        yield Note(
            "neighbours-alike",
            f"In the order of {column}, neighbours are alike: the difference of {worst.model} to "
            f"{worst.reference} has a correlation of {plain(worst.autocorrelation, 2)} from one to the next, "
            f"and its standard error is too small by a factor of {plain(worst.factor, 1)}. --order {column} "
            "allows for that.",
        )


def _about_degrees(results: Results) -> Iterator[Note]:
    loss = results.models[0].loss
    if loss.df is None or loss.df >= FEWER_DEGREES * (loss.units - 1):
        return
    column = results.data.cluster_column
    what = f"The clusters of {column} differ so much in size" if column else "The weights differ so much"
    yield Note(
        "unequal-units",
        f"{what} that standard errors rest on {plain(loss.df, 1)} degrees of freedom rather than "
        f"{count(loss.units - 1)}: intervals are wider for it, and p-values larger.",
    )


def _not_strictly_proper(loss: losses.Loss) -> str:
    title = loss.title[:1].upper() + loss.title[1:]
    if loss.proper:
        return f"{title} is proper, but not strictly: other probabilities do as well by it as the true ones."
    return f"{title} is not proper: ranking by it does not reward true probabilities. {loss.calibration}"


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
        if quality.unseen_mean is not None and quality.unseen_max is not None:
            yield Note(
                "unseen-mass",
                f"Of the probability of each token, {model.name} does not show "
                f"{percent(quality.unseen_mean)} on average and {percent(quality.unseen_max)} at most: it "
                "belongs to tokens that were not among the likeliest. The loss needs only the token that "
                "came, so it is exact.",
            )
        index = model.tails.index
        if index is not None and not index.has_variance:
            yield Note("heavy-tail", _heavy_tail(model, index))
        empty = evaluation.accumulated(model.name, "quality").counts.get("rows_without_sum", 0)
        if empty:
            yield Note(
                "rows-without-sum",
                f"In {things(empty, 'row')} of {model.name} the probabilities sum to 0 and cannot be "
                "renormalised: the label has probability 0.",
            )


def _heavy_tail(model: ModelResult, index: TailIndex) -> str:
    largest = (
        f"The largest losses of {model.name} ({things(index.rows, 'row')} above {plain(index.threshold)}) "
        f"have a tail index of {plain(index.k, 2)} ± {plain(index.se, 2)}"
    )
    if index.has_mean:
        return f"{largest}: their variance may not exist, and standard errors and tests mean little."
    return f"{largest}: not even their mean may exist, and another sample could give quite another loss."


def _about_numbers(results: Results, evaluation: Evaluation) -> Iterator[Note]:
    if evaluation.spec.density:
        yield Note(
            "density-unit",
            "The log loss of a density depends on the unit of the label: in thousandths of it every model's "
            "would be ln 1000 = 6.908 nats higher. Differences between models stay the same.",
        )
    for model in results.models:
        if model.numbers is not None:
            yield from _about_number(model, model.numbers, results, evaluation)


def _about_number(
    model: ModelResult, numbers: Numbers, results: Results, evaluation: Evaluation
) -> Iterator[Note]:
    row = _deciding_row(model, evaluation)
    if row is not None:
        yield Note(
            "one-row-decides",
            f"{_named(row)} of {model.name} (label {row.label}; predicted {row.predicted}) has a loss of "
            f"{plain(row.loss)}: more than all other rows together.",
        )
    if numbers.std_zero:
        yield Note(
            "std-zero",
            f"In {things(numbers.std_zero, 'row')} of {model.name} the standard deviation is 0: it was used "
            "as it is.",
        )
    if numbers.rows_crossing:
        yield Note(
            "crossing-quantiles",
            f"In {things(numbers.rows_crossing, 'row')} of {model.name} a quantile lies above one of a "
            "higher level: they were used as they are.",
        )
    if numbers.rows_of_equal_samples:
        yield Note(
            "equal-samples",
            f"In {things(numbers.rows_of_equal_samples, 'row')} of {model.name} all samples are one number.",
        )
    if results.loss == "crps" and numbers.levels:
        yield Note(
            "crps-of-quantiles",
            f"{model.name} has quantiles at {things(len(numbers.levels), 'level')}: its CRPS is approximated "
            "by twice their mean pinball loss.",
        )
    if results.loss == "crps" and numbers.samples_max is not None and len(results.models) > 1:
        fair = dict(model.companions).get("crps_fair")
        corrected = "" if fair is None else f"; corrected for that it is {with_error(fair)}"
        yield Note(
            "crps-of-samples",
            f"{model.name} has {_samples(numbers)} a row: its CRPS is that of the samples themselves, which "
            f"is larger the fewer they are{corrected}.",
        )


def _samples(numbers: Numbers) -> str:
    low, high = numbers.samples_min, numbers.samples_max
    assert low is not None and high is not None
    return things(low, "sample") if low == high else f"{count(low)} to {things(high, 'sample')}"


def _deciding_row(model: ModelResult, evaluation: Evaluation) -> WorstRow | None:
    """The row whose loss is more than that of all others together, if there is one among ten or more."""
    moments = evaluation.moments[model.name]
    total = float(moments.total(model.name))
    worst = evaluation.accumulated(model.name, "worst").rows
    for kept, row in zip(worst, model.worst, strict=False):
        if math.isfinite(kept.loss):
            alone = kept.contribution > abs(total - kept.contribution)
            return row if alone and moments.rows >= FEWEST_ROWS else None
    return None


def _named(row: WorstRow) -> str:
    return row.row if row.row.startswith("row ") else f"Row {row.row}"
