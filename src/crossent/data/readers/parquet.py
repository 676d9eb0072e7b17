"""Parquet, streamed inside its row groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from crossent.data.readers.contract import FileReader
from crossent.data.readers.faults import translated
from crossent.data.readers.registry import register_reader

# Without a buffered stream, or with pre_buffer, pyarrow holds a whole row group: 0.9 to 3.1 GB for 800 MB of
# float32 in one row group, against 130 MB (one list column) to 240 MB (1000 columns) like this, at the same
# speed. Each column that is read has a buffer of its own: at 1 MiB each, 1000 columns took 1.1 GB. What stays
# in memory in any case is each column's dictionary (up to 1 MiB): 2 GB for 1000 columns of distinct floats.
BUFFERS_BYTES = 32 << 20
SMALLEST_BUFFER, LARGEST_BUFFER = 16 << 10, 1 << 20


@register_reader("parquet", (".parquet", ".pq"))
class ParquetReader(FileReader):
    """One Parquet file; page checksums are verified where the writer stored them."""

    def __init__(self, path: Path) -> None:
        with translated(path), _open(path) as file:
            super().__init__(path, file.schema_arrow, file.metadata.num_rows)

    def batches(
        self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType]
    ) -> Iterator[pa.RecordBatch]:
        with translated(self.path), _open(self.path, len(columns)) as file:
            for batch in file.iter_batches(batch_rows, columns=list(columns), use_threads=False):
                yield batch.select(list(columns))


def _open(path: Path, columns: int = 1) -> pq.ParquetFile:
    buffer = min(max(BUFFERS_BYTES // columns, SMALLEST_BUFFER), LARGEST_BUFFER)
    return pq.ParquetFile(path, pre_buffer=False, buffer_size=buffer, page_checksum_verification=True)
