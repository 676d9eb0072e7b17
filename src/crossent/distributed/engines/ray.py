"""Tasks on the machines of a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from typing import Any

from crossent.distributed.engines.contract import WINDOW, Engine, Order, Outcome, Task, perform
from crossent.distributed.engines.reaching import cannot_reach, wait_for_workers
from crossent.errors import MissingExtra

RETRIES = 3
"""Of a task whose worker died, by Ray itself."""


class RayEngine(Engine):
    """Ray Core tasks: one processor each, `WINDOW` for each of the cluster's processors under way.

    address : of a running cluster, `auto` for the one of this machine; without it one is started here, and
        ended by `close`.
    """

    name = "ray"

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        # nothing is reported to the makers of Ray
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ModuleNotFoundError:
            raise MissingExtra("ray", "the engine ray") from None
        self._ray: Any = ray
        self._started = not ray.is_initialized()
        local = {} if address else {"num_cpus": workers, "include_dashboard": False}
        if self._started:
            try:
                ray.init(address=address, log_to_driver=False, logging_level="ERROR", **local)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise cannot_reach("ray", address, error) from None
        wait_for_workers("ray", address, self._processors)

    def _processors(self) -> int:
        return int(self._ray.cluster_resources().get("CPU", 0))

    @property
    def workers(self) -> int:
        return max(1, self._processors())

    def run(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        remote = self._ray.remote(perform).options(num_cpus=1, max_retries=RETRIES, retry_exceptions=False)
        pending: dict[Any, int] = {}
        try:
            while True:
                for task in islice(tasks, max(0, WINDOW * self.workers - len(pending))):
                    pending[remote.remote(Order(task))] = task.number
                if not pending:
                    return
                done, _ = self._ray.wait(list(pending), num_returns=1)
                for reference in done:
                    yield self._outcome(reference, pending.pop(reference))
        finally:
            for reference in pending:
                self._ray.cancel(reference, force=False)

    def _outcome(self, reference: Any, number: int) -> Outcome:
        try:
            found: Outcome = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            return Outcome(number, lost=f"{type(cause).__name__}: {str(cause).splitlines()[0][:200]}")
        return found

    def close(self) -> None:
        if self._started:
            self._ray.shutdown()
