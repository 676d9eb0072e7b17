"""Records split over files on disk by their key, so that rows of several models can be put side by side in
bounded memory: equal keys are in equal partitions, and one partition of each model is in memory at a time.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossent.data.identity import KEY, Keys
from crossent.errors import DataError

Records = NDArray[np.void]
FACTS = (("label", "<u8"), ("cluster", "<u8"), ("groups", "<u8"), ("weight", "<f8"), ("bytes", "<f8"))
RECORD = np.dtype([*KEY.descr, ("at", "<i8"), *FACTS, ("loss", "<f8")])
"""Key, place of the row (`place`), what all models must agree on (texts as `fingerprints`), and the loss."""
MOST_PARTITIONS = 1024
_FILE_SHIFT = 40


def place(file: int, row: int) -> int:
    """File number and row number in one integer."""
    return (file << _FILE_SHIFT) | row


def file_and_row(at: int) -> tuple[int, int]:
    """The numbers put together by `place`."""
    return at >> _FILE_SHIFT, at & ((1 << _FILE_SHIFT) - 1)


def partitions_for(record_bytes: int, memory: int) -> int:
    """Enough partitions for one of each model, and as much again for sorting, to fit into `memory` bytes."""
    return max(1, min(MOST_PARTITIONS, math.ceil(3 * record_bytes / memory)))


class Partitions:
    """The records of one model in `count` files."""

    def __init__(self, folder: Path, name: str, count: int, dtype: np.dtype[np.void]) -> None:
        self.count = count
        self.dtype = dtype
        self._paths = [folder / f"{name}.{i}" for i in range(count)]
        self._lock = threading.Lock()

    def write(self, records: Records) -> None:
        """Append records, each to the partition of its key. Any thread may call it."""
        # the golden-ratio multiplier spreads consecutive numbers over the upper bits
        mixed = (records["hi"] ^ records["lo"]) * np.uint64(0x9E3779B97F4A7C15)
        which = ((mixed >> np.uint64(32)) % np.uint64(self.count)).astype(np.int64)
        order = np.argsort(which, kind="stable")
        ends = np.cumsum(np.bincount(which, minlength=self.count))
        ordered = records[order]
        with self._lock:
            start = 0
            for path, end in zip(self._paths, ends.tolist(), strict=True):
                if end > start:
                    _append(path, ordered[start:end])
                start = end

    def read(self, index: int) -> Records:
        """One partition, sorted by key."""
        path = self._paths[index]
        records: Records = np.fromfile(path, self.dtype) if path.exists() else np.empty(0, self.dtype)
        order = np.lexsort((records["lo"], records["hi"]))
        return records[order]

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
    same = np.zeros(len(records), bool)
    same[1:] = (records["hi"][1:] == records["hi"][:-1]) & (records["lo"][1:] == records["lo"][:-1])
    return same


def keys_only(records: Records) -> Keys:
    """The keys as values that can be compared and searched."""
    keys = np.empty(len(records), KEY)
    keys["hi"], keys["lo"] = records["hi"], records["lo"]
    return keys


def in_all(partitions: Sequence[Records]) -> Keys:
    """The keys that every model has, sorted."""
    common = keys_only(partitions[0])
    for other in partitions[1:]:
        common = np.intersect1d(common, keys_only(other))
    return common
