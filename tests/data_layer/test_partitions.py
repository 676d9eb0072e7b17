"""Records on disk: each comes back once, sorted, in the partition that its key belongs to."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.data.identity import KEY
from crossent.data.partitions import (
    MOST_PARTITIONS,
    RECORD,
    Partitions,
    file_and_row,
    in_all,
    keys_only,
    partition_of,
    partitions_for,
    place,
    repeated,
    sorted_by_key,
    sorted_by_partition,
)

from .helpers import fault

SMALL = np.dtype([*KEY.descr, ("at", "<i8")])


def records(keys, at=None, dtype=SMALL) -> np.ndarray:
    """Records of keys (hi, lo) in the order given."""
    made = np.zeros(len(keys), dtype)
    made["hi"] = [hi for hi, _ in keys]
    made["lo"] = [lo for _, lo in keys]
    made["at"] = np.arange(len(keys)) if at is None else at
    return made


def random_records(rng: np.random.Generator, rows: int, dtype=SMALL) -> np.ndarray:
    made = np.zeros(rows, dtype)
    for name in dtype.names:
        made[name] = rng.integers(0, 2**62, rows) if name != "loss" else rng.normal(size=rows)
    return made


def all_of(partitions: Partitions) -> list[np.ndarray]:
    return [partitions.read(i) for i in range(partitions.count)]


# --- places and counts ------------------------------------------------------------------------------------


@given(st.integers(0, 2**22), st.integers(0, 2**40 - 1))
def test_file_and_row_in_one_number(file, row):
    at = place(file, row)
    assert file_and_row(at) == (file, row)
    assert 0 <= at < 2**63
    assert place(file, 0) + row == at
    assert at < place(file + 1, 0)


@pytest.mark.parametrize(
    ("size", "memory", "count"),
    [
        (0, 10, 1),
        (1, 10**9, 1),
        (100, 300, 1),
        (100, 299, 2),
        (1000, 100, 30),
        (1001, 100, 31),
        (10**15, 1, MOST_PARTITIONS),
    ],
)
def test_number_of_partitions(size, memory, count):
    assert partitions_for(size, memory) == count


# --- on disk ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 7, 300])
@pytest.mark.parametrize("dtype", [SMALL, RECORD], ids=["ids", "records"])
def test_all_come_back_once_and_sorted(tmp_path, count, dtype):
    rng = np.random.default_rng(count)
    written = random_records(rng, 3000, dtype)
    partitions = Partitions(tmp_path, "m", count, dtype)
    for part in np.array_split(written, [0, 1, 500, 1700]):
        partitions.write(part)
    read = all_of(partitions)
    for part in read:
        assert part.dtype == dtype
        assert part.tolist() == sorted(part.tolist(), key=lambda r: (r[0], r[1]))
    assert sorted(np.concatenate(read).tolist()) == sorted(written.tolist())


@pytest.mark.parametrize("keys", ["consecutive", "stepped", "negative", "hashes"])
def test_partitions_are_of_about_the_same_size(tmp_path, keys):
    rows, count = 20_000, 16
    made = np.zeros(rows, SMALL)
    numbers = {
        "consecutive": np.arange(rows),
        "stepped": np.arange(rows) * 1024,
        "negative": -np.arange(rows),
    }
    if keys == "hashes":
        made["hi"], made["lo"] = np.random.default_rng(0).integers(0, 2**63, (2, rows))
    else:
        made["hi"] = numbers[keys].astype(np.int64).view(np.uint64)
    partitions = Partitions(tmp_path, "m", count, SMALL)
    partitions.write(made)
    sizes = [len(part) for part in all_of(partitions)]
    assert min(sizes) > 0.8 * rows / count
    assert max(sizes) < 1.2 * rows / count


def test_a_key_is_in_the_same_partition_of_every_model(tmp_path):
    rng = np.random.default_rng(1)
    mine = random_records(rng, 500)
    theirs = np.zeros(500, RECORD)
    order = rng.permutation(500)
    theirs["hi"], theirs["lo"] = mine["hi"][order], mine["lo"][order]
    first, second = Partitions(tmp_path, "a", 13, SMALL), Partitions(tmp_path, "b", 13, RECORD)
    first.write(mine)
    second.write(theirs)
    for one, other in zip(all_of(first), all_of(second), strict=True):
        np.testing.assert_array_equal(keys_only(one), keys_only(other))


def test_threads_write_together(tmp_path):
    rng = np.random.default_rng(2)
    parts = [random_records(rng, 200) for _ in range(24)]
    partitions = Partitions(tmp_path, "m", 5, SMALL)

    def work(mine) -> None:
        for part in mine:
            partitions.write(part)

    threads = [threading.Thread(target=work, args=(parts[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(np.concatenate(all_of(partitions)).tolist()) == sorted(np.concatenate(parts).tolist())


def test_no_more_files_are_open_than_a_system_allows(tmp_path):
    """macOS allows 256, Linux 1024 with those of the process itself."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    partitions = Partitions(tmp_path, "m", MOST_PARTITIONS, SMALL)
    written = random_records(np.random.default_rng(3), 5000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, soft), hard))
    try:
        partitions.write(written)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert sum(len(part) for part in all_of(partitions)) == 5000


