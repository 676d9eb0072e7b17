"""From labelled files to a saved map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crossent.calibration.choosing import FOLDS, Choice, choose
from crossent.calibration.contract import CalibrationMap
from crossent.calibration.given import Rows, floored
from crossent.calibration.registry import fitted as fitted_map
from crossent.calibration.registry import get
from crossent.calibration.temperature import Derivatives, Passes, Temperature, newton
from crossent.data.options import ReadOptions
from crossent.engines.passes import Job
from crossent.errors import UsageError
from crossent.preparing import RunOptions, prepare
from crossent.recalibrating.reading import Labelled, labelled, stream
from crossent.recalibrating.saving import SavedMap
from crossent.statistics.log_scores import folds_of
from crossent.version import VERSION

AUTO = "auto"
DEFAULT_SAMPLE = 1_000_000


@dataclass(frozen=True)
class Fitted:
    """A saved map, and of how many rows it was made."""

    saved: SavedMap
    total: int
    """Rows of the data."""
    exact: bool
    """The map is that of all rows: none were left out, or they were all passed over once more."""


def fit(
    data: object,
    options: ReadOptions,
    *,
    map: str = AUTO,
    floor: float = 0.0,
    folds: int = FOLDS,
    sample: int = DEFAULT_SAMPLE,
    seed: int = 0,
    format: str | None = None,
) -> Fitted:
    """Fit the named map to labelled predictions, or with "auto" the one that cross-fitting chooses.

    `data` is what `evaluate` takes. At most about `sample` rows (or what 1 GiB holds) are kept in memory,
    chosen by a hash of the row id where there are more; the temperature is then found from all rows all the
    same, by a few more passes. Folds are made by row id, or by cluster.

    Errors: DataError, UsageError.
    """
    if map != AUTO:
        get(map)
    if folds < 2:
        raise UsageError("bad-option", f"folds are {folds}", cure="use 2 or more")
    job = prepare({"model": data}, options, run=RunOptions(format=format)).job
    width = job.models[0].layout.width + 4
    rows = labelled(job, min(sample, (1 << 30) // (8 * width)), seed)
    rows = rows.floored(floor)
    choice = _choose(job, rows, () if map == AUTO else (map,), folds, floor, seed)
    fitted = choice.map if map == AUTO else fitted_map(map, rows.rows)
    exact = len(rows.rows) == rows.total
    if not exact and isinstance(fitted, Temperature):
        fitted, exact = _over_all_rows(job, fitted, floor, seed), True
    figures = choice.figures
    assert job.classes is not None
    if fitted is not None:
        figures = replace(figures, chosen=fitted.name, sentence=fitted.sentence(*job.classes.names[1:2]))
    saved = SavedMap(
        fitted,
        job.classes.names,
        job.models[0].layout.kind,
        floor,
        tuple(tuple(row) for row in rows.counts.tolist()),
        figures,
        _provenance(job, rows, exact),
    )
    return Fitted(saved, rows.total, exact)


def _choose(job: Job, rows: Labelled, names: Sequence[str], folds: int, floor: float, seed: int) -> Choice:
    return choose(
        rows.rows,
        folds_of(rows.keys, rows.cluster, folds, seed),
        names,
        cluster=rows.cluster,
        unit=job.options.cluster_column or "row",
        floor=floor,
        classes=job.classes.names if job.classes is not None else (),
    )


def _over_all_rows(job: Job, start: Temperature, floor: float, seed: int) -> CalibrationMap:
    """The temperature of all rows, by passes over the data that begin at that of the sample."""

    def derivatives(beta: float) -> Derivatives:
        sums, total = np.zeros(3), 0.0
        for _, rows, _ in stream(job, seed):
            z = rows.logits if floor == 0.0 else floored(rows.logits, floor)
            part = Rows(z, rows.labels, rows.weight)
            if part.total > 0.0:
                sums += np.array(Passes(part)(beta)) * part.total
                total += part.total
        first, second, third = (sums / total).tolist()
        return first, second, third

    return Temperature.at(newton(derivatives, 1.0 / start.temperature))


def _provenance(job: Job, rows: Labelled, exact: bool) -> dict[str, str]:
    options: dict[str, Any] = job.options.described()
    return {
        "crossent": VERSION,
        "data": job.models[0].source.name,
        "rows": str(rows.total),
        "rows fitted to": str(rows.total if exact else len(rows.rows)),
        "options": ", ".join(f"{name}={value}" for name, value in options.items()) or "none",
    }
