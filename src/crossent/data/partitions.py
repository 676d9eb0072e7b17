"""Records split over files on disk by their key, so that rows of several models can be put side by side in
bounded memory: equal keys are in equal partitions, and one partition of each model is in memory at a time.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crossent.data.identity import KEY, Keys
from crossent.errors import DataError

Records = NDArray[np.void]
FACTS = (("label", "<u8"), ("cluster", "<u8"), ("groups", "<u8"), ("weight", "<f8"), ("bytes", "<f8"))
RECORD = np.dtype([*KEY.descr, ("at", "<i8"), *FACTS, ("loss", "<f8")])
"""Key, place of the row (`place`), what all models must agree on (texts as `fingerprints`), and the loss."""
ID_RECORD = np.dtype([*KEY.descr, ("at", "<i8")])
"""Key and place."""
MOST_PARTITIONS = 1024
_FILE_SHIFT = 40
_AS_THEY_ARE: Mapping[str, str] = {}


def place(file: int, row: int) -> int:
    """File number and row number in one integer."""
    return (file << _FILE_SHIFT) | row


def file_and_row(at: int) -> tuple[int, int]:
    """The numbers put together by `place`."""
    return at >> _FILE_SHIFT, at & ((1 << _FILE_SHIFT) - 1)


def partitions_for(record_bytes: int, memory: int) -> int:
    """Enough partitions for one of each model, and as much again for sorting, to fit into `memory` bytes."""
    return max(1, min(MOST_PARTITIONS, math.ceil(3 * record_bytes / memory)))


class Sink(Protocol):
    """Takes records."""

    @property
    def dtype(self) -> np.dtype[np.void]:
        """What a record holds."""

    def write(self, records: Records) -> None:
        """Take some."""


def needed(
    dtype: np.dtype[np.void], *, whole: bool, facts: Sequence[str], narrow: Mapping[str, str] = _AS_THEY_ARE
) -> np.dtype[np.void]:
    """The fields of a record that are used: half of a key is enough for whole numbers, and not every fact is
    there. `narrow` gives fields whose values are small another type. Half the bytes are half the time.
    """
    unused = {name for name, _ in FACTS}.difference(facts) | ({"lo"} if whole else set())
    fields = [(field[0], field[1]) for field in dtype.descr if field[0] not in unused]
    return np.dtype([(name, narrow.get(name, type_)) for name, type_ in fields])


def partition_of(records: Records, count: int) -> NDArray[np.int64]:
    """The partition of each record's key."""
    key = records["hi"] ^ records["lo"] if "lo" in _names(records) else records["hi"]
    # the golden-ratio multiplier spreads consecutive numbers over the upper bits
    mixed = key * np.uint64(0x9E3779B97F4A7C15)
    which: NDArray[np.int64] = ((mixed >> np.uint64(32)) % np.uint64(count)).astype(np.int64)
    return which


def sorted_by_partition(records: Records, count: int) -> tuple[Records, list[int]]:
    """The records in the order of their partitions, and where each partition ends."""
    which = partition_of(records, count)
    # of 16 bits NumPy sorts by radix, 8 times as fast; take copies whole records, 4 times as fast as indexing
    order = np.argsort(which.astype(np.uint16), kind="stable")
    ends = np.cumsum(np.bincount(which, minlength=count)).tolist()
    return records.take(order), ends


def sorted_by_key(records: Records) -> Records:
    """The records in the order of their keys, those of equal keys in the order they had."""
    if "lo" in _names(records):
        return records.take(np.lexsort((records["lo"], records["hi"])))
    # keys rarely repeat, and NumPy's unstable sort is several times as fast
    keys = np.ascontiguousarray(records["hi"])
    order = np.argsort(keys)
    ordered = keys.take(order)
    if (ordered[1:] == ordered[:-1]).any():
        order = np.argsort(keys, kind="stable")
    return records.take(order)


def _names(records: Records) -> tuple[str, ...]:
    return records.dtype.names or ()


class Partitions:
    """The records of one model in `count` files."""

    def __init__(self, folder: Path, name: str, count: int, dtype: np.dtype[np.void]) -> None:
        self.count = count
        self.dtype = dtype
        self._paths = [folder / f"{name}.{i}" for i in range(count)]
        self._lock = threading.Lock()

    def write(self, records: Records) -> None:
        """Append records, each to the partition of its key. Any thread may call it."""
        ordered, ends = sorted_by_partition(records, self.count)
        with self._lock:
            start = 0
            for path, end in zip(self._paths, ends, strict=True):
                if end > start:
                    _append(path, ordered[start:end])
                start = end

    def read(self, index: int) -> Records:
        """One partition, sorted by key."""
        path = self._paths[index]
        records: Records = np.fromfile(path, self.dtype) if path.exists() else np.empty(0, self.dtype)
        return sorted_by_key(records)

    def discard(self, index: int) -> None:
        """Free the disk space of a partition that was read."""
        self._paths[index].unlink(missing_ok=True)


def _append(path: Path, records: Records) -> None:
    """Opened each time, which costs as much as writing (20 µs): systems allow 256 to 1024 open files."""
    try:
        with path.open("ab") as file:
            file.write(records.tobytes())
    except OSError as error:
        raise DataError(
            "disk-full",
            f"rows in different orders are sorted on disk, and writing there failed: {error.strerror}",
            file=str(path),
            cure="free space, or point TMPDIR to a larger disk",
        ) from None


def repeated(records: Records) -> NDArray[np.bool_]:
    """Which of the sorted records have the key of the one before."""
    keys = keys_only(records)
    same = np.zeros(len(records), bool)
    same[1:] = keys[1:] == keys[:-1]
    return same


def keys_only(records: Records) -> Keys:
    """The keys as values that can be compared and searched."""
    if "lo" not in _names(records):
        whole: Keys = records["hi"]
        return whole
    keys = np.empty(len(records), KEY)
    keys["hi"], keys["lo"] = records["hi"], records["lo"]
    return keys


def in_all(partitions: Sequence[Records]) -> Keys:
    """The keys that every model has, sorted."""
    common = keys_only(partitions[0])
    for other in partitions[1:]:
        common = np.intersect1d(common, keys_only(other))
    return common
