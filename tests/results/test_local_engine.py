"""The local engine: every item once, states side by side, and the same failure whatever the threads do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from crossent.engines import local
from crossent.engines.local import default_threads, run

THREADS = [1, 2, 3, 8]
each_count = pytest.mark.parametrize("threads", THREADS)


def append(state: list[int], item: int) -> None:
    time.sleep(0)
    state.append(item)


class Stopped(BaseException):
    """An interruption: no Exception, like KeyboardInterrupt."""


@each_count
@pytest.mark.parametrize("items", [0, 1, 5, 1000])
def test_every_item_is_in_one_state(threads: int, items: int) -> None:
    states = run(range(items), list, append, threads)
    assert len(states) == threads
    assert sorted(x for state in states for x in state) == list(range(items))
    assert all(state == sorted(state) for state in states)


@each_count
def test_each_thread_has_a_state_of_its_own(threads: int) -> None:
    """A state is made once, before the first item, and only one thread updates it."""
    made: list[dict[str, object]] = []
    read = []

    def new_state() -> dict[str, object]:
        assert not read
        made.append({})
        return made[-1]

    def items() -> Iterator[int]:
        for i in range(60):
            read.append(i)
            yield i

    def update(state: dict[str, object], item: int) -> None:
        mine = threading.get_ident()
        assert state.setdefault("thread", mine) == mine

    assert run(items(), new_state, update, threads) is not made
    assert len(made) == threads
    identities = [state["thread"] for state in made if state]
    assert len(set(identities)) == len(identities)


def test_without_a_count_there_is_a_thread_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "default_threads", lambda: 5)
    assert len(run([], list, append)) == len(run([], list, append, None)) == 5
    assert len(run([], list, append, 2)) == 2


def test_processors_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.os, "sched_getaffinity", lambda pid: {0, 3, 4}, raising=False)
    assert default_threads() == 3
    monkeypatch.delattr(local.os, "sched_getaffinity")
    monkeypatch.setattr(local.os, "cpu_count", lambda: 7)
    assert default_threads() == 7
    monkeypatch.setattr(local.os, "cpu_count", lambda: None)
    assert default_threads() == 1


@pytest.mark.parametrize("threads", [2, 4])
def test_items_are_processed_side_by_side(threads: int) -> None:
    """Each update waits for all others, so that it would hang if they came one after another."""
    barrier = threading.Barrier(threads, timeout=10)
    run(range(threads), list, lambda state, item: barrier.wait(), threads)
    assert not barrier.broken


def test_reading_is_never_side_by_side() -> None:
    reading = threading.Lock()

    def items() -> Iterator[int]:
        for i in range(200):
            assert reading.acquire(blocking=False)
            time.sleep(0)
            reading.release()
            yield i

    assert sum(map(len, run(items(), list, append, 8))) == 200


@each_count
def test_no_more_items_are_read_than_threads_can_hold(threads: int) -> None:
    """What is read and not done is never more than one item a thread."""
    read, done, most = 0, 0, 0
    lock = threading.Lock()

    def items() -> Iterator[int]:
        nonlocal read, most
        for i in range(100):
            with lock:
                read += 1
                most = max(most, read - done)
            yield i

    def update(state: list[int], item: int) -> None:
        nonlocal done
        with lock:
            done += 1

    run(items(), list, update, threads)
    assert 1 <= most <= threads
    assert read == done == 100


@each_count
@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, Stopped, StopIteration, SystemExit])
def test_an_error_in_an_update_is_raised_and_stops_the_reading(
    threads: int, kind: type[BaseException]
) -> None:
    read = []

    def items() -> Iterator[int]:
        for i in range(1000):
            read.append(i)
            yield i

    def update(state: list[int], item: int) -> None:
        if item == 10:
            raise kind("item 10")
        time.sleep(0.0002)

    with pytest.raises(kind, match="item 10"):
        run(items(), list, update, threads)
    assert 10 in read
    assert len(read) < 500


@each_count
def test_an_error_in_reading_is_raised_after_what_was_read_is_done(threads: int) -> None:
    done = []

    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        run(items(), list, lambda state, item: done.append(item), threads)
    assert sorted(done) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_the_error_of_the_earliest_item_is_raised(threads: int) -> None:
    """Later items fail sooner, and yet the first in the data is named every time."""
    both = threading.Barrier(2, timeout=10)

    def update(state: list[int], item: int) -> None:
        if item < 2:
            both.wait()
            time.sleep(0.02 if item == 0 else 0.0)
            raise ValueError(f"item {item}")

    for _ in range(5):
        with pytest.raises(ValueError, match="item 0"):
            run(range(2 if threads == 2 else 50), list, update, threads)


def test_an_error_in_reading_comes_after_one_in_an_earlier_item() -> None:
    read = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        read.set()
        raise OSError("item 1")

    def update(state: list[int], item: int) -> None:
        assert read.wait(10)
        raise ValueError("item 0")

    with pytest.raises(ValueError, match="item 0"):
        run(items(), list, update, 2)


@pytest.mark.parametrize("threads", [1, 4])
def test_threads_end_with_the_run(threads: int) -> None:
    before = threading.active_count()
    run(range(50), list, append, threads)
    with pytest.raises(ZeroDivisionError):
        run(range(50), list, lambda state, item: 1 // (item - 7), threads)
    assert threading.active_count() == before


def test_an_interrupt_between_items_stops_the_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal strikes the main thread anywhere, also where it waits for its next item."""
    read = []
    main = threading.main_thread()
    honest = local._Stream.__iter__

    def struck(stream: local._Stream[int]) -> Iterator[tuple[int, int]]:
        for number, item in honest(stream):
            if threading.current_thread() is main and number > 3:
                raise KeyboardInterrupt
            yield number, item

    def items() -> Iterator[int]:
        for i in range(2000):
            read.append(i)
            yield i

    monkeypatch.setattr(local._Stream, "__iter__", struck)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        run(items(), list, lambda state, item: time.sleep(0.0005), 3)
    assert len(read) < 1000
    assert threading.active_count() == before


@each_count
def test_a_failing_state_fails_the_run(threads: int) -> None:
    def new_state() -> list[int]:
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        run(range(3), new_state, append, threads)
