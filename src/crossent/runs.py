"""Run the passes that models need: from what was prepared to an Evaluation."""

from __future__ import annotations

import tempfile
from pathlib import Path

from crossent.accumulators.moments import EXPOSURE
from crossent.data.alignment import Model
from crossent.engines.memory import give_back
from crossent.engines.passes import Job, State, accumulate
from crossent.errors import DataError
from crossent.evaluation import Evaluation, Setup
from crossent.preparing import Prepared, RunOptions
from crossent.results import FileRecord, SourceRecord


def evaluate_models(prepared: Prepared, run: RunOptions | None = None) -> Evaluation:
    """Evaluate models on the same rows: the one function behind `evaluate` and `select`."""
    try:
        with tempfile.TemporaryDirectory(prefix="crossent-") as folder:
            state = _accumulate(prepared.job, Path(folder), run or RunOptions())
    finally:
        give_back()
    return evaluation_of(prepared, state)


def evaluation_of(prepared: Prepared, state: State) -> Evaluation:
    """The evaluation that holds these sums. Raises DataError where nothing was counted."""
    _check_weights(state, prepared.job)
    _check_bytes(state, prepared.job)
    return Evaluation(_setup(prepared), prepared.job.spec, state)


def _accumulate(job: Job, folder: Path, run: RunOptions) -> State:
    def say(text: str) -> None:
        if run.notify is not None:
            run.notify(text)

    def restarted() -> None:
        say("row ids are in different orders: joining them on disk")

    if not run.plan.in_parts:
        return accumulate(job, folder, restarted)
    from crossent.distributed.passes import accumulate as in_parts

    return in_parts(job, run.plan, folder, restarted, say)


def _check_weights(state: State, job: Job) -> None:
    if job.spec.weighted and state.moments[0].total("weight") == 0:
        raise DataError(
            "no-weight",
            "all weights are 0",
            file=job.models[0].source.name,
            column=job.options.weight,
            cure="at least one row must count",
        )


def _check_bytes(state: State, job: Job) -> None:
    if job.spec.bytes and state.moments[0].total(EXPOSURE) == 0:
        raise DataError(
            "no-bytes",
            "there is not one byte, so bits per byte are undefined",
            file=job.models[0].source.name,
            column=job.options.bytes,
            cure="write the UTF-8 bytes of each token, or leave --bytes out",
        )


def _setup(prepared: Prepared) -> Setup:
    job = prepared.job
    options, first = job.options, job.models[0]
    classes = None if job.classes is None else job.classes.names
    scoring = job.scorings[first.name]
    positive = classes[scoring.events[0]] if classes is not None and len(scoring.events) == 1 else None
    return Setup(
        loss=prepared.loss.name,
        floor=options.floor,
        renormalised=options.renormalise,
        classes=classes,
        positive=positive,
        pairing=_pairing(job),
        label_column=first.layout.label or "",
        id_column=first.layout.id,
        weight_column=options.weight,
        cluster_column=options.cluster_column,
        ordered=options.order is not None,
        group_columns=options.group_columns,
        unit_column=options.unit,
        bytes_column=options.bytes,
        where=tuple((c.column, c.value) for c in options.where if not c.excludes),
        where_not=tuple((c.column, c.value) for c in options.where if c.excludes),
        dropped=prepared.dropped,
        sources=tuple(_source_record(m) for m in job.models),
        levels=prepared.levels,
        figures=tuple((name, scored.figures) for name, scored in job.scorings.items() if scored.figures),
    )


def _pairing(job: Job) -> str:
    if len(job.models) == 1:
        return "single"
    if job.options.unit is not None:
        return "unit"
    if job.models[0].id_type is not None:
        return "row id"
    # columns of one table stand in the same rows
    return "same row" if all(m.source is job.models[0].source for m in job.models) else "position"


def _source_record(model: Model) -> SourceRecord:
    files = tuple(FileRecord(f.path, f.bytes, f.rows, f.digest) for f in model.source.files)
    layout = model.layout
    return SourceRecord(model.name, layout.kind, layout.described(), layout.dtype, files, layout.ignored)
