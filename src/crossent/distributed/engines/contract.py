"""What an engine is: something that performs tasks somewhere and brings home what they found.

It need not be right about anything else. A task that is performed twice does no harm, its outcome is counted
once; a task that was lost is asked for again. So an engine neither orders, merges nor remembers.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

from crossent.data.alignment import OrderDiffers
from crossent.errors import CrossentError, UsageError
from crossent.version import VERSION

WINDOW = 4
"""Tasks under way for each worker: enough to keep it busy, few enough to forget."""


class Task(Protocol):
    """Something to do, which knows all that it needs and can be pickled."""

    @property
    def number(self) -> int: ...

    def perform(self) -> bytes:
        """Do it, and give what was found as bytes."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task: `data`, or a fault of the data, or `lost` (why nothing came home)."""

    number: int
    data: bytes | None = None
    fault: CrossentError | OrderDiffers | None = None
    lost: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Order:
    """A task with the version of crossent that gave it."""

    task: Task
    version: str = VERSION


def perform(order: Order) -> Outcome:
    """Perform a task on a worker. Faults of the data come home as such: to try again would not mend them."""
    number, begun = order.task.number, time.perf_counter()
    if order.version != VERSION:
        fault = UsageError(
            "other-version",
            f"a worker has crossent {VERSION}, this process {order.version}",
            cure="install the same version on every machine",
        )
        return Outcome(number, fault=fault)
    try:
        return Outcome(number, order.task.perform(), seconds=time.perf_counter() - begun)
    except (CrossentError, OrderDiffers) as fault:
        return Outcome(number, fault=fault)


class Engine(ABC):
    """Performs tasks; a context manager that leaves nothing running."""

    name: ClassVar[str]
    one_process: ClassVar[bool] = False
    """Whether the workers are threads of this process, which share its memory."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """How many tasks it performs at a time, now."""

    @abstractmethod
    def run(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """The outcome of each task, in any order; takes as many as `WINDOW` for each worker ahead.

        A task whose worker died gives an outcome that says so in `lost`, after what retries the engine makes
        itself. Ends when all tasks that it took have an outcome.
        """

    def close(self) -> None:
        """Let go of what was started."""
        return

    def stop(self) -> None:
        """The same at once, whatever is under way: its outcome is wanted no more."""
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.stop()
