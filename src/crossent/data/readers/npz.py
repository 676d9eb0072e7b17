"""NumPy archives: every array is a column, read in pieces."""

from __future__ import annotations

import math
import tokenize
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy

from crossent.data.readers import arrays
from crossent.data.readers.contract import FileReader
from crossent.data.readers.faults import translated
from crossent.data.readers.grids import Array, Grid
from crossent.data.readers.places import Place, opened
from crossent.data.readers.registry import register_reader
from crossent.errors import DataError

SUFFIX = ".npy"
READ_AHEAD = 1 << 20
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
    Arrays of more dimensions hold pixels or tokens, see `grids`. Arrays in C order are read a batch or an
    image at a time; one in Fortran order is read whole.
    """

    def __init__(self, path: Place) -> None:
        file = str(path)
        with translated(path, *DAMAGE), _archive(path) as archive:
            headers = {name: _header(archive, name) for name in _names(archive, file)}
            shapes = {name: header.shape for name, header in headers.items()}
            apart = arrays.class_names_apart(shapes)
            self._grid = arrays.shared_grid({n: shape for n, shape in shapes.items() if n != apart}, file)
            names = (
                None
                if apart is None
                else arrays.class_list(_whole(archive, apart, headers[apart], file), file)
            )
        columns = {name: header for name, header in headers.items() if name != apart}
        types = {name: _type(header, self._grid, name, file) for name, header in columns.items()}
        if self._grid is not None:
            types = {**types, **{n: t for n, t in self._grid.numbering().items() if n not in types}}
        fields = [arrays.column_field(name, type_, names) for name, type_ in types.items()]
        self._headers = columns
        self._items = next((header.shape[0] for header in columns.values()), 0)
        super().__init__(path, pa.schema(fields), self._grid.rows if self._grid else self._items)

    def batches(
        self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType]
    ) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([self.schema.field(name) for name in columns])
        items = batch_rows // max(1, self._grid.places) or 1 if self._grid else batch_rows
        with translated(self.path, *DAMAGE), ExitStack() as members:
            parts = {
                name: _parts(
                    members.enter_context(_member(self.path, name)), name, self._headers[name], items
                )
                for name in columns
                if name in self._headers
            }
            for first in range(0, self._items, items):
                count = min(items, self._items - first)
                rows = [self._column(name, parts, first, count) for name in columns]
                block = pa.RecordBatch.from_arrays(rows, schema=schema)
                for start in range(0, block.num_rows, batch_rows):
                    yield block.slice(start, batch_rows)
            for part in parts.values():
                next(part, None)

    def _column(
        self, name: str, parts: Mapping[str, Iterator[Array]], first: int, count: int
    ) -> pa.Array[Any]:
        """The rows of a column for `count` entries of the first axis."""
        if self._grid is None:
            return arrays.to_arrow(next(parts[name]), name, str(self.path))
        if name not in parts:
            return pa.array(self._grid.where(name, first, count))
        return arrays.to_arrow(self._grid.flat(next(parts[name])), name, str(self.path))


@contextmanager
def _archive(place: Place) -> Iterator[zipfile.ZipFile]:
    with opened(place, READ_AHEAD) as file, zipfile.ZipFile(file) as archive:
        yield archive


@contextmanager
def _member(place: Place, name: str) -> Iterator[IO[bytes]]:
    """An array, by a handle of its own: members that share one throw away what another buffered."""
    with _archive(place) as archive, archive.open(name + SUFFIX) as member:
        yield member


def _names(archive: zipfile.ZipFile, file: str) -> list[str]:
    for member in archive.namelist():
        if not member.endswith(SUFFIX):
            raise DataError(
                "array-type",
                f"the archive holds {member!r}, which is no array",
                file=file,
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


def _type(header: Header, grid: Grid | None, name: str, file: str) -> pa.DataType:
    element = arrays.column_type(header.dtype, name, file)
    width = grid.classes(header.shape) if grid else header.shape[1] if len(header.shape) == 2 else None
    return element if width is None else pa.list_(element, width)


def _whole(archive: zipfile.ZipFile, name: str, header: Header, file: str) -> pa.Array[Any]:
    arrays.column_type(header.dtype, name, file)
    with archive.open(name + SUFFIX) as member:
        (array,) = _parts(member, name, header, max(1, header.shape[0]))
        return arrays.to_arrow(array, name, file)


def _parts(member: IO[bytes], name: str, header: Header, count: int) -> Iterator[Array]:
    """The array from its first entry to its last, `count` at a time; after the last the CRC is checked."""
    _read_header(member)
    total, entry_shape = header.shape[0], header.shape[1:]
    entry_bytes = header.dtype.itemsize * math.prod(entry_shape)
    whole = (
        _numbers(member, header.dtype, total * entry_bytes).reshape(header.shape, order="F")
        if header.fortran
        else None
    )
    for start in range(0, total, count):
        read = min(count, total - start)
        if whole is not None:
            yield whole[start : start + read]
        else:
            yield _numbers(member, header.dtype, read * entry_bytes).reshape(read, *entry_shape)
    if member.read(1):
        raise EOFError(f"the array {name} is longer than its header says")


def _numbers(member: IO[bytes], dtype: np.dtype[Any], size: int) -> Array:
    data = member.read(size)
    if len(data) < size:
        raise EOFError(f"an array ends after {len(data)} of {size} bytes")
    return np.frombuffer(data, dtype)
