"""From data and options to a Job: every source understood, classes agreed on, the headline chosen."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from crossent import losses
from crossent.accumulators.contract import Spec
from crossent.data.agreement import about_numbers, common_classes, common_levels
from crossent.data.alignment import Model
from crossent.data.facts import Classes, other_class
from crossent.data.identity import common_id_type
from crossent.data.joining import common_rows
from crossent.data.layout import Layout, understand
from crossent.data.options import ReadOptions
from crossent.data.readers import Source, open_source
from crossent.distributed.plan import Plan
from crossent.engines.choice import companions, figures, headline
from crossent.engines.passes import Job
from crossent.engines.scoring import Scoring
from crossent.errors import UsageError

DEFAULT_MEMORY = 256 << 20
OBVIOUS_POSITIVES = ("1", "true", "True", "yes", "Yes", "positive", "pos")
"""Class names that are the positive class of two without being named."""

Progress = Callable[[int], None]


@dataclass(frozen=True)
class RunOptions:
    """How to compute, which never changes a result."""

    threads: int | None = None
    memory: int = DEFAULT_MEMORY
    format: str | None = None
    started: Callable[[int | None], None] | None = None
    """Told the number of rows of all models together, None where it is not known."""
    progress: Progress | None = None
    """Told rows as they are done."""
    notify: Callable[[str], None] | None = None
    plan: Plan = field(default_factory=Plan)
    """Where it is computed, and what is kept on the way."""

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise UsageError("bad-option", f"threads is {self.threads}", cure="use 1 or more")
        if self.memory < 1 << 20:
            raise UsageError("bad-option", "memory is below 1 MB", cure="give at least 1")


@dataclass(frozen=True)
class Prepared:
    """Models whose data are understood and fit together: what any pass over them needs."""

    job: Job
    loss: losses.Loss
    levels: tuple[float, ...]
    """Of the quantiles that the models predict."""
    dropped: tuple[tuple[str, int], ...]
    """Rows of each model that not all have, left out by choice."""


def prepare(
    inputs: Mapping[str, object],
    options: ReadOptions,
    *,
    loss: str | None = None,
    columns: Sequence[str] = (),
    run: RunOptions | None = None,
) -> Prepared:
    """Understand the data of models that are to be judged on the same rows.

    `inputs` names each model's data; with `columns`, the one input holds one model a column, each the
    probability of the positive class, or a prediction of the number that the label is. `loss` names the
    headline; None is the one that is usual for the kind of prediction.
    """
    run = run or RunOptions()
    opened, layouts = _understand(inputs, options, columns, run.format)
    names, sources = list(opened), list(opened.values())
    if run.started is not None:
        counts = [source.rows for source in sources]
        run.started(None if None in counts else sum(c for c in counts if c is not None))
    classes = _classes(layouts, sources, options)
    levels = common_levels(layouts, sources)
    chosen = headline(loss, layouts, sources, levels)
    id_type = None if options.unit else common_id_type(layouts, sources)
    models = [
        Model(name, source, layout, _order(layout, classes), id_type)
        for name, source, layout in zip(names, sources, layouts, strict=True)
    ]
    _require_order(models, options)
    dropped: tuple[tuple[str, int], ...] = ()
    if options.on_missing == "intersect" and len(models) > 1:
        with tempfile.TemporaryDirectory(prefix="crossent-") as folder:
            models, dropped = _intersect(models, options, Path(folder), run)
    return Prepared(_job(models, options, classes, chosen, run), chosen, levels, dropped)


def _understand(
    inputs: Mapping[str, object], options: ReadOptions, columns: Sequence[str], format: str | None
) -> tuple[dict[str, Source], list[Layout]]:
    if not inputs:
        raise UsageError("no-models", "no predictions were given", cure="name at least one file or table")
    if columns:
        if len(inputs) > 1:
            raise UsageError(
                "columns-of-several", "model columns were named for several files", cure="give one file"
            )
        twice = next((column for column in columns if columns.count(column) > 1), None)
        if twice is not None:
            raise UsageError("model-twice", f"{twice} is given twice", cure="name each column once")
        source = open_source(next(iter(inputs.values())), format=format)
        opened = dict.fromkeys(columns, source)
        per_model = [replace(options, prob=column) for column in columns]
    else:
        opened = {
            name: open_source(data, name=_source_name(name, data), format=format)
            for name, data in inputs.items()
        }
        per_model = [options] * len(opened)
    layouts = [understand(source, mine) for source, mine in zip(opened.values(), per_model, strict=True)]
    return opened, layouts


def _source_name(name: str, data: object) -> str | None:
    return None if isinstance(data, str | os.PathLike | list | tuple) else name


def _classes(
    layouts: Sequence[Layout], sources: Sequence[Source], options: ReadOptions
) -> tuple[str, ...] | None:
    """All classes in order; where only the positive one is named, the other is the other label."""
    classes = None if about_numbers(layouts, sources) else common_classes(layouts, sources)
    if classes is None:
        _refuse_options_about_classes(options)
    if classes is None or any(layout.shape != "single" for layout in layouts):
        if classes is not None and options.positive is not None and options.positive not in classes:
            raise UsageError(
                "unknown-positive",
                f"no class is named {options.positive}",
                cure=f"choose from {', '.join(classes)}",
            )
        return classes
    label = layouts[0].label
    assert label is not None
    return other_class(classes[0], sources[0], label, options.where), classes[0]


def _refuse_options_about_classes(options: ReadOptions) -> None:
    given = {
        "classes": options.classes is not None,
        "positive": options.positive is not None,
        "renormalise": options.renormalise,
        "unknown-label": options.unknown_label != "error",
    }
    for name, used in given.items():
        if used:
            raise UsageError(
                "no-classes",
                f"--{name} says something about classes, and these predictions have none",
                cure="leave the option out",
            )


def _order(layout: Layout, classes: tuple[str, ...] | None) -> tuple[int, ...] | None:
    if classes is None or layout.shape not in ("columns", "list") or layout.classes == classes:
        return None
    assert layout.classes is not None
    return tuple(layout.classes.index(name) for name in classes)


def _require_order(models: Sequence[Model], options: ReadOptions) -> None:
    """UsageError where rows would be paired by position that have none."""
    if len(models) == 1 or options.unit is not None or models[0].id_type is not None:
        return
    for model in models:
        if not model.source.ordered:
            raise UsageError(
                "rows-without-order",
                f"the rows of {model.name} come from a query and have no order, so that they cannot be "
                "paired with another model's by position",
                cure="select a row id too, and name it with --id",
            )


def _intersect(
    models: list[Model], options: ReadOptions, folder: Path, run: RunOptions
) -> tuple[list[Model], tuple[tuple[str, int], ...]]:
    if options.unit is not None or models[0].id_type is None:
        raise UsageError(
            "intersect-needs-ids",
            "rows can be intersected only by row id",
            cure="name the row id column with --id",
        )
    # rows are left out by their numbers, which must be the same in the next pass
    ordered = [replace(m, source=m.source.in_order(m.layout.id or "")) for m in models]
    return common_rows(ordered, options.where, folder, run.memory)


def _job(
    models: Sequence[Model],
    options: ReadOptions,
    classes: tuple[str, ...] | None,
    loss: losses.Loss,
    run: RunOptions,
) -> Job:
    if options.floor is not None and loss.name != "log_loss":
        raise UsageError("bad-option", f"a floor has no meaning for {loss.title}", cure="leave --floor out")
    numbers = models[0].layout.about_numbers
    if options.bytes is not None and (numbers or loss.unit != "nats"):
        raise UsageError("bad-option", f"{loss.title} per byte has no meaning", cure="leave --bytes out")
    others = companions(loss, [model.layout for model in models])
    scorings = {m.name: _scoring(m, loss, others, classes, options) for m in models}
    spec = Spec(
        loss=loss.name,
        companions=others,
        classes=classes is not None,
        weighted=options.weight is not None,
        clustered=options.cluster_column is not None,
        groups=options.group_columns,
        bytes=options.bytes is not None,
        density=numbers and loss.bounds[0] < 0.0,
    )
    known = None if classes is None else Classes(classes, options.unknown_label)
    return Job(
        models, options, known, scorings, spec, run.threads, run.memory, run.progress or (lambda rows: None)
    )


def _scoring(
    model: Model,
    loss: losses.Loss,
    others: Sequence[str],
    classes: tuple[str, ...] | None,
    options: ReadOptions,
) -> Scoring:
    positive = 1
    if classes is not None and model.layout.shape == "single" and model.layout.classes is not None:
        positive = classes.index(model.layout.classes[0])
    own = figures(loss, others, model.layout)
    names = {known.name for known in losses.all_losses()}
    return Scoring(
        loss,
        tuple(losses.get(name) for name in (*others, *own) if name in names),
        classes,
        positive,
        _events(classes, model, options),
        options.floor,
        options.renormalise,
        model.layout.levels,
        own,
    )


def _events(classes: tuple[str, ...] | None, model: Model, options: ReadOptions) -> tuple[int, ...]:
    """Classes whose reliability is followed: the positive one of two, both where it is not known which."""
    if classes is None:
        return ()
    if options.positive is not None:
        return (classes.index(options.positive),)
    if len(classes) != 2:
        return ()
    if model.layout.shape == "single" and model.layout.classes is not None:
        return (classes.index(model.layout.classes[0]),)
    obvious = tuple(i for i, name in enumerate(classes) if name in OBVIOUS_POSITIVES)
    return obvious or (0, 1)
