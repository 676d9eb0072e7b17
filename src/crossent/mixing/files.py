"""From files of predictions to a mixture: collect log-probabilities, find weights, write predictions."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossent.api import named, read_options
from crossent.data.alignment import OrderDiffers
from crossent.deep import RowTable, gather
from crossent.deep.analyses.combination import rows_of
from crossent.engines.passes import Job, cannot_pair, joined_on_disk
from crossent.errors import DataError, UsageError
from crossent.files import check_table
from crossent.mixing.collecting import Collected, collect
from crossent.mixing.weights_file import load_weights, save_weights
from crossent.mixing.writing import Writer, check_writable
from crossent.preparing import DEFAULT_MEMORY, Prepared, RunOptions, prepare
from crossent.report.document import plain_data
from crossent.statistics.combination import FOLDS, Combination, Given, Recipe
from crossent.statistics.combination import combine as combined
from crossent.statistics.greedy_selection import ROUNDS
from crossent.statistics.log_scores import in_blocks, units_in
from crossent.statistics.pseudo_bma import DRAWS
from crossent.wording import byte_size


@dataclass(frozen=True)
class Mixed:
    """What was found, and written."""

    combination: Combination
    rows: int
    on_disk: bool
    """Whether the log-probabilities of the rows did not fit into `memory`."""

    def to_dict(self) -> dict[str, Any]:
        """What was found as plain data, for `json.dumps(…, allow_nan=False)`."""
        found = plain_data(self.combination)
        assert isinstance(found, dict)
        return {"format": "crossent-combination", "version": 1, "rows": self.rows, **found}


def combine(
    models: Mapping[str, object] | Sequence[object],
    *,
    method: str = "stacking",
    out: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    apply: str | os.PathLike[str] | None = None,
    folds: int = FOLDS,
    rounds: int = ROUNDS,
    draws: int = DRAWS,
    seed: int = 0,
    loss: str | None = None,
    threads: int | None = None,
    memory: int | None = None,
    format: str | None = None,
    progress: Callable[[int], None] | None = None,
    notify: Callable[[str], None] | None = None,
    started: Callable[[int | None], None] | None = None,
    **options: Any,
) -> Mixed:
    """Mix the predictions of several models: weights that score best, what they gain, and the predictions.

    `models` and the options that say what columns mean are those of `select`. `method` and `folds` are those
    of `crossent.combining.mixture_gain`; whole clusters go into one fold. `out` names the file of the
    mixture's predictions (.parquet, .arrow or .csv), `weights` a JSON file of the weights, and `apply` one
    whose weights are used instead of making any: those of validation rows on test rows.

    The files are read once for the weights and once for `out`. The log-probabilities of the rows that do not
    fit into `memory` are kept in a temporary folder. Weights do not depend on batches, threads or memory.

    Errors: DataError, UsageError.
    """
    recipe = Recipe(method, rounds, draws, seed)
    for path in (out,) if out is not None else ():
        check_table(path)
    run = RunOptions(threads, DEFAULT_MEMORY if memory is None else memory, format, started, progress, notify)
    prepared = prepare(named(models), read_options(**options), loss=loss, run=run)
    _check(prepared, writes=out is not None)
    names = tuple(model.name for model in prepared.job.models)
    given = None if apply is None else Given(load_weights(apply, names))
    with tempfile.TemporaryDirectory(prefix="crossent-") as folder:
        data = _read(prepared.job, Path(folder), folds, seed, notify)
        found = combined(
            data.rows,
            names,
            given or recipe,
            folds=min(folds, data.rows.units),
            unit_name=prepared.job.options.cluster_column or "row",
        )
        if out is not None:
            data.write(Writer(prepared.job, np.array(found.weights), Path(out)))
    if weights is not None:
        save_weights(found, weights)
    return Mixed(found, data.rows.count, data.rows.spilled)


def _check(prepared: Prepared, writes: bool) -> None:
    """UsageError for what cannot be mixed, or whose mixture cannot be written."""
    job = prepared.job
    if len(job.models) < 2:
        raise UsageError("mixture-of-one", "there is one model", cure="name the files of at least two")
    if job.options.unit is not None:
        raise UsageError(
            "mixture-needs-rows",
            "with --unit rows do not correspond, so that they cannot be mixed",
            cure="leave --unit out",
        )
    if not (prepared.loss.name == "log_loss" or job.spec.density) or job.options.floor is not None:
        raise UsageError(
            "mixture-needs-log-loss",
            "weights are found by the probability of what happened, the log loss alone",
            cure="leave --loss and --floor out; of numbers, give densities (mean and std)",
        )
    if writes:
        check_writable(job)


@dataclass(frozen=True)
class _Data:
    """The rows of the models: what weights are made from, and the way to their predictions."""

    rows: Collected
    table: RowTable | None
    """Predictions in memory, where ids run in different orders."""

    def write(self, writer: Writer) -> None:
        if self.table is None:
            writer.side_by_side()
        else:
            writer.gathered(self.table)


def _read(job: Job, folder: Path, folds: int, seed: int, notify: Callable[[str], None] | None) -> _Data:
    try:
        return _Data(collect(job, folder, folds, seed), None)
    except OrderDiffers:
        if job.models[0].id_type is None:
            raise cannot_pair(job) from None
    if notify is not None:
        notify("row ids are in different orders: putting the rows side by side in memory")
    # raises where the models' rows, labels or facts are not the same
    rows = joined_on_disk(job, folder).moments[0].rows
    needed = rows * sum(8 * (model.layout.width + 2) for model in job.models)
    if needed > job.memory:
        raise DataError(
            "mixture-order",
            f"row ids are in different orders, and {byte_size(needed)} of predictions do not fit into memory",
            file=job.models[-1].source.name,
            cure=f"sort every file by row id, or give --memory {-(-needed >> 20) + 1}",
        )
    table = gather(job, rows, rows, seed)
    assert table is not None
    scores = rows_of(table, folds, seed)
    return _Data(Collected(in_blocks(scores), units_in([scores]), rows), table)
