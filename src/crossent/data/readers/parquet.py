"""Parquet, streamed inside its row groups."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate

import pyarrow as pa
import pyarrow.parquet as pq

from crossent.data.readers.contract import FileReader, cut_to_spans
from crossent.data.readers.faults import translated
from crossent.data.readers.places import Place, native
from crossent.data.readers.registry import register_reader
from crossent.data.readers.remote import Remote

# Without a buffered stream, or with pre_buffer, pyarrow holds a whole row group: 0.9 to 3.1 GB for 800 MB of
# float32 in one row group, against 130 MB (one list column) to 240 MB (1000 columns) like this, at the same
# speed. Each column that is read has a buffer of its own: at 1 MiB each, 1000 columns took 1.1 GB. What stays
# in memory in any case is each column's dictionary (up to 1 MiB): 2 GB for 1000 columns of distinct floats.
BUFFERS_BYTES = 32 << 20
SMALLEST_BUFFER, LARGEST_BUFFER = 16 << 10, 1 << 20
# From afar each buffer is a request, of 10 to 100 ms.
REMOTE_BUFFERS_BYTES = 64 << 20
SMALLEST_REMOTE_BUFFER, LARGEST_REMOTE_BUFFER = 64 << 10, 4 << 20


@register_reader("parquet", (".parquet", ".pq"))
class ParquetReader(FileReader):
    """One Parquet file; page checksums are verified where the writer stored them."""

    def __init__(self, path: Place) -> None:
        with translated(path), _open(path) as file:
            metadata = file.metadata
            super().__init__(path, file.schema_arrow, metadata.num_rows)
            sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
            self.cuts = (0, *accumulate(sizes[:-1]))

    def batches(
        self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType]
    ) -> Iterator[pa.RecordBatch]:
        yield from self._groups(columns, batch_rows, None)

    def windows(
        self,
        columns: Sequence[str],
        batch_rows: int,
        types: Mapping[str, pa.DataType],
        spans: Sequence[tuple[int, int | None]],
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        waiting: dict[int, list[tuple[int, int | None]]] = {}
        for begin, end in spans:
            waiting.setdefault(bisect_right(self.cuts, begin) - 1, []).append((begin, end))
        for group, inside in waiting.items():
            final = inside[-1][1]
            stop = len(self.cuts) if final is None else bisect_left(self.cuts, final)
            batches = self._groups(columns, batch_rows, range(group, max(stop, group + 1)))
            yield from cut_to_spans(batches, self.cuts[group], inside)

    def _groups(
        self, columns: Sequence[str], batch_rows: int, groups: range | None
    ) -> Iterator[pa.RecordBatch]:
        with translated(self.path), _open(self.path, len(columns)) as file:
            chosen = None if groups is None else list(groups)
            for batch in file.iter_batches(batch_rows, chosen, columns=list(columns), use_threads=False):
                yield batch.select(list(columns))


@contextmanager
def _open(place: Place, columns: int = 1) -> Iterator[pq.ParquetFile]:
    if isinstance(place, Remote):
        buffer = min(max(REMOTE_BUFFERS_BYTES // columns, SMALLEST_REMOTE_BUFFER), LARGEST_REMOTE_BUFFER)
    else:
        buffer = min(max(BUFFERS_BYTES // columns, SMALLEST_BUFFER), LARGEST_BUFFER)
    with native(place) as file:
        yield pq.ParquetFile(file, pre_buffer=False, buffer_size=buffer, page_checksum_verification=True)
