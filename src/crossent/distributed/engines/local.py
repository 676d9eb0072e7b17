"""Tasks on this machine: in threads, or in processes that may die."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from itertools import islice

from crossent.distributed.engines.contract import WINDOW, Engine, Order, Outcome, Task, perform
from crossent.distributed.tasks import stop_with
from crossent.engines.local import default_threads


class Threads(Engine):
    """Threads of this process: reading and the compiled core let them work side by side."""

    name = "local"
    one_process = True

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or default_threads()
        self._stopped = threading.Event()
        self._executor = ThreadPoolExecutor(self._workers, initializer=stop_with, initargs=(self._stopped,))

    @property
    def workers(self) -> int:
        return self._workers

    def run(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        pending: dict[Future[Outcome], Task] = {}
        try:
            while True:
                for task in islice(tasks, WINDOW * self._workers - len(pending)):
                    pending[self._executor.submit(perform, Order(task))] = task
                if not pending:
                    return
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield _outcome(future, pending.pop(future))
        finally:
            for future in pending:
                future.cancel()

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)

    def stop(self) -> None:
        self._stopped.set()
        self.close()


class Processes(Engine):
    """Processes: the NumPy kernels gain more from them than from threads, and one dies alone.

    Each has an executor of its own: one executor of several gives all of them up, and what they were doing,
    when one dies.
    """

    name = "processes"

    def __init__(self, workers: int | None = None) -> None:
        self._lanes = [_Lane() for _ in range(workers or default_threads())]

    @property
    def workers(self) -> int:
        return len(self._lanes)

    def run(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        try:
            while True:
                for lane in sorted(self._lanes, key=lambda lane: len(lane.pending)):
                    for task in islice(tasks, WINDOW - len(lane.pending)):
                        lane.submit(task)
                heads = [lane.pending[0][0] for lane in self._lanes if lane.pending]
                if not heads:
                    return
                wait(heads, return_when=FIRST_COMPLETED)
                for lane in self._lanes:
                    yield from lane.outcomes()
        finally:
            for lane in self._lanes:
                lane.forget()

    def close(self) -> None:
        for lane in self._lanes:
            lane.close()

    def stop(self) -> None:
        for lane in self._lanes:
            lane.kill()
        self.close()


class _Lane:
    """One process after another, with the tasks that wait for it in the order in which they are performed."""

    def __init__(self) -> None:
        self.pending: deque[tuple[Future[Outcome], Task]] = deque()
        self._executor: ProcessPoolExecutor | None = None

    def submit(self, task: Task) -> None:
        try:
            self.pending.append((self._begun(task), task))
        except BrokenExecutor:
            self.close()
            self.pending.append((self._begun(task), task))

    def _begun(self, task: Task) -> Future[Outcome]:
        executor = self._started()
        future = executor.submit(perform, Order(task))
        if os.name == "posix":
            # only the process writes what it found: else one that dies in the middle of a large outcome
            # would leave us waiting for the rest
            executor._result_queue._writer.close()  # type: ignore[attr-defined]
        return future

    def outcomes(self) -> Iterator[Outcome]:
        """Those that are known. Of a process that died the first is lost; the others wait for the next."""
        while self.pending and self.pending[0][0].done():
            future, task = self.pending.popleft()
            if isinstance(future.exception(), BrokenExecutor):
                self._begin_again()
            yield _outcome(future, task)

    def forget(self) -> None:
        """What comes of them is wanted no more; cancelled ones trip Python 3.11 when a process dies."""
        self.pending.clear()

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None

    def kill(self) -> None:
        """End the process at once."""
        processes = {} if self._executor is None else self._executor._processes
        for process in list((processes or {}).values()):
            process.kill()

    def _begin_again(self) -> None:
        self.close()
        waiting = [task for _, task in self.pending]
        self.pending.clear()
        for task in waiting:
            self.submit(task)

    def _started(self) -> ProcessPoolExecutor:
        if self._executor is None:
            # a forked process would inherit locks that other threads hold
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(1, mp_context=context, initializer=_depend_on_parent)
        return self._executor


def _depend_on_parent() -> None:
    """Ctrl-C reaches all processes of a terminal, and it is the parent that ends the others. One whose parent
    was killed would wait for work for ever: it holds the other end of the queue too.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _outcome(future: Future[Outcome], task: Task) -> Outcome:
    try:
        return future.result()
    except BrokenExecutor:
        return Outcome(task.number, lost="its process died")
    except Exception as error:
        return Outcome(task.number, lost=f"{type(error).__name__}: {error}")
