"""Fragments: the parts of the data that are computed apart, on whatever machine, and counted once.

All models are cut at the same rows, so that a fragment holds the same rows of each as long as their ids run
in the same order; whether they do is checked where a fragment is computed, not assumed. Files whose number of
rows is not known before they are read (CSV, JSON Lines) are fragments as a whole.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise

from crossent.data.alignment import Model
from crossent.data.readers.contract import Source, Window

BYTES = 64 << 20
"""Of files that a fragment takes unless told how many rows: a second or two of work."""
TOGETHER = 4 << 20
"""Of files: fragments that are smaller are performed one after another in one task until they hold as much,
because a task costs 5 ms beside its rows, and a fragment within one 1 to 2 ms (benchmarks/scaling.py)."""
TASKS = 256
"""That there are at least before fragments are put together, so that every worker has some."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """Some rows: for each model the windows of its files. `rows` counts those of all models, if known;
    `count` says how many fragments it was before small ones were put together.
    """

    number: int
    windows: tuple[tuple[Window, ...], ...]
    rows: int | None = None
    count: int = 1


def side_by_side(models: Sequence[Model], rows: int | None) -> list[Fragment]:
    """Fragments that hold the same rows of every model, if the models' rows run in the same order.

    rows : how many a fragment has; without it some `BYTES` of files, cut where the first model's formats
        can begin to read. Small ones are put `together`.
    """
    sources = [model.source for model in models]
    counts = {source.rows for source in sources}
    if None in counts or len(counts) > 1:
        return together(_by_files(sources), sources)
    (count,) = counts
    assert count is not None
    return together(between(models, _every(rows, count) if rows else _at_cuts(sources, count)), sources)


def together(listed: Sequence[Fragment], sources: Sequence[Source]) -> list[Fragment]:
    """Small fragments that follow one another as one, of `TOGETHER` bytes at most, and no fewer than `TASKS`.

    What is together depends on nothing but the fragments, so that a run that is resumed finds the same.
    """
    most = len(listed) // TASKS
    if most < 2:
        return list(listed)
    size_of = _sizes(listed, sources)
    groups: list[list[Fragment]] = []
    room = 0.0
    for fragment in listed:
        size = size_of(fragment)
        if groups and len(groups[-1]) < most and size <= room:
            groups[-1].append(fragment)
        else:
            groups.append([fragment])
            room = TOGETHER
        room -= size
    return [_one(number, group) for number, group in enumerate(groups)]


def _sizes(listed: Sequence[Fragment], sources: Sequence[Source]) -> Callable[[Fragment], float]:
    """Bytes of a fragment: those of its files, or its share of all."""
    rows = sum(fragment.rows or 0 for fragment in listed)
    every = sum({id(s): sum(f.bytes for f in s.files) for s in sources}.values())

    def size(fragment: Fragment) -> float:
        if fragment.rows is not None:
            return every * fragment.rows / max(rows, 1)
        pairs = zip(sources, fragment.windows, strict=True)
        return sum(source.files[window.file].bytes for source, windows in pairs for window in windows)

    return size


def _one(number: int, group: Sequence[Fragment]) -> Fragment:
    """All rows of some fragments, each window by itself."""
    rows = [fragment.rows for fragment in group]
    return Fragment(
        number,
        tuple(_filled(chain.from_iterable(parts)) for parts in zip(*(f.windows for f in group), strict=True)),
        None if None in rows else sum(r or 0 for r in rows),
        sum(fragment.count for fragment in group),
    )


def _filled(windows: Iterable[Window]) -> tuple[Window, ...]:
    """Those that hold rows, or one that holds none."""
    return tuple(window for window in windows if window.begin != window.end) or (Window(0, 0, 0),)


def between(models: Sequence[Model], edges: Sequence[int]) -> list[Fragment]:
    """Fragments from edge to edge, rows being counted over all files of a model."""
    spans = [_Spans(model.source) for model in models]
    return [
        Fragment(number, tuple(s.windows(begin, end) for s in spans), (end - begin) * len(models))
        for number, (begin, end) in enumerate(pairwise(edges))
    ]


def whole(models: Sequence[Model]) -> list[Fragment]:
    """All rows of all models in one fragment."""
    return [_all_of([model.source for model in models])]


def _by_files(sources: Sequence[Source]) -> list[Fragment]:
    """One fragment a file where all models have as many files, else one of everything."""
    files = {len(source.files) for source in sources}
    if len(files) > 1:
        return [_all_of(sources)]
    return [Fragment(i, tuple((Window(i),) for _ in sources)) for i in range(files.pop())]


def _all_of(sources: Sequence[Source]) -> Fragment:
    return Fragment(0, tuple(tuple(Window(i) for i in range(len(source.files))) for source in sources))


def _every(rows: int, count: int) -> list[int]:
    return [*range(0, count, rows), count] if count else [0, 0]


def _at_cuts(sources: Sequence[Source], count: int) -> list[int]:
    """Edges at the first source's cuts, some BYTES of all sources apart."""
    size = sum({id(s): sum(f.bytes for f in s.files) for s in sources}.values())
    step = max(1, count * BYTES // max(size, 1))
    edges = [0]
    starts = _starts(sources[0])
    for start, cuts in zip(starts, sources[0].cuts, strict=False):
        edges.extend(start + cut for cut in cuts if start + cut >= edges[-1] + step)
    # a short rest goes with what is before it
    if len(edges) > 1 and count - edges[-1] < step // 2:
        edges.pop()
    return [*edges, count]


def _starts(source: Source) -> list[int]:
    """The number of rows before each file, and of all."""
    return [0, *accumulate(file.rows or 0 for file in source.files)]


class _Spans:
    """Where rows counted over all files lie in them."""

    def __init__(self, source: Source) -> None:
        self._starts = _starts(source)

    def windows(self, begin: int, end: int) -> tuple[Window, ...]:
        first, last = bisect_right(self._starts, begin) - 1, bisect_left(self._starts, end)
        return _filled(self._window(i, begin, end) for i in range(first, last))

    def _window(self, file: int, begin: int, end: int) -> Window:
        start, stop = self._starts[file], self._starts[file + 1]
        return Window(file, max(begin - start, 0), min(end, stop) - start)
