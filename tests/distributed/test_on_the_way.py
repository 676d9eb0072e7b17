"""States, records and errors on their way between machines: what comes home is what was sent."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent import CrossentError, DataError, UsageError, select
from crossent.data.alignment import OrderDiffers
from crossent.data.partitions import ID_RECORD, RECORD, partition_of, sorted_by_key
from crossent.distributed import driver
from crossent.distributed.engines.contract import Order, perform
from crossent.distributed.exchange import TOKEN, Exchange
from crossent.distributed.wire import decode, encode
from crossent.errors import MergeError, MissingExtra

from .helpers import Careless, in_parts, tables

FEW = settings(max_examples=40, deadline=None)
OPTIONS = {
    "plain": {},
    "everything": {"weight": "weight", "cluster": "day", "groups": ("region", "day"), "bytes": "text"},
    "units": {"unit": "day", "groups": "region"},
    "another loss": {"loss": "brier", "cluster": "region"},
    "text ids": {"id": "name"},
}
each = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())


def models(options):
    """Two models, one in another order where that is asked for by text ids."""
    made = tables(60, 2)
    if options.get("id") == "name":
        made = {name: table.append_column("name", _names(table)) for name, table in made.items()}
        made["b"] = made["b"].take(list(range(60))[::-1])
    return made


def _names(table: pa.Table) -> pa.Array:
    return pa.array([f"é{i}" for i in table.column("row_id").to_pylist()])


# --- states -----------------------------------------------------------------------------------------------


@each
def test_states_come_home_as_they_were(options, monkeypatch):
    seen = []

    def checked(data, empty, *more):
        again = decode(data, empty)
        assert encode(again) == data
        seen.append(data)
        return decode(data, empty, *more)

    monkeypatch.setattr(driver, "decode", checked)
    in_parts(models(options), Careless(losses=0), fragment_rows=13, **options)
    assert len(seen) > 4


@each
def test_equal_states_give_equal_bytes(options):
    made = models(options)
    states = [in_parts(made, Careless(k), fragment_rows=7 + k, **options).evaluation.state for k in range(3)]
    states.append(select(made, **options).evaluation.state)
    assert len({encode(replace(state, runs=[])) for state in states}) == 1


# --- records ----------------------------------------------------------------------------------------------


def records(rng: np.random.Generator, rows: int, dtype: np.dtype[np.void]) -> np.ndarray:
    found = np.zeros(rows, dtype)
    for name in dtype.names or ():
        found[name] = rng.integers(0, 9 if name in ("hi", "lo") else 1 << 40, rows)
    return found


@FEW
@given(st.lists(st.lists(st.integers(0, 9), max_size=3), min_size=1, max_size=4), st.integers(1, 9))
def test_records_reach_their_partition(fragments, count):
    """Of each of some fragments the blocks of some rows."""
    rng = np.random.default_rng(0)
    for dtype in (RECORD, ID_RECORD):
        with TemporaryDirectory() as folder:
            exchange = Exchange(Path(folder) / "x", count, tuple(map(tuple, dtype.descr)), "token")
            exchange.begin()
            sent = []
            for number, blocks in enumerate(fragments):
                with exchange.writer("m", number) as writer:
                    for rows in blocks:
                        sent.append(records(rng, rows, dtype))
                        writer.write(sent[-1])
            everything = np.concatenate([np.empty(0, dtype), *sent])
            for k in range(count):
                expected = sorted_by_key(everything[partition_of(everything, count) == k])
                assert exchange.read("m", len(fragments), k).tobytes() == expected.tobytes()
            assert {p.suffix for p in (Path(folder) / "x" / "m").iterdir()} == {".records"}


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    """Five partitions of one fragment of 200 rows."""
    made = Exchange(tmp_path / "x", 5, tuple(map(tuple, RECORD.descr)), "token")
    made.begin()
    with made.writer("m", 0) as writer:
        writer.write(records(np.random.default_rng(1), 200, RECORD))
    return made


def read_all(exchange: Exchange) -> None:
    for k in range(exchange.count):
        exchange.read("m", 1, k)


@pytest.mark.parametrize("place", [0, 1000, -1, -100])
def test_damaged_records_are_found(exchange, place):
    path = exchange.path("m", 0)
    content = bytearray(path.read_bytes())
    content[place] ^= 64
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_all(exchange)
    assert error.value.slug == "exchange-damaged" and error.value.file == str(path)


@pytest.mark.parametrize("left", [0, 3, 8, 500])
def test_records_that_are_cut_short_are_found(exchange, left):
    path = exchange.path("m", 0)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(DataError, match="exchange-damaged"):
        read_all(exchange)


def test_a_fragment_that_fails_leaves_no_records(exchange):
    with pytest.raises(DataError, match="bad-row"), exchange.writer("m", 1) as writer:
        writer.write(records(np.random.default_rng(2), 9, RECORD))
        raise DataError("bad-row", "it is bad")
    assert [path.name for path in (exchange.folder / "m").iterdir()] == ["00000000.records"]


def test_a_worker_that_does_not_see_the_folder(exchange):
    exchange.check()
    for stranger in (replace(exchange, folder=exchange.folder / "y"), replace(exchange, token="other")):
        with pytest.raises(UsageError, match=r"--checkpoint \[folder-not-shared\]"):
            stranger.check()
    assert (exchange.folder / TOKEN).read_text() == "token"


# --- errors and orders ------------------------------------------------------------------------------------

ERRORS = (
    CrossentError("some-slug", "it is so", cure="do this"),
    DataError("some-slug", "it is so", file="f", row=0, column="c", value=0.5, cure="do this"),
    DataError("some-slug", "it is so"),
    UsageError("some-slug", "it is so", cure="do this"),
    MergeError("some-slug", "it is so"),
    MissingExtra("ray", "the engine ray"),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_survive_pickling(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error)
    assert vars(again) == vars(error) and again.exit_code == error.exit_code


class Fails:
    """A task that raises."""

    number = 5

    def __init__(self, error: Exception) -> None:
        self._error = error

    def perform(self) -> bytes:
        raise self._error


@pytest.mark.parametrize("fault", [*ERRORS, OrderDiffers()], ids=lambda error: type(error).__name__)
def test_faults_of_the_data_are_outcomes(fault):
    outcome = perform(Order(Fails(fault)))
    assert (outcome.number, outcome.data, outcome.lost) == (5, None, None) and outcome.fault is fault


def test_other_errors_are_the_engines_to_see():
    with pytest.raises(OSError):
        perform(Order(Fails(OSError())))


def test_a_worker_of_another_version():
    outcome = perform(Order(Fails(OSError()), version="0.0.0"))
    assert isinstance(outcome.fault, UsageError) and outcome.fault.slug == "other-version"


def test_a_fragment_that_is_always_lost_is_given_up():
    with pytest.raises(DataError) as error:
        in_parts(tables(40, 1), Careless(losses=1 << 30, always=True), fragment_rows=11)
    assert error.value.slug == "fragment-lost" and error.value.file == "a"
    assert error.value.row in (0, 11, 22, 33) and "carelessly" in str(error.value)
