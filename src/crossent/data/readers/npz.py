"""NumPy archives: every array is a column, read in pieces."""

from __future__ import annotations

import math
import tokenize
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy

from crossent.data.readers import arrays
from crossent.data.readers.contract import FileReader
from crossent.data.readers.faults import translated
from crossent.data.readers.registry import register_reader
from crossent.errors import DataError

SUFFIX = ".npy"
# A changed byte can ask for a password or another compression, or make the text of a header unreadable.
DAMAGE = (RuntimeError, SyntaxError, tokenize.TokenError)


@dataclass(frozen=True)
class Header:
    """What stands before the numbers of one array."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]


@register_reader("npz", (".npz",))
class NpzReader(FileReader):
    """One `.npz` file: 1-D arrays are columns, 2-D arrays are columns of lists.

    An array `classes` as long as a 2-D array is wide names that array's columns. Nothing is unpickled.
    Arrays in C order are read a batch at a time; one in Fortran order is read whole.
    """

    def __init__(self, path: Path) -> None:
        file = str(path)
        with translated(path, *DAMAGE), zipfile.ZipFile(path) as archive:
            headers = {name: _header(archive, name) for name in _names(archive)}
            shapes = {name: header.shape for name, header in headers.items()}
            apart = arrays.class_names_apart(shapes)
            arrays.check_lengths({name: shape for name, shape in shapes.items() if name != apart}, file)
            names = (
                None
                if apart is None
                else arrays.class_list(_whole(archive, apart, headers[apart], file), file)
            )
        columns = {name: header for name, header in headers.items() if name != apart}
        fields = [
            arrays.column_field(name, _type(name, header, file), names) for name, header in columns.items()
        ]
        rows = next((header.shape[0] for header in columns.values()), 0)
        self._headers = columns
        super().__init__(path, pa.schema(fields), rows)

    def batches(
        self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType]
    ) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([self.schema.field(name) for name in columns])
        rows = self.rows or 0
        with (
            translated(self.path, *DAMAGE),
            zipfile.ZipFile(self.path) as archive,
            ExitStack() as open_members,
        ):
            parts = [
                _parts(
                    open_members.enter_context(archive.open(name + SUFFIX)),
                    name,
                    self._headers[name],
                    batch_rows,
                    str(self.path),
                )
                for name in columns
            ]
            for _ in range(0, rows, batch_rows):
                yield pa.RecordBatch.from_arrays([next(part) for part in parts], schema=schema)
            for part in parts:
                next(part, None)


def _names(archive: zipfile.ZipFile) -> list[str]:
    for member in archive.namelist():
        if not member.endswith(SUFFIX):
            raise DataError(
                "array-type",
                f"the archive holds {member!r}, which is no array",
                file=archive.filename,
                cure="write the archive with numpy.savez",
            )
    return [member.removesuffix(SUFFIX) for member in archive.namelist()]


def _header(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(name + SUFFIX) as member:
        return _read_header(member)


def _read_header(member: IO[bytes]) -> Header:
    version = npy.read_magic(member)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return Header(*read(member))


def _type(name: str, header: Header, file: str) -> pa.DataType:
    element = arrays.column_type(header.dtype, name, file)
    return element if len(header.shape) == 1 else pa.list_(element, header.shape[1])


def _whole(archive: zipfile.ZipFile, name: str, header: Header, file: str) -> pa.Array[Any]:
    with archive.open(name + SUFFIX) as member:
        (array,) = _parts(member, name, header, max(1, header.shape[0]), file)
        return array


def _parts(member: IO[bytes], name: str, header: Header, rows: int, file: str) -> Iterator[pa.Array[Any]]:
    """The array from its first row to its last, `rows` at a time; after the last one the CRC is checked."""
    arrays.column_type(header.dtype, name, file)
    _read_header(member)
    total, row_shape = header.shape[0], header.shape[1:]
    row_bytes = header.dtype.itemsize * math.prod(row_shape)
    whole = (
        _numbers(member, header.dtype, total * row_bytes).reshape(header.shape, order="F")
        if header.fortran
        else None
    )
    for start in range(0, total, rows):
        count = min(rows, total - start)
        if whole is not None:
            part = whole[start : start + count]
        else:
            part = _numbers(member, header.dtype, count * row_bytes).reshape(count, *row_shape)
        yield arrays.to_arrow(part, name, file)
    if member.read(1):
        raise EOFError(f"the array {name} is longer than its header says")


def _numbers(member: IO[bytes], dtype: np.dtype[Any], size: int) -> np.ndarray[Any, Any]:
    data = member.read(size)
    if len(data) < size:
        raise EOFError(f"an array ends after {len(data)} of {size} bytes")
    return np.frombuffer(data, dtype)
