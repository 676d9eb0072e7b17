"""Arrow IPC, as a file (Feather version 2) or as a stream: memory-mapped, or a record batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
from pyarrow import ipc

from crossent.data.readers.contract import FileReader
from crossent.data.readers.faults import translated
from crossent.data.readers.places import Place, mapped
from crossent.data.readers.registry import register_reader

MAGIC = b"ARROW1"


@register_reader("arrow", (".arrow", ".feather", ".ipc", ".arrows"))
class ArrowReader(FileReader):
    """One Arrow file or stream: which of the two is in its first bytes, not in the suffix."""

    def __init__(self, path: Place) -> None:
        with translated(path), mapped(path) as memory:
            if _is_stream(memory):
                super().__init__(path, ipc.open_stream(memory).schema, None)
            else:
                file = ipc.open_file(memory)
                # Older pyarrow cannot count without decoding.
                count = getattr(file, "count_rows", None)
                super().__init__(path, file.schema, count() if count else None)

    def batches(
        self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType]
    ) -> Iterator[pa.RecordBatch]:
        options = ipc.IpcReadOptions(included_fields=[self.schema.get_field_index(name) for name in columns])
        with translated(self.path), mapped(self.path) as memory:
            for batch in _stored(memory, options):
                chosen = batch.select(list(columns))
                for start in range(0, chosen.num_rows, batch_rows):
                    part = chosen.slice(start, batch_rows)
                    # Offsets and indices of a damaged file point anywhere; using them would end the process.
                    part.validate(full=True)
                    yield part


def _is_stream(memory: pa.NativeFile) -> bool:
    start: bytes = memory.read(len(MAGIC))
    memory.seek(0)
    return start != MAGIC


def _stored(memory: pa.NativeFile, options: ipc.IpcReadOptions) -> Iterator[pa.RecordBatch]:
    """The record batches as written."""
    if _is_stream(memory):
        yield from ipc.open_stream(memory, options=options)
    else:
        file = ipc.open_file(memory, options=options)
        yield from (file.get_batch(i) for i in range(file.num_record_batches))
