"""What each accumulator holds, against plain NumPy over the same rows."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from crossent.accumulators import floors, reliability, tails
from crossent.accumulators.clusters import Clusters, infinite_rows
from crossent.accumulators.contract import Event, Rows, Spec
from crossent.accumulators.floors import FLOORS, Floors, clip_loss
from crossent.accumulators.reliability import CELLS, GRID, ReliabilityGrid, cells_of
from crossent.accumulators.slices import CLASSES, Slices
from crossent.accumulators.tables import KeyedSums, pack_integer, unpack_integer
from crossent.accumulators.tails import LossHistogram, cell_of, edge_of
from crossent.accumulators.worst import KEPT, WorstRows
from crossent.exact import PRODUCT_UNIT, to_float, to_fraction
from crossent.testing.accumulator import ROWS, SPECS, Keys, Names, Sample, updated

EVERYTHING = SPECS[2]


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample(EVERYTHING, seed=7)


def finite(loss):
    return np.where(np.isfinite(loss), loss, 0.0)


def by_key(codes, values, kept=None):
    """fsum of values a key."""
    kept = np.ones(len(codes), bool) if kept is None else kept
    return {k: math.fsum(values[kept & (codes == k)].tolist()) for k in np.unique(codes)}


def column(table: KeyedSums, name: str) -> list[float]:
    return table.floats(name).tolist()


# --- clusters and slices ----------------------------------------------------------------------------------


def test_clusters(sample):
    table = updated(Clusters, sample).sums
    codes, w = sample.codes["cluster"], sample.weight
    assert table.sorted_keys() == tuple(f"cluster {k}" for k in np.unique(codes))
    expected = {"rows": by_key(codes, (w > 0) * 1.0), "weight": by_key(codes, w)}
    expected["bytes"] = by_key(codes, w * sample.bytes)
    for name, loss in (("loss", sample.loss), *sample.companions.items()):
        expected[name] = by_key(codes, finite(loss) * w)
        expected[infinite_rows(name)] = by_key(codes, (np.isinf(loss) & (w > 0)) * 1.0)
    assert expected.keys() == table.columns.keys()
    for name, truth in expected.items():
        assert column(table, name) == pytest.approx(list(truth.values()), rel=1e-15), name


def test_clusters_without_weight_are_no_unit():
    cluster = Keys(("a", "b"), np.array([0, 1, 1]))
    rows = Rows(np.ones(3), Names(np.arange(3)), np.array([0.0, 1.0, 0.0]), cluster=cluster)
    clusters = Clusters(Spec("log_loss", weighted=True, clustered=True))
    clusters.update(rows)
    assert clusters.units().tolist() == [False, True]


@pytest.mark.parametrize("name", [CLASSES, "group region", "group day"])
def test_slices(sample, name):
    table = updated(Slices, sample).tables[name].sums
    codes = sample.codes["label" if name == CLASSES else name.removeprefix("group ")]
    w, weighted = sample.weight, finite(sample.loss) * sample.weight
    expected = {
        "rows": by_key(codes, (w > 0) * 1.0),
        "infinite": by_key(codes, (np.isinf(sample.loss) & (w > 0)) * 1.0),
        "l": by_key(codes, weighted),
        "ll": by_key(codes, weighted * weighted),
        "w": by_key(codes, w),
        "ww": by_key(codes, w * w),
        "wwl": by_key(codes, w * weighted),
        "bytes": by_key(codes, w * sample.bytes),
    }
    assert expected.keys() == table.columns.keys()
    for key, truth in expected.items():
        assert column(table, key) == pytest.approx(list(truth.values()), rel=1e-15), key


# --- floors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("floor", FLOORS)
def test_floors_add_up_to_the_clipped_sums(floor, weighted):
    """Unclipped sums over finite rows plus the kept changes are the sums of the clipped losses."""
    sample = Sample(Spec("log_loss", weighted=weighted, clustered=True), seed=8)
    sample.loss[:60] = -np.log(np.random.default_rng(1).choice([1e-17, 1e-16, 1e-9, 1 - 1e-16, 1 - 1e-8], 60))
    change = updated(Floors, sample).changes[floor]
    w = sample.weight if weighted else np.ones(ROWS)
    old, new = finite(sample.loss) * w, clip_loss(sample.loss, FLOORS[floor]) * w
    assert change.rows == ((old != new) & (w > 0)).sum()

    def exactly(x, y):
        pairs = zip(x.tolist(), y.tolist(), strict=True)
        return sum((Fraction(a) * Fraction(b) for a, b in pairs), Fraction(0))

    ones = np.ones(ROWS)
    assert to_fraction(change.sums["l"]) == exactly(new, ones) - exactly(old, ones)
    assert to_fraction(change.sums["wl"], PRODUCT_UNIT) == exactly(new, w) - exactly(old, w)
    assert to_fraction(change.sums["ll"], PRODUCT_UNIT) == exactly(new, new) - exactly(old, old)
    shifts = dict(zip(change.clusters.sorted_keys(), column(change.clusters, "loss"), strict=True))
    codes = sample.codes["cluster"]
    for k in np.unique(codes):
        mine = codes == k
        truth = float(exactly(new[mine], ones[mine]) - exactly(old[mine], ones[mine]))
        assert shifts.get(f"cluster {k}", 0.0) == pytest.approx(truth, rel=1e-14)


def test_floors_are_those_named():
    assert FLOORS == {"1e-15": 1e-15, "eps64": 2.0**-52, "1e-7": 1e-7, "eps32": 2.0**-23}
    p = np.array([0.0, 1e-20, 0.3, 1.0])
    with np.errstate(divide="ignore"):
        clipped = clip_loss(-np.log(p), 1e-15)
    assert clipped == pytest.approx(-np.log(np.clip(p, 1e-15, 1 - 1e-15)), rel=1e-15)
    assert not Floors.wanted(Spec("brier"))
    assert floors.loss_range(1e-7)[0] > 0.0


# --- reliability ------------------------------------------------------------------------------------------


def test_cells_of_edges_and_of_their_neighbours():
    """Each edge j/300 has a cell of its own; one step beside it lies in the open intervals."""
    edges = np.arange(GRID + 1) / GRID
    assert cells_of(edges).tolist() == list(range(0, CELLS, 2))
    assert cells_of(np.nextafter(edges[:-1], 2.0)).tolist() == list(range(1, CELLS, 2))
    assert cells_of(np.nextafter(edges[1:], -1.0)).tolist() == list(range(1, CELLS, 2))
    assert cells_of(np.array([-1e-4, 1.0001])).tolist() == [0, CELLS - 1]
    fifteenths = np.arange(16) / 15
    assert (cells_of(fifteenths) % 2 == 0).all(), "a multiple of 1/15 lies on an edge"


@pytest.mark.parametrize("weighted", [False, True])
def test_reliability(weighted):
    sample = Sample(Spec("log_loss", weighted=weighted), seed=9)
    table = updated(ReliabilityGrid, sample).tables["top label"]
    c, w = sample.confidence, sample.weight if weighted else np.ones(ROWS)
    hit = sample.codes["label"] == sample.codes["top"]
    cells = cells_of(c)
    for name, values in (("weight", w), ("confidence", w * c), ("happened", w * hit)):
        held = table[name]
        held.resize(CELLS)
        truth = [math.fsum(values[cells == k].tolist()) for k in range(CELLS)]
        assert held.floats() == pytest.approx(truth, rel=1e-15), name
    variance = np.bincount(cells, w * w * c * (1 - c), CELLS)
    table["variance"].resize(CELLS)
    assert table["variance"].floats() == pytest.approx(variance, abs=ROWS / reliability._VARIANCE_UNIT)


def test_events_have_tables_of_their_own():
    grid = ReliabilityGrid(Spec("log_loss"))
    confidence = np.array([0.25, 0.75])
    events = (Event("top label", confidence, confidence > 0.5), Event("late", confidence, confidence < 0.5))
    grid.update(Rows(np.ones(2), Names(np.arange(2)), events=events))
    hits = {name: table["happened"].floats().nonzero()[0].tolist() for name, table in grid.tables.items()}
    assert hits == {"top label": [450], "late": [150]}


# --- the histogram of losses ------------------------------------------------------------------------------


def test_cells_of_losses_lie_between_their_edges():
    rng = np.random.default_rng(3)
    loss = np.concatenate([rng.exponential(size=500) ** 8, [5e-324, 1e-300, 744.4, 1.0, 2.0, 1e300]])
    cells = cell_of(loss)
    assert (edge_of(cells) <= loss).all()
    assert (loss < edge_of(cells + 1)).all()
    wide = edge_of(cells + 1)[loss > 1e-300] / edge_of(cells)[loss > 1e-300]
    assert (wide <= 1 + 1 / 128).all()
    assert cell_of(np.array([0.0, -0.0, -1e-9])).tolist() == [0, 0, 0]


def test_histogram(sample):
    low, high, rows, loss = updated(LossHistogram, sample).cells()
    counted = np.isfinite(sample.loss) & (sample.weight > 0)
    cells = cell_of(sample.loss[counted])
    weighted = (finite(sample.loss) * sample.weight)[counted]
    found = np.unique(cells)
    assert rows.sum() == counted.sum()
    assert low.tolist() == edge_of(found).tolist()
    assert high.tolist() == edge_of(found + 1).tolist()
    assert rows.tolist() == [(cells == k).sum() for k in found]
    assert loss == pytest.approx([math.fsum(weighted[cells == k].tolist()) for k in found], rel=1e-15)


def test_histogram_grows_downwards_and_of_nothing():
    histogram = LossHistogram(Spec("log_loss"))
    for value in (8.0, np.inf, 0.5, 0.5, 64.0, 0.0):
        histogram.update(Rows(np.array([value]), Names(np.arange(1))))
    low, _, rows, loss = histogram.cells()
    assert list(zip(low.tolist(), rows.tolist(), loss.tolist(), strict=True)) == [
        (0.0, 1, 0.0),
        (0.5, 2, 1.0),
        (8.0, 1, 8.0),
        (64.0, 1, 64.0),
    ]
    assert [a.size for a in LossHistogram(Spec("log_loss")).cells()] == [0, 0, 0, 0]
    assert tails.edge_of(np.array([0])).tolist() == [0.0]


# --- the worst rows ---------------------------------------------------------------------------------------


def worst_of(loss, weight=None, pieces=1, ids=None):
    state = WorstRows(Spec("log_loss", weighted=weight is not None))
    ids = np.arange(loss.size) if ids is None else ids
    for part in np.array_split(np.arange(loss.size), pieces):
        text = Keys(("x",), np.zeros(part.size, np.int64))
        mine = None if weight is None else weight[part]
        state.update(Rows(loss[part], Names(ids[part]), mine, label_text=text))
    return state.rows


@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_worst_rows_are_the_largest_and_ties_go_by_id(pieces):
    rng = np.random.default_rng(4)
    loss = rng.choice([0.1, 0.5, 2.0, np.inf], 1000, p=[0.4, 0.5, 0.06, 0.04])
    ids = rng.permutation(10_000)[:1000]
    expected = sorted(zip(-loss, ids.tolist(), strict=True))[:KEPT]
    found = worst_of(loss, pieces=pieces, ids=ids)
    assert [(-r.loss, r.key) for r in found] == expected
    assert [r.row for r in found] == [str(i) for _, i in expected]


def test_worst_rows_need_weight_and_carry_it():
    loss = np.array([9.0, 3.0, np.inf, 4.0])
    found = worst_of(loss, np.array([0.0, 2.0, 0.0, 0.5]))
    assert [(r.loss, r.contribution) for r in found] == [(4.0, 2.0), (3.0, 6.0)]


# --- sums as text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 1, -1, 6, -(3 << 2000), (1 << 1074) + 1, 2**64])
def test_totals_as_text(value):
    assert unpack_integer(pack_integer(value)) == value


def test_text_is_an_odd_mantissa_and_a_shift():
    assert pack_integer(0) == "0"
    assert pack_integer(12) == "3p2"
    assert to_float(unpack_integer("-3p1073")) == -1.5
