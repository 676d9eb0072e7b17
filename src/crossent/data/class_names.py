"""The class of each number that a source's rows hold."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from crossent.data.fields import shown
from crossent.data.naming import PREFIXES
from crossent.data.options import ReadOptions
from crossent.data.readers.contract import Source
from crossent.errors import DataError, UsageError


def class_names(
    source: Source, options: ReadOptions, kind: str, shape: str, columns: tuple[str, ...]
) -> tuple[str, ...] | None:
    """The classes in the order of the columns or of the list; for a single column the positive one alone."""
    if shape == "scalar":
        return None
    if shape == "list":
        return _list_classes(source, options, columns[0])
    prefixes = (options.prefix,) if options.prefix else PREFIXES[kind]
    names = tuple(_without_prefix(c, prefixes) for c in columns)
    if len(set(names)) < len(names):
        raise UsageError(
            "which-prediction",
            f"two columns of {source.name} are of one class: {shown(columns)}",
            cure="rename the column whose name is nothing but the prefix",
        )
    if shape == "single":
        if kind != "probs":
            raise DataError(
                "single-column-kind",
                f"a single column of {kind} does not say what the other class has",
                file=source.name,
                column=columns[0],
                cure="write one column a class, or probabilities",
            )
        if options.positive is None and options.prob is not None and names[0] == options.prob:
            raise UsageError(
                "no-positive",
                f"column {options.prob} is the probability of an unnamed class",
                cure="say which label it is the probability of with --positive",
            )
        return (options.positive or names[0],)
    if options.classes is not None and set(options.classes) != set(names):
        raise UsageError(
            "classes-option",
            f"--classes names {shown(options.classes)}, the columns of {source.name} {shown(names)}",
            cure="leave the option out: the column names say the classes",
        )
    return names


def _without_prefix(column: str, prefixes: Sequence[str]) -> str:
    for prefix in prefixes:
        if column.startswith(prefix) and len(column) > len(prefix):
            return column[len(prefix) :]
    return column


def _list_classes(source: Source, options: ReadOptions, column: str) -> tuple[str, ...]:
    field = source.schema.field(column)
    declared = (
        options.classes
        or _metadata_classes(source, column, field.metadata)
        or _metadata_classes(source, column, source.schema.metadata)
    )
    size = field.type.list_size if pa.types.is_fixed_size_list(field.type) else None
    if declared is None:
        raise DataError(
            "list-without-classes",
            "nothing says which class each entry of the list is",
            file=source.name,
            column=column,
            cure="pass --classes with the names in the order of the list, "
            f"such as --classes 0..{(size or 10) - 1}",
        )
    if size is not None and size != len(declared):
        raise DataError(
            "list-length",
            f"lists of {size} numbers, but {len(declared)} classes are named",
            file=source.name,
            column=column,
            cure="name one class for each entry",
        )
    return declared


def _metadata_classes(
    source: Source, column: str, metadata: dict[bytes, bytes] | None
) -> tuple[str, ...] | None:
    text = (metadata or {}).get(b"classes")
    if text is None:
        return None
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    usable = isinstance(names, list) and all(isinstance(name, str | int) for name in names)
    if not usable or len({str(name) for name in names}) < len(names):
        raise DataError(
            "class-metadata",
            "the metadata `classes` is not a JSON list of different names",
            file=source.name,
            column=column,
            value=ascii(text[:60]),
            cure='write a list such as ["cat", "dog"], or pass --classes',
        )
    return tuple(str(name) for name in names)
