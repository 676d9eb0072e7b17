"""A format for tests: Parquet files, named *.faulty, whose reading meets with what the test laid out.

What it meets lies in the folder that the environment variable CROSSENT_FAULTS names, and is looked at when a
fragment was read half: so the fault hits a worker in the middle of its work, and a test waits for files to
appear, never for time to pass.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from crossent.data.readers.parquet import ParquetReader
from crossent.data.readers.registry import register_reader


def meet(row: int) -> None:
    """Suffer what is laid out for the fragment that begins at `row`."""
    folder = Path(os.environ.get("CROSSENT_FAULTS", "none"))
    _hold(folder, row)
    for fault in folder.glob(f"*.{row}"):
        kind, _, _ = fault.name.partition(".")
        if _taken(fault):
            _FAULTS[kind](fault)


def _hold(folder: Path, row: int) -> None:
    """Wait as long as `hold` is there and names this row or an earlier one; say who waits."""
    hold = folder / "hold"
    while hold.exists():
        if row < int(hold.read_text() or 0):
            return
        (folder / f"held-{os.getpid()}").write_text(str(row))
        time.sleep(0.02)


def _taken(fault: Path) -> bool:
    """Whether the fault happens once more: it holds a stroke for each time."""
    left = fault.read_text()
    fault.write_text(left[1:])
    return bool(left)


def _die(fault: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fail(fault: Path) -> None:
    raise ConnectionResetError("the disk went away")


def _run_out(fault: Path) -> None:
    raise MemoryError


_FAULTS = {"die": _die, "fail": _fail, "memory": _run_out}


@register_reader("faulty", (".faulty",))
class FaultyReader(ParquetReader):
    """Parquet, with faults."""

    def windows(
        self,
        columns: Sequence[str],
        batch_rows: int,
        types: Mapping[str, pa.DataType],
        spans: Sequence[tuple[int, int | None]],
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        for begin, end in spans:
            half = max(1, ((end or self.rows or 2) - begin) // 2)
            found = super().windows(columns, min(batch_rows, half), types, [(begin, end)])
            for number, batch in enumerate(found):
                if number == 1:
                    meet(begin)
                yield batch
