"""The passes over the data: models side by side, one after another, or joined on disk by row id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from crossent.accumulators.contract import Accumulator, Floats, Rows, Spec
from crossent.accumulators.moments import Moments
from crossent.accumulators.registry import new_states
from crossent.data.alignment import Aligned, Model, OrderDiffers, check_same_rows, zipped
from crossent.data.batch import build
from crossent.data.facts import UNKNOWN, Classes, Facts, facts_of
from crossent.data.identity import Run, normalised, run_of, strictly_increasing
from crossent.data.joining import check_unique, estimated_rows, joined, keyed_records
from crossent.data.labels import fingerprints
from crossent.data.options import ReadOptions
from crossent.data.partitions import RECORD, Partitions, Records, Sink, needed, partitions_for
from crossent.data.pieces import Piece
from crossent.engines.local import default_threads, run
from crossent.engines.scoring import Scoring, score
from crossent.errors import DataError

Progress = Callable[[int], None]

# 16 MiB of float64 a batch of all models, at most 2**17 rows: smaller ones cost calls, for which threads wait
BATCH_NUMBERS = 1 << 21
BATCH_ROWS = 1 << 17


@dataclass
class State:
    """What one thread accumulates: the statistics of each model, and those of the models side by side."""

    models: dict[str, dict[str, Accumulator]]
    moments: list[Moments]
    runs: list[Run] = field(default_factory=list)

    def merge(self, other: State) -> None:
        """Add the state of other rows."""
        for name, accumulators in self.models.items():
            for key, accumulator in accumulators.items():
                accumulator.merge(other.models[name][key])
        for mine, theirs in zip(self.moments, other.moments, strict=True):
            mine.merge(theirs)
        self.runs.extend(other.runs)


@dataclass(frozen=True)
class Job:
    """Everything a pass needs to know."""

    models: Sequence[Model]
    options: ReadOptions
    classes: Classes | None
    scorings: dict[str, Scoring]
    spec: Spec
    threads: int | None
    memory: int
    progress: Progress

    @property
    def record(self) -> np.dtype[np.void]:
        """What is kept of a row until it stands beside the other models' rows of the same id."""
        options = self.options
        used = {
            "label": any(model.layout.label is not None for model in self.models),
            "cluster": options.cluster_column is not None,
            "groups": bool(options.groups) or options.position is not None,
            "weight": options.weight is not None,
            "bytes": options.bytes is not None,
        }
        whole = self.models[0].id_type is not None and self.models[0].id_type.whole
        facts = [name for name, there in used.items() if there]
        return needed(RECORD, whole=whole, facts=facts, narrow=self._narrow())

    def _narrow(self) -> dict[str, str]:
        """Types of what is small of every row: the code of one of few classes, the row number in one file."""
        narrow = {}
        if self.classes is not None and len(self.classes.names) <= 1 << 8 and not self.classes.zero_unknown:
            narrow["label"] = "<u1"
        files = [model.source.files for model in self.models]
        if all(len(own) == 1 and (own[0].rows or 1 << 32) < 1 << 32 for own in files):
            narrow["at"] = "<u4"
        return narrow

    def batch_rows(self, models: Sequence[Model]) -> int:
        """Rows a batch: fewer where rows are wide."""
        width = sum(model.layout.width for model in models)
        return int(min(BATCH_ROWS, max(64, BATCH_NUMBERS // max(1, width))))

    def apart(self) -> list[list[str]]:
        """Groups for `new_state` where no model's losses are multiplied with another's."""
        return [[model.name] for model in self.models]

    def spec_of(self, name: str) -> Spec:
        """The spec of one model: the common one, and its own figures."""
        return replace(self.spec, figures=self.scorings[name].figures)

    def new_state(self, groups: Sequence[Sequence[str]]) -> State:
        """Nothing yet; `groups` says which models' losses are multiplied with each other."""
        exposed = self.options.bytes is not None
        return State(
            {model.name: new_states(self.spec_of(model.name)) for model in self.models},
            [Moments(g, weighted=self.spec.weighted, exposed=exposed) for g in groups],
        )

    def facts(self, model: Model, piece: Piece) -> Facts:
        """The checked facts of a piece, ids in the type common to all models."""
        facts = facts_of(piece, model.layout, self.options, self.classes)
        if facts.ids is None or model.id_type is None or model.layout.id is None:
            return facts
        ids = normalised(facts.ids, model.id_type, piece, model.layout.id)
        return Facts(**{**vars(facts), "ids": ids})

    def rows(self, model: Model, piece: Piece, facts: Facts) -> Rows:
        """The scored rows of a piece."""
        batch = build(piece, model.layout, facts, model.order, self.options)
        return score(batch, self.scorings[model.name])


def merged(states: Sequence[State]) -> State:
    """All states in one."""
    first, *others = states
    for other in others:
        first.merge(other)
    return first


def side_by_side(job: Job, folder: Path) -> State:
    """All models zipped: one pass. Raises OrderDiffers where their row ids do not run in the same order."""
    state = zipped_state(job)
    if state.runs and not strictly_increasing(state.runs):
        check_unique(job.models[0], job.options.where, folder, job.memory)
    return state


def zipped_state(job: Job) -> State:
    """The state of all models zipped; whether an id occurs twice is left open, `runs` may tell."""
    names = [model.name for model in job.models]

    def update(state: State, aligned: Aligned) -> None:
        facts = shared_facts(job, aligned)
        if facts[0].ids is not None:
            state.runs.append(run_of(aligned.number, facts[0].ids))
        add_rows(job, state, aligned, facts)

    stream = zipped(job.models, job.options.where, job.batch_rows(job.models))
    return merged(run(stream, lambda: job.new_state([names]), update, job.threads))


def add_rows(job: Job, state: State, aligned: Aligned, facts: Sequence[Facts]) -> list[Floats]:
    """Score the same rows of all models and add them to a state; returns their losses."""
    losses = []
    for model, piece, mine in zip(job.models, aligned.pieces, facts, strict=True):
        rows = job.rows(model, piece, mine)
        for accumulator in state.models[model.name].values():
            accumulator.update(rows)
        losses.append(rows.loss)
    state.moments[0].update(losses, facts[0].weight, facts[0].bytes)
    job.progress(len(aligned.pieces[0]) * len(job.models))
    return losses


def shared_facts(job: Job, aligned: Aligned) -> list[Facts]:
    """The facts of each model's piece, which say the same of every row; where its columns equal the first
    model's, those are taken. Raises what `check_same_rows` does.
    """
    first = job.facts(job.models[0], aligned.pieces[0])
    facts = [first]
    for model, piece in zip(job.models[1:], aligned.pieces[1:], strict=True):
        facts.append(
            first if _same_columns(job, model, piece, aligned.pieces[0]) else job.facts(model, piece)
        )
    check_same_rows(job.models, aligned, facts)
    return facts


def _same_columns(job: Job, model: Model, piece: Piece, first: Piece) -> bool:
    leader = job.models[0].layout
    pairs = [(leader.id, model.layout.id), (leader.label, model.layout.label)]
    pairs += [(c, c) for c in job.options.row_columns()]
    for mine, theirs in pairs:
        if (mine is None) != (theirs is None):
            return False
        if mine is not None and theirs is not None:
            one, other = first.table.column(mine), piece.table.column(theirs)
            if one.type != other.type or not one.equals(other):
                return False
    return True


def one_by_one(job: Job) -> State:
    """Each model by itself: rows are not paired, clusters are."""
    state = job.new_state(job.apart())
    for index in range(len(job.models)):
        state.merge(state_of_one(job, index, job.apart()))
    return state


def state_of_one(job: Job, index: int, groups: Sequence[Sequence[str]], sink: Sink | None = None) -> State:
    """The statistics of one model by itself, the others' being empty. Its losses enter the moments where
    `groups` has it alone; `sink` is given the record of every row.
    """
    model = job.models[index]
    alone = list(groups[index : index + 1]) == [[model.name]]

    def update(state: State, piece: Piece) -> None:
        facts = job.facts(model, piece)
        rows = job.rows(model, piece, facts)
        for accumulator in state.models[model.name].values():
            accumulator.update(rows)
        if sink is not None:
            sink.write(_records(model, piece, facts, rows, sink.dtype))
        elif alone:
            state.moments[index].update([rows.loss], facts.weight, facts.bytes)
        job.progress(len(piece))

    stream = model.stream(job.options.where, job.batch_rows([model]))
    return merged(run(stream, lambda: job.new_state(groups), update, job.threads))


def joined_on_disk(job: Job, folder: Path) -> State:
    """Each model by itself, its losses written to partitions by row id; then the partitions side by side."""
    names = [model.name for model in job.models]
    record_bytes = sum(estimated_rows(m) for m in job.models) * job.record.itemsize
    count = partitions_for(record_bytes, job.memory)
    state = job.new_state([names])
    parts = []
    for index in range(len(job.models)):
        partitions = Partitions(folder, f"model{index}", count, job.record)
        state.merge(state_of_one(job, index, [names], partitions))
        parts.append(partitions)
    for records in joined(job.models, parts, job.threads or default_threads()):
        weight = records[0]["weight"] if job.spec.weighted else None
        exposure = records[0]["bytes"] if job.options.bytes is not None else None
        state.moments[0].update([np.ascontiguousarray(r["loss"]) for r in records], weight, exposure)
        del records, weight, exposure  # before the next ones are read
    return state


def _records(model: Model, piece: Piece, facts: Facts, rows: Rows, dtype: np.dtype[np.void]) -> Records:
    records = keyed_records(model, piece, facts.ids, dtype)
    records["loss"] = rows.loss
    if facts.y is not None:
        records["label"] = (facts.y + 0.0).view(np.uint64)  # + 0.0: −0 is 0
    elif facts.labels is not None:
        records["label"] = facts.labels.view(np.uint64)
        unknown = facts.labels == UNKNOWN
        if facts.label_text is not None and unknown.any():
            records["label"][unknown] = fingerprints(facts.label_text)[unknown]
    elif facts.label_text is not None:
        records["label"] = fingerprints(facts.label_text)
    if facts.cluster is not None:
        records["cluster"] = fingerprints(facts.cluster)
    for group in facts.groups:
        # an odd multiplier keeps the order of the columns
        records["groups"] = records["groups"] * np.uint64(0x9E3779B97F4A7C15) + fingerprints(group)
    if facts.weight is not None:
        records["weight"] = facts.weight
    if facts.bytes is not None:
        records["bytes"] = facts.bytes
    return records


def accumulate(job: Job, folder: Path, restarted: Callable[[], None]) -> State:
    """Run the passes that the models need; `restarted` is called when rows turn out to be in other orders."""
    if job.options.unit is not None:
        return one_by_one(job)
    try:
        return side_by_side(job, folder)
    except OrderDiffers:
        if job.models[0].id_type is None:
            raise cannot_pair(job) from None
        restarted()
        return joined_on_disk(job, folder)


def cannot_pair(job: Job) -> DataError:
    """The error for models without row ids that do not have the same number of rows."""
    rows = ", ".join(
        f"{m.source.rows if m.source.rows is not None else '?'} in {m.source.name}" for m in job.models
    )
    return DataError(
        "lengths-differ",
        f"different numbers of rows ({rows}): without row ids, rows are paired by position",
        file=job.models[-1].source.name,
        cure="write a row_id column into every file, or name what corresponds with --unit",
    )
