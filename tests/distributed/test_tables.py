"""Tables of sums by key: the same sum in memory and through the disk, whatever fragments they come from."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.accumulators.clusters import Clusters
from crossent.accumulators.contract import Rows, Spec
from crossent.accumulators.moments import Moments
from crossent.data.labels import Keyed
from crossent.distributed import tables, wire
from crossent.distributed.tables import KeyedTables, StateTables, added
from crossent.engines.passes import State

FEW = settings(max_examples=40, deadline=None)
SPEC = Spec("log_loss", companions=("brier",), clustered=True)
KEYS = st.sampled_from(["", "a", "b", "é", "Ω", "user-1", "user-10", "user-2", "😀"])
LOSSES = st.floats(0, 1e12, allow_nan=False)
FRAGMENTS = st.lists(st.lists(st.tuples(KEYS, LOSSES), min_size=1, max_size=12), min_size=1, max_size=12)


def clusters(rows):
    """The accumulator with rows of (key, loss)."""
    found = Clusters(SPEC)
    keys = sorted({key for key, _ in rows})
    codes = np.array([keys.index(key) for key, _ in rows], np.int64)
    loss = np.array([loss for _, loss in rows], np.float64)
    if rows:
        found.update(Rows(loss=loss, names=None, cluster=Keyed(keys, codes), companions={"brier": loss / 7}))
    return found


def state(rows=()):
    return State({name: {"clusters": clusters(list(rows))} for name in "ab"}, [Moments(["a", "b"])])


@FEW
@given(FRAGMENTS, st.sampled_from([1, 3_000, 1 << 30]))
def test_the_sum_of_fragments_is_the_state_of_all_rows(fragments, memory):
    total = state()
    with StateTables(total, memory) as keyed:
        for rows in fragments:
            total.merge(wire.decode(wire.encode(state(rows)), state, keyed.add))
        keyed.load()
    whole = state([row for rows in fragments for row in rows])
    assert wire.encode(total) == wire.encode(whole)


@pytest.mark.parametrize("memory", [1, 1 << 30])
def test_only_what_is_large_goes_to_disk_and_nothing_stays_there(memory):
    keyed = KeyedTables(memory)
    for _ in range(3):
        keyed.add(clusters([(f"key {i:04d}", float(i)) for i in range(500)]).table())
    assert len(keyed._spilled) == (3 if memory == 1 else 0)
    total = Clusters(SPEC)
    total.load_table(keyed.total())
    assert total.sums.floats("loss").tolist() == [3.0 * i for i in range(500)]
    folder = keyed._folder
    keyed.close()
    assert folder is None or not any(path.exists() for path in keyed._spilled)


def test_ranges_of_keys_are_of_like_size():
    keyed = KeyedTables(1)
    keyed.add(clusters([(f"key {i:04d}", 1.0) for i in range(6_400)]).table())
    (path,) = keyed._spilled
    with pa.ipc.open_file(pa.memory_map(str(path))) as file:
        sizes = [file.get_batch(i).num_rows for i in range(file.num_record_batches)]
    assert sizes == [100] * tables.RANGES
    keyed.close()


def test_limbs_that_a_table_lacks_are_zero_in_it():
    one, other = clusters([("a", 1.0), ("b", 0.5)]).table(), clusters([("b", 1e30)]).table()
    assert one.column_names != other.column_names
    sums = Clusters(SPEC)
    sums.load_table(added([one, other]))
    assert sums.state() == clusters([("a", 1.0), ("b", 0.5), ("b", 1e30)]).state()


def test_nothing_added_is_nothing():
    assert KeyedTables(1).total() is None
    total = state()
    with StateTables(total, 1) as keyed:
        keyed.load()
    assert wire.encode(total) == wire.encode(state())


def test_a_table_is_decoded_into_the_state_where_nobody_takes_it():
    written = wire.encode(state([("a", 1.0), ("b", 2.0)]))
    assert wire.encode(wire.decode(written, state)) == written
