"""Records on their way from the fragments they were read in to the partition that their row id belongs to.

A fragment writes one file a model, block by block: a block holds some rows' records in the order of their
partitions. Whoever joins a partition takes its share from every block of every file. So there are as many
files as fragments, however many partitions; each share has a checksum, and a file is whole or not there.
"""

from __future__ import annotations

import secrets
import zlib
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from crossent.data.partitions import Records, sorted_by_key, sorted_by_partition
from crossent.errors import DataError, UsageError
from crossent.files import make_folder, replacing

TOKEN = "exchange.token"
_SHARE = np.dtype([("start", "<i8"), ("count", "<i8"), ("checksum", "<u4")])
"""Of a partition in a block: first byte, records, CRC-32."""


@dataclass(frozen=True)
class Exchange:
    """A folder that all workers see, with the records of some fragments in `count` partitions."""

    folder: Path
    count: int
    fields: tuple[tuple[str, str], ...]
    token: str

    @property
    def dtype(self) -> np.dtype[np.void]:
        """What a record holds."""
        return np.dtype(list(self.fields))

    def begin(self) -> None:
        """Make the folder and leave the token that workers look for."""
        make_folder(self.folder)
        with replacing(self.folder / TOKEN) as temporary:
            temporary.write_text(self.token)

    def check(self) -> None:
        """UsageError on a worker that does not see the folder of the driver."""
        try:
            seen = (self.folder / TOKEN).read_text()
        except OSError:
            seen = ""
        if seen != self.token:
            raise UsageError(
                "folder-not-shared",
                f"row ids are in different orders, and a worker does not see {self.folder}, by which their "
                "rows are exchanged",
                cure="name a folder that all machines share with --checkpoint",
            )

    def path(self, kind: str, fragment: int) -> Path:
        """The file of one fragment."""
        return self.folder / kind / f"{fragment:08d}.records"

    def writer(self, kind: str, fragment: int) -> _Writer:
        """Takes the records of one fragment, and puts the file in its place in the end."""
        make_folder(self.folder / kind)
        return _Writer(self.path(kind, fragment), self.count, self.dtype)

    def read(self, kind: str, fragments: int, partition: int) -> Records:
        """The records of one partition from the files of all fragments, sorted by key."""
        shares = [self._share(self.path(kind, number), partition) for number in range(fragments)]
        return sorted_by_key(np.concatenate([np.empty(0, self.dtype), *shares]))

    def _share(self, path: Path, partition: int) -> Records:
        parts: list[Records] = []
        try:
            with path.open("rb") as file:
                for share in _index(file, self.count, partition):
                    file.seek(int(share["start"]))
                    data = file.read(int(share["count"]) * self.dtype.itemsize)
                    if zlib.crc32(data) != share["checksum"]:
                        raise ValueError("a checksum is wrong")
                    parts.append(np.frombuffer(data, self.dtype))
        except (OSError, ValueError) as error:
            raise DataError(
                "exchange-damaged",
                f"records that wait to be joined cannot be read: {error}",
                file=str(path),
                cure="remove the file, and go on with --resume: its rows will be read again",
            ) from None
        return np.concatenate([np.empty(0, self.dtype), *parts])


def _index(file: IO[bytes], count: int, partition: int) -> NDArray[Any]:
    """Where the blocks have their shares of a partition: the index stands at the end, with its length."""
    file.seek(-8, 2)
    end = file.tell()
    blocks = int.from_bytes(file.read(8), "little")
    size = blocks * count * _SHARE.itemsize
    if not 0 <= size <= end:
        raise ValueError("it is cut short")
    file.seek(end - size)
    index: NDArray[Any] = np.frombuffer(file.read(size), _SHARE).reshape(blocks, count)[:, partition]
    return index


class _Writer:
    """Blocks of records, to a file under another name until it is whole."""

    def __init__(self, path: Path, count: int, dtype: np.dtype[np.void]) -> None:
        self._path, self._count, self.dtype = path, count, dtype
        # a worker that was given up may still be writing the same
        self._temporary = path.with_suffix(f".{secrets.token_hex(8)}.tmp")
        self._blocks: list[NDArray[Any]] = []
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._file = self._temporary.open("wb")
        except OSError as error:
            raise _full(self._path, error) from None
        return self

    def write(self, records: Records) -> None:
        """Add a block."""
        assert self._file is not None
        ordered, ends = sorted_by_partition(records, self._count)
        data, size = ordered.view(np.uint8).data, records.itemsize
        begin = self._file.tell()
        index = np.zeros(self._count, _SHARE)
        for partition, (start, end) in enumerate(pairwise([0, *ends])):
            checksum = zlib.crc32(data[start * size : end * size])
            index[partition] = (begin + start * size, end - start, checksum)
        self._write(data)
        self._blocks.append(index)

    def _write(self, data: bytes | memoryview) -> None:
        assert self._file is not None
        try:
            self._file.write(data)
        except OSError as error:
            raise _full(self._path, error) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        try:
            if kind is None:
                self._write(b"".join(block.tobytes() for block in self._blocks))
                self._write(len(self._blocks).to_bytes(8, "little"))
                self._file.close()
                self._temporary.replace(self._path)
        except OSError as failure:
            raise _full(self._path, failure) from None
        finally:
            with suppress(OSError):  # closing writes what is left
                self._file.close()
            self._temporary.unlink(missing_ok=True)


def _full(path: Path, error: OSError) -> DataError:
    return DataError(
        "disk-full",
        f"rows in different orders are sorted on disk, and writing there failed: {error.strerror}",
        file=str(path),
        cure="free space, or name a folder on a larger disk with --checkpoint",
    )
