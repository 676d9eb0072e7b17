"""Tasks on this machine: in threads, or in processes that may die."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from itertools import islice

from crossent.distributed.engines.contract import WINDOW, Engine, Order, Outcome, Task, perform
from crossent.engines.local import default_threads


class _Pool(Engine):
    """Tasks in an executor of `concurrent.futures`."""

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or default_threads()
        self._executor: Executor | None = None

    @property
    def workers(self) -> int:
        return self._workers

    def run(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        pending: dict[Future[Outcome], Task] = {}
        try:
            while True:
                for task in islice(tasks, WINDOW * self._workers - len(pending)):
                    pending[self._submit(task)] = task
                if not pending:
                    return
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield self._outcome(future, pending.pop(future))
        finally:
            for future in pending:
                future.cancel()

    def _submit(self, task: Task) -> Future[Outcome]:
        if self._executor is None:
            self._executor = self._new()
        try:
            return self._executor.submit(perform, Order(task))
        except BrokenExecutor:
            self.close()
            return self._submit(task)

    def _new(self) -> Executor:
        raise NotImplementedError

    def _outcome(self, future: Future[Outcome], task: Task) -> Outcome:
        try:
            return future.result()
        except BrokenExecutor:
            return Outcome(task.number, lost="its process died")
        except Exception as error:
            return Outcome(task.number, lost=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None


class Threads(_Pool):
    """Threads of this process: reading and the compiled core let them work side by side."""

    name = "local"

    def _new(self) -> Executor:
        return ThreadPoolExecutor(self._workers)


class Processes(_Pool):
    """Processes: the NumPy kernels gain more from them than from threads, and one may die alone."""

    name = "processes"

    def _new(self) -> Executor:
        # a forked process would inherit locks that other threads hold
        return ProcessPoolExecutor(self._workers, mp_context=multiprocessing.get_context("spawn"))
