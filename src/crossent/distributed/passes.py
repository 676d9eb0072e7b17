"""The passes over the data, from fragments: models side by side, one after another, or joined by row id."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from crossent.accumulators.moments import Moments
from crossent.data.alignment import Model, OrderDiffers
from crossent.data.identity import strictly_increasing
from crossent.data.joining import (
    EXAMPLES,
    Lacking,
    duplicate_ids,
    estimated_rows,
    id_record,
    missing_rows,
    raise_mismatch,
)
from crossent.data.partitions import partitions_for
from crossent.distributed import fragments
from crossent.distributed.checkpoints import Checkpoints, NoCheckpoints
from crossent.distributed.driver import Driver, log
from crossent.distributed.engines.contract import Engine, Task
from crossent.distributed.exchange import Exchange
from crossent.distributed.fragments import Fragment
from crossent.distributed.joins import Ids, Join, Joined, Scores
from crossent.distributed.plan import Plan
from crossent.distributed.tasks import Alone, SideBySide, part, part_of_one
from crossent.engines.passes import Job, State, cannot_pair
from crossent.errors import DataError
from crossent.version import VERSION

Say = Callable[[str], None]


def accumulate(job: Job, plan: Plan, folder: Path, restarted: Callable[[], None], say: Say) -> State:
    """The state of all rows: that of `engines.passes.accumulate`, to the bit, from fragments."""
    with _checkpoints(job, plan) as kept, plan.open(job.threads) as engine:
        _log_start(job, engine)
        driver = Driver(job, engine, kept)
        state = Passes(job, driver, plan.fragment_rows, plan.checkpoint or folder).accumulate(restarted)
    for path in kept.damaged:
        say(f"{path}: was damaged and has been computed again")
    say(driver.tally.sentence(engine.name))
    log.info("done", extra={"event": "done", **driver.tally.facts()})
    return state


def _log_start(job: Job, engine: Engine) -> None:
    files = {file.path: file.bytes for model in job.models for file in model.source.files}
    about = {
        "models": [model.name for model in job.models],
        "files": len(files),
        "bytes": sum(files.values()),
    }
    log.info("started", extra={"event": "started", "engine": engine.name, "workers": engine.workers, **about})


class Passes:
    """Which passes a job needs. `folder` is for what waits to be joined."""

    def __init__(self, job: Job, driver: Driver, rows: int | None, folder: Path) -> None:
        self.job, self.driver, self.rows, self.folder = job, driver, rows, folder

    def accumulate(self, restarted: Callable[[], None]) -> State:
        files = {file.path: file.bytes for model in self.job.models for file in model.source.files}
        self.driver.tally.bytes = sum(files.values())
        if self.job.options.unit is not None:
            return self._one_by_one()
        try:
            return self._side_by_side("rows", fragments.side_by_side(self.job.models, self.rows))
        except OrderDiffers:
            if self.job.models[0].id_type is None:
                return self._by_position()
            restarted()
            self.driver.tally.rows = 0  # all are read again
            return self._joined()

    def _by_position(self) -> State:
        """Without ids, conditions may leave out other rows of each model's fragments, and text be cut into
        other files: the rows correspond only where all are counted from the first.
        """
        try:
            return self._side_by_side("all rows", fragments.whole(self.job.models))
        except OrderDiffers:
            raise cannot_pair(self.job) from None

    def _side_by_side(self, phase: str, listed: Sequence[Fragment]) -> State:
        job = self.job
        names = [model.name for model in job.models]
        state = self.driver.collect(
            phase,
            listed,
            lambda f: SideBySide(f.number, part(job, f)),
            lambda: job.new_state([names]),
        )
        self._require_rows(state.moments[0], job.models)
        if state.runs and not strictly_increasing(state.runs):
            self._require_unique(job.models[0])
        return state

    def _one_by_one(self) -> State:
        job = self.job
        state = job.new_state(job.apart())
        for index, model in enumerate(job.models):
            found = self.driver.collect(
                f"model{index}",
                fragments.side_by_side([model], self.rows),
                partial(self._alone, index),
                lambda: job.new_state(job.apart()),
                model=index,
            )
            self._require_rows(found.moments[index], [model])
            state.merge(found)
        return state

    def _alone(self, index: int, f: Fragment) -> Task:
        return Alone(f.number, part_of_one(self.job, index, f), index)

    def _require_rows(self, moments: Moments, models: Sequence[Model]) -> None:
        """DataError where no row meets the conditions, which no fragment can know."""
        if moments.rows == 0:
            self._require_some(models)

    def _require_some(self, models: Sequence[Model]) -> None:
        for model in models:
            next(model.stream(self.job.options.where, self.job.batch_rows([model])))

    # --- rows in different orders --------------------------------------------------------------------------

    def _joined(self) -> State:
        job, names = self.job, [model.name for model in self.job.models]
        exchange = self._exchange("join", job.models, job.record)
        state, kinds = job.new_state([names]), []
        for index, model in enumerate(job.models):
            kind, listed = f"model{index}", fragments.side_by_side([model], self.rows)
            kinds.append((kind, len(listed)))
            state.merge(
                self.driver.collect(
                    f"scores{index}",
                    listed,
                    partial(self._scores, exchange, index),
                    lambda: job.new_state([names]),
                    partial(_written, exchange, kind),
                    model=index,
                )
            )
        found = self._partitions(f"partitions-{exchange.count}", exchange, kinds, names)
        try:
            self._check(job.models, found)
        except DataError:
            # no id is in every file where none is left of one model: that is the fault to name
            self._require_some(job.models)
            raise
        for joined in found:
            state.moments[0].merge(Moments.load(joined.moments))
        self._require_rows(state.moments[0], job.models)
        shutil.rmtree(exchange.folder, ignore_errors=True)
        return state

    def _scores(self, exchange: Exchange, index: int, f: Fragment) -> Task:
        return Scores(f.number, part_of_one(self.job, index, f), index, exchange)

    def _require_unique(self, model: Model) -> None:
        """DataError if a row id of the model occurs twice."""
        exchange = self._exchange("unique", [model], id_record(model))
        listed = fragments.side_by_side([model], self.rows)
        phase = self.driver.outcomes(
            "ids",
            listed,
            lambda f: Ids(f.number, part_of_one(self.job, 0, f), exchange),
            partial(_written, exchange, "ids"),
        )
        for _ in phase:
            pass
        self._check(
            [model],
            self._partitions(f"unique-{exchange.count}", exchange, [("ids", len(listed))], [model.name]),
        )
        shutil.rmtree(exchange.folder, ignore_errors=True)

    def _exchange(self, name: str, models: Sequence[Model], dtype: Any) -> Exchange:
        """A folder with as many partitions as make one of each model, and its sorting, fit the memory.

        It is named after their number: who resumes with other memory cannot take the files of before.
        """
        size = sum(estimated_rows(model) for model in models) * dtype.itemsize
        engine = self.driver.engine
        count = partitions_for(size, self.job.memory // (engine.workers if engine.one_process else 1))
        exchange = Exchange(self.folder / f"{name}-{count}", count, tuple(dtype.descr), secrets.token_hex(8))
        exchange.begin()
        return exchange

    def _partitions(
        self, phase: str, exchange: Exchange, kinds: Sequence[tuple[str, int]], names: Sequence[str]
    ) -> list[Joined]:
        weighted, exposed = self.job.spec.weighted, self.job.options.bytes is not None
        listed = [Fragment(number, ()) for number in range(exchange.count)]
        found = self.driver.outcomes(
            phase,
            listed,
            lambda f: Join(f.number, exchange, tuple(kinds), tuple(names), weighted, exposed),
        )
        return [joined for _, joined in sorted((n, Joined.from_bytes(data)) for n, data in found)]

    def _check(self, models: Sequence[Model], found: Sequence[Joined]) -> None:
        """DataError for ids that are repeated or missing, and for rows whose models do not agree on them."""
        for index, model in enumerate(models):
            again = _added([joined.repeated[index] for joined in found])
            if again.total:
                raise duplicate_ids(model, again.total, again.places)
        mismatch = next((joined.mismatch for joined in found if joined.mismatch is not None), None)
        if mismatch is not None:
            raise_mismatch(models, mismatch)
        lacking = [_added([joined.lacking[i] for joined in found]) for i in range(len(models))]
        if any(part.total for part in lacking):
            raise missing_rows(models, lacking)


def _written(exchange: Exchange, kind: str, fragment: Fragment) -> bool:
    return exchange.path(kind, fragment.number).exists()


def _added(parts: Sequence[tuple[int, list[int]]]) -> Lacking:
    places = sorted(place for _, some in parts for place in some)
    return Lacking(sum(total for total, _ in parts), places[:EXAMPLES])


def _checkpoints(job: Job, plan: Plan) -> Checkpoints | NoCheckpoints:
    """The checkpoints of this job: of these files, with these options, in these fragments."""
    if plan.checkpoint is None:
        return NoCheckpoints()
    files = {f.path: f.digest for model in job.models for f in model.source.files}
    asked: dict[str, Any] = {
        "loss": job.spec.loss,
        "models": [model.name for model in job.models],
        "options": job.options.described(),
        "fragments": plan.fragment_rows or f"{fragments.BYTES} bytes",
        "together": [fragments.TOGETHER, fragments.TASKS],
        "left out": _digest(
            {m.name: {f: _digest(rows.tolist()) for f, rows in m.left_out.items()} for m in job.models}
        ),
    }
    facts = {"crossent": VERSION, "files": files, **json.loads(json.dumps(asked, default=str))}
    return Checkpoints(plan.checkpoint, facts, resume=plan.resume)


def _digest(value: Any) -> str:
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()
