"""The contract of an accumulator as checks: each takes class and spec and raises AssertionError."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.accumulators.contract import Accumulator, Event, Floats, Ints, KeyColumn, Rows, Spec

ROWS = 240
SPECS = (
    Spec("log_loss", ("brier",)),
    Spec("log_loss", ("brier",), weighted=True),
    Spec("brier", ("log_loss",), weighted=True, clustered=True, groups=("region", "day"), bytes=True),
    Spec("log_loss", classes=False, clustered=True, groups=("source",), bytes=True),
    Spec("crps", classes=False, clustered=True, figures=("pit", "error"), density=True),
    Spec("crps", classes=False, weighted=True, figures=("pit",)),
)
"""Whole distributions, with weights, with everything there is, tokens, and predictions about numbers."""


def check_accumulator(cls: type[Accumulator]) -> None:
    """Raise AssertionError, naming check and spec, unless the class keeps the contract of `Accumulator`.

    Checked for each kind of evaluation that the class wants: a new state is the zero of merging, merging is
    commutative and associative and leaves the other state alone, updates in pieces and in any order of rows
    give the state of one update, the state is JSON that loads back to itself and can be continued, a table of
    it too where there is one, rows are not written to, states share nothing. The rows have ties, zeros,
    infinite losses and weights of 0.

    >>> from crossent.accumulators.registry import accumulators
    >>> check_accumulator(accumulators()["clusters"])
    """
    specs = [spec for spec in SPECS if cls.wanted(spec)]
    require(bool(specs), f"{cls.name} is wanted by no kind of evaluation")
    for spec in specs:
        for check in CHECKS:
            try:
                with np.errstate(invalid="raise", over="raise", divide="raise"):
                    check(cls, spec)
            except (AssertionError, FloatingPointError) as error:
                name = check.__name__.replace("_", " ")
                raise AssertionError(f"{cls.name}, {name}, {spec}: {error}") from error


def declarations(cls: type[Accumulator], spec: Spec) -> None:
    require(cls.name.isidentifier() and cls.name.islower(), f"{cls.name!r} is no lower-case identifier")
    require(cls.version >= 1, "version must be a whole number from 1")


def rows_count(cls: type[Accumulator], spec: Spec) -> None:
    sample = Sample(spec)
    require(filled(cls, sample) != cls(spec).state(), f"{ROWS} rows leave the state of no rows")
    half = filled(cls, sample, [np.arange(ROWS // 2)])
    require(half != filled(cls, sample), "half of the rows give the state of all")


def new_state_is_zero(cls: type[Accumulator], spec: Spec) -> None:
    sample = Sample(spec)
    expected = filled(cls, sample)
    left, right = cls(spec), updated(cls, sample)
    left.merge(updated(cls, sample))
    right.merge(cls(spec))
    same(left.state(), expected, "zero with all rows merged into it")
    same(right.state(), expected, "all rows with zero merged into it")


def pieces_make_the_whole(cls: type[Accumulator], spec: Spec) -> None:
    sample = Sample(spec)
    expected = filled(cls, sample)
    for size in (1, 7, 64, ROWS - 1):
        parts = np.split(np.arange(ROWS), range(size, ROWS, size))
        same(filled(cls, sample, parts), expected, f"updates of {size} rows")


def order_of_rows(cls: type[Accumulator], spec: Spec) -> None:
    sample = Sample(spec)
    expected = filled(cls, sample)
    same(filled(cls, sample, [np.arange(ROWS)[::-1]]), expected, "rows in reverse")
    for seed in (1, 2):
        shuffled = np.random.default_rng(seed).permutation(ROWS)
        same(filled(cls, sample, np.array_split(shuffled, 5)), expected, "rows shuffled, five updates")


def merging_is_commutative(cls: type[Accumulator], spec: Spec) -> None:
    sample = Sample(spec)
    one, two = np.arange(50), np.arange(50, ROWS)
    left, right = updated(cls, sample, [one]), updated(cls, sample, [two])
    left.merge(updated(cls, sample, [two]))
    right.merge(updated(cls, sample, [one]))
    same(left.state(), filled(cls, sample), "two parts merged")
    same(right.state(), filled(cls, sample), "two parts merged the other way round")


def merging_is_associative(cls: type[Accumulator], spec: Spec) -> None:
    sample = Sample(spec)
    parts = np.array_split(np.random.default_rng(3).permutation(ROWS), 3)
    a, b, c = (updated(cls, sample, [part]) for part in parts)
    a.merge(b)
    a.merge(c)
    d, e, f = (updated(cls, sample, [part]) for part in parts)
    e.merge(f)
    d.merge(e)
    same(a.state(), d.state(), "(a + b) + c and a + (b + c)")


def merging_leaves_the_other(cls: type[Accumulator], spec: Spec) -> None:
    sample = Sample(spec)
    one, two = (updated(cls, sample, [part]) for part in np.array_split(np.arange(ROWS), 2))
    before = text(two.state())
    one.merge(two)
    same(two.state(), json.loads(before), "the state that was merged into another")
    one.update(sample.rows(np.arange(10)))
    same(two.state(), json.loads(before), "the state that was merged, after an update of the other")


def state_is_plain_data(cls: type[Accumulator], spec: Spec) -> None:
    sample = Sample(spec)
    for parts in ([], [np.arange(1)], [np.arange(ROWS)]):
        saved = text(filled(cls, sample, parts))
        loaded = cls(spec)
        loaded.load(json.loads(saved))
        same(loaded.state(), json.loads(saved), "the state after saving and loading")


def loaded_state_continues(cls: type[Accumulator], spec: Spec) -> None:
    sample = Sample(spec)
    for first in (0, 30):
        one, two = np.arange(first), np.arange(first, ROWS)
        loaded = cls(spec)
        loaded.load(json.loads(text(filled(cls, sample, [one] if first else []))))
        merged = cls(spec)
        merged.load(json.loads(text(loaded.state())))
        loaded.update(sample.rows(two))
        merged.merge(updated(cls, sample, [two]))
        same(loaded.state(), filled(cls, sample), "a loaded state updated with the other rows")
        same(merged.state(), filled(cls, sample), "a loaded state merged with the other rows")


def tables_hold_the_state(cls: type[Accumulator], spec: Spec) -> None:
    sample = Sample(spec)
    for parts in ([], [np.arange(1)], [np.arange(ROWS)]):
        state = updated(cls, sample, parts)
        table = state.table()
        if table is None:
            return
        loaded, again = cls(spec), updated(cls, sample, [part[::-1] for part in parts[::-1]]).table()
        require(again is not None and table.equals(again), "equal states have different tables")
        loaded.load_table(table)
        same(loaded.state(), state.state(), "the state that was loaded from its table")
        loaded.merge(updated(cls, sample))
        state.merge(updated(cls, sample))
        same(loaded.state(), state.state(), "a state loaded from its table, merged with others")


def reading_changes_nothing(cls: type[Accumulator], spec: Spec) -> None:
    sample = Sample(spec)
    state = updated(cls, sample, [np.arange(30)])
    first = state.state()
    kept = text(first)
    require(text(state.state()) == kept, "the second state() differs from the first")
    state.update(sample.rows(np.arange(30, ROWS)))
    require(text(first) == kept, "what state() returned changed with a later update")
    same(state.state(), filled(cls, sample), "a state read between updates")


def states_share_nothing(cls: type[Accumulator], spec: Spec) -> None:
    zero = text(cls(spec).state())
    filled(cls, Sample(spec))
    require(text(cls(spec).state()) == zero, "a new state knows the rows of an earlier one")


CHECKS: tuple[Callable[[type[Accumulator], Spec], None], ...] = (
    declarations,
    rows_count,
    new_state_is_zero,
    pieces_make_the_whole,
    order_of_rows,
    merging_is_commutative,
    merging_is_associative,
    merging_leaves_the_other,
    state_is_plain_data,
    loaded_state_continues,
    tables_hold_the_state,
    reading_changes_nothing,
    states_share_nothing,
)


@dataclass(frozen=True)
class Keys:
    """A column of keys."""

    values: tuple[str, ...]
    codes: Ints


@dataclass(frozen=True)
class Names:
    """Rows named by number."""

    index: Ints

    def sort_keys(self, index: Ints) -> Ints | list[str]:
        return self.index[index]

    def names(self, index: Ints) -> list[str]:
        return [str(i) for i in self.index[index].tolist()]


class Sample:
    """Scored rows as a spec promises them, in whatever pieces and order they are asked for."""

    def __init__(self, spec: Spec, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.spec = spec
        self.loss = losses(rng)
        self.companions = {n: rng.random(ROWS) if n == "pit" else losses(rng) for n in spec.columns}
        self.weight = rng.choice([0.0, 0.1, 1.0, 3.7], ROWS)
        self.bytes = rng.integers(0, 9, ROWS).astype(np.float64)
        self.codes = {name: rng.integers(0, 6, ROWS) for name in ("label", "cluster", "top", *spec.groups)}
        # one cluster of ordinary losses alone: nothing may be kept of it where only unusual rows count
        self.codes["cluster"][self.loss == 0.5] = 6
        self.confidence = rng.choice([0.0, 1.0, 0.2, 1 / 3, 0.5, *rng.random(20)], ROWS)
        self.total = 1.0 + rng.normal(0, 1e-6, ROWS)
        self.divided = self.loss + rng.choice([0.0, 0.3, -0.2], ROWS)

    def rows(self, index: Ints) -> Rows:
        """The rows of that index, in its order, read-only."""
        spec, happened = self.spec, self.codes["label"][index] == self.codes["top"][index]
        label = self._keys("label", index)
        total = self.total[index]
        return Rows(
            loss=locked(self.loss[index]),
            names=Names(index),
            weight=locked(self.weight[index]) if spec.weighted else None,
            companions={name: locked(values[index]) for name, values in self.companions.items()},
            label=label if spec.classes else None,
            label_text=label,
            cluster=self._keys("cluster", index) if spec.clustered else None,
            groups=tuple(self._keys(name, index) for name in spec.groups),
            bytes=locked(self.bytes[index]) if spec.bytes else None,
            events=(Event("top label", locked(self.confidence[index]), happened),) if spec.classes else (),
            predicted=self._keys("top", index) if spec.classes else None,
            renormalised=locked(self.divided[index]) if spec.classes else None,
            counts={
                "label_zero": int(np.isposinf(self.loss[index]).sum()),
                "rows_off_1e6": int((self.divided[index] != self.loss[index]).sum()),
            },
            extremes={"row_sum": (float(total.min()), float(total.max()))},
        )

    def _keys(self, name: str, index: Ints) -> KeyColumn:
        """Values in the order in which these rows have them, as a reader finds them."""
        found = list(dict.fromkeys(self.codes[name][index].tolist()))
        place = {code: i for i, code in enumerate(found)}
        codes = np.array([place[code] for code in self.codes[name][index].tolist()], np.int64)
        return Keys(tuple(f"{name} {code}" for code in found), codes)


def losses(rng: np.random.Generator) -> Floats:
    """Losses of all sizes, with ties, exact zeros, tiny negative and infinite ones."""
    special = rng.choice([0.0, np.inf, 0.5, 0.5, 36.7, 5e-324, -1e-9, 1e100], ROWS)
    ordinary = rng.exponential(size=ROWS) ** 4
    mixed: Floats = np.where(rng.random(ROWS) < 0.5, special, ordinary)
    return mixed


def updated(cls: type[Accumulator], sample: Sample, parts: Sequence[Ints] | None = None) -> Accumulator:
    """A new state with these rows, an update for each part."""
    state = cls(sample.spec)
    for part in [np.arange(ROWS)] if parts is None else parts:
        state.update(sample.rows(part))
    return state


def filled(cls: type[Accumulator], sample: Sample, parts: Sequence[Ints] | None = None) -> dict[str, Any]:
    """What is saved of a new state with these rows."""
    return updated(cls, sample, parts).state()


def locked(values: NDArray[Any]) -> NDArray[Any]:
    values.flags.writeable = False
    return values


def text(state: dict[str, Any]) -> str:
    try:
        return json.dumps(state, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"the state is not JSON: {error}") from None


def same(state: dict[str, Any], expected: dict[str, Any], what: str) -> None:
    require(text(state) == text(expected), f"{what}: another state")


def require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise AssertionError(otherwise)
