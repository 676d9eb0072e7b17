"""Several models side by side, row by row: paired by row id or, where there is none, by position.

Streams are zipped as long as their ids agree, which is checked and not assumed. Where the orders differ, the
rows go through partitions on disk. Missing, extra and repeated ids are found either way and counted.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from crossent.data.conditions import Condition
from crossent.data.facts import UNKNOWN, Facts
from crossent.data.identity import IdType
from crossent.data.labels import Keyed
from crossent.data.layout import Layout
from crossent.data.pieces import Keep, Piece, no_rows, pieces
from crossent.data.readers.contract import Source, Window
from crossent.errors import DataError

Places = dict[str, NDArray[np.int64]]
"""Sorted row numbers by file."""


@dataclass(frozen=True)
class Model:
    """One model's data, understood."""

    name: str
    source: Source
    layout: Layout
    order: tuple[int, ...] | None
    """Position among the layout's columns of each class of the evaluation; None where they are the same."""
    id_type: IdType | None
    left_out: Places = field(default_factory=dict)
    """Rows to pass over, by choice: their ids are not in every model's data."""
    first_file: int | None = None
    """Number of its first file among those of the whole, where these are some of its rows; None: all are."""

    def part(self, windows: Sequence[Window], source: Source | None = None) -> Model:
        """The model with some of its rows, which may be none that meet a condition. `source` has them, where
        that is known already.
        """
        source = source or self.source.part(windows)
        left_out: Places = {}
        for window in windows if self.left_out else ():
            path = self.source.files[window.file].path
            rows = _inside(self.left_out.get(path, _NO_ROWS), window)
            left_out[path] = np.concatenate([left_out.get(path, _NO_ROWS), rows])
        return replace(self, source=source, left_out=left_out, first_file=windows[0].file if windows else 0)

    def stream(self, where: Sequence[Condition], batch_rows: int) -> Generator[Piece, None, None]:
        """The rows of the model; DataError if there is none in all of it."""
        found = self.first_file is not None
        for piece in pieces(self.source, self.layout, where, batch_rows):
            kept = piece.keep(self._kept(piece)) if piece.file in self.left_out else piece
            if len(kept):
                found = True
                yield kept
        if not found:
            raise no_rows(self.source, where)

    def _kept(self, piece: Piece) -> Keep:
        numbers = (
            np.arange(piece.first_row, piece.first_row + len(piece))
            if piece.numbers is None
            else piece.numbers
        )
        kept: Keep = ~np.isin(numbers, self.left_out[piece.file])
        return kept

    def file_number(self, file: str) -> int:
        """The number of a file of this model."""
        inside = next((i for i, f in enumerate(self.source.files) if f.path == file), 0)
        return inside + (self.first_file or 0)


_NO_ROWS = np.empty(0, np.int64)


def _inside(rows: NDArray[np.int64], window: Window) -> NDArray[np.int64]:
    """Those of sorted row numbers that a window holds: a part travels, and millions may be left out."""
    begin = np.searchsorted(rows, window.begin)
    return rows[begin : None if window.end is None else np.searchsorted(rows, window.end)]


class OrderDiffers(Exception):
    """Row ids do not run in the same order (or not all are there): no error yet, but no zip either."""


@dataclass(frozen=True)
class Aligned:
    """The same rows of all models; `number` counts the batches."""

    number: int
    pieces: tuple[Piece, ...]


def zipped(models: Sequence[Model], where: Sequence[Condition], batch_rows: int) -> Iterator[Aligned]:
    """The streams of all models cut to the same lengths.

    Raises OrderDiffers when one stream ends before another: with ids, other rows are missing or extra.
    """
    with ExitStack() as opened:
        streams = [opened.enter_context(closing(model.stream(where, batch_rows))) for model in models]
        yield from _side_by_side(streams)


def _side_by_side(streams: Sequence[Iterator[Piece]]) -> Iterator[Aligned]:
    current: list[Piece | None] = [None] * len(streams)
    number = 0
    while True:
        current = [next(s, None) if p is None else p for s, p in zip(streams, current, strict=True)]
        there = [p for p in current if p is not None]
        if not there:
            return
        if len(there) < len(streams):
            raise OrderDiffers
        length = min(len(p) for p in there)
        yield Aligned(number, tuple(p.slice(0, length) for p in there))
        current = [None if len(p) == length else p.slice(length, len(p) - length) for p in there]
        number += 1


