"""The local engine: threads that take work from one stream, each adding to a state of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Generic, TypeVar

from crossent.engines.memory import keep_freed

T = TypeVar("T")
S = TypeVar("S")


def default_threads() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Stream(Generic[T]):
    """Hands out items to threads one at a time, and no more after a failure anywhere."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self._lock = threading.Lock()
        self._handed_out = 0
        self.failures: list[tuple[int, BaseException]] = []

    def __iter__(self) -> Iterator[tuple[int, T]]:
        while True:
            with self._lock:
                if self.failures:
                    return
                number = self._handed_out
                self._handed_out += 1
                try:
                    item = next(self._items)
                except StopIteration:
                    return
                except BaseException as error:
                    self.failures.append((number, error))
                    return
            yield number, item

    def fail(self, number: int, error: BaseException) -> None:
        with self._lock:
            self.failures.append((number, error))

    def close(self) -> None:
        """Let go of what is read from: an error that is kept would keep its connection to a database open."""
        if isinstance(self._items, Generator):
            self._items.close()

    def raise_first(self) -> None:
        """Raise the failure of the earliest item, so that the same data fail in the same way."""
        if self.failures:
            raise min(self.failures, key=lambda failure: failure[0])[1]


def run(
    items: Iterable[T], new_state: Callable[[], S], update: Callable[[S, T], None], threads: int | None = None
) -> list[S]:
    """Update one state a thread with all items; returns the states, to be merged by the caller.

    Items are taken from the stream under a lock (reading is sequential) and processed side by side. Only as
    many items as threads are in memory. An error stops all threads; that of the earliest item is raised.
    """
    keep_freed()
    count = threads or default_threads()
    stream = _Stream(items)
    states = [new_state() for _ in range(count)]

    def work(state: S) -> None:
        for number, item in stream:
            try:
                update(state, item)
            except BaseException as error:
                stream.fail(number, error)

    others = [threading.Thread(target=work, args=(state,), daemon=True) for state in states[1:]]
    for thread in others:
        thread.start()
    try:
        work(states[0])
    except BaseException as error:
        # an interrupt between two items: without this the other threads would read to the end
        stream.fail(0, error)
        raise
    finally:
        for thread in others:
            thread.join()
        stream.close()
    stream.raise_first()
    return states
