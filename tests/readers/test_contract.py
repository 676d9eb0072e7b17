"""Every registered format keeps the contract of readers, and each check of it finds its fault."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import ipc

from crossent.data.readers import FileReader, all_formats, open_source, register_reader, registry
from crossent.data.readers.faults import translated
from crossent.errors import DataError, UsageError
from crossent.testing import check_reader
from crossent.testing.reader import CHECKS, Trial, plain_sample


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("entry", all_formats(), ids=lambda entry: entry.name)
def test_every_format_keeps_the_contract(entry, check, writers, logs, tmp_path):
    for i, (write, sample) in enumerate(logs.get(entry.name) or [(writers[entry.name], plain_sample)]):
        (tmp_path / str(i)).mkdir()
        check(Trial(entry, write, tmp_path / str(i), sample))


def test_a_format_with_columns_of_its_own_is_checked_with_a_sample_of_them(logs):
    ((write, sample),) = logs["openai-logprobs"]
    check_reader("openai-logprobs", write, sample)
    with pytest.raises(AssertionError, match="columns and types"):
        check_reader("openai-logprobs", write, lambda rows, seed: sample(rows, seed).drop_columns("part"))


def test_a_check_wants_a_format_that_there_is():
    with pytest.raises(UsageError) as caught:
        check_reader("parquette", lambda table, path: None)
    assert caught.value.slug == "unknown-format"


# --- a format of others, and what can be wrong with one -----------------------------------------------------


def write(table: pa.Table, path: Path) -> None:
    with ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


class Good(FileReader):
    """All that a third party has to write; what a fault changes is a method of its own."""

    def __init__(self, path: Path) -> None:
        with translated(path):
            table = self.table(path)
        super().__init__(path, table.schema, table.num_rows)

    def table(self, path: Path) -> pa.Table:
        with pa.OSFile(str(path)) as file:
            table = ipc.open_file(file).read_all()
        table.validate(full=True)
        return table

    def cut(self, table: pa.Table, rows: int) -> list[pa.RecordBatch]:
        return table.combine_chunks().to_batches(max_chunksize=rows)

    def batches(self, columns, batch_rows, types):
        with translated(self.path):
            table = self.table(self.path).select(list(columns))
        yield from self.cut(table, batch_rows)


LEFT_OPEN: list[BinaryIO] = []


@pytest.fixture
def registered() -> Iterator[Callable[..., None]]:
    """Registers a reader as the format `mine` for one test."""
    kept = dict(registry._FORMATS)
    yield lambda reader, name="mine", suffixes=(".mine",): register_reader(name, suffixes)(reader)
    registry._FORMATS.clear()
    registry._FORMATS.update(kept)
    while LEFT_OPEN:
        LEFT_OPEN.pop().close()


def test_a_good_reader_of_others_passes_and_is_read_like_ours(registered, tmp_path, read):
    registered(Good)
    check_reader("mine", write)
    table = pa.table({"p": np.linspace(0, 1, 9)})
    for day in ("1", "2"):
        (tmp_path / f"day={day}").mkdir()
        write(table, tmp_path / f"day={day}" / "x.mine")
    assert read(open_source(f"{tmp_path}/*/*.mine"))["day"].to_pylist() == [1] * 9 + [2] * 9


def replaced(table: pa.Table, name: str, change: Callable[[list[object]], list[object]]) -> pa.Table:
    """The table with other values in one column, if it has that column."""
    index = table.schema.get_field_index(name)
    if index < 0:
        return table
    field = table.schema.field(index)
    return table.set_column(index, field, pa.array(change(table[name].to_pylist()), field.type))


class ColumnsInOrderOfNames(Good):
    def table(self, path):
        table = super().table(path)
        return table.select(sorted(table.column_names))


class Narrow(Good):
    def table(self, path):
        table = super().table(path)
        fields = [f.with_type(pa.float32()) if f.type == pa.float64() else f for f in table.schema]
        return table.cast(pa.schema(fields))


class CallsItselfText(Good):
    text = True


class CountsTheHeader(Good):
    def __init__(self, path):
        super().__init__(path)
        self.rows += 1


class LosesTheSignOfZero(Good):
    def table(self, path):
        return replaced(super().table(path), "log_p", lambda v: [x + 0.0 for x in v])


class NoInfinity(Good):
    def table(self, path):
        return replaced(super().table(path), "log_p", lambda v: [x if np.isfinite(x) else None for x in v])


class StringsStripped(Good):
    def table(self, path):
        return replaced(super().table(path), "label", lambda v: [x.strip() for x in v])


class NotAvailableIsNull(Good):
    def table(self, path):
        return replaced(super().table(path), "label", lambda v: [None if x == "NA" else x for x in v])


class IntegersThroughFloats(Good):
    def table(self, path):
        return replaced(super().table(path), "row_id", lambda v: [int(float(x)) for x in v])


class LosesTheRestOfABlock(Good):
    def cut(self, table, rows):
        batches = super().cut(table, rows)
        return [batch for batch in batches if batch.num_rows == rows] or batches


class NothingIsAnError(Good):
    def table(self, path):
        table = super().table(path)
        if not table.num_rows:
            raise DataError("file-empty", "no rows", file=str(path), cure="write it again")
        return table


class BatchesOfItsOwnSize(Good):
    def cut(self, table, rows):
        return super().cut(table, max(rows, 64))


class WindowsWithoutTheirEnd(Good):
    def windows(self, columns, batch_rows, types, spans):
        yield from super().windows(columns, batch_rows, types, [(begin, None) for begin, _ in spans])


class WindowsThatCountFromTheirOwnStart(Good):
    def windows(self, columns, batch_rows, types, spans):
        for first, batch in super().windows(columns, batch_rows, types, spans):
            yield first - spans[0][0], batch


class CutsOfOne(Good):
    cuts = (1, 100)


class ColumnsInOrderOfTheFile(Good):
    def batches(self, columns, batch_rows, types):
        own = [name for name in self.schema.names if name in columns]
        return super().batches(own, batch_rows, types)


class OneReadingAtATime(Good):
    def cut(self, table, rows):
        self.start = 0
        while self.start < table.num_rows:
            yield table.slice(self.start, rows).combine_chunks().to_batches()[0]
            self.start += rows


class KeepsTheFileOpen(Good):
    def __init__(self, path):
        super().__init__(path)
        LEFT_OPEN.append(path.open("rb"))


class LeavesTheFileOpen(Good):
    def batches(self, columns, batch_rows, types):
        LEFT_OPEN.append(self.path.open("rb"))
        yield from super().batches(columns, batch_rows, types)


class NoGenerator(Good):
    def batches(self, columns, batch_rows, types):
        return iter(list(super().batches(columns, batch_rows, types)))


class WritesAnIndex(Good):
    def table(self, path):
        path.with_suffix(".index").write_text("0")
        return super().table(path)


class AddsToTheFile(Good):
    def __init__(self, path):
        super().__init__(path)
        self.loaded = super().table(path)

    def batches(self, columns, batch_rows, types):
        with self.path.open("ab") as file:
            file.write(b" ")
        yield from self.cut(self.loaded.select(list(columns)), batch_rows)


class HoldsAFunction(Good):
    def __init__(self, path):
        super().__init__(path)
        self.parse = lambda text: text


class NamesItsFileInTheSchema(Good):
    def __init__(self, path):
        super().__init__(path)
        self.schema = self.schema.with_metadata({"classes": path.name})


class HoldsItsData(Good):
    def __init__(self, path):
        super().__init__(path)
        self.loaded = super().table(path)

    def batches(self, columns, batch_rows, types):
        yield from self.cut(self.loaded.select(list(columns)), batch_rows)


class LetsErrorsPass(Good):
    def __init__(self, path):
        table = self.table(path)
        FileReader.__init__(self, path, table.schema, table.num_rows)


class OnlyAbsenceIsOurs(LetsErrorsPass):
    def __init__(self, path):
        if not path.exists():
            raise DataError("source-not-found", "absent", file=str(path), cure="check the path")
        super().__init__(path)


class NamesNoFile(Good):
    def __init__(self, path):
        if not path.exists():
            raise DataError("source-not-found", "absent", file=str(path), cure="check the path")
        try:
            super().__init__(path)
        except DataError as error:
            raise DataError(error.slug, error.problem, cure=error.cure) from error


FAULTS = {
    "columns and types": (
        (ColumnsInOrderOfNames, "the columns are"),
        (Narrow, "the types are"),
        (CallsItselfText, "the types are"),
        (CountsTheHeader, "301 rows where 300 were written"),
    ),
    "values come back": (
        (LosesTheSignOfZero, "column log_p is 0.0, not -0.0"),
        (NoInfinity, "column log_p is None, not -inf"),
        (StringsStripped, "column label is 'padded', not ' padded '"),
        (NotAvailableIsNull, "column label is None, not 'NA'"),
        (IntegersThroughFloats, "column row_id is"),
        (LosesTheRestOfABlock, "19456 rows for 20000"),
    ),
    "no rows": ((NothingIsAnError, "file-empty"),),
    "batches of any size": ((BatchesOfItsOwnSize, "a batch of 64 rows where at most 1 were wanted"),),
    "windows of any rows": (
        (WindowsThatCountFromTheirOwnStart, "numbers of first rows"),
        (WindowsWithoutTheirEnd, "windows at (0, 1, 299, 300): 600 rows for 300"),
        (CutsOfOne, "do not increase from 0"),
    ),
    "columns as asked": ((ColumnsInOrderOfTheFile, "were wanted"),),
    "reading twice at once": ((OneReadingAtATime, "of two readings at once"),),
    "no handle stays open": (
        (KeepsTheFileOpen, "before reading"),
        (LeavesTheFileOpen, "after its iterator was closed"),
        (NoGenerator, "no generator"),
    ),
    "file stays as it is": ((WritesAnIndex, "another file"), (AddsToTheFile, "was written to")),
    "pickles": ((HoldsAFunction, "cannot be pickled"),),
    "folder of files": ((NamesItsFileInTheSchema, "schema-mismatch"),),
    "absent file": (
        (HoldsItsData, "gone since it was opened"),
        (LetsErrorsPass, "FileNotFoundError instead of a DataError"),
    ),
    "damaged files": (
        (OnlyAbsenceIsOurs, "instead of a DataError"),
        (NamesNoFile, "names None, not the file"),
    ),
}


@pytest.mark.parametrize(
    ("check", "reader", "problem"),
    [(check, reader, problem) for check, pairs in FAULTS.items() for reader, problem in pairs],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_each_fault_is_found_by_its_check(registered, check, reader, problem):
    registered(reader)
    with pytest.raises(AssertionError, match=f"^mine, {check}: .*{re.escape(problem)}"):
        check_reader("mine", write)


@pytest.mark.parametrize(
    ("name", "suffixes", "problem"),
    [
        ("My Format", (".mine",), "no lower-case name"),
        ("mine", (), "no suffix means the format"),
        ("mine", ("mine",), "is no suffix"),
        ("mine", (".mine", "."), "is no suffix"),
        ("mine", (".mine", ".x/y"), "is no suffix"),
    ],
)
def test_names_and_suffixes_that_mean_nothing(registered, name, suffixes, problem):
    registered(Good, name, suffixes)
    with pytest.raises(AssertionError, match=problem):
        check_reader(name, write)


def test_every_check_has_a_fault_that_it_finds():
    assert {"declarations", *FAULTS} == {check.__name__.replace("_", " ") for check in CHECKS}
