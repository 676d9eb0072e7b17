"""How the work is shared out, which never changes a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crossent.distributed.engines.contract import Engine
from crossent.errors import UsageError


def _local(address: str | None, workers: int | None) -> Engine:
    from crossent.distributed.engines.local import Threads

    return Threads(workers)


def _processes(address: str | None, workers: int | None) -> Engine:
    from crossent.distributed.engines.local import Processes

    return Processes(workers)


def _ray(address: str | None, workers: int | None) -> Engine:
    from crossent.distributed.engines.ray import RayEngine

    return RayEngine(address, workers)


def _dask(address: str | None, workers: int | None) -> Engine:
    from crossent.distributed.engines.dask import DaskEngine

    return DaskEngine(address, workers)


ENGINES: dict[str, Callable[[str | None, int | None], Engine]] = {
    "local": _local,
    "processes": _processes,
    "ray": _ray,
    "dask": _dask,
}
"""By name; what an engine needs is imported when it is opened."""
CLUSTERS = ("ray", "dask")


@dataclass(frozen=True)
class Plan:
    """Which engine, where, and what is kept on the way.

    address : of a running cluster. checkpoint : folder for what was found so far; resume : go on from what is
    there. fragment_rows : rows a fragment; without it, some 64 MiB of files.
    """

    engine: str = "local"
    address: str | None = None
    checkpoint: Path | None = None
    resume: bool = False
    fragment_rows: int | None = None

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UsageError(
                "bad-option",
                f"engine is {self.engine!r}",
                cure=f"choose one of: {', '.join(ENGINES)}",
            )
        if self.address is not None and self.engine not in CLUSTERS:
            raise UsageError(
                "bad-option",
                f"the engine {self.engine} has no address",
                cure=f"leave the address out, or choose one of: {', '.join(CLUSTERS)}",
            )
        if self.resume and self.checkpoint is None:
            raise UsageError(
                "bad-option", "there is nothing to resume", cure="name the folder with --checkpoint"
            )
        if self.fragment_rows is not None and self.fragment_rows < 1:
            raise UsageError("bad-option", f"fragment_rows is {self.fragment_rows}", cure="use 1 or more")

    @property
    def in_parts(self) -> bool:
        """Whether the data are cut into fragments at all; without need, threads share one stream."""
        return self.engine != "local" or self.checkpoint is not None or self.fragment_rows is not None

    def open(self, workers: int | None) -> Engine:
        """The engine, started or reached."""
        return ENGINES[self.engine](self.address, workers)
