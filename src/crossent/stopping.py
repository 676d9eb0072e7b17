"""Reads windows of rows by chance until the best model is decided: `select(stop_when_decided=True)`.

Windows, not rows, are drawn: a file can be entered only at some places, and rows beside each other may be
alike. Estimates take windows as their independent units, as if each were a cluster.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from crossent.data.alignment import Aligned, Model, OrderDiffers, zipped
from crossent.data.facts import Facts
from crossent.data.labels import Keyed
from crossent.data.options import ReadOptions
from crossent.data.readers.contract import Source, Window
from crossent.distributed.fragments import Fragment, between
from crossent.engines.local import default_threads, run
from crossent.engines.memory import give_back
from crossent.engines.passes import Job, State, add_rows, merged, shared_facts
from crossent.errors import UsageError
from crossent.evaluation import Evaluation
from crossent.preparing import Prepared
from crossent.runs import evaluate_models, evaluation_of
from crossent.statistics.stopping import (
    Separation,
    Stopping,
    drawing_order,
    edges_of_windows,
    rounds_at_looks,
    separations,
)

WINDOW = "window"
"""What the unit is called where a cluster's column would be named."""
MOST_DECODED = 4
"""Times all rows: then finding windows has cost as much as scoring everything, which is done instead."""
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def check_stopping(options: ReadOptions, models: int, for_all: Mapping[str, bool]) -> None:
    """Raise UsageError `cannot-stop-early` where something is asked for that a part of the rows cannot give.

    for_all : of other options that need all rows, which are asked for.
    """
    if models < 2:
        raise _refused("there is one model, and nothing to decide", "name several models")
    if options.unit is None and options.cluster_column is not None:
        raise _refused(
            f"how sure a verdict is depends on how many values of {options.cluster_column} there are, which "
            "is the same however few rows of each are read",
            "leave clusters and times out to decide about these rows alone, or --stop-when-decided",
        )
    needs = {"--unit": options.unit is not None, "--on-missing": options.on_missing != "error", **for_all}
    asked = next((name for name, wanted in needs.items() if wanted), None)
    if asked is not None:
        raise _refused(f"{asked} needs all rows", f"leave {asked} or --stop-when-decided out")


def evaluate_until_decided(prepared: Prepared, level: float, seed: int) -> tuple[Evaluation, Stopping]:
    """The evaluation of as many windows as it took, and what was decided; of all rows, where it takes them.

    Errors: UsageError `cannot-stop-early` where rows cannot be read in any order but theirs.
    """
    job = prepared.job
    rows = _rows(job)
    edges = edges_of_windows(rows)
    if edges:
        race = _Reading(job, edges, seed, level)
        try:
            if race.run():
                evaluation = evaluation_of(prepared, merged([part.state for part in race.parts]))
                setup = replace(evaluation.setup, cluster_column=WINDOW)
                return replace(evaluation, setup=setup, spec=race.job.spec), race.stopping()
        except OrderDiffers:
            raise _refused(
                "the models' rows are in different orders, so that a part of one is not a part of the others",
                "write all files in the same order of row ids",
            ) from None
        finally:
            give_back()
    looks = race.looks if edges else 0
    complete = Stopping(seed, level, rows, rows, rows, 0, 0, 0, looks, None, ())
    return evaluate_models(prepared), complete


def _rows(job: Job) -> int:
    """The number of rows, known before they are read and the same for all models."""
    counts = {model.source.rows for model in job.models}
    if None in counts:
        unknown = next(model for model in job.models if model.source.rows is None)
        raise _refused(
            f"how many rows {unknown.source.name} has is not known before it is read to its end",
            "write Parquet, Arrow or NPZ files, which can be entered at any place",
        )
    if len(counts) > 1:
        raise _refused("the models have different numbers of rows", "give all models the same rows")
    return next(count for count in counts if count is not None)


def _refused(problem: str, cure: str) -> UsageError:
    return UsageError("cannot-stop-early", f"reading cannot stop early: {problem}", cure=cure)


@dataclass
class _Part:
    """What one thread has added up."""

    state: State
    sums: Floats
    """(K, windows) weighted losses."""
    exposure: Floats
    """(windows,)"""