def test_nothing_written_is_nothing_read(tmp_path):
    partitions = Partitions(tmp_path, "m", 3, RECORD)
    partitions.write(np.zeros(0, RECORD))
    assert [(len(part), part.dtype) for part in all_of(partitions)] == [(0, RECORD)] * 3
    assert not list(tmp_path.iterdir())
    partitions.discard(0)


def test_discarding_frees_one_partition_of_one_model(tmp_path):
    first, second = (Partitions(tmp_path, name, 2, SMALL) for name in ("a", "b"))
    for partitions in (first, second):
        partitions.write(random_records(np.random.default_rng(4), 100))
    sizes = [len(part) for part in all_of(first)]
    first.discard(1)
    first.discard(1)
    assert [len(part) for part in all_of(first)] == [sizes[0], 0]
    assert [len(part) for part in all_of(second)] == sizes
    assert len(list(tmp_path.iterdir())) == 3


def test_a_folder_that_cannot_be_written(tmp_path):
    partitions = Partitions(tmp_path / "gone", "m", 1, SMALL)
    error = fault(lambda: partitions.write(records([(1, 2)])))
    assert (error.slug, error.file) == ("disk-full", str(tmp_path / "gone" / "m.0"))
    assert "TMPDIR" in error.cure


def test_a_full_disk(tmp_path):
    full = tmp_path / "m.0"
    try:
        full.symlink_to("/dev/full")
        full.open("ab").close()
    except OSError:
        pytest.skip("no device that is always full")
    error = fault(lambda: Partitions(tmp_path, "m", 1, SMALL).write(records([(1, 2)] * 1000)))
    assert error.slug == "disk-full"
    assert "No space left" in error.problem


# --- keys -------------------------------------------------------------------------------------------------

KEYS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 2**64 - 1])), max_size=12)


@given(KEYS)
@settings(max_examples=50)
def test_repeats_are_all_but_the_first_of_a_key(keys):
    again = repeated(records(sorted(keys)))
    assert again.dtype == bool
    assert [k for k, r in zip(sorted(keys), again, strict=True) if not r] == sorted(set(keys))


@given(st.lists(KEYS, min_size=1, max_size=4))
@settings(max_examples=50)
def test_common_keys(models):
    parts = [records(sorted(keys)) for keys in models]
    common = in_all(parts)
    assert common.dtype == KEY
    expected = sorted(set.intersection(*(set(keys) for keys in models)))
    assert sorted(set(common.tolist())) == expected
    if len(models) > 1:
        assert common.tolist() == expected


def test_keys_do_not_share_memory_with_records():
    mine = records([(1, 2), (3, 4)])
    keys = keys_only(mine)
    mine["hi"] = 9
    assert keys.tolist() == [(1, 2), (3, 4)]


# --- orders -----------------------------------------------------------------------------------------------

ORDERED = np.dtype([("hi", "<u8"), ("at", "<i8")])


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=60), st.integers(1, MOST_PARTITIONS))
def test_records_keep_their_order_in_a_partition_and_under_a_key(keys, count):
    made = np.zeros(len(keys), ORDERED)
    made["hi"], made["at"] = np.array(keys, np.uint64), np.arange(len(keys))
    assert sorted_by_key(made).tolist() == sorted(made.tolist())
    ordered, ends = sorted_by_partition(made, count)
    which = partition_of(ordered, count)
    assert ordered.tolist() == sorted(
        made.tolist(), key=lambda r: int(partition_of(made[r[1] : r[1] + 1], count)[0])
    )
    assert ends == np.searchsorted(which, np.arange(count), "right").tolist()
