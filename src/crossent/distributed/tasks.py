"""What is done with a fragment on a worker."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from crossent.data.alignment import Model
from crossent.data.identity import one_run
from crossent.data.readers.contract import FileInfo
from crossent.data.readers.files import FileSource, file_info
from crossent.data.readers.places import Place, stamp
from crossent.distributed.fragments import Fragment
from crossent.distributed.wire import encode
from crossent.engines.passes import Job, state_of_one, zipped_state
from crossent.errors import DataError


@dataclass(frozen=True)
class SideBySide:
    """The same rows of all models. Raises OrderDiffers where they turn out not to be the same."""

    number: int
    job: Job

    def perform(self) -> bytes:
        with_same_files(self.job.models)
        state = zipped_state(self.job)
        with_same_files(self.job.models)
        state.runs = one_run(self.number, state.runs)
        return encode(state)


@dataclass(frozen=True)
class Alone:
    """Some rows of one model, paired with no other's."""

    number: int
    job: Job
    index: int

    def perform(self) -> bytes:
        model = self.job.models[self.index]
        with_same_files([model])
        state = state_of_one(self.job, self.index, self.job.apart())
        with_same_files([model])
        return encode(state)


def part(job: Job, fragment: Fragment) -> Job:
    """The job with nothing but the rows of a fragment, for one thread of a worker."""
    # columns of one table stay columns of one table
    sources = {
        id(model.source): model.source.part(windows)
        for model, windows in zip(job.models, fragment.windows, strict=True)
    }
    models = [
        model.part(windows, sources[id(model.source)])
        for model, windows in zip(job.models, fragment.windows, strict=True)
    ]
    return _for_worker(replace(job, models=models))


def part_of_one(job: Job, index: int, fragment: Fragment) -> Job:
    """The job with the rows of a fragment of one model, and none of the others'."""
    models = [
        model.part(fragment.windows[0]) if i == index else model.part(())
        for i, model in enumerate(job.models)
    ]
    return _for_worker(replace(job, models=models))


def _for_worker(job: Job) -> Job:
    return replace(job, threads=1, progress=_unseen)


_this_thread = threading.local()


def stop_with(event: threading.Event) -> None:
    """What this thread computes ends when the event is set."""
    _this_thread.stop = event


def _unseen(rows: int) -> None:
    """Progress is shown where the outcomes come home; here it is a moment to stop at."""
    stop: threading.Event | None = getattr(_this_thread, "stop", None)
    if stop is not None and stop.is_set():
        raise KeyboardInterrupt


_known: dict[str, tuple[int, object, str]] = {}
"""Of files that were the same as when the fragments were listed: size, time or ETag, and digest."""


def with_same_files(models: Sequence[Model]) -> None:
    """Raise DataError where a file is no longer the one that was listed."""
    for model in models:
        if isinstance(model.source, FileSource):
            for info, reader in zip(model.source.files, model.source.readers, strict=True):
                _check_same(info, reader.path)


def _check_same(info: FileInfo, place: Place) -> None:
    found = stamp(place)
    if found is None:
        raise _changed(info, "is not there any more")
    seen = (*found, info.digest)
    if _known.get(info.path) == seen:
        return
    if found[0] != info.bytes or file_info(place).digest != info.digest:
        raise _changed(info, "has changed since its rows were listed")
    _known[info.path] = seen


def _changed(info: FileInfo, how: str) -> DataError:
    return DataError(
        "file-changed",
        f"the file {how}",
        file=info.path,
        cure="parts of the rows may have been read before: put it back, or run again from the start",
    )
