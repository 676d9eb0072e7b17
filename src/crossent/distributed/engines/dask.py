"""Tasks on the machines of a Dask cluster."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from typing import Any

from crossent.distributed.engines.contract import WINDOW, Engine, Order, Outcome, Task, perform
from crossent.distributed.engines.reaching import cannot_reach, wait_for_workers
from crossent.errors import MissingExtra

SECONDS = 20
"""To wait for a scheduler."""


class DaskEngine(Engine):
    """Dask futures, `WINDOW` for each worker's thread under way.

    address : of a scheduler, such as tcp://host:8786; without it a cluster of processes with one thread each
        is started here, and ended by `close`.
    """

    name = "dask"

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        try:
            import distributed
        except ModuleNotFoundError:
            raise MissingExtra("dask", "the engine dask") from None
        self._dask: Any = distributed
        # what it has to say of workers that come and go is in its own logs, and in the outcomes
        for logger in ("distributed", "distributed.client"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        self._address = address
        self._cluster: Any = None
        if address is None:
            self._cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address=None,
                # without a dashboard it still asks for that one's port, which another cluster may have
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                silence_logs=50,
            )
        try:
            self._client: Any = distributed.Client(
                address or self._cluster, timeout=SECONDS, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise cannot_reach("dask", address, error) from None
        wait_for_workers("dask", address, self._threads)

    def _threads(self) -> int:
        try:
            return int(sum(self._client.nthreads().values()))
        except (OSError, TimeoutError) as error:
            raise cannot_reach("dask", self._address, error) from None

    @property
    def workers(self) -> int:
        return max(1, self._threads())

    def run(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        numbers: dict[str, int] = {}
        arriving = self._dask.as_completed(loop=self._client.loop, with_results=True, raise_errors=False)
        try:
            while True:
                self._require_scheduler()
                for task in islice(tasks, max(0, WINDOW * self.workers - len(numbers))):
                    # Dask's own retries are for exceptions; a worker that dies is tried again by itself
                    future = self._client.submit(perform, Order(task), pure=False)
                    numbers[future.key] = task.number
                    arriving.add(future)
                if not numbers:
                    return
                future, found = next(arriving)
                yield self._outcome(found, numbers.pop(future.key))
                future.release()
        finally:
            if self._client.status == "running":
                self._client.cancel([f for f in arriving.futures if f.key in numbers])

    def _require_scheduler(self) -> None:
        """Without one every future is cancelled: that is not for a worker's fault, and would be so again."""
        if self._client.status != "running":
            gone = ConnectionError("the scheduler went away in the middle")
            raise cannot_reach("dask", self._address, gone)

    def _outcome(self, found: Any, number: int) -> Outcome:
        if isinstance(found, Outcome):
            return found
        error = found[1] if isinstance(found, tuple) else found
        return Outcome(number, lost=f"{type(error).__name__}: {str(error).splitlines()[0][:200]}")

    def close(self) -> None:
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()
