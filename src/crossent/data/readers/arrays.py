"""NumPy arrays and lists as Arrow columns: what `.npz` files and dictionaries of arrays have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from crossent.data.readers.grids import Grid, grid_of
from crossent.errors import DataError

CLASSES = "classes"
"""An array of this name, as long as the second axis of the arrays with most axes, names what is along it."""


def table_of_arrays(arrays: Mapping[Any, object], name: str) -> pa.Table:
    """A table of a dictionary of 1-D and 2-D arrays, lists and Arrow arrays; numeric arrays are not copied.

    Arrays of more dimensions are predictions and facts of pixels or tokens, see `grids`; those are copied.

    Errors: `DataError` array-shape (dimensions, lengths), array-type (objects without a type, complex).
    """
    if len({str(key) for key in arrays}) < len(arrays):
        raise DataError(
            "duplicate-column",
            f"two of the names {list(arrays)} are the same as text",
            file=name,
            cure="rename one of them",
        )
    values = {str(key): _plain(value, str(key), name) for key, value in arrays.items()}
    shapes = {key: _shape(value) for key, value in values.items()}
    classes = class_names_apart(shapes)
    named = values.pop(classes) if classes else None
    grid = shared_grid({key: shapes[key] for key in values}, name)
    names = class_list(_column(named, CLASSES, None, name), name) if classes else None
    columns = {key: _column(value, key, grid, name) for key, value in values.items()}
    for key in grid.numbering() if grid else ():
        if grid and key not in columns:
            columns[key] = pa.array(grid.where(key, 0, grid.items))
    fields = [column_field(key, column.type, names) for key, column in columns.items()]
    return pa.table(list(columns.values()), schema=pa.schema(fields))


def class_names_apart(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """`classes` if an array of that name names what is along the second axis instead of being a column."""
    shape = shapes.get(CLASSES, ())
    most = max((len(other) for other in shapes.values()), default=0)
    widths = {other[1] for other in shapes.values() if len(other) == most > 1}
    return CLASSES if len(shape) == 1 and shape[0] in widths else None


def shared_grid(shapes: Mapping[str, tuple[int, ...]], file: str) -> Grid | None:
    """The grid of the arrays, or None for rows; the arrays must fit together either way."""
    grid = grid_of(shapes, file)
    if grid is None:
        check_lengths(shapes, file)
    return grid


def check_lengths(shapes: Mapping[str, tuple[int, ...]], file: str) -> None:
    """Every array is 1-D or 2-D and has one entry for each row."""
    for key, shape in shapes.items():
        if len(shape) not in (1, 2):
            raise _shape_error(key, file, f"the array has {len(shape)} dimensions", shape)
        if shape[1:] == (0,):
            raise _shape_error(key, file, "the array has rows of no values", shape)
    rows = {key: shape[0] for key, shape in shapes.items()}
    first = next(iter(rows), None)
    for key, count in rows.items():
        if first is not None and count != rows[first]:
            raise _shape_error(key, file, f"has {count} rows where {first} has {rows[first]}", shapes[key])


def class_list(values: Any, file: str) -> list[object]:
    """Class names as plain Python values: text, numbers or booleans."""
    listed: list[object] = values.to_pylist()
    if not all(name is None or isinstance(name, str | int | float) for name in listed):
        raise _type_error(CLASSES, file, f"class names are of type {values.type}")
    return listed


def column_field(key: str, type_: pa.DataType, names: list[object] | None) -> pa.Field[Any]:
    """The field of a column; a list as long as the class names carries them as JSON metadata."""
    named = names is not None and pa.types.is_fixed_size_list(type_) and type_.list_size == len(names)
    return pa.field(key, type_, metadata={CLASSES: json.dumps(names)} if named else None)


def to_arrow(array: np.ndarray[Any, Any], key: str, file: str) -> pa.Array[Any]:
    """One column: 1-D as it is, 2-D as lists of fixed size; float16 is widened to float32.

    Errors: `DataError` (array-type) if NumPy's type has no counterpart.
    """
    type_ = column_type(array.dtype, key, file)
    flat = np.ascontiguousarray(array).reshape(-1)
    wide: Any = flat.astype(np.float32) if array.dtype == np.float16 else flat
    try:
        text = np.char.decode(wide, "utf-8") if array.dtype.kind == "S" else wide
        column = pa.array(text.astype(text.dtype.newbyteorder("="), copy=False), type_)
    except UnicodeError as error:
        raise _type_error(key, file, f"some text is not UTF-8 ({error})") from error
    return column if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(column, array.shape[1])


def column_type(dtype: np.dtype[Any], key: str, file: str) -> pa.DataType:
    """Arrow's type of the elements; strings of any width are strings."""
    if dtype.kind in "US":
        return pa.string()
    if dtype == np.float16:
        return pa.float32()
    if dtype.kind == "O" or dtype.kind not in "biufmM" or dtype.itemsize > 8:
        raise _type_error(key, file, f"the array is of type {dtype}")
    try:
        return pa.from_numpy_dtype(dtype.newbyteorder("="))
    except pa.ArrowNotImplementedError as error:  # days, hours or years
        raise _type_error(key, file, f"the array is of type {dtype}") from error


def _column(value: Any, key: str, grid: Grid | None, name: str) -> Any:
    """An Arrow array of the rows; what is known of an item holds for each of its places."""
    if isinstance(value, np.ndarray):
        return to_arrow(value if grid is None else grid.flat(value), key, name)
    if grid is None:
        return value
    if pa.types.is_fixed_size_list(value.type):
        return (value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value).flatten()
    return value.take(pa.array(np.repeat(np.arange(grid.items), grid.places)))


def _plain(value: Any, key: str, name: str) -> Any:
    """A NumPy array, or an Arrow array where the value is one or is made of Python objects."""
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return value
    if isinstance(value, list | tuple):
        return _from_objects(value, key, name)
    if not isinstance(value, np.ndarray):
        stream = hasattr(value, "__arrow_c_stream__")
        return pa.chunked_array(value) if stream else _plain(np.asarray(value), key, name)
    if np.ma.is_masked(value):
        raise _type_error(key, name, "some values are masked")
    return _from_objects(value, key, name) if value.dtype.kind == "O" else value


def _shape(value: Any) -> tuple[int, ...]:
    if isinstance(value, np.ndarray):
        return tuple(value.shape)
    return (len(value), value.type.list_size) if pa.types.is_fixed_size_list(value.type) else (len(value),)


def _from_objects(value: Any, key: str, name: str) -> pa.Array[Any]:
    """Python objects of one type; lists that are all of one length become lists of fixed size."""
    try:
        column = pa.array(value)
    except (pa.ArrowException, ValueError) as error:
        raise _type_error(key, name, f"the values are of no one type ({error})") from error
    lengths = {len(item) for item in value} if pa.types.is_list(column.type) and not column.null_count else ()
    return column.cast(pa.list_(column.type.value_type, *lengths)) if len(lengths) == 1 else column


def _type_error(key: str, file: str, problem: str) -> DataError:
    return DataError(
        "array-type",
        problem,
        file=file,
        column=key,
        cure="store numbers, booleans or strings of one type: array.astype(float), array.astype(str)",
    )


def _shape_error(key: str, file: str, problem: str, shape: tuple[int, ...]) -> DataError:
    return DataError(
        "array-shape",
        problem,
        file=file,
        column=key,
        value=f"shape {shape}",
        cure="a column is an array (rows,) or (rows, classes), all with the same number of rows",
    )
