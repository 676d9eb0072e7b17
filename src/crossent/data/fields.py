"""What can be asked of the columns of a source before a row is read."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from crossent.data.labels import value_type
from crossent.data.readers.contract import Source
from crossent.errors import DataError, UsageError


def require(source: Source, column: str) -> None:
    """DataError where the source has no such column."""
    if column not in source.schema.names:
        raise DataError(
            "unknown-column",
            f"no such column; there are {shown(source.schema.names)}",
            file=source.name,
            column=column,
            cure="check the spelling of the option that names it",
        )


def require_plain(source: Source, column: str | None) -> None:
    """DataError where the column holds lists or records."""
    if column is None:
        return
    type_ = source.schema.field(column).type
    if pa.types.is_nested(type_):
        raise DataError(
            "nested-column",
            f"one value a row is needed, this column is {type_}",
            file=source.name,
            column=column,
            cure="name a column of text or numbers",
        )


def named(source: Source, wanted: str | None, usual: Sequence[str], role: str) -> str | None:
    """The column of a role: the one named, or the only one with a usual name."""
    if wanted is not None:
        require(source, wanted)
        return wanted
    found = [n for n in usual if n in source.schema.names]
    if len(found) > 1:
        raise UsageError(
            "which-column",
            f"{source.name} has the columns {' and '.join(found)}",
            cure=f"say which one is the {role} with --{role}",
        )
    return found[0] if found else None


def is_list(type_: pa.DataType) -> bool:
    """Whether a column holds a list in each row."""
    return bool(
        pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)
    )


def number_type(type_: pa.DataType) -> pa.DataType:
    """The type of a column's numbers, looking into lists and dictionaries."""
    return type_.value_type if is_list(type_) else value_type(type_)


def shown(names: Sequence[str], limit: int = 8) -> str:
    """The first few names, and how many there are."""
    text = ", ".join(names[:limit])
    return f"{text}, … ({len(names)} in all)" if len(names) > limit else text