def _other_text(mine: Keyed, theirs: Keyed) -> Keep:
    different: Keep = (
        np.array(mine.values, object)[mine.codes] != np.array(theirs.values, object)[theirs.codes]
    )
    return different


def check_same_rows(models: Sequence[Model], aligned: Aligned, facts: Sequence[Facts]) -> None:
    """That batches hold the same rows: OrderDiffers for other ids, DataError for other facts of a row."""
    first = facts[0]
    for model, piece, other in zip(models[1:], aligned.pieces[1:], facts[1:], strict=True):
        if other is first:
            continue
        if first.ids is not None and not first.ids.equals(other.ids):
            raise OrderDiffers
        _same_labels(models[0], model, piece, first, other)
        _same_numbers(models[0], model, piece, "weight", first.weight, other.weight)
        _same_numbers(models[0], model, piece, "bytes", first.bytes, other.bytes)
        for mine, theirs in zip((first.cluster, *first.groups), (other.cluster, *other.groups), strict=True):
            if mine is None or theirs is None:
                continue
            named = _other_text(mine, theirs)
            if named.any():
                row = piece.row(int(np.flatnonzero(named)[0]))
                fact_mismatch(
                    models[0], model, "cluster" if mine is first.cluster else "groups", piece.file, row
                )


def _other_labels(first: Facts, other: Facts) -> Keep | None:
    """Where two models' labels differ; None where there are none to compare."""
    if first.y is not None and other.y is not None:
        other_number: Keep = first.y != other.y
        return other_number
    if first.label_text is None or other.label_text is None:
        return None
    if first.labels is None or other.labels is None:
        return _other_text(first.label_text, other.label_text)
    different: Keep = first.labels != other.labels
    unknown = first.labels == UNKNOWN
    return (
        different | (unknown & _other_text(first.label_text, other.label_text))
        if unknown.any()
        else different
    )


def _same_labels(first_model: Model, model: Model, piece: Piece, first: Facts, other: Facts) -> None:
    different = _other_labels(first, other)
    if different is None or not different.any():
        return
    row = int(np.flatnonzero(different)[0])
    if first.ids is None:
        raise DataError(
            "labels-differ",
            f"label {_label(other, row)} where {first_model.name} has {_label(first, row)}: without row ids, "
            "rows are paired by position, and the rows are not the same or not in the same order",
            file=piece.file,
            row=piece.row(row),
            cure="write a row_id column into every file",
        )
    found = f", {_label(other, row)} for {_label(first, row)}"
    label_mismatch(first_model, model, piece.file, piece.row(row), found)


def label_mismatch(first: Model, model: Model, file: str, row: int, found: str = "") -> NoReturn:
    """Raise: the same row has two labels."""
    cure = "all models must be judged by the same labels: find out which file is right"
    if model.layout.about_numbers:
        cure += "; write the label in the same type in every file, so that it has the same digits"
    if model.layout.kind == "label_logprob":
        cure = "tokens of two tokenizers do not correspond: pair what does, such as documents, with --unit"
    raise DataError(
        "labels-differ",
        f"not the label that {first.name} has for the same row id{found}",
        file=file,
        row=row,
        column=model.layout.label,
        cure=cure,
    )


def _label(facts: Facts, row: int) -> str:
    if facts.y is not None:
        return repr(float(facts.y[row]))
    assert facts.label_text is not None
    return facts.label_text.values[int(facts.label_text.codes[row])]


def _same_numbers(
    first: Model,
    model: Model,
    piece: Piece,
    what: str,
    mine: NDArray[np.float64] | None,
    theirs: NDArray[np.float64] | None,
) -> None:
    if mine is not None and theirs is not None and not np.array_equal(mine, theirs):
        fact_mismatch(first, model, what, piece.file, piece.row(int(np.flatnonzero(mine != theirs)[0])))


def fact_mismatch(first: Model, model: Model, what: str, file: str, row: int) -> NoReturn:
    """Raise: the same row has two weights, clusters …"""
    raise DataError(
        "facts-differ",
        f"not the {what} that {first.name} has for the same row",
        file=file,
        row=row,
        cure=f"write the same {what} for a row into every file of {first.name} and {model.name}",
    )
