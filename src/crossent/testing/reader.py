"""The contract of a format's reader as checks: each takes a trial of the format and raises AssertionError."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import pyarrow as pa

from crossent.data.readers import FileReader, open_source
from crossent.data.readers.registry import Format, format_named, format_of
from crossent.errors import CrossentError, DataError

ROWS = 300
MANY_ROWS = 20_000
"""More than any block of the built-in formats that counts in rows."""
LABELS = ("NA", "007", "a, “b”", 'say "c"', "Straße, 猫", " padded ", "-0.0")
"""Strings that a careless reader takes for numbers, for nothing, or for two values."""

Writer = Callable[[pa.Table, Path], object]
Sample = Callable[[int, int], pa.Table]


def check_reader(name: str, write: Writer, sample: Sample | None = None) -> None:
    """Raise AssertionError, naming the check, unless the format of that name keeps a reader's contract.

    `write(table, path)` writes a table with columns of strings, integers and floats, and without nulls, as a
    file of the format. A format with columns of its own gets a `sample(rows, seed)`, the table of which its
    files then hold. Checked: the suffixes, columns and types, every value back to the last bit, batches of
    any size, windows of any rows, columns in the order asked for, reading twice at once, no handle left open,
    pickling, files of no row, one and many, a folder of files, and a `DataError` naming the file for absent
    and damaged ones.

    Errors: `UsageError` (unknown-format) if no format is registered under that name.

    >>> import pyarrow.parquet as pq
    >>> check_reader("parquet", pq.write_table)
    """
    format = format_named(name)
    for check in CHECKS:
        with TemporaryDirectory() as folder:
            try:
                check(Trial(format, write, Path(folder), sample or plain_sample))
            except (AssertionError, CrossentError) as error:
                raise AssertionError(f"{name}, {check.__name__.replace('_', ' ')}: {error}") from error


@dataclass(frozen=True)
class Trial:
    """A format, how a file of it is written, an empty folder, and what tables are written."""

    format: Format
    write: Writer
    folder: Path
    sample: Sample

    def written(self, rows: int = ROWS, seed: int = 0, name: str = "table") -> tuple[pa.Table, Path]:
        """A table and the file of it."""
        table, path = self.sample(rows, seed), self.folder / f"{name}{self.format.suffixes[0]}"
        self.write(table, path)
        return table, path

    def opened(self, rows: int = ROWS) -> tuple[pa.Table, FileReader]:
        """A table and the open reader of its file."""
        table, path = self.written(rows)
        return table, self.format.open(path)


def declarations(trial: Trial) -> None:
    name, suffixes = trial.format.name, trial.format.suffixes
    require(re.fullmatch("[a-z][a-z0-9_-]*", name) is not None, f"{name!r} is no lower-case name")
    require(bool(suffixes), "no suffix means the format")
    for suffix in suffixes:
        require(re.fullmatch(r"\.[^./\\]+(\.[^./\\]+)*", suffix) is not None, f"{suffix!r} is no suffix")
        for file in (f"table{suffix}", f"TABLE{suffix.upper()}"):
            require(format_of(Path(file)) == trial.format, f"{file} is taken for another format")


def columns_and_types(trial: Trial) -> None:
    table, reader = trial.opened()
    names, types = reader.schema.names, reader.schema.types
    require(names == table.column_names, f"the columns are {names} where {table.column_names} were written")
    expected = [pa.string()] * len(types) if reader.text else table.schema.types
    require(types == expected, f"the types are {types} where {expected} were written")
    require(reader.rows in (None, ROWS), f"{reader.rows} rows where {ROWS} were written")


def values_come_back(trial: Trial) -> None:
    for rows in (1, ROWS, MANY_ROWS):
        table, reader = trial.opened(rows)
        same(read(reader, table, 1024), table, f"{rows} rows")


def no_rows(trial: Trial) -> None:
    table, reader = trial.opened(0)
    require(reader.rows in (None, 0), f"{reader.rows} rows where none were written")
    if not reader.inferred:  # types inferred from no rows are of no columns
        same(read(reader, table), table, "a file of no rows")


def batches_of_any_size(trial: Trial) -> None:
    table, reader = trial.opened()
    for size in (1, 7, ROWS - 1, ROWS, ROWS + 1):
        same(read(reader, table, size), table, f"at most {size} rows at a time")


def windows_of_any_rows(trial: Trial) -> None:
    table, reader = trial.opened()
    cuts = [*reader.cuts, ROWS]
    require(cuts[0] == 0 and cuts == sorted(cuts), f"the cuts {reader.cuts} do not increase from 0")
    random = sorted(np.random.default_rng(0).integers(0, ROWS + 1, 9).tolist())
    for edges in ((0, 1, ROWS - 1, ROWS), (0, 0, *random, ROWS), tuple(cuts), (0, ROWS)):
        parts = [window(reader, table, *pair) for pair in pairwise(edges)]
        same(pa.concat_tables(parts), table, f"windows at {edges}")
    require(window(reader, table, ROWS, None).num_rows == 0, "there are rows after the last one")
    same(window(reader, table, ROWS - 5, None), table.slice(ROWS - 5), "a window to the end")


def columns_as_asked(trial: Trial) -> None:
    table, reader = trial.opened()
    names = table.column_names
    for wanted in (names[::-1], names[1:2], names[2:] + names[:1]):
        same(read(reader, table.select(wanted)), table.select(wanted), f"columns {', '.join(wanted)}")


def reading_twice_at_once(trial: Trial) -> None:
    table, reader = trial.opened()
    pairs = list(zip(batches(reader, table, 7), batches(reader, table, 7), strict=True))
    for which, side in (("first", 0), ("second", 1)):
        same(
            pa.Table.from_batches(pair[side] for pair in pairs), table, f"the {which} of two readings at once"
        )


def no_handle_stays_open(trial: Trial) -> None:
    table, path = trial.written()
    reader = trial.format.open(path)
    require(not is_open(path), "the file is open after opening it, before reading")
    for count in (1, ROWS):
        reading = reader.batches(table.column_names, 7, types_of(table))
        for _, _batch in zip(range(count), reading, strict=False):
            pass
        require(isinstance(reading, Generator), "batches gives no generator, which could be closed")
        cast("Generator[object, None, None]", reading).close()
        require(not is_open(path), "the file is open after its iterator was closed")
    window(reader, table, 1, 9)
    require(not is_open(path), "the file is open after a window was read")


def file_stays_as_it_is(trial: Trial) -> None:
    table, path = trial.written()
    before = path.read_bytes()
    read(trial.format.open(path), table)
    require(path.read_bytes() == before, "the file was written to")
    require(list(trial.folder.iterdir()) == [path], "reading left another file in the folder")


def pickles(trial: Trial) -> None:
    table, reader = trial.opened()
    try:
        again = pickle.loads(pickle.dumps(reader))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise AssertionError(f"cannot be pickled: {error}") from error
    same(read(again, table), table, "the unpickled reader")


def folder_of_files(trial: Trial) -> None:
    tables = [trial.written(rows, seed=rows, name=f"part-{rows}")[0] for rows in (50, 60, 70)]
    source, whole = open_source(trial.folder, format=trial.format.name), pa.concat_tables(tables)
    require(source.rows in (None, 180), f"{source.rows} rows in files of 50, 60 and 70")
    chunks = source.batches(whole.column_names, 16, types_of(whole))
    same(
        pa.Table.from_batches((chunk.table for chunk in chunks), whole.schema),
        whole,
        "a folder of three files",
    )


def absent_file(trial: Trial) -> None:
    table, path = trial.written()
    reader = trial.format.open(path)
    path.unlink()
    require(
        fault(lambda: trial.format.open(path), path) == "source-not-found", "opening an absent file passes"
    )
    slug = fault(lambda: read(reader, table), path)
    require(slug == "source-not-found", "reading a file that is gone since it was opened passes")


def damaged_files(trial: Trial) -> None:
    table, path = trial.written()
    data, rng = path.read_bytes(), np.random.default_rng(0)
    require(fault(lambda: drain(trial, table, path), path) is None, "an undamaged file is refused")
    damaged = [data[:cut] for cut in rng.integers(1, len(data), 20).tolist()] + [rng.bytes(1000)]
    for where in rng.integers(0, len(data), 60).tolist():
        damaged.append(data[:where] + bytes([data[where] ^ 1 << int(rng.integers(8))]) + data[where + 1 :])
    for content in damaged:
        path.write_bytes(content)
        fault(lambda: drain(trial, table, path), path)


CHECKS: tuple[Callable[[Trial], None], ...] = (
    declarations,
    columns_and_types,
    values_come_back,
    no_rows,
    batches_of_any_size,
    windows_of_any_rows,
    columns_as_asked,
    reading_twice_at_once,
    no_handle_stays_open,
    file_stays_as_it_is,
    pickles,
    folder_of_files,
    absent_file,
    damaged_files,
)


def plain_sample(rows: int, seed: int = 0) -> pa.Table:
    """Labels, integers beyond the reach of floats, probabilities of every size and their logarithms."""
    rng = np.random.default_rng([seed, rows])
    p = np.where(
        rng.random(rows) < 0.2, rng.choice([0.0, 5e-324, 1 - 2**-53, 1.0], rows), rng.random(rows) ** 9
    )
    log_p = np.copysign(np.log(p, out=np.full(rows, -np.inf), where=p > 0), -1.0)
    labels = [LABELS[i] for i in rng.integers(0, len(LABELS), rows).tolist()]
    row_id = rng.integers(-(2**62), 2**62, rows)
    return pa.table({"label": pa.array(labels, pa.string()), "row_id": row_id, "p_a": p, "log_p": log_p})


def types_of(table: pa.Table) -> dict[str, pa.DataType]:
    return {field.name: field.type for field in table.schema}


def batches(reader: FileReader, like: pa.Table, size: int = 64) -> Iterable[pa.RecordBatch]:
    """The columns of `like`, as its types, each batch held against what was asked for."""
    yield from checked(reader.batches(like.column_names, size, types_of(like)), like, size)


def window(reader: FileReader, like: pa.Table, begin: int, end: int | None) -> pa.Table:
    """The rows from `begin` to before `end`."""
    found = list(reader.windows(like.column_names, 64, types_of(like), [(begin, end)]))
    parts = list(checked((batch for _, batch in found), like, 64))
    rows = [*accumulate((batch.num_rows for batch in parts), initial=begin)][:-1]
    require([first for first, _ in found] == rows, f"numbers of first rows that are not {rows}")
    return pa.Table.from_batches(parts, like.schema)


def checked(found: Iterable[pa.RecordBatch], like: pa.Table, size: int) -> Iterable[pa.RecordBatch]:
    """Batches, each held against what was asked for."""
    for batch in found:
        require(batch.num_rows <= size, f"a batch of {batch.num_rows} rows where at most {size} were wanted")
        names: Sequence[str] = batch.schema.names
        require(names == like.column_names, f"columns {names} where {like.column_names} were wanted")
        yield batch


def read(reader: FileReader, like: pa.Table, size: int = 64) -> pa.Table:
    return pa.Table.from_batches(list(batches(reader, like, size)), like.schema)


def drain(trial: Trial, like: pa.Table, path: Path) -> None:
    """Read whatever columns the file has now, as the types of `like` where it has them."""
    source = open_source(path, format=trial.format.name)
    types = types_of(like)
    known = {name: types[name] for name in source.schema.names if name in types}
    for _ in source.batches(source.schema.names, 64, known):
        pass


def same(table: pa.Table, expected: pa.Table, what: str) -> None:
    """Equal to the last bit: −0 is not 0."""
    require(table.num_rows == expected.num_rows, f"{what}: {table.num_rows} rows for {expected.num_rows}")
    for name in expected.column_names:
        given, right = table[name].to_pylist(), expected[name].to_pylist()
        for row, (one, other) in enumerate(zip(given, right, strict=True)):
            require(repr(one) == repr(other), f"{what}: row {row}, column {name} is {one!r}, not {other!r}")


def is_open(path: Path) -> bool:
    """Whether this process holds the file open; False where the system does not tell."""
    handles = Path("/proc/self/fd")
    if not handles.is_dir():
        return False
    links = [os.path.realpath(handle) for handle in handles.iterdir()]
    return os.path.realpath(path) in links


def fault(action: Callable[[], object], path: Path) -> str | None:
    """The slug of the `DataError` about that file, None if there is none; nothing else may be raised."""
    try:
        action()
    except DataError as error:
        require(error.file == str(path), f"the error [{error.slug}] names {error.file}, not the file")
        return error.slug
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"{type(error).__name__} instead of a DataError: {error}") from error
    return None


def require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise AssertionError(otherwise)
