"""The driver: lists fragments, has them computed, keeps what was found, and adds it up."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from crossent.data.alignment import OrderDiffers
from crossent.distributed.checkpoints import Checkpoints, NoCheckpoints
from crossent.distributed.engines.contract import WINDOW, Engine, Outcome, Task
from crossent.distributed.fragments import Fragment
from crossent.distributed.tables import StateTables
from crossent.distributed.wire import decode
from crossent.engines.passes import Job, State
from crossent.errors import CrossentError, DataError

ATTEMPTS = 4
"""Of a fragment that was lost with its worker, beyond what the engine tries by itself. The last one alone, so
that none is given up for what happens to its neighbours; and one alone is tried when all were lost."""
PAUSE = 0.5
"""Seconds before what was lost is begun again, twice as many each time."""

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
        model: int = 0,
    ) -> State:
        """The states of all fragments, added up as they come."""
        total = empty()
        unknown = {fragment.number for fragment in listed if fragment.rows is None}
        with StateTables(total, self.job.memory) as tables:
            for number, data in self.outcomes(phase, listed, task_of, done, model):
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
        model: int = 0,
    ) -> Iterator[tuple[int, bytes]]:
        """What was found of each fragment, once, in any order.

        `done` says of a fragment with a checkpoint whether what else it left is still there; `model` is the
        first that the fragments have windows of.
        """
        self.tally.fragments += sum(fragment.count for fragment in listed)
        missing: dict[int, Fragment] = {}
        for fragment in listed:
            saved = self.kept.read(phase, fragment.number) if done(fragment) else None
            if saved is None:
                missing[fragment.number] = fragment
            else:
                self.tally.resumed += fragment.count
                self._count(fragment.rows)
                yield fragment.number, saved
        losses: Counter[int] = Counter()
        faults: Faults = {}
        all_lost = False
        while missing:
            if losses:
                time.sleep(PAUSE * 2 ** (max(losses.values()) - 1))
            before, lost = len(missing), dict[int, Outcome]()
            some = [f for f in missing.values() if losses[f.number] < ATTEMPTS - 1 and not all_lost]
            some = some or [next(iter(missing.values()))]
            yield from self._round(phase, some, missing, task_of, lost, faults)
            if faults:
                # an earlier fragment that was lost may have a fault, too, which is then the one to raise
                missing = {number: fragment for number, fragment in missing.items() if number < min(faults)}
            all_lost = len(missing) == before
            for number, outcome in lost.items():
                losses[number] += 1
                self._tell(phase, outcome, losses[number])
                if losses[number] == ATTEMPTS and number in missing:
                    raise self._given_up(missing[number], outcome, model)
        if faults:
            raise faults[min(faults)]

    def _round(
        self,
        phase: str,
        some: Sequence[Fragment],
        missing: dict[int, Fragment],
        task_of: TaskOf,
        lost: dict[int, Outcome],
        faults: Faults,
    ) -> Iterator[tuple[int, bytes]]:
        """One attempt at some fragments; what is found is no longer missing.

        Those whose worker died are added to `lost`, those at fault to `faults`. After a fault of the data no
        later fragment is begun. Of several the one of the earliest fragment is raised, so that the same data
        fail in the same way. Nor are more begun where nothing but losses comes home.
        """
        in_a_row = 0

        def feed() -> Iterator[Task]:
            for fragment in some:
                if in_a_row and in_a_row >= WINDOW * self.engine.workers:
                    return
                if faults and fragment.number > min(faults):
                    return
                yield task_of(fragment)

        for outcome in self.engine.run(feed()):
            if outcome.number not in missing:
                continue  # it was performed twice, and counts once
            in_a_row = in_a_row + 1 if outcome.lost is not None else 0
            if outcome.fault is not None:
                faults[outcome.number] = outcome.fault
            elif outcome.data is None:
                lost[outcome.number] = outcome
            else:
                lost.pop(outcome.number, None)
                fragment = missing.pop(outcome.number)
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

    def _tell(self, phase: str, outcome: Outcome, times: int) -> None:
        self.tally.retried += 1
        log.warning(
            "lost: %s",
            outcome.lost,
            extra={"event": "lost", "phase": phase, "fragment": outcome.number, "attempt": times},
        )

    def _count(self, rows: int | None) -> None:
        self.tally.rows += rows or 0
        self.job.progress(rows or 0)

    def _given_up(self, fragment: Fragment, outcome: Outcome, model: int) -> DataError:
        why = f"were lost {ATTEMPTS} times, the last time because: {outcome.lost}"
        cure = "look into the workers' logs; smaller fragments (--fragment-rows) need less memory"
        if not fragment.windows:  # rows of all files that wait to be joined
            return DataError(
                "fragment-lost", f"part {fragment.number} of the rows to be joined {why}", cure=cure
            )
        window, source = fragment.windows[0][0], self.job.models[model].source
        return DataError(
            "fragment-lost",
            f"its rows from here to {'the end' if window.end is None else window.end} {why}",
            file=source.files[window.file].path,
            row=window.begin,
            cure=cure,
        )


def _rows(state: State) -> int:
    """Rows that were scored, of all models together."""
    counts = [accumulators["quality"].state()["counts"] for accumulators in state.models.values()]
    return sum(found.get("rows", 0) for found in counts)
