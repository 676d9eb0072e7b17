"""The mixture's predictions, row by row, in a file that every command reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from crossent.combining.pools import pooled
from crossent.data.alignment import Model, zipped
from crossent.data.batch import build
from crossent.data.facts import Facts
from crossent.data.naming import LIST_NAMES, MEAN, POINT_NAMES, PREFIXES, QUANTILE, SAMPLES, SCALAR_NAMES, STD
from crossent.data.pieces import Piece
from crossent.deep.table import Predictions, RowTable
from crossent.engines.passes import Job, shared_facts
from crossent.errors import UsageError
from crossent.files import table_into
from crossent.statistics.log_scores import log_scores
from crossent.statistics.summary import Floats

_PREFIXES = (*(prefix for prefixes in PREFIXES.values() for prefix in prefixes), QUANTILE)
_NAMES = {
    *(n for names in LIST_NAMES.values() for n in names),
    *(*SCALAR_NAMES, *POINT_NAMES, MEAN, STD, SAMPLES),
}


def check_writable(job: Job) -> None:
    """UsageError where a mixture of these predictions is no prediction of a kind that files hold."""
    layout = job.models[0].layout
    if layout.about_numbers:
        raise UsageError(
            "mixture-not-writable",
            f"a mixture of {layout.kind} predictions is not {layout.kind}, so that no file can hold it",
            cure="leave --out out: the weights are printed, and --weights saves them",
        )


@dataclass(frozen=True)
class Writer:
    """Writes a mixture of the job's models: the first model's columns, predictions aside, and p_<class>."""

    job: Job
    weights: Floats
    path: Path

    def side_by_side(self) -> int:
        """Write the rows of models whose ids run in the same order; returns how many."""
        return self._write(self._zipped())

    def gathered(self, table: RowTable) -> int:
        """Write rows whose predictions are in memory, in the order of the first model's data."""
        return self._write(self._from(table))

    def _write(self, rows: Iterable[tuple[Piece, Floats]]) -> int:
        total = 0
        with table_into(self.path, self._schema()) as table:
            for piece, mixture in rows:
                table.write_batch(self._batch(piece, mixture))
                total += len(piece)
        return total

    @property
    def _first(self) -> Model:
        """The first model with all its columns that are no predictions."""
        model = self.job.models[0]
        others = [name for name in model.layout.ignored if not _predicts(name)]
        extra = tuple(dict.fromkeys((*model.layout.extra, *others)))
        return replace(model, layout=replace(model.layout, extra=extra))

    def _zipped(self) -> Iterator[tuple[Piece, Floats]]:
        job = self.job
        models = [self._first, *job.models[1:]]
        for aligned in zipped(models, job.options.where, job.batch_rows(models)):
            facts = shared_facts(job, aligned)
            predicted = [
                self._predictions(model, piece, mine)
                for model, piece, mine in zip(models, aligned.pieces, facts, strict=True)
            ]
            yield aligned.pieces[0], self._mixture(predicted)
            job.progress(len(aligned.pieces[0]) * len(models))

    def _from(self, table: RowTable) -> Iterator[tuple[Piece, Floats]]:
        begin = 0
        first = self._first
        for piece in first.stream(self.job.options.where, self.job.batch_rows([first])):
            rows = slice(begin, begin + len(piece))
            yield piece, self._mixture([replace(p, values=p.values[rows]) for p in table.predictions])
            begin += len(piece)

    def _predictions(self, model: Model, piece: Piece, facts: Facts) -> Predictions:
        batch = build(piece, model.layout, facts, model.order, self.job.options)
        positive = self.job.scorings[model.name].positive
        return Predictions(model.layout.kind, model.layout.shape, batch.prediction, positive)

    def _mixture(self, predicted: Sequence[Predictions]) -> Floats:
        """(n, C) probabilities, or (n,) log-probabilities of what happened where there is nothing else."""
        if not predicted[0].distribution:
            scores = log_scores(np.column_stack([p.values for p in predicted]).astype(np.float64))
            return scores.mixture(self.weights) + scores.top
        arrays = [p.probabilities for p in predicted]
        if self.job.options.renormalise:
            arrays = [p / p.sum(axis=1, keepdims=True) for p in arrays]
        return pooled(arrays, self.weights)

    def _columns(self) -> tuple[list[str], list[str]]:
        """Names of the columns that are kept, and of the new ones."""
        layout = self._first.layout
        classes = self.job.classes
        new = (
            [*layout.predictions]
            if layout.shape == "scalar" or classes is None
            else [f"p_{name}" for name in classes.names]
        )
        named = (layout.id, layout.label, *layout.extra)
        kept = dict.fromkeys(name for name in named if name is not None and name not in new)
        return list(kept), new

    def _schema(self) -> pa.Schema:
        kept, new = self._columns()
        fields = [self.job.models[0].source.schema.field(name) for name in kept]
        return pa.schema([*fields, *(pa.field(name, pa.float64()) for name in new)])

    def _batch(self, piece: Piece, mixture: Floats) -> pa.RecordBatch:
        kept, _ = self._columns()
        columns = mixture.reshape(len(piece), -1).T
        schema = self._schema()
        old = [piece.table.column(name).cast(schema.field(name).type) for name in kept]
        return pa.record_batch([*old, *(pa.array(np.ascontiguousarray(c)) for c in columns)], schema=schema)


def _predicts(name: str) -> bool:
    """Whether a column of this name would be taken for a prediction."""
    return name in _NAMES or name.startswith(_PREFIXES)
