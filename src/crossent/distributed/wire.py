"""A state on its way between machines and to disk: JSON for what is small, Arrow for tables with many keys.

Nothing is unpickled: a checkpoint may lie where others write. Equal states give equal bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from crossent.accumulators.contract import Accumulator
from crossent.accumulators.moments import Moments
from crossent.data.identity import Run
from crossent.engines.passes import State

TakeTable = Callable[[str, str, pa.Table], None]
"""Takes the table of a model's accumulator, by their names."""
_LENGTH = struct.Struct("<Q")


def encode(state: State) -> bytes:
    """The state as bytes."""
    tables: list[bytes] = []
    models = {
        name: {key: _state_of(accumulator, tables) for key, accumulator in accumulators.items()}
        for name, accumulators in state.models.items()
    }
    header = {
        "models": models,
        "moments": [moments.state() for moments in state.moments],
        "runs": [[run.number, run.first, run.last, run.increasing] for run in state.runs],
    }
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    return b"".join([_LENGTH.pack(len(text)), text, *(_LENGTH.pack(len(t)) + t for t in tables)])


def decode(data: bytes, empty: Callable[[], State], take: TakeTable | None = None) -> State:
    """The state written by `encode`, in a new state of the same evaluation.

    take : gets the tables of the accumulators that have one; without it they are in the state.
    """
    text, *tables = _parts(memoryview(data))
    header = json.loads(bytes(text))
    state = empty()
    for name, accumulators in state.models.items():
        for key, accumulator in accumulators.items():
            saved = header["models"][name][key]
            if not isinstance(saved, int):
                accumulator.load(saved)
            elif take is None:
                accumulator.load_table(from_bytes(tables[saved]))
            else:
                take(name, key, from_bytes(tables[saved]))
    state.moments = [Moments.load(saved) for saved in header["moments"]]
    state.runs = [Run(*run) for run in header["runs"]]
    return state


def _parts(data: memoryview) -> list[memoryview]:
    found, at = [], 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        found.append(data[at : at + length])
        at += length
    return found


def _state_of(accumulator: Accumulator, tables: list[bytes]) -> Any:
    """Plain data; the number of a table where the accumulator is one."""
    table = accumulator.table()
    if table is None:
        return accumulator.state()
    tables.append(to_bytes(table))
    return len(tables) - 1


def to_bytes(table: pa.Table) -> bytes:
    """An Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def from_bytes(data: memoryview) -> pa.Table:
    """The table of an Arrow stream, copied to where Arrow may compute: its numbers lie at multiples of 8."""
    buffer = pa.allocate_buffer(len(data))
    memoryview(buffer).cast("B")[:] = data
    return pa.ipc.open_stream(buffer).read_all()
