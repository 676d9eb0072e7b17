"""What the tests of evaluations in parts share: a careless engine, tables, and comparisons."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa

from crossent import CrossentError, Evaluation, Report, select
from crossent.distributed.engines.contract import Engine, Order, Outcome, Task, perform
from crossent.distributed.fragments import TASKS
from crossent.distributed.plan import ENGINES

CLASSES = ("ant", "bee", "cat")


class Careless(Engine):
    """Performs all tasks in this process, in any order; gives outcomes twice, and loses each up to `losses`
    times. Whatever it is given and gives has been pickled, as between machines.
    """

    name = "careless"

    def __init__(self, seed: int = 0, losses: int = 1, *, always: bool = False, tasks: int = TASKS) -> None:
        self.tasks = tasks  # that there are at least before small fragments are put together
        self._random = random.Random(seed)
        self._losses, self._always = losses, always
        self._lost: dict[tuple[str, int], int] = {}
        self.performed: list[tuple[str, int]] = []

    @property
    def workers(self) -> int:
        return 2

    def run(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        waiting: list[Task] = []
        for task in tasks:
            waiting.append(task)
            if self._random.random() < 0.5:
                yield from self._some(waiting)
        while waiting:
            yield from self._some(waiting)

    def _some(self, waiting: list[Task]) -> Iterator[Outcome]:
        task = waiting.pop(self._random.randrange(len(waiting)))
        key = (type(task).__name__ + str(getattr(task, "index", "")), task.number)
        if self._lost.get(key, 0) < self._losses and (self._always or self._random.random() < 0.4):
            self._lost[key] = self._lost.get(key, 0) + 1
            yield Outcome(task.number, lost="carelessly")
            if self._always or self._random.random() < 0.8:
                return  # else it comes home after all
        for _ in range(1 + (self._random.random() < 0.3)):
            self.performed.append(key)
            sent = pickle.loads(pickle.dumps(Order(task)))
            yield pickle.loads(pickle.dumps(perform(sent)))


@contextmanager
def engine(given: Engine) -> Iterator[str]:
    """The name under which `given` is an engine for a while; nobody waits before another attempt."""
    known = mock.patch.dict(ENGINES, {"given": lambda address, workers: given})
    tasks = mock.patch("crossent.distributed.fragments.TASKS", getattr(given, "tasks", TASKS))
    with known, tasks, mock.patch("crossent.distributed.driver.PAUSE", 0.0):
        yield "given"


def in_parts(models: Any, given: Engine, **options: Any) -> Report:
    """`select` on that engine."""
    with engine(given) as name:
        return select(models, engine=name, **options)


def bits(evaluation: Evaluation, *, files: bool = True) -> str:
    """Everything that an evaluation knows, with or without the files it was read from."""
    data = evaluation.to_dict()
    if not files:
        del data["setup"]["sources"]
    return json.dumps(data, allow_nan=False)


def document(report: Report) -> str:
    """The result JSON but for its provenance."""
    return json.dumps({k: v for k, v in report.to_dict().items() if k != "provenance"}, allow_nan=False)


def verdict(evaluate: Callable[[], Report]) -> tuple[str, str]:
    """The bits of an evaluation, or slug and text of its error."""
    try:
        report = evaluate()
    except CrossentError as error:
        return error.slug, str(error)
    return bits(report.evaluation), document(report)


def tables(rows: int, count: int = 2, seed: int = 0, text_ids: bool = False) -> dict[str, pa.Table]:
    """Models a, b, c of the same rows: increasing row_id with gaps, label, weight, day, region, text, p_…."""
    rng = np.random.default_rng([seed, rows])
    ids = np.cumsum(rng.integers(1, 4, rows)) - 5
    common: Mapping[str, Any] = {
        "row_id": [f"r{i + 5:05d}" for i in ids] if text_ids else ids,
        "label": rng.choice(CLASSES, rows).tolist(),
        "weight": rng.choice([0.0, 0.3, 1.0, 2.5], rows),
        "day": [f"d{k}" for k in rng.integers(0, 7, rows)],
        "region": rng.choice(["north", "south", "west"], rows, p=[0.6, 0.3, 0.1]).tolist(),
        "text": rng.integers(1, 40, rows),
    }
    made = {}
    for name in "abc"[:count]:
        p = rng.dirichlet(np.ones(len(CLASSES)) / 2, rows)
        # a zero now and then: an infinite loss
        p = np.where(rng.random((rows, 1)) < 0.05, np.eye(len(CLASSES))[rng.integers(0, 3, rows)], p)
        made[name] = pa.table({**common, **{f"p_{c}": p[:, i] for i, c in enumerate(CLASSES)}})
    return made
