"""What the columns of one source mean: decided from names, types and options, never from values."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from crossent.data.class_names import class_names
from crossent.data.fields import named, number_type, require, require_plain, shown
from crossent.data.naming import levels_of, predictions
from crossent.data.options import ID_NAMES, LABEL_NAMES, ReadOptions
from crossent.data.readers.contract import Source
from crossent.errors import DataError
from crossent.losses.contract import VALUE_KINDS

UNSEEN_MASS = "unseen_mass"
"""Metadata `meaning` of a column: the probability of what a row's source did not show of a distribution."""
_ROWS_MEASURED = 64
"""Rows looked at for the number of samples a row holds, where the type does not say it."""


@dataclass(frozen=True)
class Layout:
    """Where the predictions, labels and other columns of one source are.

    `shape` is "columns" (one a class), "single" (the probability of `positive`), "list" (one list column) or
    "scalar" (log-probability of the label); of predictions about a number "numbers" (one column or several)
    or "samples" (one list column). `classes` is in the order of the columns; for "single" it is the positive
    class alone, the other one's name being found in the labels.
    """

    kind: str
    shape: str
    predictions: tuple[str, ...]
    classes: tuple[str, ...] | None
    label: str | None
    id: str | None
    extra: tuple[str, ...]
    """Columns named by option: weight, cluster, groups, bytes, where."""
    ignored: tuple[str, ...]
    dtype: str
    numbers: tuple[str, ...] = ()
    """Columns, predictions aside, that hold numbers: weight, bytes, and the label where it is one."""
    levels: tuple[float, ...] = ()
    """Of the columns of quantiles, ascending."""
    samples: int = 1
    """About how many samples a row holds: only the size of batches depends on it."""
    unseen: str | None = None
    """Column of the probability that was not shown, where the schema declares one."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns to read, each once."""
        every = (self.id, self.label, *self.extra, *self.predictions, self.unseen)
        return tuple(dict.fromkeys(c for c in every if c is not None))

    @property
    def width(self) -> int:
        """Numbers a row holds."""
        return max(len(self.predictions), len(self.classes or ()), self.samples)

    @property
    def about_numbers(self) -> bool:
        """Whether the label is a number and not a class."""
        return self.kind in VALUE_KINDS

    def described(self) -> str:
        """In words, for the output."""
        if self.shape in ("columns", "numbers") and len(self.predictions) > 1:
            few = len(self.predictions) <= 6
            names = self.predictions if few else (*self.predictions[:3], "…", self.predictions[-1])
            return f"{len(self.predictions)} columns: {', '.join(names)}"
        if self.shape == "numbers":
            return f"column {self.predictions[0]}"
        if self.shape == "samples":
            return f"list column {self.predictions[0]}"
        if self.shape == "single":
            return f"column {self.predictions[0]}, the probability of {(self.classes or ('?',))[0]}"
        if self.shape == "list":
            return f"list column {self.predictions[0]} of {len(self.classes or ())} classes"
        return f"column {self.predictions[0]}, the log-probability of the label"


def understand(source: Source, options: ReadOptions, *, labelled: bool = True) -> Layout:
    """Decide what the columns of a source mean. Without `labelled` there need be no labels.

    Raises DataError where a named column does not exist and UsageError where the names leave a choice open.
    """
    names = source.schema.names
    extra = options.row_columns()
    for column in extra:
        require(source, column)
    label = named(source, options.label, LABEL_NAMES, "label")
    row_id = named(source, options.id, ID_NAMES, "id")
    for plain in (label, row_id, *extra):
        require_plain(source, plain)
    kind, shape, columns = predictions(source, options, {label, row_id, *extra})
    if label is None and labelled and kind != "label_logprob":
        raise DataError(
            "no-label",
            f"no label column among {shown(names)}",
            file=source.name,
            cure="name it with --label COLUMN",
        )
    columns, levels = _by_level(source, kind, columns, options.prefix or "")
    unseen = _declared(source, UNSEEN_MASS) if kind == "label_logprob" else None
    used = {label, row_id, *extra, *columns, unseen}
    types = dict.fromkeys(str(number_type(source.schema.field(c).type)) for c in columns)
    about_number = kind in VALUE_KINDS
    numbers = (options.weight, options.bytes, label if about_number else None)
    return Layout(
        kind,
        shape,
        columns,
        None if about_number else class_names(source, options, kind, shape, columns),
        label,
        row_id,
        extra,
        tuple(n for n in names if n not in used),
        ", ".join(types),
        tuple(c for c in numbers if c is not None),
        levels,
        _samples(source, columns[0]) if shape == "samples" else 1,
        unseen,
    )


def _declared(source: Source, meaning: str) -> str | None:
    """The column whose metadata say that it means this."""
    fields = (field for field in source.schema if (field.metadata or {}).get(b"meaning") == meaning.encode())
    return next((field.name for field in fields), None)


def _by_level(
    source: Source, kind: str, columns: tuple[str, ...], prefix: str
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The columns of quantiles and their levels, the lowest level first; other columns as they are."""
    if kind != "quantiles":
        return columns, ()
    levels = levels_of(source, columns, prefix)
    ordered = sorted(zip(levels, columns, strict=True))
    return tuple(column for _, column in ordered), tuple(level for level, _ in ordered)


def _samples(source: Source, column: str) -> int:
    type_ = source.schema.field(column).type
    if pa.types.is_fixed_size_list(type_):
        return int(type_.list_size)
    chunk = next(source.batches([column], _ROWS_MEASURED, {column: pa.list_(pa.float64())}), None)
    lengths = [] if chunk is None else chunk.table.column(0).value_lengths().to_pylist()
    return max([1, *(int(n) for n in lengths if n is not None)])
