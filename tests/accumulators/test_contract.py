"""Every registered accumulator keeps the contract; one is added in one place; each check has its fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

from crossent import Evaluation, evaluate, merge
from crossent.accumulators import registry
from crossent.accumulators.contract import Accumulator
from crossent.accumulators.registry import accumulator, accumulators
from crossent.accumulators.tables import pack_integer, unpack_integer
from crossent.exact import exact_sum, to_float
from crossent.testing import check_accumulator
from crossent.testing.accumulator import CHECKS, SPECS

ALL = sorted(accumulators().items())


@pytest.mark.parametrize(
    "spec", SPECS, ids=["plain", "weighted", "everything", "tokens", "density", "numbers"]
)
@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("cls", [cls for _, cls in ALL], ids=[name for name, _ in ALL])
def test_contract(cls, check, spec):
    if cls.wanted(spec):
        check(cls, spec)


def test_those_of_this_version_are_found_by_listing_the_package():
    known = {"clusters", "companions", "floors", "histogram", "quality", "reliability", "slices", "worst"}
    assert known <= accumulators().keys()
    assert all(name == cls.name for name, cls in ALL)


def test_every_accumulator_is_wanted_somewhere():
    for _, cls in ALL:
        assert any(cls.wanted(spec) for spec in SPECS)


# --- a new one --------------------------------------------------------------------------------------------


@pytest.fixture
def registered() -> Iterator[None]:
    kept = dict(registry._REGISTRY)
    yield
    registry._REGISTRY.clear()
    registry._REGISTRY.update(kept)


class AboveOne(Accumulator):
    """Rows with a loss above 1, and the exact sum of the finite ones. All that a third party has to write."""

    name = "above_one"

    def __init__(self, spec):
        super().__init__(spec)
        self.rows, self.total = 0, 0

    def update(self, rows):
        above = rows.loss > 1.0
        self.rows += int(above.sum())
        self.total += exact_sum(rows.loss[above & np.isfinite(rows.loss)])

    def merge(self, other):
        self.rows += other.rows
        self.total += other.total

    def state(self):
        return {"rows": self.rows, "total": pack_integer(self.total)}

    def load(self, state):
        self.rows, self.total = state["rows"], unpack_integer(state["total"])


def table(first: int, last: int) -> dict[str, list[object]]:
    p = [(i % 10) / 10 for i in range(first, last)]
    return {
        "row_id": list(range(first, last)),
        "label": ["b"] * (last - first),
        "p_a": [1 - v for v in p],
        "p_b": p,
    }


@pytest.mark.usefixtures("registered")
def test_an_accumulator_is_added_in_one_place(tmp_path):
    accumulator(AboveOne)
    check_accumulator(AboveOne)
    whole = evaluate(table(0, 100), name="m").evaluation
    mine = whole.accumulated("m", "above_one")
    above = [-np.log(k / 10) for k in (1, 2, 3)] * 10
    assert mine.rows == 40, "ten labels of probability 0, and 0.1, 0.2 and 0.3"
    assert to_float(mine.total) == float(sum(map(Fraction, above)))
    saved = []
    for k, rows in enumerate([(0, 37), (37, 100)]):
        saved.append(tmp_path / f"{k}.json.gz")
        evaluate(table(*rows), name="m").evaluation.save(saved[k])
    again = merge(*saved).evaluation.accumulated("m", "above_one")
    assert again.state() == mine.state()


@pytest.mark.usefixtures("registered")
def test_a_file_with_an_accumulator_that_is_gone_says_so(tmp_path):
    accumulator(AboveOne)
    path = tmp_path / "state.json"
    evaluate(table(0, 10), name="m").evaluation.save(path)
    registry.unregister("above_one")
    opened = Evaluation.load(path)
    assert "above_one" not in opened.state.models["m"]
    assert "above_one" in json.loads(path.read_text())["models"]["m"]


# --- faults the checks must catch -------------------------------------------------------------------------


class Saboteur(AboveOne):
    """Keeps the contract but for what a subclass spoils."""


class ForgetsToMerge(Saboteur):
    def merge(self, other):
        self.rows += other.rows


class SumsInFloat(Saboteur):
    def __init__(self, spec):
        super().__init__(spec)
        self.total = 0.0

    def update(self, rows):
        self.total += float(rows.loss[np.isfinite(rows.loss)].sum())

    def state(self):
        return {"total": self.total}

    def load(self, state):
        self.total = state["total"]


class CountsUpdates(Saboteur):
    def update(self, rows):
        super().update(rows)
        self.rows += 1


class KeepsTheFirst(Saboteur):
    def update(self, rows):
        self.total = self.total or exact_sum(rows.loss[:1])
        self.rows += len(rows)


class EatsTheOther(Saboteur):
    def merge(self, other):
        super().merge(other)
        other.rows = 0


class SharesAList(Saboteur):
    seen: list[int] = []  # noqa: RUF012

    def update(self, rows):
        super().update(rows)
        self.seen.append(len(rows))

    def state(self):
        return {**super().state(), "seen": sum(self.seen)}


class ReturnsItsInside(Saboteur):
    def __init__(self, spec):
        super().__init__(spec)
        self.inside = {"rows": 0}

    def update(self, rows):
        self.inside["rows"] += len(rows)

    def merge(self, other):
        self.inside["rows"] += other.inside["rows"]

    def state(self):
        return self.inside

    def load(self, state):
        self.inside = dict(state)


class SavesNan(Saboteur):
    def state(self):
        return {**super().state(), "mean": float("nan")}


class LosesOnLoading(Saboteur):
    def load(self, state):
        self.rows = state["rows"]


class LosesItsTable(Saboteur):
    def table(self):
        return pa.table({"rows": [self.rows], "total": [pack_integer(self.total)]})

    def load_table(self, table):
        self.rows = table.column("rows")[0].as_py()


class StartsAtOne(Saboteur):
    def __init__(self, spec):
        super().__init__(spec)
        self.rows = 1


class SeesNothing(Saboteur):
    def update(self, rows):
        pass


class WritesIntoRows(Saboteur):
    def update(self, rows):
        rows.loss[:] = np.minimum(rows.loss, 10.0)
        super().update(rows)


class CarriesNan(Saboteur):
    def update(self, rows):
        product = rows.loss if rows.weight is None else rows.loss * rows.weight
        self.rows += int(np.isfinite(product).sum())


FAULTS = {
    ForgetsToMerge: "new state is zero",
    SumsInFloat: "pieces make the whole",
    CountsUpdates: "pieces make the whole",
    KeepsTheFirst: "order of rows",
    EatsTheOther: "merging leaves the other",
    SharesAList: "rows count|new state is zero",
    ReturnsItsInside: "merging leaves the other|reading changes nothing",
    SavesNan: "not JSON",
    LosesOnLoading: "state is plain data",
    LosesItsTable: "tables hold the state",
    StartsAtOne: "new state is zero",
    SeesNothing: "rows count",
    WritesIntoRows: "read-only",
    CarriesNan: "invalid value",
}


@pytest.mark.parametrize("cls", FAULTS, ids=lambda c: c.__name__)
def test_each_fault_is_caught(cls):
    with pytest.raises((AssertionError, ValueError), match=FAULTS[cls]):
        check_accumulator(cls)


def test_the_honest_one_passes():
    check_accumulator(Saboteur)


def test_one_that_nothing_wants_is_no_accumulator():
    class Unwanted(AboveOne):
        @classmethod
        def wanted(cls, spec):
            return False

    with pytest.raises(AssertionError, match="wanted by no kind"):
        check_accumulator(Unwanted)
