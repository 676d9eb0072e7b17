"""CSV and TSV: strings, except where the caller names a type."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import pyarrow as pa
from pyarrow import csv as arrow_csv

from crossent.data.readers.contract import FileReader
from crossent.data.readers.csv_faults import cut_error, first_fault, quote_error, records
from crossent.data.readers.faults import translated
from crossent.data.readers.places import Place
from crossent.data.readers.registry import register_reader
from crossent.data.readers.text import TextBytes, compressed, encoding_error, is_unicode, open_text
from crossent.errors import DataError

BLOCK_BYTES = 1 << 20
BYTES_A_VALUE = 64
"""Read and parsed at a time are the first, or the second for every column; a row may not be longer."""


@register_reader("csv", compressed(".csv"))
class CsvReader(FileReader):
    """One file with a header, in UTF-8, with `"` around values that need it; an empty value is null.

    pyarrow parses; only when it refuses a file is the text read a second time, by the standard library, to
    say which row and value are to blame.
    """

    text: ClassVar[bool] = True
    delimiter: ClassVar[str] = ","

    def __init__(self, path: Place) -> None:
        with translated(path), open_text(path) as raw:
            names = next(records(raw, self.delimiter), None)
        if names is None:
            raise DataError("file-empty", "there is no header line", file=str(path), cure="write it again")
        if not all(is_unicode(name) for name in names):
            raise encoding_error(path, None, None, None)
        super().__init__(path, pa.schema([pa.field(name, pa.string()) for name in names]), None)

    def batches(
        self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType]
    ) -> Iterator[pa.RecordBatch]:
        wanted = {name: types.get(name, pa.string()) for name in columns}
        with translated(self.path), open_text(self.path) as raw:
            rows = 0
            for block in self._blocks(raw, wanted):
                for start in range(0, block.num_rows, batch_rows):
                    yield block.slice(start, batch_rows)
                rows += block.num_rows
            if raw.quotes % 2:
                raise quote_error(self.path, rows - 1)
            if not raw.ended_in_newline():
                raise cut_error(self.path, rows - 1 if rows else None)

    def _blocks(self, raw: TextBytes, wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """Batches as pyarrow parses them; its complaints become ours, with the place."""
        size = max(BLOCK_BYTES, BYTES_A_VALUE * len(self.schema.names))
        try:
            yield from arrow_csv.open_csv(
                io.BufferedReader(raw, size),
                read_options=arrow_csv.ReadOptions(use_threads=False, block_size=size),
                parse_options=arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=list(wanted),
                    column_types=dict(wanted),
                    # By default "nan" and "NA" are null too.
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid as error:
            fault = first_fault(self.path, self.delimiter, self.schema.names, wanted, size)
            if fault is None:
                raise
            raise fault from error


@register_reader("tsv", compressed(".tsv", ".tab"))
class TsvReader(CsvReader):
    """CSV with tabs between the values."""

    delimiter: ClassVar[str] = "\t"
