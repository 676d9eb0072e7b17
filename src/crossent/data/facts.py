"""What a row is, apart from its prediction: label, weight, cluster, groups, bytes and id."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crossent.data.conditions import Condition
from crossent.data.labels import ClassLookup, Codes, Keyed, keyed, value_type
from crossent.data.layout import Layout
from crossent.data.numbers import MOST_NUMBER
from crossent.data.options import ReadOptions
from crossent.data.pieces import Piece, selected
from crossent.data.positions import LAST_POSITION, position_ranges
from crossent.data.readers.contract import Source
from crossent.errors import DataError

Floats = NDArray[np.float64]

MOST = 1e50
"""The largest weight and number of bytes."""
UNKNOWN = -1
"""Code of a label that no class has the name of, where that is allowed."""


@dataclass(frozen=True)
class Facts:
    """The facts of a batch's rows.

    `labels` are class codes (N,), None where there are no classes; `label_text` keeps the labels as written.
    Where the label is a number, `y` (N,) is all there is of it.
    """

    labels: Codes | None
    label_text: Keyed | None
    weight: Floats | None
    cluster: Keyed | None
    groups: tuple[Keyed, ...]
    bytes: Floats | None
    ids: pa.Array | None
    y: Floats | None = None


class Classes:
    """The classes of an evaluation and the way from labels to their codes."""

    def __init__(self, names: Sequence[str], unknown_label: str) -> None:
        self.names = tuple(names)
        self._lookup = ClassLookup(self.names)
        self.zero_unknown = unknown_label == "zero"

    def codes(self, labels: Keyed, type_: pa.DataType, piece: Piece, column: str) -> Codes:
        """Class codes of labels; DataError for a label without a class."""
        table = np.array([self._lookup.code(v, type_) for v in labels.values], np.int64)
        if (table < 0).any() and not self.zero_unknown:
            self._unknown(int(np.flatnonzero(table < 0)[0]), labels, piece, column)
        return table[labels.codes]

    def _unknown(self, which: int, labels: Keyed, piece: Piece, column: str) -> None:
        row = int(np.flatnonzero(labels.codes == which)[0])
        others = str(Condition(column, labels.values[which], "!="))
        shown = ", ".join(self.names[:8]) + (f", … ({len(self.names)} in all)" if len(self.names) > 8 else "")
        raise DataError(
            "unknown-label",
            f"no class has the name of this label; the classes are {shown}",
            file=piece.file,
            row=piece.row(row),
            column=column,
            value=labels.values[which],
            cure=f"rename the columns, leave such rows out with --where {shlex.quote(others)}, or say that "
            "the models give them probability 0 with --unknown-label=zero",
        )


def other_class(positive: str, source: Source, label: str, where: Sequence[Condition]) -> str:
    """The class that a single column does not name: the first label that is not the positive one."""
    type_ = value_type(source.schema.field(label).type)
    if pa.types.is_boolean(type_):
        opposite = {"1": "0", "0": "1", "true": "false", "false": "true", "True": "False", "False": "True"}
        return opposite.get(positive, f"not {positive}")
    lookup = ClassLookup((positive,))
    columns = list(dict.fromkeys([label, *(condition.column for condition in where)]))
    for chunk in source.batches(columns, 1 << 16):
        piece = selected(chunk, where)
        names = keyed(piece.table.column(label).drop_null()).values if len(piece) else ()
        other = [name for name in names if lookup.code(name, type_) < 0]
        if other:
            return other[0]
    return f"not {positive}"


def facts_of(piece: Piece, layout: Layout, options: ReadOptions, classes: Classes | None) -> Facts:
    """Read and check the facts of a piece."""
    label_text = labels = y = None
    if layout.label is not None and layout.about_numbers:
        y = _number_label(piece, layout.label)
    elif layout.label is not None:
        column = _no_nulls(piece, layout.label, "null-label", "the label is missing")
        label_text = keyed(column)
        if classes is not None:
            labels = classes.codes(label_text, value_type(column.type), piece, layout.label)
    cluster = None
    if options.cluster_column is not None:
        column = _no_nulls(piece, options.cluster_column, "null-cluster", "the cluster is missing")
        cluster = keyed(column)
    return Facts(
        labels,
        label_text,
        _weight(piece, options.weight),
        cluster,
        # a column that is the cluster, too, is encoded once: a tenth of the time of such a pass
        (
            *(
                cluster if cluster and g == options.cluster_column else keyed(piece.table.column(g))
                for g in options.groups
            ),
            *([] if options.position is None else [_position(piece, options.position)]),
        ),
        _bytes(piece, options.bytes),
        None if layout.id is None else _no_nulls(piece, layout.id, "null-id", "the row id is missing"),
        y,
    )


def _no_nulls(piece: Piece, name: str, slug: str, problem: str, nan_too: bool = True) -> pa.Array:
    column = piece.table.column(name)
    # looks inside dictionaries too, which null_count does not
    missing = column.is_null(nan_is_null=nan_too)
    count = missing.true_count
    if count:
        mask = missing.to_numpy(zero_copy_only=False)
        raise DataError(
            slug,
            problem,
            file=piece.file,
            row=piece.row(int(np.flatnonzero(mask)[0])),
            column=name,
            cure=f"{count} rows here have none: fill the column, or leave these rows out with --where",
        )
    return column


def _number_label(piece: Piece, name: str) -> Floats:
    column = _no_nulls(piece, name, "null-label", "the label is missing")
    y = _as_floats(column, piece, name, "predictions about a number need a label that is one")
    good = np.abs(y) <= MOST_NUMBER
    problem = f"a label that is a number must lie within ±{MOST_NUMBER:g}"
    return _only(
        piece, name, "label-not-finite", problem, "leave such rows out of every model's file", y, good
    )


def _numbers(piece: Piece, name: str) -> Floats:
    column = _no_nulls(piece, name, "null-number", "the number is missing", nan_too=False)
    return _as_floats(column, piece, name, "write numbers, or name another column")


def _as_floats(column: pa.Array, piece: Piece, name: str, cure: str) -> Floats:
    try:
        numbers: Floats = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        row = next((i for i in range(len(column)) if not _is_number(column[i : i + 1])), 0)
        raise DataError(
            "not-a-number",
            f"this column is {column.type}, and here is no number",
            file=piece.file,
            row=piece.row(row),
            column=name,
            value=repr(column[row].as_py()),
            cure=cure,
        ) from None
    return numbers


def _is_number(column: pa.Array) -> bool:
    try:
        column.cast(pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def _weight(piece: Piece, name: str | None) -> Floats | None:
    if name is None:
        return None
    weight = _numbers(piece, name)
    # below 1/MOST the square of a weight would be lost, above MOST that of a weighted loss
    good = (weight == 0.0) | ((weight >= 1.0 / MOST) & (weight <= MOST))
    problem = f"a weight must be 0 or a number from {1.0 / MOST:g} to {MOST:g}"
    return _only(
        piece, name, "bad-weight", problem, "give rows that should not count the weight 0", weight, good
    )


def _bytes(piece: Piece, name: str | None) -> Floats | None:
    if name is None:
        return None
    size = _numbers(piece, name)
    problem = f"the number of bytes must be from 0 to {MOST:g}"
    good = (size >= 0.0) & (size <= MOST)
    return _only(piece, name, "bad-bytes", problem, "write the UTF-8 bytes of each token", size, good)


def _position(piece: Piece, name: str) -> Keyed:
    position = _numbers(piece, name)
    good = (position >= 0.0) & (position <= LAST_POSITION) & (position == np.floor(position))
    problem, cure = "a position must be a whole number from 0", "number the tokens of each text from 0"
    return position_ranges(_only(piece, name, "bad-position", problem, cure, position, good))


def _only(
    piece: Piece, name: str, slug: str, problem: str, cure: str, values: Floats, good: NDArray[np.bool_]
) -> Floats:
    """The values, all of which must be good."""
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise DataError(
            slug,
            problem,
            file=piece.file,
            row=piece.row(row),
            column=name,
            value=float(values[row]),
            cure=cure,
        )
    return values
