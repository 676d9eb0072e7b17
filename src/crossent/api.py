"""The Python functions behind the command line: evaluate, select, merge."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from crossent.data.conditions import Condition, conditions, in_two_parts
from crossent.data.options import ReadOptions, parse_classes
from crossent.data.readers import Query
from crossent.data.readers.places import parts_of
from crossent.decided_early import with_stopping
from crossent.distributed.plan import Plan
from crossent.errors import MergeError, UsageError
from crossent.evaluation import Evaluation
from crossent.files import replacing
from crossent.preparing import DEFAULT_MEMORY, Prepared, RunOptions, prepare
from crossent.results import Results
from crossent.runs import evaluate_models
from crossent.selection import Reading, Rule, read_results
from crossent.stopping import check_stopping, evaluate_until_decided

DEFAULT_SAMPLE = 200_000
"""Rows that are looked at once more where there are more of them."""
MODEL_SUFFIXES = (".gz", ".zst", ".bz2")


@dataclass(frozen=True)
class Report:
    """Results of an evaluation with the evaluation itself, ready to print, show and save.

    `results` holds every number as plain frozen records; `evaluation` the exact sums they come from.
    """

    results: Results
    evaluation: Evaluation

    @property
    def chosen(self) -> str | None:
        """The model the rule chose; None for a single model, or where no loss is finite."""
        return self.results.chosen

    @property
    def statements(self) -> tuple[str, ...]:
        """The verdict in sentences."""
        return self.results.statements

    def to_dict(self) -> dict[str, Any]:
        """The results as the JSON document of docs/result-schema.md."""
        from crossent.report import to_document

        return to_document(self.results)

    def to_markdown(self) -> str:
        """The results as Markdown."""
        from crossent.report import render_markdown

        return render_markdown(self.results)

    _repr_markdown_ = to_markdown
    """What a notebook shows."""

    def to_html(self) -> str:
        """The results as one self-contained page. Needs the extra `report`."""
        from crossent.report import render_html

        return render_html(self.results)

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file, whole or not at all."""
        page = self.to_html()
        with replacing(path) as temporary:
            temporary.write_text(page, encoding="utf-8")

    def __str__(self) -> str:
        return "\n".join(self.statements)


def evaluate(data: object, *, name: str | None = None, **options: Any) -> Report:
    """Evaluate the predictions of one model: loss with standard error, calibration, tails, classes, groups.

    The predictions are about classes, tokens or a number; what the columns hold is said by their names.
    `data` is a path, a folder, a pattern, a table (pyarrow, pandas, polars, anything with
    `__arrow_c_stream__`), a dictionary of columns or a query to a database (see `sql`). Options: those of
    `ReadOptions` (which columns mean what), `loss` (None: the one that is usual for the kind of prediction),
    `level`, `prior`, `threads`, `memory`, `format`, `progress`.

    Errors: DataError where the data cannot be used, UsageError where an option cannot.

    >>> report = evaluate({"label": ["a", "b", "a"], "p_a": [0.9, 0.2, 0.8], "p_b": [0.1, 0.8, 0.2]})
    >>> round(report.results.models[0].loss.value, 4)
    0.1839
    >>> evaluate({"label": [1.0, 2.5], "mean": [1.1, 2.0], "std": [0.5, 0.5]}).results.loss_title
    'log loss (Gaussian density)'
    """
    return select({name or _name_of(data, "model"): data}, **options)


