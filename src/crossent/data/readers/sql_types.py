"""The types of a query's columns: what databases have beyond files is read as what files have.

NUMERIC, DECIMAL                    float64, the nearest one to the decimal number
UUID, JSON                          text
arrays                              lists, their entries as above
other types of a database's own     the bytes that it sends; an error where the column is used
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

UNREADABLE = b"crossent.unreadable"
"""Metadata of a column whose type only the database knows: the type's name."""


def read_as(field: pa.Field) -> pa.Field:
    """The field of a column as it is read."""
    name = _own_type(field.type)
    if name is not None:
        return pa.field(field.name, pa.binary(), metadata={UNREADABLE: name.encode()})
    return pa.field(field.name, _type(field.type))


def _own_type(type_: pa.DataType) -> str | None:
    """The name of a type that only the database knows, None for others."""
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return _own_type(type_.value_type)
    if isinstance(type_, pa.OpaqueType) and not _is_numeric(type_):
        return str(type_.type_name)
    return None


def _is_numeric(type_: pa.DataType) -> bool:
    return isinstance(type_, pa.OpaqueType) and type_.type_name == "numeric"


def _type(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return pa.list_(_type(type_.value_type))
    if _is_numeric(type_) or pa.types.is_decimal(type_):
        return pa.float64()
    if isinstance(type_, pa.UuidType):
        return pa.string()
    return type_.storage_type if isinstance(type_, pa.BaseExtensionType) else type_


def converted(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """A column as `read_as` says. Raises ArrowInvalid where the values do not fit."""
    if column.type == wanted:
        return column
    if pa.types.is_list(wanted):
        return _lists(column, wanted)
    if isinstance(column.type, pa.UuidType):
        return _uuid_text(column.storage)
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if pa.types.is_decimal(column.type):
        # by way of text: digits are rounded once
        column = pc.cast(column, pa.string())
    return pc.cast(column, wanted)


def _lists(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    entries = converted(column.flatten(), wanted.value_type)
    return pa.ListArray.from_arrays(pa.array(offsets), entries, type=wanted, mask=column.is_null())


_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_DIGITS = [i for i in range(36) if i not in (8, 13, 18, 23)]


def _uuid_text(storage: pa.Array) -> pa.Array:
    """UUIDs as people write them: 8-4-4-4-12 hexadecimal digits."""
    count = len(storage)
    raw = np.frombuffer(storage.buffers()[1], np.uint8)[16 * storage.offset : 16 * (storage.offset + count)]
    text = np.full((count, 36), ord("-"), np.uint8)
    text[:, _DIGITS] = _HEX[np.stack([raw >> 4, raw & 15], 1)].reshape(count, 32)
    offsets = np.arange(0, 36 * count + 1, 36, dtype=np.int32)
    written = pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text))
    return pc.if_else(storage.is_null(), None, written) if storage.null_count else written
