"""Tasks of the two phases in which rows of different orders meet: scored into an exchange, then joined."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from crossent.accumulators.moments import Moments
from crossent.data.joining import EXAMPLES, Mismatch, first_mismatch, has_key, id_records
from crossent.data.partitions import Records, in_all, keys_only, repeated
from crossent.distributed.exchange import Exchange
from crossent.distributed.tasks import with_same_files
from crossent.distributed.wire import encode
from crossent.engines.passes import Job, state_of_one


@dataclass(frozen=True)
class Scores:
    """Some rows of one model: their statistics come home, their records go to the exchange."""

    number: int
    job: Job
    index: int
    exchange: Exchange

    def perform(self) -> bytes:
        self.exchange.check()
        model = self.job.models[self.index]
        with_same_files([model])
        names = [[m.name for m in self.job.models]]
        with self.exchange.writer(f"model{self.index}", self.number) as records:
            state = state_of_one(self.job, self.index, names, records)
            with_same_files([model])
        return encode(state)


@dataclass(frozen=True)
class Ids:
    """Some rows of the first model, of which only the ids go to the exchange."""

    number: int
    job: Job
    exchange: Exchange

    def perform(self) -> bytes:
        self.exchange.check()
        model = self.job.models[0]
        with_same_files([model])
        with self.exchange.writer("ids", self.number) as records:
            for found in id_records(model, self.job.options.where):
                records.write(found)
        return b"{}"


@dataclass(frozen=True)
class Joined:
    """What a partition holds: moments of the rows that stand side by side, and what is wrong with others.

    `repeated` and `lacking` have for each model how many rows repeat an id, or have one that not every model
    has, and the first of them.
    """

    moments: dict[str, Any]
    repeated: list[tuple[int, list[int]]]
    lacking: list[tuple[int, list[int]]]
    mismatch: Mismatch | None

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Joined:
        found = json.loads(data)
        mismatch = found["mismatch"]
        return cls(**{**found, "mismatch": None if mismatch is None else Mismatch(**mismatch)})


@dataclass(frozen=True)
class Join:
    """One partition: the rows of all models with the same ids, side by side."""

    number: int
    exchange: Exchange
    kinds: tuple[tuple[str, int], ...]
    """Folder and number of fragments of each model."""
    names: tuple[str, ...]
    weighted: bool
    exposed: bool

    def perform(self) -> bytes:
        records = [self.exchange.read(kind, count, self.number) for kind, count in self.kinds]
        moments = Moments(self.names, weighted=self.weighted, exposed=self.exposed)
        again = [_some(mine["at"][repeated(mine)]) for mine in records]
        lacking: list[tuple[int, list[int]]] = [(0, []) for _ in records]
        mismatch = None
        if all(np.array_equal(keys_only(mine), keys_only(records[0])) for mine in records[1:]):
            mismatch = first_mismatch(records)
            if len(self.names) > 1 and len(records[0]):
                _update(moments, records, self.weighted, self.exposed)
        else:
            common = in_all(records)
            lacking = [_some(mine["at"][~has_key(mine, common)]) for mine in records]
        return Joined(moments.state(), again, lacking, mismatch).to_bytes()


def _update(moments: Moments, records: Sequence[Records], weighted: bool, exposed: bool) -> None:
    moments.update(
        [np.ascontiguousarray(mine["loss"]) for mine in records],
        records[0]["weight"] if weighted else None,
        records[0]["bytes"] if exposed else None,
    )


def _some(places: Any) -> tuple[int, list[int]]:
    return int(places.size), np.sort(places)[:EXAMPLES].tolist()