class _Reading:
    """Rounds of windows, and after each batch of rounds a look."""

    def __init__(self, job: Job, edges: Sequence[int], seed: int, level: float) -> None:
        self.job = replace(job, spec=replace(job.spec, clustered=True))
        self.edges, self.seed, self.level = np.asarray(edges), seed, level
        self.names = [model.name for model in job.models]
        self.fragments = between(job.models, edges)
        self.order = drawing_order(len(self.fragments), seed)
        self.where = _Numbers(job.models[0].source, self.edges)
        threads = job.threads or default_threads()
        self.parts = [self._new_part() for _ in range(threads)]
        self.drawn: Ints = np.empty(0, np.int64)
        self.looks = self.decoded = 0
        self.pairs: tuple[Separation, ...] = ()
        self.first: dict[frozenset[str], int] = {}

    def _new_part(self) -> _Part:
        windows = len(self.fragments)
        sums = np.zeros((len(self.names), windows))
        return _Part(self.job.new_state([self.names]), sums, np.zeros(windows))

    def run(self) -> bool:
        """Whether the best model was decided before everything was read."""
        done = 0
        for upto in rounds_at_looks(len(self.order)):
            if self.decoded >= MOST_DECODED * self.edges[-1]:
                return False
            self._read(np.sort(self.order[done:upto].ravel()))
            done = upto
            if self._decided():
                return True
        return False  # the rest is read in order, which is faster

    def _read(self, numbers: Ints) -> None:
        chosen = [self.fragments[i] for i in numbers.tolist()]
        models = _some(self.job.models, chosen)
        self.decoded += _decoded(self.job.models[0].source, chosen)
        waiting = iter(self.parts)
        lock = threading.Lock()

        def part() -> _Part:
            with lock:
                return next(waiting)

        stream = zipped(models, self.job.options.where, self.job.batch_rows(models))
        run(stream, part, self._add, len(self.parts))
        self.drawn = np.concatenate([self.drawn, numbers])

    def _add(self, part: _Part, aligned: Aligned) -> None:
        windows = self.where.of(aligned)
        values, codes = np.unique(windows, return_inverse=True)
        unit = Keyed(tuple(str(v) for v in values.tolist()), codes)
        facts = _with_unit(shared_facts(self.job, aligned), unit)
        weight = facts[0].weight
        for k, loss in enumerate(add_rows(self.job, part.state, aligned, facts)):
            if weight is not None:
                # what has no weight counts nothing, infinite or not
                loss = np.multiply(weight, loss, out=np.zeros(loss.size), where=weight > 0.0)
            part.sums[k] += np.bincount(windows, loss, len(self.fragments))
        part.exposure += np.bincount(windows, weight, len(self.fragments))

    def _decided(self) -> bool:
        self.looks += 1
        sums = np.sum([part.sums for part in self.parts], axis=0)[:, self.drawn]
        exposure = np.sum([part.exposure for part in self.parts], axis=0)[self.drawn]
        if not exposure.sum() > 0.0:
            return False
        pairs = separations(self.names, sums, exposure, len(self.fragments), self.level)
        for pair in pairs:
            if pair.low > 0.0:
                self.first.setdefault(frozenset((pair.better, pair.worse)), self.rows)
        self.pairs = tuple(
            replace(p, decided_after=self.first.get(frozenset((p.better, p.worse)))) for p in pairs
        )
        return all(pair.low > 0.0 for pair in pairs[: len(self.names) - 1])

    @property
    def rows(self) -> int:
        sizes = np.diff(self.edges)
        return int(sizes[self.drawn].sum())

    def stopping(self) -> Stopping:
        """What is known once the best model is decided."""
        return Stopping(
            seed=self.seed,
            level=self.level,
            rows=self.rows,
            rows_of_all=int(self.edges[-1]),
            rows_decoded=self.decoded,
            window_rows=int(np.diff(self.edges).max()),
            windows=self.drawn.size,
            windows_of_all=len(self.fragments),
            looks=self.looks,
            leader=self.pairs[0].better,
            pairs=self.pairs,
        )


def _with_unit(facts: Sequence[Facts], unit: Keyed) -> list[Facts]:
    """The facts with the window as their cluster; what is one object stays one."""
    changed = {id(f): replace(f, cluster=unit) for f in facts}
    return [changed[id(f)] for f in facts]


class _Numbers:
    """To which window the rows of the first model belong."""

    def __init__(self, source: Source, edges: Ints) -> None:
        self._edges = edges
        starts = accumulate((file.rows or 0 for file in source.files), initial=0)
        self._starts = dict(zip((file.path for file in source.files), starts, strict=False))

    def of(self, aligned: Aligned) -> Ints:
        piece = aligned.pieces[0]
        inside = piece.first_row + np.arange(len(piece)) if piece.numbers is None else piece.numbers
        found: Ints = np.searchsorted(self._edges, inside + self._starts[piece.file], side="right") - 1
        return found


def _some(models: Sequence[Model], chosen: Sequence[Fragment]) -> list[Model]:
    """The models with nothing but some windows; columns of one table stay columns of one table."""
    windows = [_together(f.windows[i] for f in chosen) for i in range(len(models))]
    sources = {id(model.source): model.source.part(w) for model, w in zip(models, windows, strict=True)}
    return [model.part(w, sources[id(model.source)]) for model, w in zip(models, windows, strict=True)]


def _together(parts: Iterable[tuple[Window, ...]]) -> list[Window]:
    return [window for part in parts for window in part]


def _decoded(source: Source, chosen: Sequence[Fragment]) -> int:
    """Rows of the first model from where reading may begin to the last that is wanted."""
    wanted = _together(f.windows[0] for f in chosen)
    if source.entered_anywhere:
        return sum((window.end or 0) - window.begin for window in wanted)
    reach: dict[tuple[int, int], int] = {}
    for window in wanted:
        cuts = source.cuts[window.file]
        start = cuts[int(np.searchsorted(cuts, window.begin, side="right")) - 1]
        reach[window.file, start] = max(reach.get((window.file, start), 0), window.end or 0)
    return sum(end - start for (_, start), end in reach.items())
