"""A saved map applied to files: batch by batch, every other column kept."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from crossent.calibration.given import Floats, Logits, floored, normalised
from crossent.data.batch import build
from crossent.data.facts import Facts
from crossent.data.layout import Layout, understand
from crossent.data.options import ReadOptions
from crossent.data.pieces import Piece, pieces
from crossent.data.readers import Source, open_source
from crossent.errors import UsageError
from crossent.files import check_table, table_into
from crossent.recalibrating.reading import check_kind, logits_of
from crossent.recalibrating.saving import SavedMap
from crossent.recalibrating.shift import TargetPrior, corrected, target_prior

NUMBERS = 1 << 21
"""Numbers of a batch."""
NO_FACTS = Facts(None, None, None, None, (), None, None)


@dataclass(frozen=True)
class Applied:
    """What was written."""

    rows: int
    replaced: tuple[str, ...]
    """Columns that were left out because the new ones have their names."""
    prior: TargetPrior | None


def apply(
    saved: SavedMap,
    data: object,
    out: str | os.PathLike[str],
    options: ReadOptions,
    *,
    prior: Mapping[str, float] | str | None = None,
    format: str | None = None,
) -> Applied:
    """Write the data with calibrated probabilities p_<class> in the place of its predictions.

    Rows, their order and all other columns stay; labels may be there or not. The columns of the classes are
    found by name. Memory is bounded. The suffix of `out` is .parquet, .arrow or .csv.

    `prior` says that the classes are of other frequencies here than where the map was fitted: the frequencies
    by class, or "em" or "bbse" to estimate them from these predictions (see `shift`).

    Errors: DataError, UsageError.
    """
    check_table(out)
    target = _Target.of(saved, data, options, format)
    found = None if prior is None else target_prior(saved, prior, lambda: target.rows())
    with table_into(out, target.written) as table:
        total = 0
        for piece, z in target.rows():
            logs = normalised(z) if saved.map is None else saved.map.mapped(z)
            table.write_batch(
                target.batch(piece, np.exp(logs if found is None else corrected(logs, saved, found)))
            )
            total += len(piece)
    return Applied(total, target.replaced, found)


@dataclass(frozen=True)
class _Target:
    """The data to be calibrated, understood."""

    saved: SavedMap
    source: Source
    layout: Layout
    order: tuple[int, ...] | None
    positive: int
    options: ReadOptions
    kept: tuple[str, ...]
    replaced: tuple[str, ...]

    @classmethod
    def of(cls, saved: SavedMap, data: object, options: ReadOptions, format: str | None) -> _Target:
        source = open_source(data, format=format)
        layout = understand(source, options, labelled=False)
        check_kind(layout.kind)
        order, positive = _order(saved, source, layout)
        new = _new_names(saved)
        others = [name for name in source.schema.names if name not in layout.predictions]
        kept = tuple(name for name in others if name not in new)
        wanted = replace(layout, label=None, id=None, extra=tuple(dict.fromkeys((*kept, *layout.extra))))
        replaced = tuple(name for name in others if name in new)
        return cls(saved, source, wanted, order, positive, options, kept, replaced)

    @property
    def written(self) -> pa.Schema:
        """Of what is written."""
        fields = [self.source.schema.field(name) for name in self.kept]
        return pa.schema([*fields, *(pa.field(name, pa.float64()) for name in _new_names(self.saved))])

    def rows(self) -> Iterator[tuple[Piece, Logits]]:
        """The rows in batches with their logits in the map's order of classes."""
        size = max(1, min(1 << 16, NUMBERS // (self.layout.width + len(self.kept))))
        for piece in pieces(self.source, self.layout, self.options.where, size):
            batch = build(piece, self.layout, NO_FACTS, self.order, self.options)
            z = logits_of(batch, self.positive)
            yield piece, z if self.saved.floor == 0.0 else floored(z, self.saved.floor)

    def batch(self, piece: Piece, p: Floats) -> pa.RecordBatch:
        """The columns that are kept, and the new ones."""
        old = [piece.table.column(name) for name in self.kept]
        return pa.record_batch([*old, *(pa.array(column) for column in p.T)], schema=self.written)


def _new_names(saved: SavedMap) -> list[str]:
    return [f"p_{name}" for name in saved.classes]


def _order(saved: SavedMap, source: Source, layout: Layout) -> tuple[tuple[int, ...] | None, int]:
    """The place of each class among the columns, and the class of a single column."""
    theirs = layout.classes or ()
    if layout.shape == "single" and len(saved.classes) == 2 and theirs[0] in saved.classes:
        return None, saved.classes.index(theirs[0])
    if set(theirs) != set(saved.classes):
        missing = [name for name in saved.classes if name not in theirs] or [
            name for name in theirs if name not in saved.classes
        ]
        raise UsageError(
            "map-classes",
            f"{source.name} and the map are not about the same classes: {missing[0]} is in one of them only",
            cure="apply the map to predictions of the model that it was fitted to",
        )
    return (None if theirs == saved.classes else tuple(theirs.index(name) for name in saved.classes)), 1
