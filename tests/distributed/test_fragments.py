"""Fragments: every row of every model in exactly one, whatever the files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.data.alignment import Model
from crossent.data.layout import understand
from crossent.data.options import ReadOptions
from crossent.data.readers import open_source
from crossent.data.readers.contract import Source, Window
from crossent.distributed import fragments
from crossent.distributed.fragments import Fragment, side_by_side

FEW = settings(max_examples=40, deadline=None)
COUNTS = st.lists(st.integers(0, 12), min_size=1, max_size=4)


def table(rows: int, first: int = 0) -> pa.Table:
    p = (np.arange(first, first + rows) % 7 + 1) / 8
    return pa.table(
        {
            "row": np.arange(first, first + rows),
            "label": pa.array(["a"] * rows, pa.string()),
            "p_a": p,
            "p_b": 1 - p,
        }
    )


def written(folder: Path, counts: list[int], group: int = 5) -> Source:
    """Files of as many rows each, numbered from the first to the last."""
    folder.mkdir()
    for k, (first, last) in enumerate(pairwise(np.cumsum([0, *counts]).tolist())):
        pq.write_table(table(last - first, first), folder / f"{k}.parquet", row_group_size=group)
    return open_source(folder)


def model(source: Source, name: str = "m") -> Model:
    return Model(name, source, understand(source, ReadOptions()), None, None)


def rows_of(source: Source, *windows: Window) -> list[int]:
    """The numbers of the rows of some windows, the rows' places in their files being right."""
    found: list[int] = []
    part = source.part(windows)
    before = {info.path: sum(f.rows or 0 for f in source.files[:i]) for i, info in enumerate(source.files)}
    for chunk in part.batches(["row"], 3):
        numbers = chunk.table.column("row").to_pylist()
        first = before[chunk.file] + chunk.first_row
        assert numbers == list(range(first, first + len(numbers)))
        found += numbers
    return found


def in_all(listed: list[Fragment], source: Source, index: int) -> list[list[int]]:
    return [rows_of(source, *fragment.windows[index]) for fragment in listed]


@FEW
@given(COUNTS, st.data())
def test_every_row_is_in_one_fragment_of_the_same_rows_of_all_models(counts, data):
    total = sum(counts)
    cut = data.draw(st.integers(0, total), "cut")
    size = data.draw(st.none() | st.integers(1, total + 2), "rows")
    with TemporaryDirectory() as folder:
        one = written(Path(folder) / "one", counts, data.draw(st.integers(1, 12)))
        two = written(Path(folder) / "two", [cut, total - cut], data.draw(st.integers(1, 12)))
        listed = side_by_side([model(one), model(two)], size)
        mine, theirs = in_all(listed, one, 0), in_all(listed, two, 1)
    assert mine == theirs
    assert [row for rows in mine for row in rows] == list(range(total))
    assert [fragment.number for fragment in listed] == list(range(len(listed)))
    assert [fragment.rows for fragment in listed] == [2 * len(rows) for rows in mine]
    if size is not None:
        assert all(len(rows) == size for rows in mine[:-1]) and len(mine[-1]) <= size


@pytest.mark.parametrize("limit", [1, 3_000, 1 << 40])
def test_without_a_number_of_rows_fragments_begin_where_a_file_can_be_read(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(fragments, "BYTES", limit)
    source = written(tmp_path / "m", [23, 0, 17], 5)
    listed = side_by_side([model(source)], None)
    begins = {0, 5, 10, 15, 20, 23, 28, 33, 38}
    starts = [rows[0] for rows in in_all(listed, source, 0)]
    assert set(starts) <= begins and starts[0] == 0
    assert len(starts) == {1: 9, 1 << 40: 1}.get(limit, len(starts))
    assert [row for rows in in_all(listed, source, 0) for row in rows] == list(range(40))


@pytest.mark.parametrize(
    ("tasks", "limit", "counts"),
    [
        (256, 1 << 22, [1] * 20),
        (4, 1 << 22, [5] * 4),
        (6, 1 << 22, [3] * 6 + [2]),
        (1, 1 << 22, [20]),
        (1, 0, [1] * 20),
        (1, 0.3, [6, 6, 6, 2]),
    ],
)
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_small_fragments_are_performed_together(tmp_path, monkeypatch, form, tasks, limit, counts):
    """As many as there are tasks for, of no more bytes than a task may have; none lost and none twice."""
    if form == "parquet":
        source = written(tmp_path / "m", [23, 0, 17], 5)
    else:
        (tmp_path / "m").mkdir()
        for k in range(20):
            pyarrow.csv.write_csv(table(2, 2 * k), tmp_path / "m" / f"{k:02}.csv")
        source = open_source(tmp_path / "m")
    size = sum(file.bytes for file in source.files)
    monkeypatch.setattr(fragments, "TASKS", tasks)
    monkeypatch.setattr(fragments, "TOGETHER", limit if limit != 0.3 else size * 0.31)
    listed = side_by_side([model(source)], 2)
    assert [fragment.count for fragment in listed] == counts
    assert [fragment.number for fragment in listed] == list(range(len(counts)))
    windows = [window for fragment in listed for window in fragment.windows[0]]
    if form == "csv":
        assert windows == [Window(k) for k in range(20)]
    else:
        assert [row for rows in in_all(listed, source, 0) for row in rows] == list(range(40))
        assert all((window.end or 0) - window.begin <= 2 for window in windows)


@pytest.mark.parametrize(("files", "expected"), [((2, 2), 2), ((2, 3), 1), ((1, 1), 1)])
def test_files_of_text_are_not_cut(tmp_path, files, expected):
    """One a file where models have as many files, else all in one: nobody knows how many rows they have."""
    models = []
    for name, count in zip("ab", files, strict=True):
        (tmp_path / name).mkdir()
        for k in range(count):
            pyarrow.csv.write_csv(table(4, 4 * k), tmp_path / name / f"{k}.csv")
        models.append(model(open_source(tmp_path / name), name))
    listed = side_by_side(models, 2)
    assert len(listed) == expected and all(fragment.rows is None for fragment in listed)
    for index, count in enumerate(files):
        windows = [window for fragment in listed for window in fragment.windows[index]]
        assert windows == [Window(k) for k in range(count)]


@FEW
@given(st.integers(0, 20), st.lists(st.integers(0, 20), max_size=2))
def test_a_part_of_a_table_in_memory(rows, some):
    begin, end = sorted([*some, *[rows] * (2 - len(some))])
    begin, end = min(begin, rows), min(end, rows)
    source = open_source(table(rows), name="t")
    assert rows_of(source, Window(0, begin, end)) == list(range(begin, end))
    assert rows_of(source, Window(0, begin)) == list(range(begin, rows))
    again = source.part([Window(0, begin)]).part([Window(0, 0, max(0, end - begin))])
    assert again.rows is not None and [c.first_row for c in again.batches(["row"], 99)] in ([begin], [])


def test_a_model_with_none_of_its_rows(tmp_path):
    for source in (written(tmp_path / "m", [4, 3]), open_source(table(5), name="t")):
        assert list(model(source).part(()).stream((), 10)) == []
