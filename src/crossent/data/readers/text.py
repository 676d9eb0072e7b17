"""What the text formats share: a byte stream, decompressed by its suffix, that knows how it ended."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pyarrow as pa

from crossent.data.readers.places import Place, streamed
from crossent.errors import DataError

COMPRESSION: dict[str, Literal["gzip", "zstd"]] = {".gz": "gzip", ".zst": "zstd"}


class TextBytes(io.RawIOBase):
    """The bytes of a text file; remembers its last byte and how many quote characters went by."""

    def __init__(self, source: pa.NativeFile) -> None:
        super().__init__()
        self._source = source
        self.last = b""
        self.quotes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        self.last = data[-1:] or self.last
        self.quotes += data.count(b'"')
        return len(data)

    def ended_in_newline(self) -> bool:
        return self.last in (b"\n", b"\r")


def compressed(*suffixes: str) -> tuple[str, ...]:
    """The suffixes, plain and with each compression's after them."""
    return tuple(suffix + packed for packed in ("", *COMPRESSION) for suffix in suffixes)


@contextmanager
def open_text(path: Place) -> Iterator[TextBytes]:
    """The decompressed bytes of a file."""
    packing = COMPRESSION.get(path.suffix.lower())
    with streamed(path) as file:
        if packing is None:
            yield TextBytes(file)
        else:
            with pa.CompressedInputStream(file, packing) as unpacked:
                yield TextBytes(unpacked)


def is_unicode(text: str) -> bool:
    """Whether the text is free of lone surrogates, which stand for bytes that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def encoding_error(path: Place, row: int | None, column: str | None, value: object) -> DataError:
    return DataError(
        "text-encoding",
        "the text is not UTF-8",
        file=str(path),
        row=row,
        column=column,
        value=value,
        cure="save the file as UTF-8, for example with: iconv -f latin1 -t utf-8",
    )
