"""The driver: lists fragments, has them computed, keeps what was found, and adds it up."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from crossent.data.alignment import OrderDiffers
from crossent.distributed.checkpoints import Checkpoints, NoCheckpoints
from crossent.distributed.engines.contract import Engine, Outcome, Task
from crossent.distributed.fragments import Fragment
from crossent.distributed.tables import StateTables
from crossent.distributed.wire import decode
from crossent.engines.passes import Job, State
from crossent.errors import CrossentError, DataError

ATTEMPTS = 4
"""Of a fragment that was lost with its worker, beyond what the engine tries by itself."""

log = logging.getLogger("crossent.distributed")
TaskOf = Callable[[Fragment], Task]
Faults = dict[int, CrossentError | OrderDiffers]
"""Of the data, by fragment."""


@dataclass
class Tally:
    """What the work was."""

    rows: int = 0
    bytes: int = 0
    fragments: int = 0
    resumed: int = 0
    retried: int = 0
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since the work began."""
        return max(time.monotonic() - self.begun, 1e-9)

    def facts(self) -> dict[str, float]:
        """What the log says of it."""
        counted = {name: value for name, value in vars(self).items() if name != "begun"}
        return {**counted, "seconds": round(self.seconds, 3)}

    def sentence(self, engine: str) -> str:
        """One line for people."""
        seconds = self.seconds
        parts = [f"{self.fragments} fragments"]
        parts += [f"{self.resumed} from the checkpoint"] * bool(self.resumed)
        parts += [f"{self.retried} tried again"] * bool(self.retried)
        return (
            f"{engine}: {self.rows:,} rows, {self.bytes / 1e6:,.1f} MB in {seconds:.1f} s "
            f"({self.rows / seconds / 1e6:.1f} M rows/s); {', '.join(parts)}"
        )


@dataclass
class Driver:
    """Has fragments computed on an engine, whatever becomes of its workers."""

    job: Job
    engine: Engine
    kept: Checkpoints | NoCheckpoints
    tally: Tally = field(default_factory=Tally)

    def collect(
        self,
        phase: str,
        listed: Sequence[Fragment],
        task_of: TaskOf,
        empty: Callable[[], State],
        done: Callable[[Fragment], bool] = lambda fragment: True,
    ) -> State:
        """The states of all fragments, added up as they come."""
        total = empty()
        unknown = {fragment.number for fragment in listed if fragment.rows is None}
        with StateTables(total, self.job.memory) as tables:
            for number, data in self.outcomes(phase, listed, task_of, done):
                state = decode(data, empty, tables.add)
                if number in unknown:
                    self._count(_rows(state))
                total.merge(state)
            tables.load()
        return total

    def outcomes(
        self,
        phase: str,
        listed: Sequence[Fragment],
        task_of: TaskOf,
        done: Callable[[Fragment], bool] = lambda fragment: True,
    ) -> Iterator[tuple[int, bytes]]:
        """What was found of each fragment, once, in any order.

        `done` says of a fragment with a checkpoint whether what else it left is still there.
        """
        self.tally.fragments += len(listed)
        missing = []
        for fragment in listed:
            saved = self.kept.read(phase, fragment.number) if done(fragment) else None
            if saved is None:
                missing.append(fragment)
            else:
                self.tally.resumed += 1
                self._count(fragment.rows)
                yield fragment.number, saved
        faults: Faults = {}
        for attempt in range(ATTEMPTS):
            lost: dict[int, Outcome] = {}
            yield from self._round(phase, missing, task_of, lost, faults)
            if faults:
                # an earlier fragment that was lost may have a fault, too, which is then the one to raise
                lost = {number: outcome for number, outcome in lost.items() if number < min(faults)}
            if not lost:
                break
            for outcome in lost.values():
                log.warning(
                    "lost: %s",
                    outcome.lost,
                    extra={"event": "lost", "phase": phase, "fragment": outcome.number, "attempt": attempt},
                )
            self.tally.retried += len(lost)
            missing = [fragment for fragment in missing if fragment.number in lost]
        else:
            raise self._given_up(missing[0], lost[missing[0].number])
        if faults:
            raise faults[min(faults)]

    def _round(
        self,
        phase: str,
        missing: Sequence[Fragment],
        task_of: TaskOf,
        lost: dict[int, Outcome],
        faults: Faults,
    ) -> Iterator[tuple[int, bytes]]:
        """One attempt at fragments; those whose worker died are added to `lost`, those at fault to `faults`.

        After a fault of the data no later fragment is begun. Of several the one of the earliest fragment is
        raised, so that the same data fail in the same way.
        """
        waiting = {fragment.number: fragment for fragment in missing}

        def feed() -> Iterator[Task]:
            for fragment in missing:
                if faults and fragment.number > min(faults):
                    return
                yield task_of(fragment)

        for outcome in self.engine.run(feed()):
            if outcome.number not in waiting:
                continue  # it was performed twice, and counts once
            if outcome.fault is not None:
                faults[outcome.number] = outcome.fault
            elif outcome.data is None:
                lost[outcome.number] = outcome
            else:
                lost.pop(outcome.number, None)
                fragment = waiting.pop(outcome.number)
                self.kept.write(phase, outcome.number, outcome.data)
                self._count(fragment.rows)
                log.debug(
                    "fragment done",
                    extra={
                        "event": "fragment",
                        "phase": phase,
                        "fragment": outcome.number,
                        "seconds": outcome.seconds,
                    },
                )
                yield outcome.number, outcome.data

    def _count(self, rows: int | None) -> None:
        self.tally.rows += rows or 0
        self.job.progress(rows or 0)

    def _given_up(self, fragment: Fragment, outcome: Outcome) -> DataError:
        window, model = fragment.windows[0][0], self.job.models[0]
        return DataError(
            "fragment-lost",
            f"its rows from here to {window.end} were lost {ATTEMPTS} times, the last time because: "
            f"{outcome.lost}",
            file=model.source.files[window.file].path,
            row=window.begin,
            cure="look into the workers' logs; smaller fragments (--fragment-rows) need less memory",
        )


def _rows(state: State) -> int:
    """Rows that were scored, of all models together."""
    counts = [accumulators["quality"].state()["counts"] for accumulators in state.models.values()]
    return sum(found.get("rows", 0) for found in counts)
