"""Rows at the edge of what is legal: no weight, ties by text, bounds of floors, events that come later."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.accumulators.clusters import Clusters
from crossent.accumulators.contract import Event, Rows, Spec
from crossent.accumulators.floors import FLOORS, Floors, clip_loss, loss_range
from crossent.accumulators.moments import EXPOSURE, ONE, WEIGHT, Moments
from crossent.accumulators.quality import Quality
from crossent.accumulators.registry import accumulators, new_states, unregister
from crossent.accumulators.reliability import CELLS, COLUMNS, ReliabilityGrid
from crossent.accumulators.slices import Slices
from crossent.accumulators.tails import LossHistogram
from crossent.accumulators.worst import KEPT, WorstRows
from crossent.exact import to_fraction
from crossent.testing.accumulator import Keys, Names

FEW = settings(max_examples=50, deadline=None)
PLAIN, WEIGHTED = Spec("log_loss"), Spec("log_loss", weighted=True)
LOSSES = st.one_of(st.floats(-1e-3, 50), st.sampled_from([0.0, math.inf, 1e-300, 700.0]))
WEIGHTS = st.sampled_from([0.0, 0.5, 1.0, 1e-200, 1e150])


def rows(loss, weight=None, **columns) -> Rows:
    loss = np.array(loss, np.float64)
    w = None if weight is None else np.array(weight, np.float64)
    return Rows(loss, Names(np.arange(loss.size)), w, **columns)


def state_of(cls, *parts, spec=PLAIN):
    state = cls(spec)
    for part in parts:
        state.update(part)
    return state


# --- what rows say of themselves --------------------------------------------------------------------------


@FEW
@given(st.lists(st.tuples(LOSSES, WEIGHTS), min_size=1, max_size=20), st.booleans())
def test_weighted_finite_and_infinite_rows(pairs, weighted):
    loss, weight = np.array(pairs, np.float64).T
    table = rows(loss, weight if weighted else None)
    w = weight if weighted else np.ones(loss.size)
    assert len(table) == loss.size
    assert table.weights().tolist() == w.tolist()
    expected = [0.0 if math.isinf(x) else x * v for x, v in zip(loss, w, strict=True)]
    assert table.weighted(loss).tolist() == expected
    assert table.infinite(loss).tolist() == [math.isinf(x) and v > 0 for x, v in zip(loss, w, strict=True)]
    counted = [math.isfinite(x) and v > 0 for x, v in zip(loss, w, strict=True)]
    assert (table.finite is None) == all(counted)
    assert table.finite is None or table.finite.tolist() == counted
    for slices, values in ((table.loss_slices, expected), (table.square_slices, [x * x for x in expected])):
        # the compiled core takes the values as they are
        whole = isinstance(slices, np.ndarray)
        back = slices if whole else sum((np.ldexp(h, g) for g, h in slices), np.zeros(loss.size))
        assert back.tolist() == pytest.approx(values, rel=1e-15, abs=5e-324)


def test_a_row_of_losses_as_they_are_is_not_copied():
    table = rows([1.0, 2.0])
    assert table.weighted(table.loss) is table.loss


# --- who is wanted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (PLAIN, "floors histogram quality reliability renormalised slices worst"),
        (Spec("brier", ("log_loss",)), "companions histogram quality reliability slices worst"),
        (Spec("log_loss", classes=False), "floors histogram quality worst"),
        (Spec("log_loss", classes=False, groups=("g",)), "floors histogram quality slices worst"),
        (Spec("log_loss", classes=False, clustered=True), "clusters floors histogram quality worst"),
    ],
    ids=["classes", "brier", "tokens", "tokens by group", "clustered tokens"],
)
def test_an_evaluation_keeps_what_it_needs(spec, names):
    states = new_states(spec)
    assert " ".join(states) == names
    assert all(state.spec is spec and state.name == name for name, state in states.items())


def test_taking_an_unknown_name_off_the_list_changes_nothing():
    before = accumulators()
    unregister("no such thing")
    assert accumulators() == before


# --- the worst rows ---------------------------------------------------------------------------------------


class Texts(Names):
    """Rows named by text, as files without whole-number ids have them."""

    def sort_keys(self, index):
        return [f"id-{i:04}" for i in self.index[index].tolist()]

    def names(self, index):
        return [f"row {i}" for i in self.index[index].tolist()]


@pytest.mark.parametrize("parts", [1, 4, 300])
def test_ties_of_rows_named_by_text_go_by_text(parts):
    rng = np.random.default_rng(parts)
    loss, ids = rng.choice([0.5, 1.0, 2.0], 300), rng.permutation(5000)[:300]
    worst = WorstRows(PLAIN)
    for part in np.array_split(np.arange(300), parts):
        label = Keys(("α", "β"), np.arange(part.size) % 2)
        worst.update(Rows(loss[part], Texts(ids[part]), label_text=label))
    expected = sorted(zip((-loss).tolist(), [f"id-{i:04}" for i in ids], strict=True))[:KEPT]
    assert [(-r.loss, r.key) for r in worst.rows] == expected
    assert [r.row for r in worst.rows] == [f"row {int(key[3:])}" for _, key in expected]


def test_worst_rows_know_label_and_prediction_or_that_there_is_none():
    label, top = Keys(("ja", "nein"), np.array([1, 0])), Keys(("nein", "ja"), np.array([0, 0]))
    full = state_of(WorstRows, rows([1.0, 2.0], label_text=label, predicted=top))
    assert [(r.label, r.predicted) for r in full.rows] == [("ja", "nein"), ("nein", "nein")]
    bare = state_of(WorstRows, rows([1.0, math.inf]))
    assert [(r.label, r.predicted, r.loss, r.contribution) for r in bare.rows] == [
        ("", None, math.inf, math.inf),
        ("", None, 1.0, 1.0),
    ]
    again = WorstRows(PLAIN)
    again.load(json.loads(json.dumps(full.state())))
    assert again.rows == full.rows


def test_rows_without_weight_are_never_among_the_worst():
    assert state_of(WorstRows, rows([math.inf, 9.0], [0.0, 0.0]), spec=WEIGHTED).rows == []
    many = state_of(WorstRows, rows(np.arange(300.0), np.arange(300) % 2), spec=WEIGHTED)
    assert [r.loss for r in many.rows] == list(np.arange(299.0, 99.0, -2.0))


# --- floors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("floor", FLOORS)
def test_losses_on_the_bounds_of_a_floor_are_not_changed(floor):
    low, high = loss_range(FLOORS[floor])
    on = [low, high]
    assert clip_loss(np.array(on), FLOORS[floor]).tolist() == on
    change = state_of(Floors, rows(on)).changes[floor]
    assert (change.rows, change.sums["l"]) == (0, 0)
    beyond = [np.nextafter(low, -1.0), np.nextafter(high, 1e9), -1e-4, math.inf]
    change = state_of(Floors, rows(beyond)).changes[floor]
    assert change.rows == 4
    kept = sum(map(Fraction, [low, high, low, high])) - sum(map(Fraction, beyond[:3]))
    assert to_fraction(change.sums["l"]) == kept


def test_floors_change_no_row_without_weight_and_nothing_between_them():
    spec = Spec("log_loss", weighted=True, clustered=True)
    cluster = Keys(("a", "b"), np.array([0, 1, 1]))
    state = state_of(Floors, rows([math.inf, 1.0, 2.0], [0.0, 1.0, 1.0], cluster=cluster), spec=spec)
    for change in state.changes.values():
        assert (change.rows, set(change.sums.values())) == (0, {0})
        assert not change.clusters.floats("loss").any()
    calm = state_of(Floors, rows([0.5, 1.0, 2.0], [1.0, 1.0, 1.0], cluster=cluster), spec=spec)
    assert calm.state() == Floors(spec).state(), "ordinary losses leave no trace, of clusters either"


# --- reliability ------------------------------------------------------------------------------------------


def event(name, confidence, happened):
    return Event(name, np.array(confidence, np.float64), np.array(happened, bool))


def test_events_that_come_with_a_later_file_or_from_another_state():
    one, two = event("rain", [0.3], [True]), event("snow", [0.7], [False])
    together = state_of(ReliabilityGrid, rows([1.0], events=(one, two)))
    later = state_of(ReliabilityGrid, rows([1.0], events=(one,)), rows([1.0], events=(two,)))
    merged = state_of(ReliabilityGrid, rows([1.0], events=(two,)))
    merged.merge(state_of(ReliabilityGrid, rows([1.0], events=(one,))))
    assert together.state() == later.state() == merged.state()
    assert list(together.state()) == ["rain", "snow"]
    assert set(together.state()["rain"]) == set(COLUMNS)


def test_confidence_just_outside_of_the_unit_interval_has_no_variance():
    grid = state_of(
        ReliabilityGrid, rows([1.0] * 4, events=(event("e", [-1e-4, 1.0001, 0.0, 1.0], [0, 1, 0, 1]),))
    )
    table = grid.tables["e"]
    assert not table["variance"].floats().any()
    assert table["weight"].floats()[[0, CELLS - 1]].tolist() == [2.0, 2.0]
    assert table["confidence"].floats()[[0, CELLS - 1]].tolist() == pytest.approx([-1e-4, 2.0001])
    assert table["happened"].floats()[[0, CELLS - 1]].tolist() == [0.0, 2.0]


@pytest.mark.parametrize("weight", [1.0, 2.0])
def test_weights_of_one_are_no_weights_and_of_two_count_twice(weight):
    rng = np.random.default_rng(1)
    e = event("e", rng.random(50), rng.random(50) < 0.5)
    plain = state_of(ReliabilityGrid, rows(np.ones(50), events=(e,))).tables["e"]
    other = state_of(
        ReliabilityGrid, rows(np.ones(50), np.full(50, weight), events=(e,)), spec=WEIGHTED
    ).tables["e"]
    for name in ("weight", "confidence", "happened"):
        assert other[name].floats().tolist() == (weight * plain[name].floats()).tolist()
    assert other["variance"].floats() == pytest.approx(weight**2 * plain["variance"].floats(), abs=1e-10)


# --- histogram, quality, slices, clusters -----------------------------------------------------------------


@FEW
@given(
    st.lists(st.lists(LOSSES, min_size=1, max_size=6), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_histograms_merge_in_any_order_and_reach(parts, random):
    whole = state_of(LossHistogram, *map(rows, parts))
    states = [state_of(LossHistogram, rows(part)) for part in parts]
    random.shuffle(states)
    merged = LossHistogram(PLAIN)
    for state in states:
        merged.merge(state)
        merged.merge(LossHistogram(PLAIN))
    assert merged.state() == whole.state()
    low, high, count, total = merged.cells()
    finite = [x for part in parts for x in part if math.isfinite(x)]
    assert count.sum() == len(finite)
    assert (low[1:] >= high[:-1]).all()
    assert math.fsum(total) == pytest.approx(math.fsum(finite), rel=1e-12, abs=1e-12)


def test_counts_and_extremes_of_what_is_seen():
    quality = state_of(
        Quality,
        rows([1.0, 2.0], counts={"label_zero": np.int64(2)}, extremes={"row_sum": (0.5, 1.0)}),
        rows([1.0], counts={"label_one": 1}, extremes={"row_sum": (0.75, 1.5), "entry": (-0.0, math.inf)}),
    )
    assert quality.counts == {"rows": 3, "label_zero": 2, "label_one": 1}
    assert quality.extremes == {"row_sum": (0.5, 1.5), "entry": (0.0, math.inf)}
    loaded = Quality(PLAIN)
    loaded.load(json.loads(json.dumps(quality.state())))
    loaded.merge(quality)
    assert loaded.counts == {"rows": 6, "label_zero": 4, "label_one": 2}
    assert loaded.extremes == quality.extremes


def test_slices_of_tokens_have_groups_and_no_classes():
    spec = Spec("log_loss", classes=False, groups=("language", "source"))
    one, two = Keys(("de", "fr"), np.array([0, 1, 0])), Keys(("web",), np.zeros(3, np.int64))
    state = state_of(Slices, rows([1.0, 2.0, math.inf], groups=(one, two)), spec=spec)
    assert list(state.tables) == ["group language", "group source"]
    sums = state.tables["group language"].sums
    assert (sums.sorted_keys(), sums.floats("l").tolist()) == (("de", "fr"), [1.0, 2.0])
    assert sums.floats("infinite").tolist() == [1.0, 0.0]
    assert state.tables["group source"].sums.floats("rows").tolist() == [3.0]
    with pytest.raises(ValueError, match="zip"):
        state.update(rows([1.0], groups=(Keys(("de",), np.zeros(1, np.int64)),)))


def test_bytes_of_clusters_carry_the_weight():
    spec = Spec("log_loss", classes=False, clustered=True, weighted=True, bytes=True)
    table = rows(
        [1.0, 2.0], [0.5, 3.0], cluster=Keys(("d",), np.zeros(2, np.int64)), bytes=np.array([10.0, 1.0])
    )
    sums = state_of(Clusters, table, spec=spec).sums
    assert [sums.floats(c).tolist() for c in ("bytes", "weight", "loss", "rows")] == [
        [8.0],
        [3.5],
        [6.5],
        [2.0],
    ]


# --- moments ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weighted", "exposed"), [(False, False), (True, False), (False, True), (True, True)]
)
def test_moments_know_their_columns_by_name(weighted, exposed):
    moments = Moments(["b", "a"], weighted=weighted, exposed=exposed)
    assert moments.columns == [ONE] + [WEIGHT] * weighted + [EXPOSURE] * exposed + ["b", "a"]
    w, e = np.array([1.0, 3.0]), np.array([5.0, 7.0])
    moments.update(
        [np.array([1.0, 2.0]), np.array([0.5, 0.25])], w if weighted else None, e if exposed else None
    )
    w = w if weighted else np.ones(2)
    assert moments.total(WEIGHT) == w.sum()
    assert moments.product("a", "b") == moments.product("b", "a") == (w * w * [0.5, 0.5]).sum()
    if exposed:
        assert moments.total(EXPOSURE) == (w * e).sum()
    else:
        with pytest.raises(ValueError, match="exposure"):
            moments.total(EXPOSURE)
    assert Moments.load(moments.state()).finite_difference(0, 1) == moments.finite_difference(0, 1)