def select(
    models: Mapping[str, object] | Sequence[object] | str | os.PathLike[str],
    *,
    rule: str = "best",
    complexity: Sequence[str] = (),
    baseline: str | None = None,
    adjust: str = "holm",
    mcs_statistic: str = "range",
    level: float = 0.95,
    prior: Mapping[str, float] | None = None,
    loss: str | None = None,
    columns: Sequence[str] = (),
    threads: int | None = None,
    memory: int | None = None,
    format: str | None = None,
    progress: Callable[[int], None] | None = None,
    notify: Callable[[str], None] | None = None,
    started: Callable[[int | None], None] | None = None,
    engine: str = "local",
    address: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    fragment_rows: int | None = None,
    select_where: Any = None,
    deep: bool = False,
    sample: int = DEFAULT_SAMPLE,
    seed: int = 0,
    stop_when_decided: bool = False,
    **options: Any,
) -> Report:
    """Compare the predictions of several models on the same rows, and choose one.

    `models` maps names to data (see `evaluate`), or lists paths named by their file names; with `columns`,
    each of these columns of the one table is a model's probability of the class `positive`, or with `kind`
    "point" its prediction of a number. Rows are paired by row id where there is one. `rule` is "best",
    "one-se" or "mcs"; `complexity` names the models from simplest to most complex; `baseline` names the model
    that the chosen one must not be worse than. `adjust` says how p-values are adjusted for many comparisons
    ("holm", "max-t", "bonferroni", "bh", "by", "none"), `mcs_statistic` what the model confidence set tests
    by ("range", "max"). Models of different kinds of prediction about a number need a
    `loss` that all of them allow, such as "crps".

    Where it is computed never changes a digit: `engine` is "local" (threads), "processes", "ray" or "dask",
    the last two at the `address` of a running cluster or on one that is started here. `checkpoint` names a
    folder that keeps what was found so far, `resume` goes on from it, `fragment_rows` says how much is done
    at a time.

    With `select_where`, such as {"split": "val"}, the rule chooses on those rows, and everything is reported
    on the others, or on those of them that `where` names.

    With `deep` the rows are read once more, for what sums cannot tell; of more than `sample` rows, so many
    are taken by chance, by `seed`.

    With `stop_when_decided` windows of rows are read in an order drawn by `seed`, until the model of the
    lowest loss over all rows is decided; `results.stopping` says what was read and what was decided.

    Errors: DataError, UsageError.

    >>> labels = ["a", "b", "a", "b"]
    >>> sure = {"label": labels, "p_a": [0.9, 0.2, 0.8, 0.3], "p_b": [0.1, 0.8, 0.2, 0.7]}
    >>> unsure = {"label": labels, "p_a": [0.5] * 4, "p_b": [0.5] * 4}
    >>> select({"sure": sure, "unsure": unsure}).chosen
    'sure'
    """
    kept = None if checkpoint is None else Path(checkpoint)
    plan = Plan(engine, address, kept, resume, fragment_rows)
    budget = DEFAULT_MEMORY if memory is None else memory
    run = RunOptions(threads, budget, format, started, progress, notify, plan)
    inputs = named(models)
    chosen_on, reported_on = _parts_to_read(options.pop("where", ()), select_where)
    asked = read_options(**options, where=reported_on)
    rules = Rule(rule, tuple(complexity))
    reading = Reading(level, rules, prior, baseline, provenance(asked), adjust, mcs_statistic)
    # before the data are read, which may take hours
    reading.check(tuple(columns) or tuple(inputs))
    if stop_when_decided:
        asked_for_all = {
            "--deep": deep,
            "--select-where": bool(select_where),
            "--baseline": baseline is not None,
            "--rule": rule != "best",
            "--engine": engine != "local",
            "--checkpoint": checkpoint is not None,
        }
        check_stopping(asked, len(tuple(columns) or inputs), asked_for_all)
    selected_on = None
    if chosen_on is not None:
        first = replace(run, plan=replace(plan, checkpoint=None if kept is None else _beside(kept)))
        for_choice = replace(asked, where=chosen_on)
        selected_on = evaluate_models(
            prepare(inputs, for_choice, loss=loss, columns=columns, run=first), first
        )
    prepared = prepare(inputs, asked, loss=loss, columns=columns, run=run)
    if stop_when_decided:
        evaluation, stopping = evaluate_until_decided(prepared, level, seed)
        return Report(with_stopping(read_results(evaluation, reading), stopping), evaluation)
    evaluation = evaluate_models(prepared, run)
    results = read_results(evaluation, reading, selected_on)
    if deep:
        results = _looked_at(prepared, evaluation, results, level, sample, seed)
    return Report(results, evaluation)


def _parts_to_read(
    where: Any, select_where: Any
) -> tuple[tuple[Condition, ...] | None, tuple[Condition, ...]]:
    """Which rows to choose on, None where that is those reported on; and which to report on."""
    if not select_where:
        return None, conditions(where)
    return in_two_parts(conditions(select_where), conditions(where))


def _beside(folder: Path) -> Path:
    """What was found of the rows that the choice is made on is kept in a folder of its own."""
    return folder.with_name(f"{folder.name}-selection")


def _looked_at(
    prepared: Prepared, evaluation: Evaluation, results: Results, level: float, sample: int, seed: int
) -> Results:
    """The results with what the rows tell when they are read once more."""
    from crossent.deep import gather, look

    table = gather(prepared.job, results.data.rows, sample, seed)
    if table is None:
        raise UsageError(
            "deep-needs-rows",
            "the rows of these models do not correspond, so there is nothing to look at side by side",
            cure="leave --deep out: it has no meaning with --unit",
        )
    return replace(results, findings=look(evaluation, results, table, level, seed))


def merge(*evaluations: Evaluation | str | os.PathLike[str], **reading: Any) -> Report:
    """Add saved evaluations of the same models on other rows: exactly as if all rows had been read at once.

    Errors: MergeError for evaluations of other models or options, or of the same rows.
    """
    if not evaluations:
        raise MergeError(
            "merge-nothing", "there is nothing to merge", cure="name at least one saved evaluation"
        )
    loaded = [e if isinstance(e, Evaluation) else Evaluation.load(e) for e in evaluations]
    total = loaded[0]
    for other in loaded[1:]:
        total = total.merge(other)
    return read(total, **reading)


def read(
    evaluation: Evaluation,
    *,
    rule: str = "best",
    complexity: Sequence[str] = (),
    baseline: str | None = None,
    adjust: str = "holm",
    mcs_statistic: str = "range",
    level: float = 0.95,
    prior: Mapping[str, float] | None = None,
    selected_on: Evaluation | str | os.PathLike[str] | None = None,
) -> Report:
    """The results of a saved evaluation, read through a rule. See `select`.

    With `selected_on`, a saved evaluation of the same models on other rows, the rule chooses there.
    """
    if selected_on is not None and not isinstance(selected_on, Evaluation):
        selected_on = Evaluation.load(selected_on)
    rules = Rule(rule, tuple(complexity))
    reading = Reading(level, rules, prior, baseline, provenance(), adjust, mcs_statistic)
    return Report(read_results(evaluation, reading, selected_on), evaluation)


def read_options(**options: Any) -> ReadOptions:
    """ReadOptions from keyword arguments as people write them.

    >>> read_options(classes="0..2", where={"split": "test"}, groups="region").groups
    ('region',)
    """
    known = {f.name for f in fields(ReadOptions)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise UsageError(
            "unknown-option",
            f"no option is named {', '.join(unknown)}",
            cure=f"choose from {', '.join(sorted(known))}",
        )
    if isinstance(options.get("classes"), str):
        options["classes"] = parse_classes(options["classes"])
    elif options.get("classes") is not None:
        options["classes"] = tuple(str(name) for name in options["classes"])
    if "where" in options:
        options["where"] = conditions(options["where"])
    groups = options.get("groups", ())
    options["groups"] = (groups,) if isinstance(groups, str) else tuple(groups)
    if options.get("positive") is not None:
        options["positive"] = str(options["positive"])
    return ReadOptions(**options)


def named(models: Mapping[str, object] | Sequence[object] | str | os.PathLike[str]) -> dict[str, object]:
    """Names for models that have none: the file name, with as much of its folder as tells them apart."""
    if isinstance(models, Mapping):
        if models and not any(_is_data(v) for v in models.values()):
            raise UsageError(
                "not-models",
                "a dictionary must name models",
                cure="pass {'name': table, …}, or call evaluate(table)",
            )
        return {str(name): data for name, data in models.items()}
    items = [models] if isinstance(models, str | os.PathLike) else list(models)
    parts = [_parts(item, f"model {i}") for i, item in enumerate(items, 1)]
    for depth in range(1, max((len(p) for p in parts), default=1) + 1):
        names = ["/".join(p[-depth:]) for p in parts]
        if len(set(names)) == len(names):
            return dict(zip(names, items, strict=True))
    twice = next(n for n in names if names.count(n) > 1)
    raise UsageError(
        "model-twice", f"{twice} is given twice", cure="give each model once, or names: name=FILE"
    )


def _is_data(value: object) -> bool:
    return (
        isinstance(value, str | os.PathLike | Mapping | Query)
        or hasattr(value, "__arrow_c_stream__")
        or isinstance(value, list | tuple)
    )


def _parts(item: object, default: str) -> list[str]:
    if not isinstance(item, str | os.PathLike):
        return [default]
    parts = list(parts_of(os.fspath(item))) or ["model"]
    stem = parts[-1]
    for suffix in MODEL_SUFFIXES:
        stem = stem.removesuffix(suffix)
    return [*parts[:-1], stem.rpartition(".")[0] or stem]


def _name_of(data: object, default: str) -> str:
    return _parts(data, default)[-1]


def provenance(options: ReadOptions | None = None) -> tuple[tuple[str, str], ...]:
    """What computed the results: versions, and the options that are not the default."""
    import numpy

    from crossent import __version__, kernels

    described = {} if options is None else options.described()
    said = ", ".join(f"{name}={_text(value)}" for name, value in described.items())
    return (
        ("crossent", __version__),
        ("Python", platform.python_version()),
        ("NumPy", numpy.__version__),
        ("kernels", kernels.explain()),
        ("options", said or "none"),
    )


def installation() -> tuple[tuple[str, str], ...]:
    """What computes here: versions, the kernels chosen and why, what they could be, and threads."""
    from crossent import kernels

    return (
        *provenance()[1:-1],
        ("instruction sets", ", ".join(kernels.instruction_sets()) or "none: there is no compiled core"),
        ("threads", str(kernels.threads())),
    )


def _text(value: object) -> str:
    """An option's value as it is written on the command line; of many names the first and the last."""
    if not isinstance(value, tuple):
        return str(value)
    words = [str(v) for v in value]
    return ",".join(words if len(words) <= 10 else [*words[:3], "…", words[-1]])
